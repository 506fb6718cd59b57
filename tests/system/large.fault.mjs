// One batch of 100,000 tasks, submitted with one command; then Redis loses all of it and gets it back.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { Corder } from "./corder.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const count = 100000;
const width = 1000;
const { project, type } = fresh("large");

let stack;
let witness;
let corder;
let client;
before(async () => {
	stack = await new Stack({ instances: 2 }).start();
	witness = new Witness(stack.addresses);
	corder = new Corder(stack);
	client = await Client.open(stack.addresses);
	client.patient = true;
}, { timeout: 120000 });
after(async () => {
	corder?.close();
	await client?.close();
	await stack?.stop();
});

// Layers of a thousand; each task depends on three of the layer before.
const layerBefore = (n) => (Math.floor(n / width) - 1) * width;
const dependencies = (n) => (n < width ? [] : [0, 1, 2].map((k) => `t${layerBefore(n) + ((n * 7 + k * 331) % width)}`));
const line = (n) => JSON.stringify({ task_id: `t${n}`, task_type: type, dependencies: dependencies(n) });

// What the services count: completed, pending and blocked tasks.
async function counts() {
	const { completed_count, pending_count, blocked_count } = await client.ok("status", { project });
	return [completed_count, pending_count, blocked_count];
}

test("100,000 tasks are one batch, admitted whole", { timeout: 300000 }, async () => {
	writeFileSync(join(corder.folder, "large.jsonl"), range(count).map(line).join("\n"));
	const { code, out, err } = await corder.run("submit", "large.jsonl", "-p", project, "--json", { seconds: 280 });
	assert.equal(code, 0, err);
	assert.equal(JSON.parse(out).task_count, count);
	assert.deepEqual(await counts(), [0, width, count - width]);
	const query = `SELECT COUNT(*) n, COUNT(DISTINCT batch_id) batches FROM tasks WHERE project='${project}'`;
	const rows = async () => Object.values((await witness.sql(query))[0]).join(" ");
	await until("all of them are rows", async () => (await rows()) === `${count} 1`, { seconds: 120, everyMs: 500 });
});

test("a Redis that has lost them gets all of them back", { timeout: 300000 }, async () => {
	await witness.redisCli("FLUSHALL");
	const settled = new Set();
	const deadline = Date.now() + 200000;
	while (settled.size < width && Date.now() < deadline) {
		const { tasks } = await client.work(type, { max: Math.min(100, width - settled.size), wait_ms: 1000 });
		if (tasks.length === 0) continue;
		const done = tasks.map(({ task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
		const verdicts = (await client.ok(`settle.${type}`, { worker: "w1", done })).done;
		for (const { task_id, ok } of verdicts) if (ok) settled.add(task_id);
	}
	assert.equal(settled.size, width);
	assert.deepEqual(await counts(), [width, width, count - 2 * width]);
});
