import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, range, useStack } from "./setup.mjs";

const stack = useStack();
const ids = (tasks) => tasks.map(({ task_id }) => task_id);

// By the score: the three without dependencies in the order of submission. Longest first: c and what waits for it.
const graph = [
	{ task_id: "a", estimated_duration: 1 },
	{ task_id: "b", estimated_duration: 30 },
	{ task_id: "c", estimated_duration: 5 },
	{ task_id: "d", estimated_duration: 40, dependencies: ["c"] },
	{ task_id: "e", estimated_duration: 2, dependencies: ["c", "d"] },
];
const longest = ["c", "d", "b", "e", "a"];

async function run(project, type) {
	const order = [];
	for (let done = []; order.length < graph.length;) {
		const { tasks: [task] } = await stack.client.work(type, { max: 1, done });
		order.push(task.task_id);
		done = [{ project, task_id: task.task_id, lease: task.lease, outcome: "completed" }];
	}
	return order;
}

for (const [order, wanted] of Object.entries({ critical_path: longest, score: ["a", "b", "c", "d", "e"], fifo: ["a", "b", "c", "d", "e"] })) {
	test(`order ${order} of a batch decides who goes first`, async () => {
		const { project, type } = fresh();
		await stack.client.submitBatch(project, graph, { order });
		assert.deepEqual(await run(project, type), wanted);
	});
}

test("priority goes before the critical path, and an order of a batch says nothing about others", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [{ task_id: "long", estimated_duration: 99 }, { task_id: "short", estimated_duration: 1 },
		{ task_id: "urgent", estimated_duration: 0, priority: 6 }], { order: "critical_path" });
	await stack.client.submitBatch(project, [{ task_id: "usual" }, { task_id: "later", dependencies: ["usual"] }]);
	const { tasks } = await stack.client.ok("executable", { task_type: type, limit: 9 });
	assert.deepEqual(ids(tasks), ["urgent", "long", "usual", "short"]);
	assert.deepEqual(tasks.map(({ terms }) => [terms.dependencies, terms.order]), [[0, 0], [0, 10], [10, 0], [0, 0.1]]);
	for (const { task_id, score, terms } of tasks) {
		const sum = Object.values(terms).reduce((one, other) => one + other, 0);
		assert.ok(Math.abs(sum - score) < 1e-6, `${sum} is ${score}`);
		const { terms: explained } = await stack.client.ok("explain", { project, task_id });
		assert.equal(explained.order, terms.order);
	}
	assert.deepEqual(ids((await stack.client.work(type, { max: 9 })).tasks), ids(tasks));
});

test("the seal of a large batch says its order", async () => {
	const { project, type } = fresh();
	const tasks = range(600).map((n) => ({ task_type: type, task_id: `t${n}`, estimated_duration: (n * 7919) % 600 }));
	for (const part of [1, 2]) await stack.client.ok("submit", { project, batch_id: "large", part, tasks: tasks.slice((part - 1) * 300, part * 300) });
	await stack.client.ok("submit", { project, batch_id: "large", seal: 2, order: "critical_path" }, { timeout: 30000 });
	const first = (await stack.client.work(type, { max: 5 })).tasks.map(({ estimated_duration }) => estimated_duration);
	assert.deepEqual(first, [599, 598, 597, 596, 595]);
});

test("a dry run foretells the order that was asked for", async () => {
	const { project, type } = fresh();
	const ask = async (order) => (await stack.client.submitBatch(project, graph, { order, dry_run: true, workers: 1 })).forecast.order;
	assert.deepEqual(await ask("critical_path"), longest);
	assert.deepEqual(await ask("fifo"), ["a", "b", "c", "d", "e"]);
	assert.equal((await stack.client.refused("submit", { project, order: "lifo", tasks: [{ task_type: type }] })).path, "/order");
});
