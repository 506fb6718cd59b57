// A dispatcher that appends to the log what its own calls have written, when that comes right behind the log's last entry: a worker
// alone follows a chain, with the scheduler there, without it, and where NATS does not let the dispatcher append.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "./client.mjs";
import { NatsWithRoles } from "./roles.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const length = 40;

class NatsThatRefuses extends NatsWithRoles {
	prepare() {
		super.prepare();
		this.rewrite(/(DISPATCHER \{\s+publish: \[[^\]]*?)"corder\.v1\.internal\.log\.\*", /);
	}
}

const stacks = [];
after(() => Promise.all(stacks.map((stack) => stack.stop())));

async function start(t, Nats) {
	const stack = await new Stack({ Nats }).start();
	stacks.push(stack);
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	const names = fresh();
	return { stack, client, witness: new Witness(stack.addresses), heard: client.listen(`event.${names.project}.>`, "event"), ...names };
}

const submitChain = ({ client, project }) =>
	client.submitBatch(project, range(length).map((n) => ({ task_id: `t${n}`, dependencies: n > 0 ? [`t${n - 1}`] : [] })));

// Settles what it has and takes the next, hop by hop, up to this task.
async function follow({ client, type }, from, to, done = []) {
	for (let n = from; n < to; n++) {
		const { tasks, done: verdicts } = await client.work(type, { max: 1, done });
		assert.deepEqual(tasks.map(({ task_id }) => task_id), [`t${n}`]);
		assert.deepEqual(verdicts.map(({ ok }) => ok), done.map(() => true));
		done = tasks.map(({ project, task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
	}
	return done;
}

const appended = async ({ client }, service) =>
	(await client.services("STATS", `corder-${service}`)).reduce((sum, { data }) => sum + data.counters.appended_blocks, 0);

// What became of the chain, by MySQL and by its events: each task ran once and ended once, in the order of the chain.
async function isWhole({ witness, project, heard }) {
	await witness.ended(project, length, { seconds: 60 });
	assert.deepEqual(await witness.problems(project), []);
	const of = (wanted) => heard.list.filter(({ body }) => body.status === wanted).map(({ body }) => body.task_id);
	await until("the last end is told", () => of("completed").includes(`t${length - 1}`));
	for (const status of ["running", "completed"]) assert.deepEqual(of(status), range(length).map((n) => `t${n}`), status);
	assert.deepEqual(heard.problems, []);
}

test("the hops of a chain are appended by the dispatcher, with and without a scheduler", { timeout: 120000 }, async (t) => {
	const run = await start(t);
	await submitChain(run);
	const before = await appended(run, "dispatcher");
	let done = await follow(run, 0, 15);
	assert.ok((await appended(run, "dispatcher")) - before >= 14); // the first may come before it has heard of the log's end
	await run.stack.killService("scheduler");
	done = await follow(run, 15, 30, done);
	assert.ok((await appended(run, "dispatcher")) - before >= 29);
	await run.stack.startService("scheduler");
	done = await follow(run, 30, length, done);
	assert.equal((await run.client.work(run.type, { wait_ms: 0, done })).done[0].ok, true);
	await isWhole(run);
});

// The stream lacks more than a thousand blocks then.
test("the events of all that was appended without a scheduler are told when one is back", { timeout: 120000 }, async (t) => {
	const run = await start(t);
	const many = 1500;
	await run.client.submitBatch(run.project, range(many).map((n) => ({ task_id: `t${n}` })));
	await run.stack.killService("scheduler");
	const before = await appended(run, "dispatcher");
	let done = [];
	for (let n = 0; n < many; n++) {
		const { tasks, done: verdicts } = await run.client.work(run.type, { max: 1, done });
		assert.deepEqual(verdicts.map(({ ok }) => ok), done.map(() => true));
		done = tasks.map(({ project, task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
	}
	assert.ok((await appended(run, "dispatcher")) - before >= 1200);
	const began = performance.now();
	await run.stack.startService("scheduler");
	assert.equal((await run.client.work(run.type, { wait_ms: 0, done })).done[0].ok, true);
	const kept = await until("all ends are in the stream", async () => {
		const ends = await run.client.replay(`event.${run.project}.*.completed`);
		return ends.length >= many && run.client.replay(`event.${run.project}.>`);
	}, { seconds: 60, everyMs: 500 });
	t.diagnostic(`${many} tasks: all is told after ${Math.round(performance.now() - began)} ms`);
	const versions = new Map();
	for (const { body } of kept) {
		assert.equal(body.version, (versions.get(body.task_id) ?? 0) + 1, body.task_id);
		versions.set(body.task_id, body.version);
	}
	assert.deepEqual([versions.size, kept.length], [many, 3 * many]);
	assert.deepEqual(run.heard.problems, []);
});

test("what a dispatcher may not append comes by the relay", { timeout: 120000 }, async (t) => {
	const run = await start(t, NatsThatRefuses);
	await submitChain(run);
	const relayed = await appended(run, "scheduler"), began = Date.now();
	const done = await follow(run, 0, length);
	const tenths = Math.ceil((Date.now() - began) / 10000); // after each try in vain it leaves it for 10 s
	assert.ok((await appended(run, "dispatcher")) <= 1 + tenths);
	assert.equal((await run.client.work(run.type, { wait_ms: 0, done })).done[0].ok, true);
	await isWhole(run);
	assert.ok((await appended(run, "scheduler")) - relayed >= length);
	assert.ok(run.stack.nats.violations().some((line) => /internal\.log/.test(line)));
});
