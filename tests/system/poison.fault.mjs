// Events that the tables refuse, for a constraint that somebody added by hand, and `corder poison --replay` once it is gone: each
// event of a task in turn, all of them, and what is about no task. What comes out has to be what a task without such trouble has.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { Corder, lines } from "./corder.mjs";
import { fresh } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const versions = [1, 2, 3, 4, 5, 6, 7]; // blocked, pending, running, retry, pending, running, completed
const { project, type } = fresh("poison");
let stack;
let client;
let witness;
let corder;
before(async () => {
	stack = await new Stack().start();
	client = await Client.open(stack.addresses);
	witness = new Witness(stack.addresses);
	corder = new Corder(stack);
}, { timeout: 120000 });
after(async () => {
	corder?.close();
	await client?.close();
	await stack?.stop();
});

const poison = (...words) => {
	const { redis, database } = stack.addresses;
	return corder.run("poison", ...words, { env: { REDIS_URL: redis, DATABASE_URL: database } });
};
const listed = async () => lines((await poison("--json")).out).map((line) => JSON.parse(line));
const count = async () => Number((await witness.sql("SELECT COUNT(*) n FROM poison_events"))[0].n);
const refuse = (condition) => witness.sql(`ALTER TABLE task_events ADD CONSTRAINT by_hand CHECK (NOT COALESCE(${condition}, FALSE))`);
const mend = () => witness.sql("ALTER TABLE task_events DROP CONSTRAINT by_hand");
const written = async (id, status) => (await witness.sql(`SELECT status FROM tasks WHERE project='${project}' AND task_id='${id}'`))[0]?.status === status;

// A life with a dependency, a try that fails and one that does not.
async function live(id) {
	const own = `${type}_${id}`;
	const retry_backoff = { initial_ms: 1, factor: 1, max_ms: 1 };
	const task = { task_id: id, task_type: own, dependencies: [`${id}-root`], execution_context: { of: "it" }, max_retries: 2, retry_backoff };
	await client.submitBatch(project, [{ task_id: `${id}-root`, task_type: `${own}_root` }, task]);
	await client.settle(await client.take(`${own}_root`));
	const error = { code: "first", message: 'it said "no" \\ \n ü' };
	await client.settle(await client.take(own, { worker: "w1" }), "failed", { error, retryable: true });
	await client.settle(await client.take(own, { worker: "w2" }), "completed", { result: { ok: id.length > 0 } });
}

// What two tasks with the same life have in common: everything but names, numbers and times, of which only whether they are set.
async function likeness(id) {
	const where = `WHERE project='${project}' AND task_id='${id}'`;
	const [row] = await witness.sql(`SELECT * FROM tasks ${where}`);
	const attempts = `SELECT * FROM task_attempts WHERE number=${row.number} ORDER BY attempt`;
	const tables = [[row], await witness.sql(`SELECT * FROM task_events ${where} ORDER BY seq`), await witness.sql(attempts)];
	tables.push(await witness.sql(`SELECT * FROM task_dependencies ${where}`));
	const differs = ["number", "seq", "last_seq", "event_id", "task_id", "batch_id", "task_type", "lease", "spec_hash", "reserve", "dependencies", "dependency_id", "detail"];
	const shape = ([name, value]) => [name, value !== null && (differs.includes(name) || /_at$|^at$|_until$|duration$/.test(name)) ? "set" : value];
	return tables.map((rows) => rows.map((each) => Object.fromEntries(Object.entries(each).map(shape))));
}

test("each event of a task in turn, and all of them, are set aside, and written once the cause is mended", { timeout: 120000 }, async () => {
	await refuse(`project='${project}' AND (task_id=CONCAT('v', version) OR task_id='all')`);
	const all = ["none", "all", ...versions.map((version) => `v${version}`)];
	await Promise.all(all.map(live));
	await until("all was read", async () => (await count()) === versions.length * 2, { seconds: 30 });
	const known = await listed();
	assert.deepEqual(known.filter(({ task_id }) => task_id === "v3").map(({ id, partition, seq }) => id === `${partition}:${seq}`), [true]);
	const v3 = known.find(({ task_id }) => task_id === "v3");
	const refused = await poison("--replay", v3.id);
	assert.equal(refused.code, 1);
	assert.match(refused.out, new RegExp(`${v3.id}  ${project}/v3  not replayed: .*by_hand`));
	assert.equal(await count(), versions.length * 2, "it stays");
	await mend();
	const one = await poison("--replay", v3.id, "--json");
	assert.deepEqual([one.code, JSON.parse(one.out).replayed], [0, true], one.out + one.err);
	const late = known.filter(({ task_id }) => task_id === "all").sort((a, b) => b.seq - a.seq)[0];
	const early = await poison("--replay", late.id);
	assert.equal(early.code, 1);
	assert.match(early.out, /not replayed: its task has no row: its first event \(seq \d+\)/);
	const { code, out, err } = await poison("--replay", "--all");
	assert.equal(code, 0, out + err);
	assert.equal(lines(out).length, versions.length * 2 - 1);
	assert.match(err, /13 replayed, 0 left/);
	assert.equal(await count(), 0);
	assert.deepEqual(await witness.problems(project), []);
	const wanted = await likeness("none");
	assert.equal(wanted[1].length, versions.length);
	for (const id of all) assert.deepEqual(await likeness(id), wanted, id);
	const began = "SELECT MAX(e.at) FROM task_events e WHERE e.project=t.project AND e.task_id=t.task_id AND e.status='running'";
	const tries = "SELECT MAX(a.started_at) FROM task_attempts a WHERE a.partition_id=t.partition_id AND a.number=t.number";
	const wrong = `SELECT task_id FROM tasks t WHERE project='${project}' AND NOT (started_at=(${began}) AND started_at=(${tries}))`;
	assert.deepEqual(await witness.sql(wrong), [], "each began when its last try did");
	const names = await witness.sql(`SELECT COUNT(*) n FROM task_events WHERE project='${project}' AND event_id LIKE 'set-aside%'`);
	assert.equal(names[0].n, "0", "events keep the names that everybody was told");
});

