import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, ids, range, useStack } from "./setup.mjs";

const stack = useStack();

test("a work request waits and is answered as soon as there is a task", async () => {
	const { project, type } = fresh();
	const waiting = stack.client.work(type, { wait_ms: 30000 });
	await stack.client.ok("status", {}); // the request is on its way before the task is
	await stack.client.submit(project, { task_id: "a" });
	const answered = Date.now();
	assert.deepEqual(ids((await waiting).tasks), ["a"]);
	assert.ok(Date.now() - answered < 3000, "not by a slow poll");
});

test("a work request that finds nothing is answered with an empty list when its time has passed", async () => {
	const { type } = fresh();
	const started = Date.now();
	assert.deepEqual((await stack.client.work(type, { wait_ms: 300 })).tasks, []);
	const took = Date.now() - started;
	assert.ok(took >= 250 && took < 5000, `after ${took} ms`);
	assert.deepEqual(await stack.client.work(type, { wait_ms: 0 }), { ok: true, tasks: [], done: [] });
});

test("a delivered task has all its fields, a lease and the results of its dependencies", async () => {
	const { project, type } = fresh();
	const context = { files: ["a.c"], n: 1.5 };
	await stack.client.submit(project, { task_id: "a" });
	await stack.client.settle(await stack.client.take(type), "completed", { result: { text: "ä\n🚚", list: [null] } });
	const more = { execution_context: context, service_name: "cart" };
	await stack.client.submit(project, { task_id: "b", dependencies: ["a"], ...more });
	const task = await stack.client.take(type, { worker: "w7", lease_ms: 60000 });
	assert.deepEqual(task.execution_context, context);
	assert.deepEqual(task.inputs, { a: { text: "ä\n🚚", list: [null] } });
	assert.deepEqual([task.attempt, task.retry_count, task.service_name, task.project], [1, 0, "cart", project]);
	const left = new Date(task.lease_until) - Date.now();
	assert.ok(left > 30000 && left < 90000, `lease_until is ${left} ms away`);
	assert.equal((await stack.client.get(project, "b")).worker, "w7");
});

test("the most urgent task comes first, then the older one", async () => {
	const { project, type } = fresh();
	const tasks = [
		{ task_id: "low", priority: 1 }, { task_id: "five-a" }, { task_id: "ten", priority: 10 }, { task_id: "five-b" },
	];
	for (const task of tasks) await stack.client.submit(project, task);
	const order = [];
	for (const _ of tasks) order.push((await stack.client.take(type)).task_id);
	assert.deepEqual(order, ["ten", "five-a", "five-b", "low"]);
});

test("an urgent task that comes later overtakes those that wait, also within one request", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, range(5).map((n) => ({ task_id: `n${n}` })));
	await stack.client.submit(project, { task_id: "urgent", priority: 9 });
	const { tasks } = await stack.client.work(type, { max: 3 });
	assert.deepEqual(ids(tasks), ["urgent", "n0", "n1"]);
});

test("max bounds a request and the rest stays ready", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, range(7).map((n) => ({ task_id: `n${n}` })));
	assert.equal((await stack.client.work(type, { max: 4 })).tasks.length, 4);
	assert.equal((await stack.client.work(type, { max: 256 })).tasks.length, 3);
});

test("ten workers at once never get the same task", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, range(200).map((n) => ({ task_id: `n${n}` })));
	const requests = range(40).map((n) => stack.client.work(type, { worker: `w${n % 10}`, max: 5 }));
	const given = (await Promise.all(requests)).flatMap(({ tasks }) => ids(tasks));
	assert.equal(given.length, 200);
	assert.equal(new Set(given).size, 200);
});

test("the same request_id again gets the same tasks with the same leases", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, range(6).map((n) => ({ task_id: `n${n}` })));
	const request = { max: 3, request_id: "r-1" };
	const first = await stack.client.work(type, request);
	const again = await stack.client.work(type, request);
	assert.deepEqual(again.tasks.map(({ lease }) => lease), first.tasks.map(({ lease }) => lease));
	const other = await stack.client.work(type, { max: 6, request_id: "r-2" });
	assert.equal(other.tasks.length, 3);
});

test("done settles earlier tasks and leases the next in one round trip", async () => {
	const { project, type } = fresh();
	const chain = range(10).map((n) => ({ task_id: `n${n}`, dependencies: n ? [`n${n - 1}`] : [] }));
	await stack.client.submitBatch(project, chain);
	let task = await stack.client.take(type);
	for (const n of range(9)) {
		const item = { project, task_id: task.task_id, lease: task.lease, outcome: "completed", result: n };
		const reply = await stack.client.work(type, { done: [item], wait_ms: 5000 });
		assert.deepEqual([reply.done[0].ok, reply.done[0].status], [true, "completed"]);
		assert.deepEqual(ids(reply.tasks), [`n${n + 1}`]);
		[task] = reply.tasks;
		assert.deepEqual(task.inputs, { [`n${n}`]: n });
	}
});

test("an item of done that is stale fails alone", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [{ task_id: "a" }, { task_id: "b" }]);
	const { tasks } = await stack.client.work(type, { max: 2 });
	const done = tasks.map(({ task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
	done[0].lease = "not-this-one";
	const reply = await stack.client.work(type, { done, wait_ms: 0 });
	assert.deepEqual(reply.done.map(({ ok }) => ok), [false, true]);
	assert.equal(reply.done[0].error.code, "stale_lease");
});

test("the types are apart from each other", async () => {
	const { project } = fresh();
	await stack.client.submit(project, { task_id: "a", task_type: `${project}_x` });
	assert.deepEqual((await stack.client.work(`${project}_y`, { wait_ms: 0 })).tasks, []);
	assert.equal((await stack.client.take(`${project}_x`)).task_id, "a");
});
