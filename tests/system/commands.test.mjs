import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, ids, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const forGood = { error: { message: "x", retryable: false } };

async function command(name, request) {
	return (await stack.client.ok(`task.${name}`, request)).tasks;
}

test("a waiting task is cancelled at once, whatever it waits for", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [
		{ task_id: "pending" },
		{ task_id: "blocked", dependencies: ["pending"], on_dependency_failure: "block" },
		{ task_id: "held", hold: true },
		{ task_id: "later", not_before: "2031-01-01T00:00:00Z" },
	]);
	const task_ids = ["pending", "blocked", "held", "later"];
	const verdicts = await command("cancel", { project, task_ids, reason: "no longer needed – sorry" });
	assert.deepEqual(verdicts.map(({ task_id, status }) => [task_id, status]), task_ids.map((id) => [id, "cancelled"]));
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
	await stack.witness.ended(project, 4);
	const reasons = (await stack.witness.events(project)).filter(({ status }) => status === "cancelled");
	assert.ok(reasons.every(({ reason }) => reason === "no longer needed – sorry"));
});

test("what has ended cannot be cancelled, and what does not exist is not found", async () => {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a" });
	await stack.client.settle(await stack.client.take(type));
	const verdicts = await command("cancel", { project, task_ids: ["a", "nobody"] });
	assert.deepEqual(verdicts.map(({ ok, error }) => [ok, error?.code]), [[false, "wrong_status"], [false, "not_found"]]);
	assert.equal(await stack.client.statusOf(project, "a"), "completed");
});

test("a batch is cancelled as one", async () => {
	const { project } = fresh();
	await stack.client.submitBatch(project, range(300).map((n) => ({ task_id: `n${n}` })), { batch_id: "b" });
	await stack.client.submit(project, { task_id: "other" });
	await command("cancel", { project, batch_id: "b" });
	const counts = async () => stack.client.ok("status", { project });
	await until("300 are cancelled", async () => (await counts()).cancelled_count === 300);
	assert.equal((await counts()).pending_count, 1);
});

test("a failed task that is retried starts over with all its tries", async () => {
	const { project, type } = fresh();
	await stack.client.submit(project, { task_id: "a", max_retries: 1, retry_backoff: { initial_ms: 1, max_ms: 1 } });
	await stack.client.settle(await stack.client.take(type), "failed", forGood);
	const [verdict] = await command("retry", { project, task_id: "a" });
	assert.deepEqual([verdict.ok, verdict.status], [true, "pending"]);
	const task = await stack.client.take(type);
	assert.deepEqual([task.attempt, task.retry_count], [2, 0]);
	assert.equal((await stack.client.settle(task, "failed")).status, "retry", "it may fail once more");
	await stack.client.settle(await stack.client.take(type));
	assert.equal(await stack.client.statusOf(project, "a"), "completed");
	assert.equal((await command("retry", { project, task_id: "a" }))[0].error.code, "wrong_status");
});

test("a retry with cascade takes along what was skipped because of it", async () => {
	const { project, type } = fresh();
	const edges = [["a", []], ["b", ["a"]], ["c", ["b"]], ["d", ["a"]]];
	await stack.client.submitBatch(project, edges.map(([task_id, dependencies]) => ({ task_id, dependencies })));
	await stack.client.settle(await stack.client.take(type), "failed", forGood);
	await until("c is skipped", async () => (await stack.client.statusOf(project, "c")) === "skipped");
	await command("retry", { project, task_id: "a", cascade: true });
	for (const id of ["b", "c", "d"]) assert.equal(await stack.client.statusOf(project, id), "blocked", id);
	const order = [];
	for (const _ of edges) {
		const task = await stack.client.take(type);
		order.push(task.task_id);
		await stack.client.settle(task);
	}
	assert.equal(order[0], "a");
	assert.ok(order.indexOf("c") > order.indexOf("b"));
	await stack.witness.ended(project, 4);
	await until("no difference", async () => (await stack.witness.problems(project)).length === 0)
		.catch(async () => assert.deepEqual(await stack.witness.problems(project), []));
});

test("a retry without cascade leaves the skipped ones skipped", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [{ task_id: "a" }, { task_id: "b", dependencies: ["a"] }]);
	await stack.client.settle(await stack.client.take(type), "failed", forGood);
	await until("b is skipped", async () => (await stack.client.statusOf(project, "b")) === "skipped");
	await command("retry", { project, task_id: "a" });
	await stack.client.settle(await stack.client.take(type));
	assert.equal(await stack.client.statusOf(project, "b"), "skipped");
});

test("a dependent that blocks runs after a retry of what it waits for", async () => {
	const { project, type } = fresh();
	const patient = { task_id: "b", dependencies: ["a"], on_dependency_failure: "block" };
	await stack.client.submitBatch(project, [{ task_id: "a" }, patient]);
	await stack.client.settle(await stack.client.take(type), "failed", forGood);
	assert.equal(await stack.client.statusOf(project, "b"), "blocked");
	await command("retry", { project, task_id: "a" });
	await stack.client.settle(await stack.client.take(type));
	assert.equal((await stack.client.take(type)).task_id, "b");
});

