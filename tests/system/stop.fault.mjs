// Services are asked to stop while a server does not answer and requests of every kind are under way: each ends with code 0 when
// its time is over, and what it was asked is told unavailable or not at all. Under ./dev test asan: and frees what it held.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { Corder } from "./corder.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack, serviceNames } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

let stack;
let client;
let corder;
before(async () => {
	stack = await new Stack({ settings: { CORDER_STOP_TIMEOUT_MS: "300" } }).start();
	client = await Client.open(stack.addresses);
	corder = new Corder(stack);
}, { timeout: 120000 });
after(async () => {
	for (const server of [stack?.redis, stack?.mariadb, stack?.nats]) server?.child?.kill("SIGCONT");
	corder?.close();
	await client?.close();
	await stack?.stop();
});

// Whatever can be asked, all at once; the answers are nobody's matter here.
async function askEverything(task) {
	const { project, type } = fresh("ask");
	const typed = (count) => range(count).map((i) => ({ task_id: `t${i}`, task_type: type, dependencies: i % 7 === 6 ? [`t${i - 1}`] : [] }));
	const old = range(3).map((i) => ({ task_id: `n${i}`, task_type: type, dependencies: ["left-long-ago"] }));
	const settle = { worker: "w1", done: [{ project: task.project, task_id: task.task_id, lease: task.lease, outcome: "completed" }] };
	const requests = [
		...range(20).map((i) => ["submit", { project, task_id: `s${i}`, task_type: type, ack: i % 2 ? "archived" : "log" }]),
		...range(5).map(() => ["submit", { project: fresh("big").project, tasks: typed(900) }]),
		["submit", { project, tasks: old }],
		...range(5).map(() => [`work.${type}_none`, { worker: "w2", wait_ms: 20000 }]),
		[`settle.${task.task_type}`, settle],
		["status", {}],
		["task.list", { project }],
		["task.get", { project, task_id: "s1" }],
		["task.cancel", { project, task_id: "s2" }],
		["queue.pause", { project }],
	];
	return requests.map(([subject, request]) => client.ask(subject, request, { timeout: 4000 }).catch(() => {}));
}

for (const [what, server] of [["Redis", "redis"], ["the database", "mariadb"], ["NATS", "nats"]]) {
	test(`services that are asked to stop while ${what} does not answer`, { timeout: 120000 }, async () => {
		const { project, type } = fresh("held");
		await client.submit(project, { task_id: "a" });
		const task = await client.take(type);
		const asked = server === "nats" ? await askEverything(task) : [];
		stack[server].child.kill("SIGSTOP");
		if (server !== "nats") asked.push(...(await askEverything(task)));
		if (server !== "nats") await client.ask("task.get", { project, task_id: "none" }, { timeout: 500 }).catch(() => {}); // all has arrived
		const children = serviceNames.map((name) => [name, stack.services[name][0]]);
		await Promise.all(serviceNames.map((name) => stack.killService(name, 0, "SIGTERM")));
		stack[server].child.kill("SIGCONT");
		for (const [name, child] of children) assert.deepEqual([child.exitCode, child.signalCode], [0, null], name);
		await Promise.all(asked);
		for (const name of serviceNames) await stack.startService(name);
		await until("all are back", async () => (await client.ask("submit", { project, task_id: "b", task_type: type })).ok, { seconds: 60 });
	});
}

test("a scheduler that is asked to stop while it rebuilds, or waits for the database to catch up", { timeout: 120000 }, async () => {
	stack.mariadb.child.kill("SIGSTOP");
	await client.submitBatch(fresh("more").project, range(200).map((i) => ({ task_id: `t${i}` })));
	await new Witness(stack.addresses).redisCli("FLUSHALL");
	await new Promise((resolve) => setTimeout(resolve, 1500)); // whenever it is met, it has to end well
	await stack.restartService("scheduler", 0, "SIGTERM");
	stack.mariadb.child.kill("SIGCONT");
	await new Promise((resolve) => setTimeout(resolve, 300));
	await stack.restartService("scheduler", 0, "SIGTERM");
	const { project, type } = fresh("again");
	await until("all is back", async () => (await client.ask("submit", { project, task_id: "b", task_type: type })).ok, { seconds: 60 });
	assert.deepEqual(stack.fallen(), []);
});

// Whether a process has a handler of its own for SIGINT, as the kernel knows it.
function handlesInterrupt(child) {
	const [, caught] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
	return (BigInt(`0x${caught}`) & 2n) !== 0n;
}

// Before a command has its handler, the signal itself ends it.
test("a command that is interrupted at any time ends with code 130", { timeout: 240000 }, async () => {
	const { redis, database } = stack.addresses;
	const env = { REDIS_URL: redis, DATABASE_URL: database };
	const { project, type } = fresh("int");
	await client.submitBatch(project, range(500).map((i) => ({ task_id: `t${i}` })));
	const work = ["work", "-t", type, "--stop-s", "0", "--", "sleep", "5"];
	const follows = [["events", "--since", "all"], ["events"], ["watch", "--project", project], work, ["status", "--watch"], ["top", "--json", "--interval", "1"]];
	const asks = [["audit"], ["list", "--project", project], ["services"], ["get", `${project}/t1`], ["explain", `${project}/t1`], ["poison"]];
	const interrupt = async (words, codes, ready) => {
		const run = corder.start(words, { env });
		await ready(run);
		run.child.kill("SIGINT");
		const code = await run.ended;
		assert.ok(codes.includes(code), `corder ${words.join(" ")}: ${code} ${run.err}`);
	};
	const after = (ms) => () => new Promise((resolve) => setTimeout(resolve, ms)); // whatever it is at, it has to end well
	const handler = ({ child }) => until("it handles the signal", () => handlesInterrupt(child), { everyMs: 1 });
	for (const ms of [20, 60, 150, 400]) {
		for (const words of follows) await interrupt(words, [130, "SIGINT"], after(ms));
		for (const words of asks) await interrupt(words, [0, 130, "SIGINT"], after(ms));
	}
	for (const words of follows) await interrupt(words, [130], handler);
});
