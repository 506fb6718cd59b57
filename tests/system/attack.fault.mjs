// An attacker on the bus, without any limits of its own: services stay up, their memory stays bounded, and honest clients are
// served all along. What the peaks were stands in docs/guarantees.md.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { Load } from "./load.mjs";
import { RawNats } from "./roles.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack, serviceNames } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const waitingMost = 5000;
const underWayMost = 50000000;
// Of a service: what it needs by itself, what its settings allow to be under way, and what the bus may have read ahead.
const memoryMost = (process.env.ASAN_OPTIONS ? 2000 : 250) << 20; // a build with AddressSanitizer takes more

let stack;
let load;
let raw;
before(async () => {
	const settings = { CORDER_WAITING_MAX: `${waitingMost}`, CORDER_MAX_UNDER_WAY_BYTES: `${underWayMost}`, CORDER_ENQUEUE_MAX_BYTES: "20000000" };
	stack = await new Stack({ settings }).start();
	load = await new Load(stack, { ...fresh("honest") }).start({ after: () => {} });
	raw = await RawNats.open(stack.nats.port);
}, { timeout: 120000 });
after(async () => {
	raw?.close();
	await load?.close();
	await stack?.stop();
});

// The most that each service ever had in memory, in bytes.
function peaks() {
	const peak = (name) => {
		const status = readFileSync(`/proc/${stack.services[name][0].pid}/status`, "utf8");
		return Number(/VmHWM:\s+(\d+) kB/.exec(status)[1]) * 1024;
	};
	return Object.fromEntries(serviceNames.map((name) => [name, peak(name)]));
}

// All are up, within their bounds, and the honest ones go on.
async function stand(t) {
	await load.progress(50, 60);
	assert.deepEqual(stack.fallen(), []);
	const found = peaks();
	t.diagnostic(Object.entries(found).map(([name, bytes]) => `${name} ${Math.round(bytes / 2 ** 20)} MB`).join(", "));
	for (const [name, bytes] of Object.entries(found)) assert.ok(bytes < memoryMost, `${name} has taken ${bytes} bytes`);
}

// An error of the server ends a connection: then nothing of what follows would be said.
async function say(...lines) {
	assert.doesNotMatch(await raw.say(...lines), /-ERR/);
}

async function open(t) {
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	return client;
}

const publish = (subject, body, reply = "") => `PUB ${subject} ${reply ? `${reply} ` : ""}${Buffer.byteLength(body, "latin1")}\r\n${body}`;
const requests = ["submit", "work.x", "settle.x", "renew.x", "task.get", "task.list", "task.cancel", "task.retry", "task.update", "queue.pause",
	"status", "timeline", "executable", "explain", "enqueue.x"];
const internals = ["internal.admit.0", "internal.prove.0", "internal.reject.0", "internal.mark.0", "internal.persisted.0", "internal.ready.x",
	"internal.hurry.0", "internal.admit.99", "internal.mark.x", "internal.logged.0.e.1.i.b", "internal.logged.x", "internal.part.a.1", "internal.slice.a.1"];

test("floods of requests that nobody waits for", { timeout: 180000 }, async (t) => {
	const good = '{"project":"x","task_id":"a"}';
	for (let round = 0; round < 20; round++) {
		const lines = requests.flatMap((subject) => range(100).map((i) => publish(`corder.v1.${subject}`, i % 2 ? good : "{", "nobody.there")));
		await say(...lines);
		await say(...range(500).map(() => publish("$SRV.STATS", "", "nobody.there")));
	}
	await stand(t);
});

