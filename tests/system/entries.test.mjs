// What one call writes is one entry, and an entry has to go into one message of the log, 1 MiB where NATS is as it comes. Each
// of these once wrote more, and then nothing went on any more, for anybody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const pick = ({ project, task_id, lease }) => ({ project, task_id, lease });

async function goesOn() {
	const { project, type } = fresh("after");
	await stack.client.submit(project, { task_id: "a" });
	assert.ok((await stack.client.settle(await stack.client.take(type))).ok);
}

async function submitMany(project, tasks) {
	for (let at = 0; at < tasks.length; at += 250) await stack.client.submitBatch(project, tasks.slice(at, at + 250));
}

test("results of almost 1 MB, their dependents, and as much new work as there can be, in one request", { timeout: 120000 }, async () => {
	const { project, type } = fresh("full");
	const traceparent = `00-${"4bf92f3577b34da6a3ce929d0e0e4736"}-00f067aa0ba902b7-01`;
	const long = (word, i) => `${word}-${i}-${"x".repeat(100)}`;
	await submitMany(project, range(4).map((i) => ({ task_id: `first-${i}`, priority: 10 })));
	await submitMany(project, range(500).map((i) => ({ task_id: long("next", i), traceparent, dependencies: [`first-${i % 4}`] })));
	await submitMany(project, range(300).map((i) => ({ task_id: long("other", i), traceparent })));
	const { tasks } = await stack.client.work(type, { max: 4, lease_ms: 60000 });
	const done = tasks.map((task) => ({ ...pick(task), outcome: "completed", result: { text: "y".repeat(248000) } }));
	const reply = await stack.client.work(type, { max: 256, lease_ms: 60000, done });
	assert.deepEqual(reply.done.map(({ ok, status }) => [ok, status]), Array(4).fill([true, "completed"]));
	await until("every dependent is ready", async () => {
		const counts = await stack.client.ok("status", { project });
		return counts.blocked_count === 0 && counts.completed_count === 4;
	}, { seconds: 30 });
	await goesOn();
	assert.deepEqual(await stack.witness.problems(project), []);
});

test("a batch of failed tasks comes back with thousands that were skipped because of them", { timeout: 180000 }, async () => {
	const { project, type } = fresh("again");
	const roots = range(6), batch_id = "b";
	await stack.client.submitBatch(project, roots.map((i) => ({ task_id: `root-${i}`, max_retries: 0 })), { batch_id });
	await submitMany(project, range(6000).map((i) => ({ task_id: `child-${i}-${"x".repeat(100)}`, dependencies: [`root-${i % 6}`] })));
	const { tasks } = await stack.client.work(type, { max: 6, lease_ms: 60000 });
	const done = tasks.map((task) => ({ ...pick(task), outcome: "failed", error: { message: "no" } }));
	await stack.client.ok(`settle.${type}`, { worker: "w1", done });
	await stack.witness.ended(project, 6006, { seconds: 60 });
	const reply = await stack.client.ok("task.retry", { project, batch_id, cascade: true }, { timeout: 60000 });
	assert.deepEqual([reply.tasks.map(({ ok }) => ok), reply.total], [Array(6).fill(true), 6]);
	await until("all are back", async () => {
		const counts = await stack.client.ok("status", { project });
		return counts.pending_count === 6 && counts.blocked_count === 6000;
	}, { seconds: 30 });
	await goesOn();
});

test("a retry that would take along more than an entry holds is refused, and changes nothing", { timeout: 120000 }, async () => {
	const { project, type } = fresh("wide");
	await stack.client.submit(project, { task_id: "root", max_retries: 0 });
	await submitMany(project, range(5000).map((i) => ({ task_id: `child-${i}`, dependencies: ["root"] })));
	await stack.client.settle(await stack.client.take(type), "failed", { error: { message: "no" } });
	await stack.witness.ended(project, 5001, { seconds: 60 });
	const { tasks: [{ ok, error }] } = await stack.client.ok("task.retry", { project, task_id: "root", cascade: true }, { timeout: 60000 });
	assert.deepEqual([ok, error.code], [false, "limit_exceeded"]);
	const counts = await stack.client.ok("status", { project });
	assert.deepEqual([counts.failed_count, counts.skipped_count], [1, 5000]);
	await goesOn();
});

test("thousands of leases that run out at the same time", { timeout: 180000 }, async () => {
	const { project, type } = fresh("lost");
	await submitMany(project, range(6000).map((i) => ({ task_id: `t${i}-${"x".repeat(100)}`, max_retries: 0 })));
	const end = Date.now() + 8000;
	for (let leased = 0; leased < 6000;) leased += (await stack.client.work(type, { max: 256, lease_ms: Math.max(1000, end - Date.now()) })).tasks.length;
	await stack.witness.ended(project, 6000, { seconds: 90 });
	const rows = await stack.witness.sql(`SELECT status, error_code, COUNT(*) n FROM tasks WHERE project='${project}' GROUP BY 1, 2`);
	assert.deepEqual(rows, [{ status: "failed", error_code: "worker_lost", n: "6000" }]);
	await goesOn();
});

test("the reply to a command about a large batch names the first thousand, and how many there are", { timeout: 120000 }, async () => {
	const { project } = fresh("many");
	const batch_id = "large";
	for (const part of range(5)) {
		await stack.client.ok("submit", { project, batch_id, part: part + 1, tasks: range(250).map((i) => ({ task_id: `t${part}-${i}`, task_type: "t" })) });
	}
	await stack.client.ok("submit", { project, batch_id, seal: 5 }, { timeout: 60000 });
	const reply = await stack.client.ok("task.cancel", { project, batch_id }, { timeout: 60000 });
	assert.deepEqual([reply.tasks.length, reply.total], [1000, 1250]);
	assert.ok(reply.tasks.every(({ ok, status }) => ok && status === "cancelled"));
});
