import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const soon = { initial_ms: 20, factor: 1, max_ms: 20 };

async function leased(task = {}, request = {}) {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a", retry_backoff: soon, ...task });
	return { project, type, task: await stack.client.take(type, request) };
}

async function renew({ project, task_id, lease, task_type }, more = {}, lease_ms = 30000) {
	const leases = [{ project, task_id, lease, ...more }];
	return (await stack.client.ok(`renew.${task_type}`, { worker: "w1", leases, lease_ms })).leases[0];
}

test("a lease that nobody renews ends the try as worker_lost and fences its worker off", async () => {
	const { project, type, task } = await leased({}, { lease_ms: 200 });
	const next = await stack.client.take(type, { wait_ms: 20000 });
	assert.deepEqual([next.task_id, next.attempt, next.retry_count, next.error.code], ["a", 2, 1, "worker_lost"]);
	assert.equal((await stack.client.settle(task)).error?.code, "stale_lease");
	assert.equal((await renew(task)).error?.code, "stale_lease");
	assert.equal((await stack.client.settle(next)).status, "completed");
	const { attempts } = await stack.client.get(project, "a");
	assert.deepEqual(attempts.map(({ outcome }) => outcome), ["worker_lost", "completed"]);
});

test("a task whose last try was lost fails with code worker_lost", async () => {
	const { project } = await leased({ max_retries: 0 }, { lease_ms: 150 });
	await until("failed", async () => (await stack.client.statusOf(project, "a")) === "failed");
	assert.equal((await stack.client.get(project, "a")).error.code, "worker_lost");
});

test("a task that takes its workers down fails after CORDER_MAX_LOST of them, whatever its retries", { timeout: 60000 }, async () => {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a", task_type: type, max_retries: 50, retry_backoff: { initial_ms: 1, max_ms: 1 } });
	for (let lost = 0; lost < 4; lost++) await stack.client.take(type, { lease_ms: 150, wait_ms: 20000 });
	await until("failed", async () => (await stack.client.statusOf(project, "a")) === "failed");
	const { error, attempts } = await stack.client.get(project, "a");
	assert.equal(error.code, "worker_lost");
	assert.match(error.message, /4 times: CORDER_MAX_LOST allows 3/);
	assert.deepEqual(attempts.map(({ outcome }) => outcome), ["worker_lost", "worker_lost", "worker_lost", "worker_lost"]);
	const [{ ok }] = (await stack.client.ok("task.retry", { project, task_ids: ["a"] })).tasks;
	assert.ok(ok, "a person may try again");
	const again = await stack.client.take(type);
	assert.match(again.error.message, /CORDER_MAX_LOST/);
	assert.equal((await stack.client.settle(again)).status, "completed");
});

test("renewing keeps the lease beyond its first end", async () => {
	const { task } = await leased({}, { lease_ms: 1500 });
	const firstEnd = new Date(task.lease_until).getTime();
	const verdict = await renew(task);
	assert.deepEqual([verdict.ok, verdict.cancel], [true, false]);
	assert.ok(new Date(verdict.lease_until).getTime() > firstEnd + 10000);
	await until("the first end has passed", () => Date.now() > firstEnd + 500);
	assert.equal((await stack.client.settle(task)).status, "completed");
});

test("a try that runs longer than its timeout ends with code timeout, however often it is renewed", async () => {
	const { project, type, task } = await leased({ timeout: 0.4, max_retries: 1 }, { lease_ms: 60000 });
	await until("the lease is stale", async () => (await renew(task)).error?.code === "stale_lease", { everyMs: 50 });
	const second = await stack.client.take(type, { wait_ms: 10000 });
	assert.equal(second.attempt, 2);
	assert.ok(new Date(second.lease_until) - Date.now() < 5000, "the lease ends with the timeout");
	await until("failed", async () => (await stack.client.statusOf(project, "a")) === "failed");
	const read = await stack.client.get(project, "a");
	assert.equal(read.error.code, "timeout");
	assert.deepEqual(read.attempts.map(({ outcome }) => outcome), ["timeout", "timeout"]);
	await stack.witness.ended(project, 1);
	assert.equal((await stack.witness.events(project)).at(-1).reason, "timeout");
});

test("progress is published as it came", async () => {
	const { project, type, task } = await leased();
	const heard = stack.client.listen(`progress.${project}.${type}`, "progress");
	const progress = { percent: 40, message: "linking \"cart\"", output: "…" };
	await renew(task, { progress });
	await until("the progress", () => heard.list.length > 0);
	heard.stop();
	assert.deepEqual(heard.problems, []);
	const [{ body }] = heard.list;
	assert.deepEqual([body.task_id, body.worker, body.progress], ["a", "w1", progress]);
});

test("a cancelled task tells its worker at the next renew and ends as cancelled", async () => {
	const { project, task } = await leased();
	const reply = await stack.client.ok("task.cancel", { project, task_id: "a", reason: "not needed" });
	assert.deepEqual([reply.tasks[0].ok, reply.tasks[0].status], [true, "running"]);
	const verdict = await renew(task);
	assert.deepEqual([verdict.ok, verdict.cancel], [true, true]);
	assert.equal((await stack.client.settle(task, "failed", { error: { message: "stopped" } })).status, "cancelled");
	assert.equal(await stack.client.statusOf(project, "a"), "cancelled");
});

test("a cancelled task whose worker is lost ends as cancelled, not retried", async () => {
	const { project } = await leased({}, { lease_ms: 200 });
	await stack.client.ok("task.cancel", { project, task_id: "a" });
	await until("cancelled", async () => (await stack.client.statusOf(project, "a")) === "cancelled");
});

test("a lease of another task renews nothing", async () => {
	const one = await leased();
	const two = await leased();
	assert.equal((await renew({ ...one.task, lease: two.task.lease })).error?.code, "stale_lease");
	assert.equal((await renew({ ...one.task, lease: "" })).error?.code, "stale_lease");
	assert.equal((await stack.client.settle(one.task)).status, "completed");
});
