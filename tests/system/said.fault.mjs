// What clients say, at its longest and oddest: reasons, far times, numbers and names. MySQL has to take all of it, and a Redis
// that was emptied to get it back as it was.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

let stack;
let client;
let witness;
before(async () => {
	stack = await new Stack().start();
	client = await Client.open(stack.addresses);
	client.patient = true;
	witness = new Witness(stack.addresses);
}, { timeout: 120000 });
after(async () => {
	await client?.close();
	await stack?.stop();
});

const command = (verb, request) => client.ok(`task.${verb}`, request);

// What was said before is in MySQL, and Redis has nothing any more.
async function emptyRedis() {
	const last = fresh("last");
	await client.submit(last.project, { task_type: last.type, ack: "archived" });
	await witness.redisCli("FLUSHALL");
}

test("pauses and cancels that were given a reason are what they were when Redis was emptied", { timeout: 120000 }, async () => {
	const { project, type } = fresh();
	const [paused, resumed] = [`${type}_paused`, `${type}_resumed`];
	await client.submitBatch(project, [{ task_id: "cancelled" }, { task_id: "updated" }]);
	await client.submitBatch(project, [{ task_id: "waits", task_type: paused }, { task_id: "goes", task_type: resumed }]);
	const running = (await client.work(type, { max: 2, lease_ms: 120000 })).tasks;
	await command("cancel", { project, task_id: "cancelled", reason: "the wrong branch" });
	await command("update", { project, task_id: "updated", priority: 9, reason: "cancel requested" });
	await client.ok("queue.pause", { task_type: paused, reason: "release freeze" });
	await client.ok("queue.pause", { task_type: resumed, reason: "resumed" });
	await client.ok("queue.resume", { task_type: resumed, reason: "paused" });
	await emptyRedis();
	const pauses = await witness.sql("SELECT task_type FROM queue_pauses");
	assert.deepEqual(pauses.map(({ task_type }) => task_type), [paused]);
	const asked = await witness.sql(`SELECT task_id FROM tasks WHERE project='${project}' AND cancel_requested`);
	assert.deepEqual(asked.map(({ task_id }) => task_id), ["cancelled"]);
	const said = (await witness.sql("SELECT reason FROM task_events WHERE status='queue' ORDER BY seq")).map(({ reason }) => reason);
	assert.deepEqual(said, ["paused: release freeze", "paused: resumed", "resumed: paused"]);
	assert.deepEqual((await client.work(paused, { wait_ms: 0 })).tasks, []);
	assert.equal((await client.take(resumed)).task_id, "goes");
	const ends = Object.fromEntries(await Promise.all(running.map(async (task) => [task.task_id, (await client.settle(task)).status])));
	assert.deepEqual(ends, { cancelled: "cancelled", updated: "completed" });
	await client.ok("queue.resume", { task_type: paused });
	assert.equal((await client.take(paused)).task_id, "waits");
});

test("a time that is as good as never is waited for, also when Redis was emptied", { timeout: 120000 }, async () => {
	const { project, type } = fresh("never");
	const times = ["2255-06-05T23:47:34.740994Z", "3111-09-16T00:00:00Z", "4300-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"];
	const wait = async () => {
		assert.deepEqual((await client.work(type, { wait_ms: 500 })).tasks, []);
		for (const year of times.map((time) => time.slice(0, 4))) {
			const { status, waits_for, not_before } = await client.get(project, year);
			assert.deepEqual([status, waits_for, not_before.slice(0, 4)], ["blocked", ["time"], year]);
		}
	};
	await client.submitBatch(project, times.map((time) => ({ task_id: time.slice(0, 4), not_before: time })));
	await wait();
	await emptyRedis();
	await wait();
});

