// Recovery that a person can trust: Redis lost under 100,000 waiting tasks, and what `corder audit`, `rebuild` and `poison` say of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { Corder } from "./corder.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const count = 100000;
let stack;
let client;
let witness;
let corder;
before(async () => {
	stack = await new Stack({ instances: 2 }).start();
	client = await Client.open(stack.addresses);
	client.patient = true;
	witness = new Witness(stack.addresses);
	corder = new Corder(stack);
}, { timeout: 120000 });
after(async () => {
	corder?.close();
	await client?.close();
	await stack?.stop();
});

const run = (...words) => {
	const { redis, database } = stack.addresses;
	return corder.run(...words, { env: { REDIS_URL: redis, DATABASE_URL: database }, seconds: 120 });
};
const job = fresh("many");

test("100,000 tasks wait, one runs, and Redis is emptied: all is there again, and nothing runs twice", { timeout: 400000 }, async (t) => {
	const { project, type } = job;
	for (let first = 0; first < count; first += 2000) {
		const tasks = range(2000).map((i) => ({ task_id: `t${first + i}`, priority: first + i === 77 ? 10 : 1, dependencies: (first + i) % 10 === 9 ? [`t${first + i - 1}`] : [] }));
		await client.submitBatch(project, tasks);
	}
	const running = await client.take(type, { lease_ms: 120000 });
	assert.equal(running.task_id, "t77");
	await until("MySQL has them all", async () => Number((await witness.sql(`SELECT COUNT(*) n FROM tasks WHERE project='${project}'`))[0].n) === count, { seconds: 120, everyMs: 200 });
	const began = performance.now();
	await witness.redisCli("FLUSHALL");
	const next = await client.work(type, { max: 1, wait_ms: 0 }); // patient: asks until somebody knows
	t.diagnostic(`answered again ${((performance.now() - began) / 1000).toFixed(1)} s after Redis was emptied, with ${count} tasks waiting`);
	assert.notEqual(next.tasks[0]?.task_id, "t77");
	const verdict = await client.settle(running);
	assert.deepEqual([verdict.ok, verdict.status], [true, "completed"]);
	const rows = await witness.sql(`SELECT COUNT(*) n FROM task_events WHERE project='${project}' AND task_id='t77' AND status='running'`);
	assert.equal(Number(rows[0].n), 1);
});

test("a time after 2038 is the same when Redis was emptied", { timeout: 120000 }, async () => {
	const { project } = fresh("late");
	await client.submit(project, { task_id: "a", not_before: "2041-03-04T05:06:07Z" });
	const due = async () => Number((await witness.redisCli("ZRANGE", "{p0}:due", "+inf", "-inf", "BYSCORE", "REV", "LIMIT", "0", "1", "WITHSCORES")).split("\n").at(-1));
	const wanted = Date.parse("2041-03-04T05:06:07Z") * 1000;
	assert.equal(await due(), wanted);
	await witness.redisCli("FLUSHALL");
	await until("it is due again", async () => (await due()) === wanted, { seconds: 60, everyMs: 100 });
	assert.deepEqual((await client.get(project, "a")).waits_for, ["time"]);
});

test("audit finds all three in agreement", { timeout: 200000 }, async (t) => {
	const began = performance.now();
	const { code, out, err } = await run("audit");
	t.diagnostic(`${((performance.now() - began) / 1000).toFixed(1)} s: ${out.trim()}`);
	assert.equal(code, 0, out + err);
	assert.match(out, /Partition 0: \d{5,} tasks that have not ended; .*; 0 wrong/);
});

test("audit names what Redis has lost or made up, and --fix mends it", { timeout: 200000 }, async () => {
	const forget = "return redis.call('HDEL', '{p0}:t', redis.call('HGET', '{p0}:id', ARGV[1]))";
	assert.equal((await witness.redisCli("EVAL", forget, "0", `${job.project}/t4711`)).trim(), "1");
	const found = await run("audit");
	assert.equal(found.code, 1, found.out + found.err);
	assert.match(found.out, new RegExp(`${job.project}/t4711: it has not ended, and Redis does not have it`));
	const json = await run("audit", "--json");
	assert.deepEqual(JSON.parse(json.out).wrong, 1);
	const fixed = await run("audit", "--fix");
	assert.equal(fixed.code, 0, fixed.out + fixed.err);
	assert.match(fixed.out, /; 1 wrong[^]*; 0 wrong/);
});

test("audit tells what is wrong in the database, where no rebuild helps", { timeout: 200000 }, async () => {
	const set = (status) => witness.sql(`UPDATE tasks SET status='${status}' WHERE project='${job.project}' AND task_id='t4712'`);
	await set("failed");
	const found = await run("audit", "--fix");
	assert.equal(found.code, 1);
	assert.match(found.out, /t4712: its row says failed, the event of the same number pending/);
	await set("pending");
	assert.equal((await run("audit")).code, 0);
});

test("rebuild does by hand what a lost Redis does by itself", { timeout: 200000 }, async (t) => {
	assert.equal((await run("rebuild")).code, 64, "not by mistake");
	const { code, out, err } = await run("rebuild", "--yes", "--json");
	assert.equal(code, 0, err);
	const { tasks, seconds } = JSON.parse(out);
	t.diagnostic(`${tasks} tasks in ${seconds} s`);
	assert.ok(tasks >= count - 10);
	assert.equal((await client.work(job.type, { max: 1 })).tasks.length, 1);
});

test("poison lists what was set aside, with its reason", { timeout: 60000 }, async () => {
	const none = await run("poison");
	assert.deepEqual([none.code, none.out], [0, "Nothing was set aside.\n"]);
	await witness.sql("INSERT INTO poison_events(partition_id,seq,reason,raw,at) VALUES (0, 7, 'Data too long for column \\'x\\'', 'raw', UTC_TIMESTAMP(6))");
	const some = await run("poison");
	assert.equal(some.code, 1);
	assert.match(some.out, /^0:7  .*Data too long for column 'x'/);
	assert.equal(JSON.parse((await run("poison", "--json")).out).seq, 7);
	await witness.sql("DELETE FROM poison_events");
});

// As a power cut of NATS leaves it: it does not sync each message, and the log comes back from Redis and MySQL, the slices do not.
test("a large graph whose slices are lost gives its ids back, decided or not, and is not tried for ever", { timeout: 200000 }, async () => {
	const { project } = fresh("lost");
	const us = `${Date.now()}000`;
	const hold = (id, token) => witness.redisCli("HSET", "{p0}:id", `${project}/${id}`, `@${token}`);
	await hold("undecided", "gone1");
	await hold("decided", "gone2");
	await witness.redisCli("HSET", "{p0}:rs", "gone1", `${project}\x1fbatch1\x1f${us - 60000000}`);
	await witness.redisCli("HSET", "{p0}:ab", "gone2", `${project}\x1fbatch2\x1f2\x1f300`);
	const left = async () => (await witness.redisCli("--raw", "HMGET", "{p0}:id", `${project}/undecided`, `${project}/decided`)).trim();
	await until("both ids are free", async () => (await left()) === "", { seconds: 120, everyMs: 200 });
	assert.equal((await witness.redisCli("HLEN", "{p0}:ab")).trim(), "0");
	assert.equal((await witness.redisCli("HLEN", "{p0}:rs")).trim(), "0");
	await client.submitBatch(project, [{ task_id: "undecided" }, { task_id: "decided" }]);
});

test("without the addresses of the stores it says what to set", async () => {
	const { code, err } = await corder.run("audit");
	assert.equal(code, 69);
	assert.match(err, /set REDIS_URL and DATABASE_URL/);
});
