import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, ids, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();

test("a task is accepted and can be read back with every default filled in", async () => {
	const { project } = fresh();
	const reply = await stack.client.submit(project, { task_id: "a" });
	assert.deepEqual(reply.tasks, [{ task_id: "a", result: "accepted", status: "pending" }]);
	const task = await stack.client.get(project, "a");
	const defaults = { service_name: "", priority: 5, max_retries: 3, execution_context: {}, estimated_duration: null };
	const more = { timeout: null, not_before: null, on_dependency_failure: "skip", hold: false, concurrency_key: null };
	for (const [name, value] of Object.entries({ ...defaults, ...more })) assert.deepEqual(task[name], value, name);
	assert.deepEqual(task.retry_backoff, { initial_ms: 1000, factor: 2, max_ms: 60000 });
	const { status, attempt, retry_count, result, error } = task;
	assert.deepEqual([status, attempt, retry_count, result, error], ["pending", 0, 0, null, null]);
});

test("a task comes back with every field as it was sent", async () => {
	const { project } = fresh();
	await stack.client.submit(project, { task_id: "plan" });
	const sent = {
		task_id: "build", service_name: "支払い", priority: 8, max_retries: 2, estimated_duration: 90.5, timeout: 600,
		execution_context: { text: "ä\"\\\n🚚", list: [1, 2.5, null, true, { deep: [] }], "a key": "" }, hold: true,
		retry_backoff: { initial_ms: 500, factor: 1.5, max_ms: 30000 }, on_dependency_failure: "block",
		not_before: "2031-03-01T09:00:00.000001Z", concurrency_key: "repo:cart", concurrency_limit: 2,
		traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	};
	const dependencies = ["plan", { task_id: "later", when: "finished", future: true }];
	await stack.client.submit(project, { ...sent, dependencies, batch_id: "night:1" });
	const task = await stack.client.get(project, "build");
	for (const [name, value] of Object.entries(sent)) assert.deepEqual(task[name], value, name);
	const edges = task.dependencies.map(({ task_id, when, future }) => ({ task_id, when, future }));
	assert.deepEqual(edges, [
		{ task_id: "plan", when: "completed", future: undefined },
		{ task_id: "later", when: "finished", future: true },
	]);
	assert.deepEqual([task.batch_id, task.status], ["night:1", "blocked"]);
	assert.deepEqual([...task.waits_for].sort(), ["approval", "dependency", "time"]);
});

test("the same task again is a duplicate and tells its status", async () => {
	const { project, type } = fresh();
	const task = { task_id: "a", priority: 7, execution_context: { x: 1 } };
	await stack.client.submit(project, task);
	const early = await stack.client.submit(project, task);
	assert.deepEqual(early.tasks[0], { task_id: "a", result: "duplicate", status: "pending" });
	await stack.client.settle(await stack.client.take(type));
	const again = await stack.client.submit(project, task);
	assert.deepEqual(again.tasks[0], { task_id: "a", result: "duplicate", status: "completed" });
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, [], "a duplicate is not run again");
});

test("the same id with another body is a conflict and names the task", async () => {
	const { project } = fresh();
	await stack.client.submit(project, { task_id: "a", priority: 7 });
	const tasks = [{ task_id: "b", task_type: "t" }, { task_id: "a", task_type: `${project}_t`, priority: 8 }];
	const error = await stack.client.refused("submit", { project, tasks });
	assert.deepEqual([error.code, error.tasks], ["conflict", ["a"]]);
	assert.equal((await stack.client.refused("task.get", { project, task_id: "b" })).code, "not_found");
});

test("generated ids sort in the order of submission", async () => {
	const { project } = fresh();
	const given = [];
	for (const _ of range(5)) given.push((await stack.client.submit(project, {})).tasks[0].task_id);
	assert.deepEqual(given, [...new Set(given)].sort());
	const { tasks, batch_id } = await stack.client.submitBatch(project, [{}, {}]);
	assert.equal(new Set(ids(tasks)).size, 2);
	assert.ok(batch_id.length > 0);
});