test("everything as large as the bus takes it", { timeout: 180000 }, async (t) => {
	const large = { deep: "[".repeat(1000000), wide: `{"tasks":[${"{},".repeat(300000)}{}]}`, text: `{"project":"${"p".repeat(900000)}"}`,
		keys: `{${range(60000).map((i) => `"k${i}":1`).join(",")}}`, number: `{"priority":${"9".repeat(900000)}}` };
	for (const body of Object.values(large))
		for (const subject of requests) await say(...range(4).map(() => publish(`corder.v1.${subject}`, body, "nobody.there")));
	const client = await open(t);
	for (const body of Object.values(large)) {
		const { error } = await client.askBytes("submit", Buffer.from(body));
		assert.ok(["too_large", "bad_json", "limit_exceeded", "invalid_field"].includes(error.code), error.code);
	}
	// Parts of batches that nobody seals: staged, and bounded by a stream's size.
	const tasks = range(900).map((i) => ({ task_id: `t${i}`, task_type: "x", execution_context: { pad: "x".repeat(900) } }));
	for (let i = 0; i < 60; i++) await say(publish("corder.v1.submit", JSON.stringify({ project: "x", batch_id: `b${i}`, part: 1, tasks }), "nobody.there"));
	await stand(t);
});

test("bytes of any kind on every subject, also on those between services", { timeout: 180000 }, async (t) => {
	const bodies = ["", "\0\0\0\0", "\x1c\x1d\x1e\x1f", "-1 -1 -1", "99999999999999999999", "null", "[]", '"x"', "{}", `\x1f${"\x1e".repeat(5000)}`, "\xff\xfe\xfd",
		"a b c\nd e f\n\n", `${"\x1d".repeat(300)}\x1c1\x1f2\x1f3`];
	const noise = range(40).map((seed) => String.fromCharCode(...range(200).map((i) => (i * 7919 + seed * 104729) % 256)));
	for (const subject of [...requests, ...internals])
		await say(...[...bodies, ...noise].flatMap((body) => [publish(`corder.v1.${subject}`, body), publish(`corder.v1.${subject}`, body, "nobody.there")]));
	await stand(t);
});

test("answers that are to go where services speak to each other", { timeout: 120000 }, async (t) => {
	const ear = await RawNats.open(stack.nats.port);
	t.after(() => ear.close());
	await ear.say("SUB corder.v1.internal.persisted.* 1", "SUB corder.v1.event.> 2", "SUB $JS.API.STREAM.DELETE.* 3", "SUB pwned 4");
	const marks = /MSG (\$JS|pwned|corder\.v1\.event\.x|corder\.v1\.internal\.persisted\.7)/;
	for (const reply of ["corder.v1.internal.persisted.7", "corder.v1.event.x.y.z", "corder.v1.internal.logged.0.e.1.i.b", "$JS.API.STREAM.DELETE.CORDER_LOG_0", "corder.v1.submit"])
		await say(...requests.slice(0, -1).map((subject) => publish(`corder.v1.${subject}`, "{}", reply)));
	await say(...range(200).map(() => publish("corder.v1.status", "{}", "corder.v1.status")));
	await (await open(t)).ok("status", {});
	assert.doesNotMatch(await ear.say(), marks);
	await stand(t);
});

test("wildcards, line breaks and all else that is no name, in every field", { timeout: 120000 }, async (t) => {
	const client = await open(t);
	const ear = await RawNats.open(stack.nats.port);
	t.after(() => ear.close());
	await ear.say("SUB pwned 1");
	const evil = ["*", ">", "a.*", "a b", "a\r\nPUB pwned 2\r\nhi", "\r\n", "\0", "{p0}:m", "a\nb", "'; DROP TABLE tasks; --", "..", "\u2028", "-".repeat(300)];
	const ask = async (subject, body) => {
		const reply = await client.askBytes(subject, Buffer.from(JSON.stringify(body)));
		assert.equal(reply.ok, false, `${subject} ${JSON.stringify(body)}`);
		assert.match(reply.error.code, /^(invalid_field|bad_json|limit_exceeded)$/);
	};
	const task = { project: "x", task_id: "a", task_type: "x" };
	const item = { project: "x", task_id: "a", lease: "l", outcome: "completed" };
	for (const word of evil) {
		for (const name of ["project", "task_id", "task_type", "batch_id"]) await ask("submit", { ...task, [name]: word });
		await ask("submit", { ...task, dependencies: [word] });
		await ask("work.x", { worker: word });
		await ask("work.x", { worker: "w", request_id: word });
		for (const name of ["project", "task_id"]) await ask("task.get", { project: "x", task_id: "a", [name]: word });
		for (const name of ["project", "batch_id"]) await ask("task.list", { project: "x", [name]: word });
		await ask("task.cancel", { project: word, task_ids: ["a"] });
		await ask("task.cancel", { project: "x", task_ids: [word] });
		await ask("queue.pause", { task_type: word });
		const renewal = { worker: "w", leases: [{ project: word, task_id: "a", lease: "l" }] };
		await ask("renew.x", renewal);
		const { done } = await client.askBytes("settle.x", Buffer.from(JSON.stringify({ worker: "w", done: [{ ...item, project: word }] })));
		assert.equal(done?.[0].ok ?? false, false);
	}
	// Free text stays text: as it came, in MySQL and in the answers.
	const texts = evil.filter((word) => !/[\0-\x1f]/.test(word) && word.length <= 128);
	const { project } = fresh("texts");
	await client.submitBatch(project, texts.map((service_name, i) => ({ task_id: `t${i}`, service_name, concurrency_key: `k${service_name}`.slice(0, 128), concurrency_limit: 9 })));
	for (const [i, text] of texts.entries()) assert.equal((await client.get(project, `t${i}`)).service_name, text);
	await client.ok("task.cancel", { project, task_ids: ["t0"], reason: "it's \"over\" >*" });
	assert.doesNotMatch(await ear.say(), /MSG pwned/);
	await stand(t);
});

