// Services are killed with kill -9 under load, in turn: nothing is lost and every task ends once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { Load } from "./load.mjs";
import { fresh } from "./setup.mjs";
import { Stack, serviceNames } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const instances = 3;
const numbers = [...Array(instances).keys()];

let stack;
let witness;
before(async () => {
	stack = await new Stack({ instances }).start();
	witness = new Witness(stack.addresses);
}, { timeout: 120000 });
after(() => stack?.stop());

for (const name of serviceNames) {
	test(`kill -9 of one ${name}, then of all of them, loses nothing`, { timeout: 240000 }, async (t) => {
		const load = await new Load(stack, fresh(name)).start(t);
		await stack.killService(name, 0);
		await load.progress(200);
		await stack.startService(name, 0);
		await Promise.all(numbers.map((number) => stack.killService(name, number)));
		await Promise.all(numbers.map((number) => stack.startService(name, number)));
		await load.progress(200);
		await load.finish(witness);
	});
}

test("kill -9 of every service at once loses nothing", { timeout: 240000 }, async (t) => {
	const load = await new Load(stack, fresh("all")).start(t);
	const each = (action) => Promise.all(serviceNames.flatMap((name) => numbers.map((index) => action(name, index))));
	for (let round = 0; round < 3; round++) {
		await each((name, index) => stack.killService(name, index));
		await each((name, index) => stack.startService(name, index));
		await load.progress(200);
	}
	await load.finish(witness);
});

// Whoever led when it fell asleep wakes up behind another one, with events in hand that have long been told.
test("a scheduler that slept tells no event late", { timeout: 240000 }, async (t) => {
	const load = await new Load(stack, fresh("slept")).start(t);
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	const versions = new Map(), backwards = [];
	client.connection.subscribe(`corder.v1.event.${load.project}.>`, { callback: (_, message) => {
		const { task_id, version, status } = message.json(), before = versions.get(task_id) ?? 0;
		if (version < before) backwards.push(`${task_id}: ${status}, version ${version} after ${before}`);
		versions.set(task_id, Math.max(version, before));
	} });
	for (let round = 0; round < 3; round++) {
		for (const { pid } of stack.services.scheduler) {
			process.kill(pid, "SIGSTOP");
			await load.progress(200);
			process.kill(pid, "SIGCONT");
			await load.progress(50);
		}
	}
	await load.finish(witness);
	assert.ok(versions.size > 1000);
	assert.deepEqual(backwards, []);
});

test("a service that is asked to stop ends with code 0 and loses nothing", { timeout: 240000 }, async (t) => {
	const load = await new Load(stack, fresh("stop")).start(t);
	for (const name of serviceNames) {
		const child = stack.services[name][0];
		await stack.restartService(name, 0, "SIGTERM");
		assert.deepEqual([child.exitCode, child.signalCode], [0, null], name);
	}
	await load.progress(200);
	await load.finish(witness);
});

test("what is enqueued while every service is down is done when they are back", { timeout: 120000 }, async (t) => {
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	const { project, type } = fresh("down");
	const each = (action) => Promise.all(serviceNames.flatMap((name) => numbers.map((index) => action(name, index))));
	await each((name, index) => stack.killService(name, index));
	for (let n = 0; n < 50; n++) await client.publish(`enqueue.${project}`, { task_id: `t${n}`, task_type: type });
	await each((name, index) => stack.startService(name, index));
	await stack.ready();
	const pending = async () => (await client.ask("status", { project })).pending_count === 50;
	await until("all 50 are pending", pending, { seconds: 60 });
	const { tasks } = await client.work(type, { max: 100 });
	assert.equal(tasks.length, 50);
});

test("the tables hold nothing that was set aside", async () => {
	assert.deepEqual(await witness.sql("SELECT * FROM poison_events"), []);
	assert.deepEqual(stack.fallen(), []);
});
