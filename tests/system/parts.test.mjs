import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const part = (project, number, tasks) => ({ project, batch_id: "huge", part: number, tasks });
const typed = (type, tasks) => tasks.map((task) => ({ task_type: type, ...task }));

test("a graph in parts is invisible until its seal and whole after it", async () => {
	const { project, type } = fresh();
	const all = range(2000).map((n) => ({ task_id: `t${n}`, dependencies: n >= 20 ? [`t${n - 20}`] : [] }));
	for (const n of [4, 2, 3, 1]) {
		const slice = typed(type, all.slice((n - 1) * 500, n * 500));
		assert.deepEqual(await stack.client.ok("submit", part(project, n, slice)), { ok: true, part: n });
	}
	assert.equal((await stack.client.refused("task.get", { project, task_id: "t0" })).code, "not_found");
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
	const reply = await stack.client.ok("submit", { project, batch_id: "huge", seal: 4 }, { timeout: 30000 });
	assert.equal(reply.batch_id, "huge");
	const counts = await stack.client.ok("status", { project });
	assert.deepEqual([counts.pending_count, counts.blocked_count], [20, 1980]);
	const { tasks } = await stack.client.work(type, { max: 256 });
	assert.equal(tasks.length, 20);
});

test("a part that comes again replaces the earlier one", async () => {
	const { project, type } = fresh();
	await stack.client.ok("submit", part(project, 1, typed(type, [{ task_id: "wrong" }])));
	await stack.client.ok("submit", part(project, 1, typed(type, [{ task_id: "right" }])));
	await stack.client.ok("submit", { project, batch_id: "huge", seal: 1 });
	assert.equal(await stack.client.statusOf(project, "right"), "pending");
	assert.equal((await stack.client.refused("task.get", { project, task_id: "wrong" })).code, "not_found");
});

test("a seal whose parts are missing is refused", async () => {
	const { project, type } = fresh();
	await stack.client.ok("submit", part(project, 1, typed(type, [{ task_id: "a" }])));
	const error = await stack.client.refused("submit", { project, batch_id: "huge", seal: 2 });
	assert.equal(error.code, "not_found");
	assert.equal((await stack.client.refused("task.get", { project, task_id: "a" })).code, "not_found");
});

test("a loop across parts refuses all of them", async () => {
	const { project, type } = fresh();
	await stack.client.ok("submit", part(project, 1, typed(type, [{ task_id: "a", dependencies: ["b"] }])));
	await stack.client.ok("submit", part(project, 2, typed(type, [{ task_id: "b", dependencies: ["a"] }])));
	const error = await stack.client.refused("submit", { project, batch_id: "huge", seal: 2 });
	assert.equal(error.code, "cycle");
	assert.deepEqual([...new Set(error.tasks)].sort(), ["a", "b"]);
	assert.equal((await stack.client.refused("task.get", { project, task_id: "a" })).code, "not_found");
});

test("a seal that comes again gets the same answer and runs nothing twice", async () => {
	const { project, type } = fresh();
	await stack.client.ok("submit", part(project, 1, typed(type, [{ task_id: "a" }])));
	const seal = { project, batch_id: "huge", seal: 1 };
	await stack.client.ok("submit", seal);
	await stack.client.settle(await stack.client.take(type));
	const again = await stack.client.ask("submit", seal);
	assert.ok(again.ok || again.error.code === "not_found", "duplicate, or the parts are gone");
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
	assert.equal(await stack.client.statusOf(project, "a"), "completed");
});

test("a sealed graph runs to its end", async () => {
	const { project, type } = fresh();
	const tasks = range(600).map((n) => ({ task_id: `t${n}`, dependencies: n >= 200 ? [`t${n - 200}`] : [] }));
	await stack.client.ok("submit", part(project, 1, typed(type, tasks.slice(0, 300))));
	await stack.client.ok("submit", part(project, 2, typed(type, tasks.slice(300))));
	await stack.client.ok("submit", { project, batch_id: "huge", seal: 2, ack: "archived" }, { timeout: 30000 });
	let done = [];
	let ended = 0;
	await until("all tasks ended", async () => {
		const reply = await stack.client.work(type, { max: 256, wait_ms: 1000, done });
		ended += reply.done.filter(({ ok }) => ok).length;
		done = reply.tasks.map(({ project: of, task_id, lease }) => ({ project: of, task_id, lease, outcome: "completed" }));
		return ended === 600;
	});
	await stack.witness.ended(project, 600);
	assert.deepEqual(await stack.witness.problems(project), []);
});