test("other people's tasks, leases that are over, leases that never were", { timeout: 120000 }, async (t) => {
	const client = await open(t);
	const [mine, theirs] = [fresh("mine"), fresh("theirs")];
	for (const { project } of [mine, theirs]) await client.submitBatch(project, [{ task_id: "a", max_retries: 5 }]);
	const [own, other] = [await client.take(mine.type), await client.take(theirs.type)];
	const settle = (item) => client.ok(`settle.${mine.type}`, { worker: "thief", done: [{ outcome: "completed", ...item }] });
	for (const lease of [own.lease, "x", other.lease.slice(0, -1), `${other.lease}0`]) {
		const { done: [verdict] } = await settle({ project: theirs.project, task_id: "a", lease });
		assert.deepEqual([verdict.ok, verdict.error.code], [false, "stale_lease"]);
	}
	const { leases: [renewal] } = await client.ok(`renew.${mine.type}`, { worker: "thief", leases: [{ project: theirs.project, task_id: "a", lease: own.lease }] });
	assert.equal(renewal.ok, false);
	assert.ok((await client.settle(own, "released")).ok);
	const { done: [late] } = await settle({ project: mine.project, task_id: "a", lease: own.lease });
	assert.equal(late.ok && late.status === "completed", false);
	assert.ok((await client.settle(other)).ok, "its own worker still can");
	await stand(t);
});

test("thousands of work requests that wait, and nobody who reads the answers", { timeout: 180000 }, async (t) => {
	const client = await open(t);
	const body = JSON.stringify({ worker: "ghost", max: 10, wait_ms: 60000, lease_ms: 1000 });
	for (let i = 0; i < 20; i++) await say(...range(500).map((n) => publish("corder.v1.work.ghost", body, `nobody.there.${i}.${n}`)));
	const refused = await until("no more of that type are taken", async () => {
		const reply = await client.ask("work.ghost", { worker: "w", wait_ms: 0 });
		return reply.ok ? null : reply.error;
	}, { seconds: 60 });
	assert.equal(refused.code, "limit_exceeded");
	assert.match(refused.message, /CORDER_WAITING_MAX/);
	// Workers of other types are served at once, in the place of those that crowd it.
	const { project, type } = fresh("meanwhile");
	await client.submit(project, { task_id: "a" });
	assert.equal((await client.take(type)).task_id, "a");
	await stand(t);
});

test("a subscriber that never reads", { timeout: 120000 }, async (t) => {
	const deaf = await RawNats.open(stack.nats.port);
	t.after(() => deaf.close());
	await deaf.say("SUB > 1");
	deaf.socket.pause();
	await stand(t);
});

test("in the end, all that honest clients were told is true", { timeout: 180000 }, async () => {
	await load.finish(new Witness(stack.addresses));
	assert.deepEqual(stack.fallen(), []);
});
