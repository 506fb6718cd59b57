import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, ids, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();

async function everyPage(request) {
	const pages = [];
	let after = null;
	do {
		const reply = await stack.client.ok("task.list", { ...request, after });
		pages.push(ids(reply.tasks));
		after = reply.next;
	} while (after !== null && pages.length < 100);
	return pages;
}

test("a task is read with its edges in both directions and its tries", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [
		{ task_id: "a" },
		{ task_id: "b", dependencies: [{ task_id: "a", when: "finished" }] },
		{ task_id: "c", dependencies: ["b"] },
	]);
	await stack.client.settle(await stack.client.take(type));
	await stack.client.take(type, { worker: "w9" });
	const task = await until("the running try", async () => {
		const found = await stack.client.get(project, "b");
		return found.attempts.length === 1 && found;
	});
	assert.deepEqual(task.dependencies.map(({ task_id, when }) => [task_id, when]), [["a", "finished"]]);
	assert.deepEqual(ids(task.dependents), ["c"]);
	assert.deepEqual([task.attempts[0].worker, task.attempts[0].outcome, task.status], ["w9", null, "running"]);
});

test("a task that does not exist is not found, also in another project", async () => {
	const { project } = fresh();
	await stack.client.submit(project, { task_id: "a" });
	for (const request of [{ project, task_id: "b" }, { project: `${project}x`, task_id: "a" }]) {
		assert.equal((await stack.client.refused("task.get", request)).code, "not_found");
		assert.equal((await stack.client.refused("explain", request)).code, "not_found");
	}
});

test("lists are paged newest first, without gaps and repeats", async () => {
	const { project } = fresh();
	await stack.client.submitBatch(project, range(25).map((n) => ({ task_id: `n${n}` })), { ack: "archived" });
	const pages = await everyPage({ project, limit: 10 });
	assert.deepEqual(pages.flat(), range(25).map((n) => `n${24 - n}`));
	assert.ok(pages.every((page) => page.length <= 10));
});

test("lists filter by status, type, batch and service", async () => {
	const { project, type } = fresh();
	const tasks = [{ task_id: "a" }, { task_id: "b", dependencies: ["a"] }];
	await stack.client.submitBatch(project, tasks, { batch_id: "one" });
	const other = { task_id: "c", task_type: `${type}2`, service_name: "cart", batch_id: "two" };
	await stack.client.submit(project, { ...other, ack: "archived" });
	const list = async (filter) => ids((await stack.client.ok("task.list", { project, ...filter })).tasks);
	assert.deepEqual(await list({ batch_id: "one" }), ["b", "a"]);
	assert.deepEqual(await list({ task_type: `${type}2` }), ["c"]);
	assert.deepEqual(await list({ service_name: "cart" }), ["c"]);
	assert.deepEqual(await list({ status: "blocked" }), ["b"]);
	assert.deepEqual(await list({ status: "pending", batch_id: "two" }), ["c"]);
	assert.deepEqual(await list({ status: "failed" }), []);
});

test("status counts the tasks of a project by status, and of all projects together", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [
		{ task_id: "done" }, { task_id: "run" }, { task_id: "wait" },
		{ task_id: "blocked", dependencies: ["wait"] }, { task_id: "gone", hold: true },
	]);
	await stack.client.settle(await stack.client.take(type));
	await stack.client.take(type);
	await stack.client.ok("task.cancel", { project, task_id: "gone" });
	const counted = await until("the counts", async () => {
		const reply = await stack.client.ok("status", { project, window_s: 60 });
		return reply.completed_count === 1 && reply.throughput > 0 && reply;
	});
	const { pending_count, running_count, blocked_count, cancelled_count, failed_count } = counted;
	assert.deepEqual([pending_count, running_count, blocked_count, cancelled_count, failed_count], [1, 1, 1, 1, 0]);
	assert.ok(counted.average_wait_time >= 0 && counted.average_wait_time < 60);
	assert.equal(counted.window_s, 60);
	const all = await stack.client.ok("status", {});
	assert.ok(all.completed_count >= 1 && all.pending_count >= 1);
});

test("a timeline reads so many tries and no more: older tasks than those are cut", async () => {
	const { project, type } = fresh();
	const { witness, client, addresses } = stack;
	for (const task_id of ["old", "new"]) {
		await client.submit(project, { task_id });
		await client.settle(await client.take(type));
	}
	await witness.ended(project, 2);
	const columns = "partition_id, number, attempt, started_at, finished_at, outcome";
	const made = "partition_id, number, 1 + seq, updated_at, updated_at, 'failed'";
	const tries = `INSERT INTO task_attempts(${columns}) SELECT ${made} FROM tasks JOIN seq_1_to_20000`;
	await witness.sql(`${tries} WHERE project='${project}' AND task_id='new'`);
	const reply = await (await fetch(`${addresses.http[0]}/api/v1/timeline?project=${project}`)).json();
	assert.deepEqual([ids(reply.tasks), reply.truncated], [["new"], true]);
	await witness.sql(`DELETE a FROM task_attempts a JOIN tasks USING (partition_id, number) WHERE project='${project}' AND a.attempt>1`);
	const whole = await (await fetch(`${addresses.http[0]}/api/v1/timeline?project=${project}`)).json();
	assert.deepEqual([ids(whole.tasks), whole.truncated], [["old", "new"], false]);
});

