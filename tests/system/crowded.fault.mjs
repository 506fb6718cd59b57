// More is submitted than the scheduler can take: what waits too long is told to come again, and no more reaches the scheduler
// than it can answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const wait_ms = 1500;
const settings = { CORDER_ADMIT_WINDOW: "4", CORDER_ADMIT_WAIT_MS: String(wait_ms), CORDER_ADMIT_TIMEOUT_MS: "60000" };

let stack, witness, client;
before(async () => {
	stack = await new Stack({ instances: 1, settings }).start();
	witness = new Witness(stack.addresses);
	client = await Client.open(stack.addresses);
}, { timeout: 120000 });
after(async () => {
	await client?.close();
	await stack?.stop();
});

const asleep = async (what) => {
	const [{ pid }] = stack.services.scheduler;
	process.kill(pid, "SIGSTOP");
	try {
		return await what();
	} finally {
		process.kill(pid, "SIGCONT");
	}
};

const submit = (project, task_id, more = {}) => client.ask("submit", { project, task_id, task_type: "crowded", ...more }, { timeout: 60000 });

test("who has waited for its turn for too long is unavailable, who is on the way is answered late", { timeout: 60000 }, async () => {
	const { project } = fresh("turn");
	let onTheWay;
	const told = await asleep(async () => {
		onTheWay = range(4).map((n) => submit(project, `first-${n}`));
		return Promise.all(range(20).map((n) => submit(project, `second-${n}`)));
	});
	for (const { ok, error } of told) assert.deepEqual([ok, error?.code], [false, "unavailable"]);
	assert.match(told[0].error.message, /more is submitted than can be taken at the moment: repeat with the same ids/);
	for (const reply of await Promise.all(onTheWay)) assert.ok(reply.ok, JSON.stringify(reply));
	await until("MySQL has those", async () => (await witness.rows(project)).length === 4);
	const again = await Promise.all(range(20).map((n) => client.stubborn("submit", { project, task_id: `second-${n}`, task_type: "crowded" })));
	assert.ok(again.every(({ tasks }) => tasks[0].result === "accepted"), "nothing of them was kept");
});

test("who comes in a crowd gets in as there is room", { timeout: 60000 }, async () => {
	const { project } = fresh("crowd");
	const replies = await Promise.all(range(300).map((n) => client.stubborn("submit", { project, task_id: `t${n}`, task_type: "crowded" })));
	assert.ok(replies.every(({ tasks }) => tasks[0].result === "accepted" || tasks[0].result === "duplicate"));
	await until("MySQL has all", async () => (await witness.rows(project)).length === 300);
});

test("a batch that is larger than the room there is goes alone", { timeout: 60000 }, async () => {
	const { project } = fresh("large");
	const { tasks } = await client.stubborn("submit", { project, tasks: range(200).map((n) => ({ task_id: `t${n}`, task_type: "crowded" })) });
	assert.equal(tasks.length, 200);
	assert.ok((await submit(project, "after")).ok);
});

test("who waits for MySQL does not keep others waiting", { timeout: 60000 }, async () => {
	const { project } = fresh("archived");
	await stack.mariadb.kill();
	let archived;
	try {
		archived = range(10).map((n) => submit(project, `a${n}`, { ack: "archived" }));
		for (const n of range(20)) assert.ok((await submit(project, `b${n}`)).ok);
	} finally {
		await stack.mariadb.start();
	}
	for (const reply of await Promise.all(archived)) assert.ok(reply.ok, JSON.stringify(reply));
});

test("an ingest that is asked to stop tells those that wait to come again, and ends", { timeout: 60000 }, async () => {
	const { project } = fresh("stop");
	const [child] = stack.services.ingest;
	const told = await asleep(async () => {
		const crowd = range(30).map((n) => submit(project, `t${n}`).catch((error) => ({ ok: false, error: { code: error.message } })));
		await until("all stand in line", async () => (await client.services("STATS", "corder-ingest"))[0].data.under_way === 30, { seconds: 1.4 });
		child.kill("SIGTERM");
		return Promise.race(crowd.slice(10));
	});
	assert.equal(told.error.code, "unavailable");
	await until("it has ended", () => child.exitCode !== null);
	assert.equal(child.exitCode, 0);
	await stack.startService("ingest", 0);
	assert.equal((await client.stubborn("submit", { project, task_id: "t29", task_type: "crowded" })).tasks[0].task_id, "t29");
});