test("an event that a running task is behind by does not make it run twice", { timeout: 60000 }, async () => {
	const own = `${type}_behind`;
	await client.submit(project, { task_id: "behind", task_type: own });
	await until("it is written", () => written("behind", "pending"));
	await refuse("task_id='behind' AND version=2");
	const task = await client.take(own);
	await until("it is set aside", async () => (await count()) === 1);
	assert.equal(await written("behind", "pending"), true);
	await mend();
	assert.equal((await poison("--replay", "--all")).code, 0);
	assert.equal(await written("behind", "running"), true);
	const { redis, database } = stack.addresses;
	const audit = await corder.run("audit", { env: { REDIS_URL: redis, DATABASE_URL: database } });
	assert.equal(audit.code, 0, audit.out + audit.err);
	await client.settle(task);
	await until("it has ended", () => written("behind", "completed"));
	assert.deepEqual(await witness.problems(project), []);
});

test("a pause that was set aside does not come back after its resume", { timeout: 60000 }, async () => {
	const pauses = async () => (await witness.sql("SELECT task_type FROM queue_pauses")).map(({ task_type }) => task_type);
	await refuse("status='queue' AND reason='paused'");
	await client.ok("queue.pause", { task_type: `${type}_over` });
	await client.ok("queue.resume", { task_type: `${type}_over` });
	await client.ok("queue.pause", { task_type: `${type}_now` });
	await until("both are set aside", async () => (await count()) === 2);
	await mend();
	assert.equal((await poison("--replay", "--all")).code, 0);
	assert.deepEqual(await pauses(), [`${type}_now`]);
	await client.ok("queue.resume", { task_type: `${type}_now` });
	await until("none is left", async () => (await pauses()).length === 0);
});

test("what has no place any more is told, and stays until it is dropped", { timeout: 60000 }, async () => {
	await refuse("task_id='gone' AND version=2");
	await client.submit(project, { task_id: "gone", task_type: `${type}_gone` });
	await client.settle(await client.take(`${type}_gone`));
	await until("it has ended", () => written("gone", "completed"));
	await mend();
	const [{ id }] = await listed();
	await witness.sql(`UPDATE task_events SET version=2 WHERE project='${project}' AND task_id='gone' AND version=3`);
	const other = await poison("--replay", id, "--json");
	assert.equal(other.code, 1);
	assert.match(JSON.parse(other.out).reason, /its task went on without it: event \d+ is version 2/);
	assert.equal(JSON.parse(other.out).replayable, false);
	await witness.sql(`UPDATE task_events SET version=3 WHERE project='${project}' AND task_id='gone' AND version=2`);
	await witness.sql("CREATE TABLE kept AS SELECT * FROM poison_events");
	assert.equal((await poison("--replay", id)).code, 0);
	await witness.sql("INSERT INTO poison_events SELECT * FROM kept");
	assert.match((await poison("--replay", id)).out, /the tables have this event already/);
	await witness.sql("UPDATE poison_events SET seq=999999");
	assert.match((await poison("--replay", "0:999999")).out, /not the event that belongs there/);
	await witness.sql("UPDATE poison_events SET raw='bytes'");
	const never = await poison("--replay", "--all");
	assert.equal(never.code, 1);
	assert.match(never.out, /no record of an event\n.*'corder poison --drop 0:999999' deletes it/);
	const dropped = await poison("--drop", "0:999999");
	assert.deepEqual([dropped.code, dropped.out], [0, "0:999999  dropped\n"]);
	assert.match((await poison("--drop", "0:999999")).out, /0:999999  not dropped: it is not set aside, or not any more/);
	assert.equal((await poison("--replay", "--all")).out, "Nothing was set aside.\n");
	assert.deepEqual(await witness.problems(project), []);
});

test("what is not said clearly is not done", async () => {
	for (const words of [["--replay"], ["--drop"], ["--drop", "--all"], ["--all"], ["0:1"], ["--replay", "--drop", "0:1"], ["--replay", "--all", "0:1"], ["--replay", "7"]]) {
		const { code, err } = await poison(...words);
		assert.equal(code, 64, words.join(" "));
		assert.match(err, /More: corder poison --help/);
	}
	assert.deepEqual(stack.fallen(), []);
});