test("the timeline tells for each task in order what happened when", async () => {
	const { project, type } = fresh();
	const soon = { initial_ms: 1, max_ms: 1 };
	const graph = [{ task_id: "a", retry_backoff: soon }, { task_id: "b", dependencies: ["a"] }];
	await stack.client.submitBatch(project, graph, { batch_id: "g" });
	await stack.client.settle(await stack.client.take(type), "failed");
	await stack.client.settle(await stack.client.take(type));
	await stack.client.settle(await stack.client.take(type));
	await stack.witness.ended(project, 2);
	const { tasks } = await stack.client.ok("timeline", { project, batch_id: "g" });
	assert.deepEqual(ids(tasks), ["a", "b"]);
	const [a, b] = tasks;
	assert.deepEqual(a.attempts.map(({ attempt, outcome }) => [attempt, outcome]), [[1, "failed"], [2, "completed"]]);
	const times = [a.created_at, a.attempts[0].started_at, a.attempts[0].finished_at, a.attempts[1].started_at,
		a.finished_at, b.attempts[0].started_at, b.finished_at];
	assert.deepEqual(times, [...times].sort(), "in the order in which it happened");
	assert.deepEqual(ids(b.dependencies), ["a"]);
	assert.equal((await stack.client.ok("timeline", { project, batch_id: "none" })).tasks.length, 0);
});

test("executable lists what would be leased in the very order, with the terms of the score", async () => {
	const { project, type } = fresh();
	const priorities = Object.entries({ a: 2, b: 9, c: 5, d: 9 });
	await stack.client.submitBatch(project, priorities.map(([task_id, priority]) => ({ task_id, priority })));
	await stack.client.submit(project, { task_id: "blocked", dependencies: ["a"], priority: 10 });
	const { tasks } = await stack.client.ok("executable", { task_type: type, limit: 3 });
	assert.deepEqual(ids(tasks), ["b", "d", "c"]);
	for (const { score, terms } of tasks) {
		const sum = terms.priority + terms.waiting_hours + terms.dependencies + terms.retries;
		assert.ok(Math.abs(sum - score) < 1e-6, `${sum} is ${score}`);
	}
	assert.deepEqual([tasks[0].terms.priority, tasks[0].terms.dependencies, tasks[0].terms.retries], [900, 10, 5]);
	assert.deepEqual(ids((await stack.client.work(type, { max: 3 })).tasks), ids(tasks));
});

async function kinds(project, task_id) {
	const reply = await stack.client.ok("explain", { project, task_id });
	return { ...reply, kinds: reply.reasons.map(({ kind }) => kind) };
}

test("explain names everything that keeps a task from running", async () => {
	const { project, type } = fresh();
	const not_before = "2031-01-01T00:00:00Z";
	const waiting = { task_id: "b", dependencies: ["a"], hold: true, not_before };
	await stack.client.submitBatch(project, [{ task_id: "a" }, waiting]);
	const found = await kinds(project, "b");
	assert.deepEqual([found.status, found.runnable], ["blocked", false]);
	for (const kind of ["dependency", "approval", "time"]) assert.ok(found.kinds.includes(kind), kind);
	const { dependency } = found.reasons.find(({ kind }) => kind === "dependency");
	assert.deepEqual([dependency.task_id, dependency.when, dependency.status], ["a", "completed", "pending"]);
	await stack.client.ok("queue.pause", { task_type: type });
	assert.ok((await kinds(project, "a")).kinds.includes("pause"));
	await stack.client.ok("queue.resume", { task_type: type });
});

test("explain tells the place in the queue, the running try and the end", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, [{ task_id: "a" }, { task_id: "b" }]);
	const waiting = await kinds(project, "b");
	assert.deepEqual([waiting.status, waiting.position], ["pending", 2]);
	assert.ok(waiting.terms.priority === 500 && waiting.score > 500);
	const task = await stack.client.take(type);
	assert.ok((await kinds(project, "a")).kinds.includes("running"));
	await stack.client.settle(task, "failed");
	assert.ok((await kinds(project, "a")).kinds.includes("backoff"));
	await stack.client.settle(await stack.client.take(type));
	assert.ok((await kinds(project, "b")).kinds.includes("ended"));
});

test("explain names the key that is taken and who holds it", async () => {
	const { project, type } = fresh();
	await stack.client.submitBatch(project, ["a", "b"].map((task_id) => ({ task_id, concurrency_key: "k" })));
	await stack.client.take(type, { max: 1 });
	const told = async () => {
		const { status, runnable, reasons } = await stack.client.ok("explain", { project, task_id: "b" });
		const { message, holders } = reasons.find(({ kind }) => kind === "key");
		assert.deepEqual([runnable, holders], [false, ["a"]]);
		assert.match(message, /k is held by a; 1 may run with it at once/);
		return status;
	};
	assert.equal(await told(), "pending"); // until a worker asks
	await stack.client.work(type, { wait_ms: 0 });
	assert.equal(await told(), "blocked");
});

test("who asks finds what he was told of before, also what MySQL has to be asked for", { timeout: 60000 }, async () => {
	const { project, type } = fresh();
	for (const n of range(30)) {
		await stack.client.submit(project, { task_id: `t${n}`, task_type: type });
		await stack.client.settle(await stack.client.take(type));
		const { tasks } = await stack.client.ok("task.list", { project, status: "completed", limit: 1 });
		assert.equal(tasks[0]?.task_id, `t${n}`);
		const { attempts } = await stack.client.get(project, `t${n}`);
		assert.deepEqual(attempts.map(({ outcome }) => outcome), ["completed"]);
	}
});
