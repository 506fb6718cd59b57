import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const soon = { initial_ms: 20, factor: 1, max_ms: 20 };

async function leased(task = {}) {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a", ...task });
	return { project, type, task: await stack.client.take(type) };
}

test("a result of any JSON kind comes back as it was sent", async () => {
	for (const result of [{ a: [1, { b: "ä\"" }] }, [1], "text", 1.5, false, null]) {
		const { project, task } = await leased();
		assert.equal((await stack.client.settle(task, "completed", { result })).status, "completed");
		const read = await stack.client.get(project, "a");
		assert.deepEqual([read.status, read.result], ["completed", result]);
		assert.ok(read.finished_at !== null && read.actual_duration >= 0);
	}
});

test("a failed try is tried again with its error kept, until no tries are left", async () => {
	const { project, type, task } = await leased({ max_retries: 2, retry_backoff: soon });
	assert.equal(task.error, undefined);
	const error = { message: "2 tests \"failed\"\nsee log" };
	assert.equal((await stack.client.settle(task, "failed", { error })).status, "retry");
	// Of a task that goes on, what MySQL does not have yet is left out.
	const told = await until("MySQL has the error", async () => (await stack.client.get(project, "a")).error);
	assert.deepEqual(told, { code: "task_error", message: error.message });
	for (const [attempt, status] of [[2, "retry"], [3, "failed"]]) {
		const next = await stack.client.take(type);
		assert.deepEqual([next.attempt, next.retry_count], [attempt, attempt - 1]);
		assert.deepEqual(next.error, { code: "task_error", message: error.message }, "who tries again knows what went wrong");
		assert.equal((await stack.client.settle(next, "failed", { error })).status, status);
	}
	const ended = await stack.client.get(project, "a");
	assert.deepEqual([ended.status, ended.retry_count, ended.error.code], ["failed", 2, "task_error"]);
	const tries = ended.attempts.map(({ attempt, outcome }) => [attempt, outcome]);
	assert.deepEqual(tries, [[1, "failed"], [2, "failed"], [3, "failed"]]);
});

test("an error that is not retryable ends the task at once", async () => {
	const { project, task } = await leased({ max_retries: 5 });
	const verdict = await stack.client.settle(task, "failed", { error: { message: "no such branch", retryable: false } });
	assert.equal(verdict.status, "failed");
	assert.deepEqual((await stack.client.get(project, "a")).error, { code: "task_error", message: "no such branch" });
});

test("a released task is ready again and no try is counted as a retry", async () => {
	const { type, task } = await leased();
	assert.equal((await stack.client.settle(task, "released")).status, "pending");
	const again = await stack.client.take(type);
	assert.deepEqual([again.task_id, again.retry_count, again.error], ["a", 0, undefined]);
	assert.notEqual(again.lease, task.lease);
});

test("a stale, a foreign and an empty lease settle nothing", async () => {
	const { project, type, task } = await leased();
	const other = await leased();
	for (const lease of ["", "made-up", other.task.lease]) {
		const verdict = await stack.client.settle({ ...task, lease });
		assert.deepEqual([verdict.ok, verdict.error?.code], [false, "stale_lease"], `lease ${lease}`);
	}
	await stack.client.settle(task, "released");
	const again = await stack.client.take(type);
	assert.equal((await stack.client.settle(task)).error?.code, "stale_lease", "the lease of the try before");
	assert.equal(await stack.client.statusOf(project, "a"), "running");
	assert.equal((await stack.client.settle(again)).status, "completed");
});

test("a task that does not exist cannot be settled", async () => {
	const { project, type } = fresh();
	const verdict = await stack.client.settle({ project, task_type: type, task_id: "nobody", lease: "x" });
	assert.ok(["not_found", "stale_lease"].includes(verdict.error.code), verdict.error.code);
});

test("the same settle again gets the same answer and changes nothing", async () => {
	const { project, task } = await leased();
	assert.equal((await stack.client.settle(task, "completed", { result: 1 })).status, "completed");
	const { version } = await stack.client.get(project, "a");
	assert.equal((await stack.client.settle(task, "completed", { result: 1 })).status, "completed");
	const read = await stack.client.get(project, "a");
	assert.deepEqual([read.version, read.result], [version, 1]);
});

test("twenty settles of one lease at once end the task once", async () => {
	const { project, task } = await leased();
	const verdicts = await Promise.all(range(20).map((n) => stack.client.settle(task, "completed", { result: n })));
	assert.ok(verdicts.every(({ ok, status }) => ok && status === "completed"));
	await stack.witness.ended(project, 1);
	const ends = (await stack.witness.events(project)).filter(({ status }) => status === "completed");
	assert.equal(ends.length, 1);
});

test("a result that is too large fails alone and the task keeps running", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [{ task_id: "a" }, { task_id: "b" }]);
	const { tasks } = await stack.client.work(type, { max: 2 });
	const done = tasks.map(({ task_id, lease }) => ({ project, task_id, lease, outcome: "completed", result: 1 }));
	done[0].result = "x".repeat(300000);
	const reply = await stack.client.ok(`settle.${type}`, { worker: "w1", done });
	assert.deepEqual([reply.done[0].ok, reply.done[0].error?.code, reply.done[1].ok], [false, "too_large", true]);
	assert.equal(await stack.client.statusOf(project, tasks[0].task_id), "running");
	done[0].result = "x".repeat(200000);
	assert.equal((await stack.client.ok(`settle.${type}`, { worker: "w1", done: [done[0]] })).done[0].status, "completed");
});

test("ack archived answers a settle only after MySQL has it", async () => {
	const { project, type, task } = await leased();
	const item = { project, task_id: "a", lease: task.lease, outcome: "completed", result: { x: "ä" } };
	await stack.client.ok(`settle.${type}`, { worker: "w1", done: [item], ack: "archived" });
	const [row] = await stack.witness.rows(project);
	assert.deepEqual([row.status, row.result], ["completed", '{"x":"ä"}']);
});

test("a settled task is in MySQL as its events tell it", async () => {
	const { project, type, task } = await leased({ retry_backoff: soon });
	await stack.client.settle(task, "failed", { error: { message: "once" } });
	await stack.client.settle(await stack.client.take(type), "completed", { result: 1 });
	await stack.witness.ended(project, 1);
	await until("no difference", async () => (await stack.witness.problems(project)).length === 0);
	const statuses = (await stack.witness.events(project)).map(({ status }) => status);
	assert.deepEqual(statuses, ["pending", "running", "retry", "pending", "running", "completed"]);
	const attempts = await stack.witness.sql(`SELECT a.* FROM task_attempts a JOIN tasks t USING (partition_id, number)
		WHERE project='${project}' ORDER BY a.attempt`);
	assert.deepEqual(attempts.map(({ attempt, outcome }) => [attempt, outcome]), [["1", "failed"], ["2", "completed"]]);
});
