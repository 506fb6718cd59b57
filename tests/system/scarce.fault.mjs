// Servers that are not there when services start, a database that stays away, a log that is full: what is said, and what is kept.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "./client.mjs";
import { isAlive, quietPort } from "./servers.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack, serviceNames } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

let stack;
after(() => stack?.stop());

async function open(t, settings = {}) {
	await stack?.stop();
	stack = await new Stack({ settings }).start();
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	return client;
}

const log = (name) => readFileSync(join(stack.folder, "logs", `${name}-0.log`), "utf8");

// Batches until one is refused: { accepted, error }.
async function fill(client, project, type) {
	for (let number = 0; ; number++) {
		const tasks = range(100).map((i) => ({ task_id: `b${number}.${i}`, task_type: type, execution_context: { pad: "x".repeat(300) } }));
		const reply = await client.ask("submit", { project, tasks }, { timeout: 20000 });
		if (!reply.ok) return { accepted: number * 100, error: reply.error, tasks };
		assert.ok(number < 500, "something has to be full by now");
	}
}

for (const missing of ["nats", "redis", "mariadb"]) {
	test(`services that start without ${missing} wait for it, say so, and are not ready`, { timeout: 120000 }, async () => {
		await stack?.stop();
		const { mkdirSync } = await import("node:fs");
		stack = new Stack();
		mkdirSync(join(stack.folder, "logs"));
		for (const name of ["nats", "redis", "mariadb"]) {
			if (name === missing) stack[name].port = await quietPort();
			else await stack[name].start();
		}
		for (const name of serviceNames) await stack.startService(name);
		const [{ httpPort }] = stack.services.monitor;
		const ready = () => fetch(`http://127.0.0.1:${httpPort}/readyz`).then((answer) => answer.status, () => 0);
		await until("the monitor says that it is not ready", async () => (await ready()) === 503);
		await pause(2000); // long enough for anybody who would give up
		assert.deepEqual(stack.fallen(), []);
		assert.ok(serviceNames.some((name) => log(name).length > 0));
		const lines = serviceNames.map((name) => log(name).split("\n").length);
		assert.ok(Math.max(...lines) < 40, `said now and then, not all the time: ${lines} lines`);
		assert.equal(await ready(), 503);
		await stack[missing].start();
		await stack.ready();
		await until("the monitor says that it is ready", async () => (await ready()) === 200, { seconds: 30 });
		assert.ok(Object.values(stack.services).flat().every(isAlive));
	});
}

test("MySQL away: work goes on, up to a limit, and then new work is refused with the reason", { timeout: 240000 }, async (t) => {
	const client = await open(t, { CORDER_MAX_LOG_LAG_EVENTS: "3000" });
	const { project, type } = fresh("lag");
	await client.submit(project, { task_id: "first" });
	await stack.mariadb.kill();
	const { accepted, error, tasks } = await fill(client, project, type);
	assert.equal(error.code, "unavailable");
	assert.match(error.message, /database|MySQL|behind/i);
	assert.ok(accepted >= 2000 && accepted <= 6000, `${accepted}`);
	// What was accepted is worked on all the same.
	const task = await client.take(type, { lease_ms: 60000 });
	assert.ok((await client.settle(task)).ok);
	await stack.mariadb.start();
	client.patient = true;
	await client.submitBatch(project, tasks, {});
	const witness = new Witness(stack.addresses);
	const rows = async () => Number((await witness.sql(`SELECT COUNT(*) n FROM tasks WHERE project='${project}'`))[0].n);
	await until("MySQL has caught up", async () => (await rows()) === accepted + 101, { seconds: 90 });
});

test("the log full: new work is refused with the reason, what was accepted stays, and it goes on when there is room", { timeout: 240000 }, async (t) => {
	const client = await open(t, { CORDER_LOG_MAX_BYTES: "1000000", CORDER_LOG_KEEP_BLOCKS: "1000000", CORDER_PATIENCE_MS: "1000" });
	const { project, type } = fresh("full");
	const { accepted, error, tasks } = await fill(client, project, type);
	assert.equal(error.code, "unavailable");
	// The first one may have been on its way when the log said no; the next ones are refused at once, with the reason.
	const { message } = await until("the reason is known", async () => {
		const reply = await client.ask("submit", { project, tasks }, { timeout: 20000 });
		return !reply.ok && /CORDER_LOG_MAX_BYTES/.test(reply.error.message) && reply.error;
	}, { seconds: 60 });
	t.diagnostic(`${accepted} accepted, then: ${message}`);
	// Workers who ask meanwhile are given nothing, or what they were not told of goes back: no task loses a try, however short the lease.
	const asked = Array.from({ length: 12 }, async (_, i) => {
		await pause(700 * i);
		return client.ask(`work.${type}`, { worker: `w${i}`, max: 5, lease_ms: 1500, wait_ms: 500, ...(i % 2 && { request_id: `r${i}` }) }, { timeout: 20000 });
	});
	const told = (await Promise.all(asked)).flatMap((reply) => (reply.ok ? reply.tasks : []));
	const witness = new Witness(stack.addresses);
	const rows = async () => Number((await witness.sql(`SELECT COUNT(*) n FROM tasks WHERE project='${project}'`))[0].n);
	await until("what was accepted is in MySQL", async () => (await rows()) >= accepted, { seconds: 60 });
	stack.settings.CORDER_LOG_MAX_BYTES = "-1";
	await stack.restartService("scheduler");
	client.patient = true;
	await client.submitBatch(project, tasks);
	await until("and the rest", async () => (await rows()) === accepted + 100, { seconds: 60 });
	const tried = await witness.sql(`SELECT task_id FROM tasks WHERE project='${project}' AND (retry_count > 0 OR status = 'failed')`);
	const names = new Set(told.map(({ task_id }) => task_id));
	assert.deepEqual(tried.filter(({ task_id }) => !names.has(task_id)), []);
});
