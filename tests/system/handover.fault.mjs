// The scheduler that leads is asked to stop while tasks come: what it has under way it hears the end of, and another leads at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { fresh } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { Witness } from "./witness.mjs";

const limitMs = 1500; // as long as the lead holds that nobody gives back
let stack;
let client;
before(async () => {
	stack = await new Stack({ instances: 2, settings: { CORDER_PARTITIONS: "1" } }).start();
	client = await Client.open(stack.addresses);
}, { timeout: 120000 });
after(async () => {
	await client?.close();
	await stack?.stop();
});

test("a leader that is asked to stop keeps nobody waiting", { timeout: 120000 }, async (t) => {
	const { project, type } = fresh("handover");
	const witness = new Witness(stack.addresses);
	const leader = async () => (await witness.redisCli("GET", "{p0}:rl")).trim();
	let goes = true;
	let longest = 0;
	const submitting = (async () => {
		for (let n = 0; goes; n++) {
			const began = performance.now();
			assert.equal((await client.ask("submit", { project, task_id: `t${n}`, task_type: type }, { timeout: 10000 })).ok, true);
			longest = Math.max(longest, performance.now() - began);
		}
	})();
	const leaders = new Set();
	for (const index of [0, 1, 0, 1]) {
		await new Promise((resolve) => setTimeout(resolve, 700));
		const before = await leader();
		leaders.add(before);
		await stack.killService("scheduler", index, "SIGTERM");
		if (!(await client.services("PING", "corder-scheduler")).some(({ id }) => id === before)) assert.notEqual(await leader(), before);
		await stack.startService("scheduler", index);
	}
	goes = false;
	await submitting;
	t.diagnostic(`${leaders.size} leaders; the longest submission took ${Math.round(longest)} ms`);
	assert.ok(leaders.size >= 2);
	assert.ok(longest < limitMs, `${longest} ms`);
});
