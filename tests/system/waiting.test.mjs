import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, ids, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();

test("a task with not_before is blocked by time until then", async () => {
	const { project, type } = fresh();
	const at = new Date(Date.now() + 1500);
	const { tasks } = await stack.client.submit(project, { task_id: "a", not_before: at.toISOString() });
	assert.equal(tasks[0].status, "blocked");
	assert.deepEqual((await stack.client.get(project, "a")).waits_for, ["time"]);
	const task = await stack.client.take(type, { wait_ms: 20000 });
	assert.ok(Date.now() >= at.getTime() - 5, "not early");
	assert.ok(Date.now() < at.getTime() + 4000, "not late");
	assert.equal(task.task_id, "a");
});

test("a not_before that has passed is no wait", async () => {
	const { project } = fresh();
	const { tasks } = await stack.client.submit(project, { not_before: "2020-01-01T00:00:00Z" });
	assert.equal(tasks[0].status, "pending");
});

test("the wait before a retry grows by the factor and stays within its jitter", async () => {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a", retry_backoff: { initial_ms: 300, factor: 3, max_ms: 60000 } });
	for (const expected of [300, 900]) {
		await stack.client.settle(await stack.client.take(type), "failed");
		const failedAt = Date.now();
		assert.equal(await stack.client.statusOf(project, "a"), "retry");
		await until("ready again", async () => (await stack.client.statusOf(project, "a")) === "pending");
		const took = Date.now() - failedAt;
		assert.ok(took >= expected * 0.45 && took < expected + 3000, `${took} ms for ${expected}`);
	}
});

test("a task on hold waits for its approval", async () => {
	const { project, type } = fresh();
	const { tasks } = await stack.client.submit(project, { task_id: "a", hold: true });
	assert.equal(tasks[0].status, "blocked");
	assert.deepEqual((await stack.client.get(project, "a")).waits_for, ["approval"]);
	const reply = await stack.client.ok("task.approve", { project, task_id: "a" });
	assert.deepEqual([reply.tasks[0].ok, reply.tasks[0].status], [true, "pending"]);
	assert.equal((await stack.client.take(type)).task_id, "a");
	const again = await stack.client.ok("task.approve", { project, task_id: "a" });
	assert.equal(again.tasks[0].error.code, "wrong_status");
});

test("a task on hold that is rejected is cancelled and its dependents are skipped", async () => {
	const { project } = fresh();
	await stack.client.submitBatch(project, [{ task_id: "a", hold: true }, { task_id: "b", dependencies: ["a"] }]);
	const reply = await stack.client.ok("task.reject", { project, task_id: "a", reason: "too risky" });
	assert.equal(reply.tasks[0].status, "cancelled");
	await until("skipped", async () => (await stack.client.statusOf(project, "b")) === "skipped");
});

test("a task that waits for several things waits for all of them", async () => {
	const { project, type } = fresh();
	const not_before = new Date(Date.now() + 700).toISOString();
	await stack.client.submitBatch(project, [
		{ task_id: "first", priority: 10 },
		{ task_id: "all", hold: true, not_before, dependencies: ["first"] },
	]);
	assert.deepEqual([...(await stack.client.get(project, "all")).waits_for].sort(), ["approval", "dependency", "time"]);
	await stack.client.settle(await stack.client.take(type));
	const waitsFor = async () => [...(await stack.client.get(project, "all")).waits_for].sort().join();
	await until("only the approval is left", async () => (await waitsFor()) === "approval");
	await stack.client.ok("task.approve", { project, task_id: "all" });
	assert.equal((await stack.client.take(type)).task_id, "all");
});

test("at most concurrency_limit tasks with one key run at once", async () => {
	const { project, type } = fresh();
	const key = { concurrency_key: "repo:cart", concurrency_limit: 2 };
	await stack.client.submitBatch(project, range(6).map((n) => ({ task_id: `n${n}`, ...key })));
	const order = [];
	for (let running = (await stack.client.work(type, { max: 10 })).tasks; order.length < 6;) {
		assert.ok(running.length <= 2, `${ids(running)} at once`);
		const [task, ...rest] = running;
		assert.ok(task, "somebody holds the key");
		order.push(task.task_id);
		await stack.client.settle(task);
		running = [...rest, ...(await stack.client.work(type, { max: 10, wait_ms: order.length < 5 ? 5000 : 0 })).tasks];
	}
	assert.deepEqual(order, range(6).map((n) => `n${n}`), "in the order of submission");
});

test("a key that is taken holds up nobody else, and a key belongs to its project", async () => {
	const one = fresh();
	const two = fresh();
	const task_type = one.type;
	const keyed = { task_type, concurrency_key: "k", priority: 10 };
	const tasksOfOne = [{ task_id: "a", ...keyed }, { task_id: "b", ...keyed }, { task_id: "c", task_type }];
	await stack.client.submitBatch(one.project, tasksOfOne);
	await stack.client.submit(two.project, { task_id: "d", ...keyed });
	const { tasks } = await stack.client.work(task_type, { max: 10 });
	assert.deepEqual(ids(tasks).sort(), ["a", "c", "d"]);
	const waiting = await stack.client.get(one.project, "b");
	assert.ok(waiting.status === "pending" || waiting.waits_for.includes("key"), waiting.status);
});

test("a key comes free when its holder fails, is released, or is lost", async () => {
	const { project, type } = fresh();
	const keyed = { concurrency_key: "k", max_retries: 0 };
	await stack.client.submitBatch(project, range(4).map((n) => ({ task_id: `n${n}`, ...keyed })));
	await stack.client.settle(await stack.client.take(type), "failed");
	const second = await stack.client.take(type, { lease_ms: 200 });
	assert.equal(second.task_id, "n1");
	const third = await stack.client.take(type, { wait_ms: 20000 });
	assert.equal(third.task_id, "n2");
	await stack.client.settle(third, "released");
	const { tasks } = await stack.client.work(type, { max: 10 });
	assert.equal(tasks.length, 1, "one holds the key, whoever was ready first");
});
