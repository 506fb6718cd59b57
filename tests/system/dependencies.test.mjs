import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, ids, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();

async function end(project, type, how) {
	if (how === "cancelled") return stack.client.ok("task.cancel", { project, task_id: "a" });
	const error = { message: "x", retryable: false };
	return stack.client.settle(await stack.client.take(type), how, { error });
}

// What becomes of a dependent: by its condition, its policy and how the dependency ended.
const matrix = [
	["completed", "completed", { skip: "pending", block: "pending", run: "pending" }],
	["completed", "failed", { skip: "skipped", block: "blocked", run: "pending" }],
	["completed", "cancelled", { skip: "skipped", block: "blocked", run: "pending" }],
	["failed", "completed", { skip: "skipped", block: "blocked", run: "pending" }],
	["failed", "failed", { skip: "pending", block: "pending", run: "pending" }],
	["failed", "cancelled", { skip: "skipped", block: "blocked", run: "pending" }],
	["finished", "completed", { skip: "pending", block: "pending", run: "pending" }],
	["finished", "failed", { skip: "pending", block: "pending", run: "pending" }],
	["finished", "cancelled", { skip: "pending", block: "pending", run: "pending" }],
];

for (const [when, how, expected] of matrix) {
	test(`after a dependency that is ${how}, dependents that want it ${when} go by their policy`, async () => {
		const { project, type } = fresh();
		const dependents = Object.keys(expected).map((policy) => ({
			task_id: policy, task_type: `${type}2`, on_dependency_failure: policy, dependencies: [{ task_id: "a", when }],
		}));
		await stack.client.submitBatch(project, [{ task_id: "a" }, ...dependents]);
		await end(project, type, how);
		const statuses = async () => Object.fromEntries(
			await Promise.all(Object.keys(expected).map(async (id) => [id, await stack.client.statusOf(project, id)])));
		await until("all have been told", async () => JSON.stringify(await statuses()) === JSON.stringify(expected))
			.catch(async () => assert.deepEqual(await statuses(), expected));
		// The same dependency named only after its end means the same.
		const late = { task_id: "late", task_type: `${type}2`, dependencies: [{ task_id: "a", when }] };
		const { tasks } = await stack.client.submit(project, late);
		assert.equal(tasks[0].status, expected.skip);
	});
}

test("a diamond runs its bottom once, after both sides", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [
		{ task_id: "top" },
		{ task_id: "left", dependencies: ["top"] },
		{ task_id: "right", dependencies: ["top"] },
		{ task_id: "bottom", dependencies: ["left", "right"] },
	]);
	await stack.client.settle(await stack.client.take(type), "completed", { result: "t" });
	const { tasks } = await stack.client.work(type, { max: 10 });
	assert.deepEqual(ids(tasks).sort(), ["left", "right"]);
	await stack.client.settle(tasks[0], "completed", { result: ids(tasks)[0] });
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
	await stack.client.settle(tasks[1], "completed", { result: ids(tasks)[1] });
	const bottom = await stack.client.take(type);
	assert.deepEqual(bottom.inputs, { left: "left", right: "right" });
});

test("a chain of skips goes as deep as the graph and each names its cause", async () => {
	const { project, type } = fresh();
	const chain = range(60).map((n) => ({ task_id: `n${n}`, dependencies: n ? [`n${n - 1}`] : [] }));
	await stack.client.submitBatch(project, chain);
	await stack.client.settle(await stack.client.take(type), "failed", { error: { message: "x", retryable: false } });
	await until("the last is skipped", async () => (await stack.client.statusOf(project, "n59")) === "skipped");
	for (const n of [1, 30, 59]) assert.equal((await stack.client.get(project, `n${n}`)).because, `n${n - 1}`);
	const counts = await stack.client.ok("status", { project });
	assert.deepEqual([counts.failed_count, counts.skipped_count, counts.blocked_count], [1, 59, 0]);
});

test("one end releases 3,000 dependents", async () => {
	const { project, type } = fresh();
	const fan = range(3000).map((n) => ({ task_id: `n${n}`, task_type: `${type}2`, dependencies: ["hub"] }));
	await stack.client.submitBatch(project, [{ task_id: "hub" }, ...fan]);
	await stack.client.settle(await stack.client.take(type));
	const released = async () => (await stack.client.ok("status", { project })).pending_count === 3000;
	await until("all are pending", released);
});

test("a task with 500 dependencies runs after the last of them", async () => {
	const { project, type } = fresh();
	const many = range(500).map((n) => ({ task_id: `n${n}` }));
	await stack.client.submitBatch(project, [...many, { task_id: "join", dependencies: ids(many) }]);
	const first = await stack.client.work(type, { max: 256 });
	const second = await stack.client.work(type, { max: 256 });
	const items = ({ tasks }) => tasks.map(({ task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
	assert.equal(first.tasks.length + second.tasks.length, 500);
	await stack.client.ok(`settle.${type}`, { worker: "w1", done: items(first) });
	const rest = items(second);
	const last = rest.pop();
	await stack.client.ok(`settle.${type}`, { worker: "w1", done: rest });
	assert.equal(await stack.client.statusOf(project, "join"), "blocked");
	await stack.client.ok(`settle.${type}`, { worker: "w1", done: [last] });
	assert.equal(Object.keys((await stack.client.take(type)).inputs).length, 500);
});