test("a number of any length is written down", { timeout: 120000 }, async () => {
	const { project, type } = fresh("long");
	const long = (digits) => `${digits}${"3".repeat(5000)}`;
	const factors = [long("1."), `0.${"0".repeat(500)}15e501`, "1e0", `1${"0".repeat(300)}e-299`];
	const durations = [long("0."), long("7."), `0.${"0".repeat(5000)}1`, "1e-400", "4.9e-324", "1e-99999999999999999999", "0e999", "-0", "1.5E+2", `1${"0".repeat(400)}e-400`];
	const backoffs = factors.map((factor, i) => `{"task_id":"f${i}","task_type":"${type}","retry_backoff":{"factor":${factor},"max_ms":86400000,"initial_ms":86400000}}`);
	const estimates = durations.map((duration, i) => `{"task_id":"d${i}","task_type":"${type}","estimated_duration":${duration},"timeout":${long("0.5")}}`);
	const body = `{"project":"${project}","ack":"archived","tasks":[${[...backoffs, ...estimates]}]}`;
	const reply = await client.askBytes("submit", new TextEncoder().encode(body));
	assert.equal(reply.ok, true, JSON.stringify(reply.error));
	assert.deepEqual(await witness.sql("SELECT reason FROM poison_events"), []);
	const rows = await witness.sql(`SELECT task_id, backoff, estimated_duration FROM tasks WHERE project='${project}' ORDER BY number`);
	assert.equal(rows.length, factors.length + durations.length);
	assert.ok(rows.every(({ backoff }) => backoff.length < 64));
	const { tasks } = await client.work(type, { max: 50 });
	assert.equal(tasks.length, rows.length);
});

test("the longest of every text is written down", { timeout: 120000 }, async () => {
	const full = (word, length) => `${word}-`.padEnd(length, "x");
	const [project, type, worker] = [full(fresh().project, 64), full("type", 64), full("worker", 64)];
	const wide = (count) => "\u{1F600}".repeat(count);
	const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;
	const task = { task_type: type, service_name: wide(128), concurrency_key: wide(128), concurrency_limit: 1000000, traceparent, priority: 10, max_retries: 100, timeout: 31536000, estimated_duration: 1 };
	const backoff = { initial_ms: 86400000, factor: 99.99999999999999, max_ms: 86400000 };
	const comes = range(1000).map((i) => ({ task_id: full(`later${i}`, 128), when: "finished", future: true }));
	const tasks = [
		{ ...task, task_id: full("a", 128), retry_backoff: backoff },
		{ ...task, task_id: full("b", 128), retry_backoff: { ...backoff, initial_ms: 0 } },
		{ ...task, task_id: full("skipped", 128), dependencies: [full("a", 128)] },
		{ ...task, estimated_duration: 31536000, hold: true, not_before: "9999-12-31T23:59:59.999999Z", dependencies: comes, priority: 1 }, // its id is made: all flags
	];
	await client.ok("submit", { project, batch_id: full("batch", 128), order: "critical_path", tasks });
	const taken = (await client.work(type, { worker, max: 2, lease_ms: 120000 })).tasks;
	assert.deepEqual(taken.map(({ task_id }) => task_id[0]), ["a", "b"]);
	const name = { project, batch_id: full("batch", 128), reason: wide(512) };
	await command("update", { project, task_id: taken[1].task_id, priority: 1, reason: wide(512) });
	await client.ok("queue.pause", { project, task_type: type, reason: wide(512) });
	await client.ok("queue.resume", { project, task_type: type, reason: wide(512) });
	const failed = (item, retryable) => client.settle(item, "failed", { error: { message: wide(5000), retryable } });
	assert.equal((await failed(taken[0], false)).status, "failed");
	await command("retry", { project, task_id: taken[0].task_id, cascade: true, reason: `retry ${wide(506)}` });
	await command("cancel", name);
	assert.equal((await failed(taken[1], true)).status, "cancelled");
	await client.submit(project, { task_type: type, ack: "archived" });
	assert.deepEqual(await witness.sql("SELECT reason FROM poison_events"), []);
	const rows = await witness.sql(`SELECT * FROM tasks WHERE project='${project}' AND batch_id<>'' ORDER BY number`);
	const widest = Object.fromEntries(Object.keys(rows[0]).map((key) => [key, Math.max(...rows.map((row) => [...(row[key] ?? "")].length))]));
	const { task_id, flags, service_name, concurrency_key } = widest;
	assert.deepEqual({ task_id, flags, service_name, concurrency_key }, { task_id: 128, flags: 8, service_name: 128, concurrency_key: 128 });
	const said = await witness.sql(`SELECT MAX(CHAR_LENGTH(reason)) longest, MAX(CHAR_LENGTH(because)) because FROM task_events WHERE project='${project}'`);
	assert.deepEqual([said[0].longest, said[0].because], [`${512 + "cancel requested: ".length}`, "128"]);
	assert.deepEqual(await witness.problems(project), []);
});