test("a new priority changes the place in the queue", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, range(3).map((n) => ({ task_id: `n${n}` })));
	const [verdict] = await command("update", { project, task_id: "n2", priority: 10 });
	assert.deepEqual([verdict.ok, verdict.status], [true, "pending"]);
	await command("update", { project, task_id: "n0", priority: 1 });
	const { tasks } = await stack.client.work(type, { max: 3 });
	assert.deepEqual(ids(tasks), ["n2", "n1", "n0"]);
	assert.deepEqual(tasks.map(({ priority }) => priority), [10, 5, 1]);
});

test("a paused type is not leased until it is resumed", async () => {
	const { project, type } = fresh();
	await stack.client.ok("queue.pause", { task_type: type });
	await stack.client.ok("queue.pause", { task_type: type });
	await stack.client.submit(project, { task_id: "a" });
	assert.deepEqual((await stack.client.work(type, { wait_ms: 300 })).tasks, []);
	const waiting = stack.client.work(type, { wait_ms: 20000 });
	await stack.client.ok("queue.resume", { task_type: type });
	assert.deepEqual(ids((await waiting).tasks), ["a"]);
});

test("a paused project is not leased, its neighbours in the type are", async () => {
	const one = fresh();
	const two = fresh();
	const task_type = one.type;
	await stack.client.submit(one.project, { task_id: "before", task_type });
	await stack.client.ok("queue.pause", { project: one.project, reason: "release freeze" });
	await stack.client.submit(one.project, { task_id: "after", task_type, priority: 10 });
	await stack.client.submit(two.project, { task_id: "other", task_type });
	assert.deepEqual(ids((await stack.client.work(task_type, { max: 10 })).tasks), ["other"]);
	await stack.client.ok("queue.resume", { project: one.project });
	const got = [await stack.client.take(task_type), await stack.client.take(task_type)];
	assert.deepEqual(ids(got), ["after", "before"]);
});

test("a pause of one type in one project stops nothing else", async () => {
	const { project, type } = fresh();
	await stack.client.ok("queue.pause", { project, task_type: type });
	await stack.client.submit(project, { task_id: "held" });
	await stack.client.submit(project, { task_id: "free", task_type: `${type}2` });
	assert.equal((await stack.client.take(`${type}2`)).task_id, "free");
	assert.deepEqual((await stack.client.work(type, { wait_ms: 100 })).tasks, []);
	await stack.client.ok("queue.resume", { project, task_type: type });
	assert.equal((await stack.client.take(type)).task_id, "held");
});

test("however many tasks a paused project has kept back, all of them come with its resume", { timeout: 120000 }, async () => {
	const { project, type } = fresh("parked");
	const count = 1300;
	await stack.client.submitBatch(project, range(count).map((i) => ({ task_id: `t${i}` })));
	await stack.client.ok("queue.pause", { project });
	// Who asks for work meanwhile finds them, and sets them aside.
	await until("all are set aside", async () => {
		assert.deepEqual((await stack.client.work(type, { max: 256, wait_ms: 0 })).tasks, []);
		const parked = await stack.witness.redisCli("EVAL", "local n = 0 for p = 0, 63 do n = n + redis.call('ZCARD', '{p' .. p .. '}:pk:' .. ARGV[1]) end return n", "0", project);
		return Number(parked) === count;
	});
	await stack.client.ok("queue.resume", { project });
	const found = new Set();
	for (let more = true; more; ) {
		const { tasks } = await stack.client.work(type, { max: 256, wait_ms: 500 });
		tasks.forEach(({ task_id }) => found.add(task_id));
		more = tasks.length > 0;
	}
	assert.equal(found.size, count);
});

test("a held task that was skipped waits for its approval, and any for its time, when it is retried", async () => {
	const { project, type } = fresh();
	const held = { hold: true, dependencies: ["root"] };
	await stack.client.submitBatch(project, [
		{ task_id: "root", max_retries: 0 },
		{ task_id: "held", ...held },
		{ task_id: "later", not_before: "2041-01-01T00:00:00Z", dependencies: ["root"] },
	]);
	await stack.client.settle(await stack.client.take(type), "failed", { error: { message: "no" } });
	assert.equal(await stack.client.statusOf(project, "held"), "skipped");
	await command("retry", { project, task_id: "root", cascade: true, reason: "the disk is back" });
	const waits = async (id) => {
		const { status, waits_for } = await stack.client.get(project, id);
		return [status, ...waits_for];
	};
	assert.deepEqual(await waits("held"), ["blocked", "dependency", "approval"]);
	assert.deepEqual(await waits("later"), ["blocked", "dependency", "time"]);
	await stack.client.settle(await stack.client.take(type));
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
	await command("approve", { project, task_id: "held", reason: "looks good" });
	assert.equal((await stack.client.take(type)).task_id, "held");
	await until("the reasons are written down", async () => {
		const said = (await stack.witness.events(project)).map(({ reason }) => reason);
		return said.includes("the disk is back") && said.includes("looks good");
	});
});
