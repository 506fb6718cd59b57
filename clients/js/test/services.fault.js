// All five services are killed; run when nobody else is on the stack.
import { MemorySaver } from "@langchain/langgraph";
import { drive } from "corder/langgraph";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { build } from "./support/crashing.js";
import { did, names, prepare } from "./support/graphs.js";
import { until } from "./support/until.js";

test("all five services are killed while graphs wait in both ways", async () => {
	const { manager, task_type, ran, worker, count, config } = await prepare();
	const graphs = Object.fromEntries(
		["block", "interrupt"].map((how) => [how, build(task_type, how).compile({ checkpointer: new MemorySaver() })]),
	);
	const input = { services: ["a", "b", "c"] };
	const under = (thread_id) => ({ ...config, configurable: { thread_id } });
	const both = Promise.all([
		drive(graphs.interrupt, input, under("one"), { manager }),
		graphs.block.invoke(input, under("two")),
	]);
	await until("both have submitted", async () => (await count()) === 4);
	const services = execFileSync("ps", ["-o", "pid=,comm=", "--ppid", process.env.CORDER_TEST_UP], { encoding: "utf8" });
	const pids = [...services.matchAll(/(\d+) corder-/g)].map(([, pid]) => Number(pid));
	assert.equal(pids.length, 5);
	for (const pid of pids) process.kill(pid, "SIGKILL");
	worker.start();
	const [{ values }, blocked] = await both;
	worker.stop();
	assert.deepEqual([values.results, blocked.results], [did(names), did(names)]);
	assert.equal(await count(), 2 * names.length);
	assert.equal(ran.length, 2 * names.length);
});
