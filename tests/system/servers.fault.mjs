// The servers themselves fail under load: killed and started again, paused, emptied. Services keep their state, say so,
// and recover by themselves.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { Client } from "./client.mjs";
import { Load } from "./load.mjs";
import { fresh, range } from "./setup.mjs";
import { serviceNames, Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

let stack;
let witness;
before(async () => {
	stack = await new Stack({ instances: 2 }).start();
	witness = new Witness(stack.addresses);
}, { timeout: 120000 });
after(() => stack?.stop());

// What one test broke may still be coming back when the next begins.
async function patientClient(t) {
	const client = await Client.open(stack.addresses);
	client.patient = true;
	t.after(() => client.close());
	return client;
}

for (const name of ["redis", "nats", "mariadb"]) {
	test(`kill -9 of ${name} and its return lose nothing`, { timeout: 240000 }, async (t) => {
		const load = await new Load(stack, { ...fresh(name), forgetful: name === "redis" }).start(t);
		for (let round = 0; round < 2; round++) {
			await stack[name].kill();
			await stack[name].start();
			await load.progress(200, 90);
		}
		await load.finish(witness);
	});
}

for (const name of ["redis", "nats"]) {
	test(`a ${name} that is away for longer than a lease costs no try`, { timeout: 120000 }, async (t) => {
		const client = await patientClient(t);
		const { project, type } = fresh(`silent-${name}`);
		await client.submit(project, { task_id: "a", task_type: type });
		const task = await client.take(type, { lease_ms: 4000 });
		await until("MySQL knows that it runs", async () => (await witness.sql(`SELECT status FROM tasks WHERE project='${project}'`))[0]?.status === "running");
		await stack[name].kill();
		await pause(6000); // the lease is over, by any clock
		await stack[name].start();
		const done = [{ project, task_id: "a", lease: task.lease, outcome: "completed" }];
		const reply = await client.stubborn(`settle.${type}`, { worker: "w1", done }, { timeout: 1000 });
		assert.deepEqual([reply.done[0].ok, reply.done[0].status], [true, "completed"]);
		await witness.ended(project, 1);
		const events = (await witness.events(project)).map(({ status }) => status);
		assert.deepEqual(events.filter((status) => status === "running" || status === "retry"), ["running"]);
	});
}

test("an emptied Redis is rebuilt in the middle of everything", { timeout: 240000 }, async (t) => {
	const load = await new Load(stack, { ...fresh("flush"), forgetful: true }).start(t);
	for (let round = 0; round < 3; round++) {
		await witness.redisCli("FLUSHALL");
		await load.progress(200, 90);
	}
	await load.finish(witness);
});

test("holds, pauses, waits and leases outlive an emptied Redis", { timeout: 120000 }, async (t) => {
	const client = await patientClient(t);
	const { project, type } = fresh("rebuilt");
	await client.submitBatch(project, [
		{ task_id: "running", priority: 10 }, { task_id: "waiting" }, { task_id: "blocked", dependencies: ["running"] },
		{ task_id: "held", hold: true }, { task_id: "paused", task_type: `${type}2` },
	]);
	await client.submitBatch(project, [{ task_id: "short", task_type: `${type}3`, estimated_duration: 1 },
		{ task_id: "long", task_type: `${type}3`, estimated_duration: 9 }], { order: "critical_path" });
	await client.ok("queue.pause", { task_type: `${type}2` });
	const task = await client.take(type, { lease_ms: 60000 });
	assert.equal(task.task_id, "running");
	await witness.redisCli("FLUSHALL");
	const done = [{ project, task_id: "running", lease: task.lease, outcome: "completed", result: 7 }];
	// Until Redis is there again MySQL answers, which may not have the lease yet.
	const held = await until("it is known to run", async () => (await client.get(project, "running")).lease_until);
	assert.ok(held >= task.lease_until, `the lease holds as long as was told: ${held}, ${task.lease_until}`);
	const reply = await client.stubborn(`settle.${type}`, { worker: "w1", done });
	assert.deepEqual([reply.done[0].ok, reply.done[0].status], [true, "completed"], "the lease still counts");
	const next = await client.work(type, { max: 10, wait_ms: 10000 });
	assert.deepEqual(next.tasks.map(({ task_id }) => task_id).sort(), ["blocked", "waiting"]);
	assert.deepEqual(next.tasks.find(({ task_id }) => task_id === "blocked").inputs, { running: 7 });
	assert.deepEqual((await client.work(`${type}2`, { wait_ms: 0 })).tasks, []);
	assert.equal(await client.statusOf(project, "held"), "blocked");
	await client.ok("queue.resume", { task_type: `${type}2` });
	assert.equal((await client.take(`${type}2`)).task_id, "paused");
	assert.equal((await client.take(`${type}3`)).task_id, "long", "the order of the batch holds");
	const same = await client.ok("submit", { project, task_id: "waiting", task_type: type });
	assert.equal(same.tasks[0].result, "duplicate");
});

test("a command about an ended task that a rebuild left out says how it ended", { timeout: 120000 }, async (t) => {
	const client = await patientClient(t);
	const { project, type } = fresh("ended");
	await client.submitBatch(project, [{ task_id: "good", priority: 10 }, { task_id: "bad", max_retries: 0 }]);
	for (const outcome of ["completed", "failed"]) await client.settle(await client.take(type), outcome, outcome === "failed" ? { error: { message: "broken" } } : {});
	await witness.ended(project, 2);
	await witness.redisCli("FLUSHALL");
	for (const [verb, ...task_ids] of [["cancel", "good", "bad", "nobody"], ["approve", "good", "bad", "nobody"], ["retry", "good", "good", "nobody"]]) {
		const { tasks } = await client.stubborn(`task.${verb}`, { project, task_ids });
		assert.deepEqual(tasks.map(({ error }) => error.code), ["wrong_status", "wrong_status", "not_found"], verb);
		assert.match(tasks[0].error.message, /it is completed( already|: only failed)/);
	}
});

// What left Redis comes back from MySQL, so that it has its inputs, and runs no sooner than it may.
test("an ended task that a rebuild left out is tried again, with all that belongs to it", { timeout: 120000 }, async (t) => {
	const client = await patientClient(t);
	const { project, type } = fresh("again");
	const retry = async (task_id, more = {}) => (await client.stubborn("task.retry", { project, task_id, ...more })).tasks[0];
	const settle = async (expected, outcome, more) => {
		const task = await client.take(type);
		assert.equal(task.task_id, expected);
		await client.settle(task, outcome, more);
		return task;
	};
	await client.submitBatch(project, [
		{ task_id: "good" }, { task_id: "bad", max_retries: 0, dependencies: ["good"], execution_context: { of: "bad" } },
		{ task_id: "next", dependencies: ["bad"] }, { task_id: "last", dependencies: ["good", "next"] },
	]);
	await settle("good", "completed", { result: 7 });
	await settle("bad", "failed", { error: { message: "broken" } });
	await witness.ended(project, 4);
	await witness.redisCli("FLUSHALL");
	const refused = await retry("next");
	assert.equal(refused.error.code, "wrong_status");
	assert.match(refused.error.message, /its dependency bad has ended: retry that one, with cascade/);
	// A dependent brings only its end back; that must not be all that a retry knows of it.
	await client.submit(project, { task_id: "medic", task_type: `${type}2`, dependencies: [{ task_id: "bad", when: "failed" }] });
	assert.equal((await client.take(`${type}2`)).task_id, "medic");
	assert.deepEqual(await retry("bad", { cascade: true }), { task_id: "bad", ok: true, status: "pending" });
	const bad = await settle("bad", "completed", { result: 8 });
	assert.deepEqual([bad.inputs, bad.execution_context, bad.attempt, bad.error], [{ good: 7 }, { of: "bad" }, 2, { code: "task_error", message: "broken" }]);
	assert.deepEqual((await settle("next", "completed", { result: 9 })).inputs, { bad: 8 });
	assert.deepEqual((await settle("last", "failed", { error: { message: "no", retryable: false } })).inputs, { good: 7, next: 9 });
	await until("MySQL has it", async () => (await client.get(project, "last")).status === "failed");
	await witness.redisCli("FLUSHALL");
	assert.equal((await retry("last")).status, "pending");
	assert.deepEqual((await settle("last", "completed")).inputs, { good: 7, next: 9 });
});

test("the workers that a task has lost are counted on after a rebuild", { timeout: 120000 }, async (t) => {
	const client = await patientClient(t);
	const { project, type } = fresh("losing");
	await client.submit(project, { task_id: "a", task_type: type, max_retries: 50, retry_backoff: { initial_ms: 1, max_ms: 1 } });
	for (let lost = 0; lost < 4; lost++) {
		if (lost === 2) {
			await until("MySQL knows of both", async () => (await client.get(project, "a")).attempts?.filter(({ outcome }) => outcome === "worker_lost").length === 2);
			await witness.redisCli("FLUSHALL");
		}
		const { error } = await client.take(type, { lease_ms: 150, wait_ms: 20000 });
		assert.equal(error?.code, lost === 0 ? undefined : "worker_lost", "that comes back too");
	}
	await until("it failed", async () => (await client.statusOf(project, "a")) === "failed", { seconds: 60 });
	assert.match((await client.get(project, "a")).error.message, /4 times: CORDER_MAX_LOST allows 3/);
});

// The log and Redis lost at once leave what the database has; the system has to go on from there.
test("a rebuild does not wait for a log that is gone", { timeout: 180000 }, async (t) => {
	const client = await patientClient(t);
	const { project, type } = fresh("gone");
	await client.submit(project, { task_id: "kept", ack: "archived" });
	await Promise.all([0, 1].map((index) => stack.killService("persister", index)));
	await client.submit(project, { task_id: "lost" });
	await witness.redisCli("FLUSHALL");
	await until("Redis is not live", async () => (await client.ask("submit", { project, task_id: "later", task_type: type })).ok === false);
	const { streams } = await jetstreamManager(client.connection);
	await streams.delete("CORDER_LOG_0");
	await Promise.all([0, 1].map((index) => stack.startService("persister", index)));
	await client.stubborn("submit", { project, task_id: "after", task_type: type });
	const { tasks } = await client.work(type, { max: 10, wait_ms: 10000 });
	assert.ok(tasks.some(({ task_id }) => task_id === "kept") && tasks.some(({ task_id }) => task_id === "after"));
});

test("without Redis requests are unavailable and history can still be read", { timeout: 120000 }, async (t) => {
	const client = await patientClient(t);
	const { project } = fresh("away");
	await client.submit(project, { task_id: "a", ack: "archived" });
	await stack.redis.kill();
	try {
		const submit = { project, task_id: "b", task_type: "t" };
		assert.equal((await client.refused("submit", submit, { timeout: 20000 })).code, "unavailable");
		const listed = async () => (await client.ask("task.list", { project })).tasks?.length === 1;
		await until("the list is answered", listed);
	} finally {
		await stack.redis.start();
	}
	const back = await client.stubborn("submit", { project, task_id: "b", task_type: "t" });
	assert.equal(back.tasks[0].task_id, "b");
});

test("while MySQL is away work goes on, and is written down when it is back", { timeout: 180000 }, async (t) => {
	const client = await patientClient(t);
	const { project, type } = fresh("mysql");
	const tasks = range(500).map((n) => ({ task_id: `t${n}`, dependencies: n >= 50 ? [`t${n - 50}`] : [] }));
	await client.submitBatch(project, tasks);
	await stack.mariadb.kill();
	try {
		let done = [];
		for (let ended = 0; ended < 500;) {
			const reply = await client.stubborn(`work.${type}`, { worker: "w1", max: 50, wait_ms: 1000, done });
			ended += reply.done.filter(({ ok }) => ok).length;
			done = reply.tasks.map(({ task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
		}
	} finally {
		await stack.mariadb.start();
	}
	await witness.ended(project, 500, { seconds: 60 });
	assert.deepEqual(await witness.problems(project), []);
});

// Which services need a server, and how they call it.
const needs = {
	redis: { what: /Redis/, services: ["scheduler", "dispatcher", "monitor"] },
	mariadb: { what: /database|MySQL/, services: ["scheduler", "persister", "monitor"] },
};
for (const [name, { what, services }] of Object.entries(needs)) {
	test(`who needs ${name} says in its health that it is away, and when it is back`, { timeout: 120000 }, async (t) => {
		const client = await patientClient(t);
		const health = async (service) => (await client.services("STATS", `corder-${service}`)).map(({ data }) => data.health);
		const others = serviceNames.filter((service) => !services.includes(service));
		const allWell = (service) => until(`${service} is well`, async () => {
			const answers = await health(service);
			return answers.length === 2 && answers.every(({ ok, reason }) => ok && reason === "");
		}, { seconds: 60 });
		for (const service of serviceNames) await allWell(service);
		await stack[name].kill();
		try {
			for (const service of services)
				await until(`both of ${service} say it`, async () => {
					const answers = await health(service);
					return answers.length === 2 && answers.every(({ ok, reason }) => !ok && what.test(reason));
				});
			for (const service of others) await allWell(service);
		} finally {
			await stack[name].start();
		}
		for (const service of services) await allWell(service);
	});
}

// Without NATS nobody can be asked by it; the monitor's HTTP is left.
test("without NATS a monitor says that it is not ready, and which server it misses", { timeout: 120000 }, async () => {
	const [{ httpPort }] = stack.services.monitor;
	const get = (path) => fetch(`http://127.0.0.1:${httpPort}/${path}`);
	const missing = async () => [...(await (await get("metrics")).text()).matchAll(/^corder_connected\{.*server="(\w+)".*\} 0$/gm)].map(([, server]) => server);
	await until("it is ready", async () => (await get("readyz")).status === 200, { seconds: 60 });
	await stack.nats.kill();
	try {
		await until("it is not", async () => (await get("readyz")).status === 503);
		assert.deepEqual(await missing(), ["nats"]);
		assert.equal((await get("livez")).status, 200, "that is no reason to be started anew");
	} finally {
		await stack.nats.start();
	}
	await until("it is ready again", async () => (await get("readyz")).status === 200, { seconds: 60 });
	assert.deepEqual(await missing(), []);
});

test("servers that hang for a moment are waited for", { timeout: 180000 }, async (t) => {
	const load = await new Load(stack, fresh("hang")).start(t);
	for (const server of [stack.redis, stack.nats, stack.mariadb]) {
		server.child.kill("SIGSTOP");
		const stopped = Date.now();
		try {
			await until("four seconds have passed", () => Date.now() - stopped > 4000, { everyMs: 100 });
		} finally {
			server.child.kill("SIGCONT");
		}
		await load.progress(100, 90);
	}
	await load.finish(witness);
});

test("no service has ended through all of this and nothing was set aside", async () => {
	assert.deepEqual(stack.fallen(), []);
	assert.deepEqual(await witness.sql("SELECT * FROM poison_events"), []);
});
