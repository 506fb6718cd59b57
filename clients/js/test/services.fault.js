// Services are killed, or answer nothing; run when nobody else is on the stack.
import { MemorySaver } from "@langchain/langgraph";
import { NoAnswer, connect } from "corder";
import { TaskQueueManager, drive } from "corder/langgraph";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { build } from "./support/crashing.js";
import { did, names, prepare } from "./support/graphs.js";
import { until } from "./support/until.js";

// Process ids by name.
function services() {
	const list = execFileSync("ps", ["-o", "pid=,comm=", "--ppid", process.env.CORDER_TEST_UP], { encoding: "utf8" });
	return new Map([...list.matchAll(/(\d+) corder-(\w+)/g)].map(([, pid, name]) => [name, Number(pid)]));
}

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
	const running = services();
	assert.equal(running.size, 5);
	for (const pid of running.values()) process.kill(pid, "SIGKILL");
	worker.start();
	const [{ values }, blocked] = await both;
	worker.stop();
	assert.deepEqual([values.results, blocked.results], [did(names), did(names)]);
	assert.equal(await count(), 2 * names.length);
	assert.equal(ran.length, 2 * names.length);
});

test("a driver outlasts a service that answers nothing for longer than the client is patient", async () => {
	const { client, task_type, worker, config } = await prepare();
	const impatient = await connect({ project: client.project, patienceMs: 100 });
	const graph = build(task_type, "interrupt").compile({ checkpointer: new MemorySaver() });
	await graph.invoke({ services: ["a", "b", "c"] }, config);
	let unanswered = 0;
	const wait = impatient.wait.bind(impatient);
	impatient.wait = (...all) =>
		wait(...all).catch((error) => {
			if (error instanceof NoAnswer) unanswered++;
			throw error;
		});
	const manager = new TaskQueueManager(impatient);
	const monitor = services().get("monitor");
	process.kill(monitor, "SIGSTOP");
	const driven = drive(graph, null, config, { manager });
	try {
		await until("waits without an answer", () => unanswered > 1);
	} finally {
		process.kill(monitor, "SIGCONT");
	}
	worker.start();
	assert.deepEqual((await driven).values.results, did(names));
	worker.stop();
	await impatient.close();
});