test("a dry run tells the verdict and changes nothing", async () => {
	const { project } = fresh();
	const reply = await stack.client.submit(project, { task_id: "a", dry_run: true });
	assert.equal(reply.tasks[0].result, "accepted");
	assert.equal((await stack.client.refused("task.get", { project, task_id: "a" })).code, "not_found");
	const task = (task_id, estimated_duration, dependencies = []) => ({ task_id, task_type: "t", estimated_duration, dependencies });
	const tasks = [task("a", 2), task("b", 3, ["a"]), task("c", 4)];
	const { forecast } = await stack.client.submitBatch(project, tasks, { dry_run: true, workers: 1 });
	assert.deepEqual([forecast.workers, forecast.makespan_s, forecast.critical_path_s], [1, 9, 5]);
	assert.deepEqual([forecast.order, forecast.critical_path], [["a", "c", "b"], ["a", "b"]]);
	const unknown = { project, task_type: "t", dependencies: ["nobody"], dry_run: true };
	const error = await stack.client.refused("submit", unknown);
	assert.deepEqual([error.code, error.tasks], ["unknown_dependency", ["nobody"]]);
});

test("a batch is admitted in any order of its tasks", async () => {
	const { project } = fresh();
	const tasks = [{ task_id: "c", dependencies: ["b"] }, { task_id: "b", dependencies: ["a"] }, { task_id: "a" }];
	const reply = await stack.client.submitBatch(project, tasks, { batch_id: "g" });
	assert.equal(reply.batch_id, "g");
	const statuses = Object.fromEntries(reply.tasks.map(({ task_id, status }) => [task_id, status]));
	assert.deepEqual(statuses, { a: "pending", b: "blocked", c: "blocked" });
	assert.deepEqual(ids(reply.tasks), ["c", "b", "a"], "verdicts come in the order of the request");
});

test("unknown dependencies are all named and refuse the whole batch", async () => {
	const { project } = fresh();
	const tasks = [{ task_id: "a", task_type: "t" }, { task_id: "b", task_type: "t", dependencies: ["a", "x", "y"] }];
	const error = await stack.client.refused("submit", { project, tasks });
	assert.equal(error.code, "unknown_dependency");
	assert.deepEqual([...error.tasks].sort(), ["x", "y"]);
	assert.equal((await stack.client.refused("task.get", { project, task_id: "a" })).code, "not_found");
});

test("a loop is named edge by edge", async () => {
	const { project } = fresh();
	const edges = { a: ["c"], b: ["a"], c: ["b", "free"], free: [] };
	const tasks = Object.entries(edges).map(([task_id, dependencies]) => ({ task_id, task_type: "t", dependencies }));
	const error = await stack.client.refused("submit", { project, tasks });
	assert.equal(error.code, "cycle");
	assert.equal(error.tasks[0], error.tasks.at(-1));
	assert.deepEqual([...new Set(error.tasks)].sort(), ["a", "b", "c"]);
	const steps = error.tasks.slice(1).map((task, index) => [error.tasks[index], task]);
	const forward = steps.every(([from, to]) => edges[from].includes(to));
	const backward = steps.every(([from, to]) => edges[to].includes(from));
	assert.ok(forward || backward, `${error.tasks} follows the edges`);
});

test("a task that depends on itself is a cycle", async () => {
	const { project } = fresh();
	const error = await stack.client.refused("submit", { project, task_id: "a", task_type: "t", dependencies: ["a"] });
	assert.deepEqual([error.code, error.tasks], ["cycle", ["a", "a"]]);
});

test("a loop that closes through an earlier submission is a cycle", async () => {
	const { project } = fresh();
	await stack.client.submit(project, { task_id: "a", dependencies: [{ task_id: "b", future: true }] });
	await stack.client.submit(project, { task_id: "c", dependencies: ["a"] });
	const error = await stack.client.refused("submit", { project, task_id: "b", task_type: "t", dependencies: ["c"] });
	assert.equal(error.code, "cycle");
	assert.deepEqual([...new Set(error.tasks)].sort(), ["a", "b", "c"]);
});

test("a dependency on a task of the future waits for it", async () => {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "late", dependencies: [{ task_id: "early", future: true }] });
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
	await stack.client.submit(project, { task_id: "early" });
	const early = await stack.client.take(type);
	assert.equal(early.task_id, "early");
	await stack.client.settle(early, "completed", { result: { n: 1 } });
	const late = await stack.client.take(type);
	assert.deepEqual([late.task_id, late.inputs], ["late", { early: { n: 1 } }]);
	await stack.client.settle(late);
});

test("a dependency on a task that has ended counts at once", async () => {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a" });
	await stack.client.settle(await stack.client.take(type), "completed", { result: 42 });
	const reply = await stack.client.submit(project, { task_id: "b", dependencies: ["a", "a"] });
	assert.equal(reply.tasks[0].status, "pending");
	assert.deepEqual((await stack.client.take(type)).inputs, { a: 42 });
});

test("one id twice in a batch names the second", async () => {
	const { project } = fresh();
	const tasks = [{ task_id: "a", task_type: "t" }, { task_id: "b", task_type: "t" }, { task_id: "a", task_type: "t" }];
	const error = await stack.client.refused("submit", { project, tasks });
	assert.deepEqual([error.code, error.path], ["duplicate_id", "/tasks/2/task_id"]);
});

test("2,000 tasks in one message are admitted together", async () => {
	const { project } = fresh();
	const tasks = range(2000).map((n) => ({ task_id: `t${n}`, dependencies: n >= 100 ? [`t${n - 100}`] : [] }));
	const reply = await stack.client.submitBatch(project, tasks);
	assert.equal(reply.task_count ?? reply.tasks.length, 2000);
	const counts = await stack.client.ok("status", { project });
	assert.deepEqual([counts.pending_count, counts.blocked_count], [100, 1900]);
});

test("ack archived answers only after MySQL has the task", async () => {
	const { project } = fresh();
	await stack.client.submit(project, { task_id: "a", ack: "archived" });
	const [row] = await stack.witness.rows(project);
	assert.deepEqual([row?.task_id, row?.status], ["a", "pending"]);
});

test("the traceparent of the request reaches the task, its own wins", async () => {
	const { project } = fresh();
	const [outer, inner] = ["1", "2"].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
	await stack.client.submit(project, { task_id: "a" }, { traceparent: outer });
	await stack.client.submit(project, { task_id: "b", traceparent: inner }, { traceparent: outer });
	assert.equal((await stack.client.get(project, "a")).traceparent, outer);
	assert.equal((await stack.client.get(project, "b")).traceparent, inner);
	const [event] = await until("the event", async () => stack.client.replay(`event.${project}.>`));
	assert.equal(event.headers.get("traceparent"), outer);
});

test("tables have what a submission says under the same names", async () => {
	const { project } = fresh();
	await stack.client.submitBatch(project, [
		{ task_id: "a" },
		{ task_id: "b", hold: true, dependencies: ["a"], on_dependency_failure: "block", retry_backoff: { initial_ms: 5, factor: 1.5, max_ms: 70 } },
		{ task_id: "c", dependencies: ["a"], on_dependency_failure: "run" },
	]);
	const query = `SELECT task_id, hold, on_dependency_failure, retry_backoff FROM tasks WHERE project='${project}' ORDER BY number`;
	await until("the rows", async () => (await stack.witness.sql(query)).length === 3);
	const usual = { initial_ms: 1000, factor: 2, max_ms: 60000 };
	const rows = (await stack.witness.sql(query)).map((row) => [row.task_id, row.hold, row.on_dependency_failure, JSON.parse(row.retry_backoff)]);
	assert.deepEqual(rows, [["a", "0", "skip", usual], ["b", "1", "block", { initial_ms: 5, factor: 1.5, max_ms: 70 }], ["c", "0", "run", usual]]);
});
