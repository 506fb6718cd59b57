// What the conformance suite does not say: signals, iterators, names, the parts below the client.
import { jetstreamManager } from "@nats-io/jetstream";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Graph, NoAnswer, NotFound, Refused, TaskEnded, WaitTimeout, connect, failed, finished, newId } from "corder";
import { addresses } from "../src/connection.js";
import { Versions } from "../src/events.js";
import { freshClient, take } from "./support/setup.js";
import { until } from "./support/until.js";

const type = "js_client";

test("an address brings its password, and several are parted by commas", () => {
	assert.deepEqual(addresses("nats://user:p%40ss@a:4222,b:4223"), {
		servers: ["nats://a:4222", "b:4223"],
		user: "user",
		pass: "p@ss",
	});
	assert.deepEqual(addresses("nats://token@a"), { servers: ["nats://a"], token: "token" });
	assert.deepEqual(addresses(["a", "b,c"]), { servers: ["a", "b", "c"] });
});

test("settings may stand in files; one that cannot be read is told with its path", async () => {
	const folder = mkdtempSync(join(tmpdir(), "corder-settings-"));
	const before = { ...process.env };
	const put = (name, value) => {
		writeFileSync(join(folder, name), `${value}\n`);
		delete process.env[name];
		process.env[`${name}_FILE`] = join(folder, name);
	};
	try {
		put("NATS_URL", before.NATS_URL);
		put("CORDER_PREFIX", "elsewhere");
		put("CORDER_PROJECT", "filed");
		const client = await connect({ patienceMs: 3000 });
		assert.deepEqual([client.prefix, client.project], ["elsewhere", "filed"]);
		await client.close();
		process.env.CORDER_PREFIX = "nearer"; // what stands in the environment itself goes first
		rmSync(join(folder, "CORDER_PREFIX"));
		const other = await connect({ patienceMs: 3000 });
		assert.equal(other.prefix, "nearer");
		await other.close();
		delete process.env.CORDER_PREFIX;
		await assert.rejects(connect(), (error) => error.message.includes(join(folder, "CORDER_PREFIX")));
	} finally {
		rmSync(folder, { recursive: true });
		for (const name of ["NATS_URL", "CORDER_PREFIX", "CORDER_PROJECT"]) {
			delete process.env[`${name}_FILE`];
			delete process.env[name];
			if (before[name] !== undefined) process.env[name] = before[name];
		}
	}
});

test("a server that is not there is told as no answer, within the patience", async () => {
	await assert.rejects(connect({ servers: "nats://127.0.0.1:1", patienceMs: 300 }), NoAnswer);
});

test("a signal ends connect, requests, waits, events and progress with its own reason", async () => {
	const reason = new Error("enough");
	const soon = () => {
		const controller = new AbortController();
		setImmediate(() => controller.abort(reason));
		return controller.signal;
	};
	const client = await freshClient();
	const { task_ids } = await client.submit({ task_type: type, hold: true });
	const isReason = (error) => error === reason;
	await assert.rejects(connect({ servers: "nats://127.0.0.1:1", signal: soon() }), isReason);
	await assert.rejects(client.request("work.nobody", { worker: "w", wait_ms: 5000 }, { signal: soon() }), isReason);
	await assert.rejects(client.wait(task_ids, { signal: soon() }), isReason);
	await assert.rejects(take(client.events({ signal: soon() }), 1), isReason);
	await assert.rejects(take(client.progress({ signal: soon() }), 1), isReason);
	await assert.rejects(client.get(task_ids[0], { signal: AbortSignal.abort(reason) }), isReason);
});

test("names that would be another subject are not sent", async () => {
	const client = await freshClient();
	await assert.rejects(client.enqueue({ task_type: type }, { project: "a.b" }), TypeError);
	await assert.rejects(client.submit({ task_type: type }, { project: "*" }), TypeError);
	assert.throws(() => client.events({ project: "a.>" }), TypeError);
	assert.throws(() => client.events({ task_type: "a b" }), TypeError);
});

test("ids sort by time and do not repeat", async () => {
	const first = newId();
	await until("another millisecond", () => newId().slice(0, 10) !== first.slice(0, 10));
	const ids = Array.from({ length: 1000 }, newId);
	assert.equal(new Set(ids).size, 1000);
	assert.ok(ids.every((id) => id > first && /^[0-9a-z]{26}$/.test(id)));
});

test("a graph is built by names, also by those that come later", () => {
	const graph = new Graph({ prefix: "r1.", batch_id: "b" });
	const review = graph.add("review", "review", { after: ["code", "test"] });
	graph.add("code", "coding", { priority: 8 });
	graph.add("test", "testing", { after: "code", dependencies: ["elsewhere"] });
	graph.add("clean", "clean").after(failed("test"), finished(review));
	assert.deepEqual(graph.tasks, [
		{ task_id: "r1.review", task_type: "review", dependencies: ["r1.code", "r1.test"] },
		{ task_id: "r1.code", task_type: "coding", priority: 8 },
		{ task_id: "r1.test", task_type: "testing", dependencies: ["elsewhere", "r1.code"] },
		{
			task_id: "r1.clean",
			task_type: "clean",
			dependencies: [
				{ task_id: "r1.test", when: "failed" },
				{ task_id: "r1.review", when: "finished" },
			],
		},
	]);
	assert.throws(() => graph.add("code", "coding"), RangeError);
	graph.add("lost", "coding", { after: "nobody" });
	assert.throws(() => graph.tasks, /no task nobody/);
});

test("before() reads in order", () => {
	const graph = new Graph();
	const [a, b, c] = ["a", "b", "c"].map((name) => graph.add(name, "t"));
	a.before(b).before(c);
	assert.deepEqual(
		graph.tasks.map(({ dependencies = [] }) => dependencies),
		[[], ["a"], ["b"]],
	);
});

test("versions: doubles are seen, gaps found, both only within a task", () => {
	const versions = new Versions();
	const look = (task_id, version, status = "pending", event_id = "e") =>
		versions.look({ project: "p", task_id, version, status, event_id });
	assert.equal(look("a", 3), "new");
	assert.equal(look("a", 3), "seen");
	assert.equal(look("a", 2), "seen");
	assert.equal(look("b", 1), "new");
	assert.equal(look("a", 5), "gap");
	assert.equal(look("a", 5), "gap");
	assert.equal(look("a", 4), "new");
	assert.equal(look("a", 5), "new");
	assert.equal(look("", 0, "rejected", "r1"), "new");
	assert.equal(look("", 0, "rejected", "r1"), "seen");
	assert.equal(look("", 0, "rejected", "r2"), "new");
});

test("a consumer goes with the events that read it, and by itself when their process is killed", async () => {
	const client = await freshClient();
	const manager = await jetstreamManager(client.nats);
	const consumers = async () => {
		const found = [];
		for await (const { config } of manager.consumers.list("CORDER_EVENTS"))
			if (config.filter_subject?.includes(client.project)) found.push(config);
		return found;
	};
	const first = client.events();
	await first.ready;
	const [config] = await until("its consumer", async () => (await consumers()).length === 1 && consumers());
	assert.equal(config.inactive_threshold, 60_000_000_000);
	first.close();
	for (let i = 0; i < 10; i++) {
		const events = client.events();
		await events.ready;
		events.close(); // its consumer is being made
	}
	await until("no consumer", async () => (await consumers()).length === 0);
});

test("events that do not follow end where the stream ends, and go on behind a position", async () => {
	const client = await freshClient();
	assert.deepEqual(await take(client.events({ since: "all", follow: false }), 10), []);
	await client.submit({ task_type: type, task_id: "a" });
	await client.cancel("a");
	const all = await until("both events", async () => {
		const found = await take(client.events({ since: "all", follow: false }), 10);
		return found.length === 2 && found;
	});
	assert.deepEqual(
		all.map(({ version }) => version),
		[1, 2],
	);
	const [second] = await take(client.events({ since: all[0].position, follow: false }), 10);
	assert.equal(second.event_id, all[1].event_id);
	const recent = await take(client.events({ since: new Date(Date.parse(all[0].at) - 5000), follow: false }), 10);
	assert.equal(recent.length, 2);
});

test("events end when they are closed, and when the client is", async () => {
	const client = await freshClient();
	const closed = client.events();
	await closed.ready;
	setImmediate(() => closed.close());
	assert.deepEqual(await take(closed, 1), []);
	const open = client.events();
	await open.ready;
	const ended = take(open, 1);
	await client.close();
	assert.deepEqual(await ended, []);
});

test("a wait that runs out says what ended and what did not", async () => {
	const client = await freshClient();
	await client.submit([
		{ task_type: type, task_id: "a" },
		{ task_type: type, task_id: "b" },
	]);
	await client.cancel("a");
	await assert.rejects(client.wait(["a", "b"], { timeoutMs: 3000 }), (error) => {
		assert.ok(error instanceof WaitTimeout);
		assert.deepEqual([[...error.finished.keys()], error.unfinished], [["a"], ["b"]]);
		return true;
	});
	const any = await client.wait(["a", "b"], { count: "any" });
	assert.deepEqual([...any.keys()], ["a"]);
	await assert.rejects(client.result("a"), (error) => error instanceof TaskEnded && error.status === "cancelled");
	await assert.rejects(client.result("nobody"), NotFound);
});

test("a large submission that is repeated under another batch is waited for, too", async () => {
	const client = await freshClient();
	const execution_context = { text: "x".repeat(60) };
	const tasks = Array.from({ length: 10100 }, (_, n) => ({ task_id: `t${n}`, task_type: type, execution_context }));
	const first = await client.submit(tasks);
	await client.cancel({ batch_id: first.batch_id });
	const second = await client.submit(tasks);
	assert.notEqual(second.batch_id, first.batch_id);
	assert.equal(second.tasks, undefined);
	assert.equal((await client.wait(second, { timeoutMs: 60000 })).size, tasks.length);
});

test("a batch is waited for by its id alone", async () => {
	const client = await freshClient();
	const { batch_id, task_ids } = await client.submit([{ task_type: type }, { task_type: type }]);
	const waiting = client.wait({ batch_id }, { timeoutMs: 120000 });
	await client.cancel({ batch_id });
	assert.deepEqual([...(await waiting).keys()].sort(), task_ids.sort());
});

test("a refusal is an error with the code, the path and the service's own words", async () => {
	const client = await freshClient();
	await assert.rejects(client.submit({ task_type: type, priority: 11 }), (error) => {
		assert.ok(error instanceof Refused);
		assert.deepEqual([error.name, error.code, error.path], ["InvalidField", "invalid_field", "/priority"]);
		assert.ok(error.message.includes(error.detail));
		return true;
	});
});

test("a date is a time, and what is undefined is not sent", async () => {
	const client = await freshClient();
	const not_before = new Date(Date.now() + 3600000);
	await client.submit({ task_type: type, task_id: "a", not_before, service_name: undefined });
	assert.equal(Date.parse((await client.get("a")).not_before), not_before.getTime());
	assert.deepEqual(
		(await client.explain("a")).reasons.map(({ kind }) => kind),
		["time"],
	);
});

test("services are found", async () => {
	const client = await freshClient();
	const five = ["dispatcher", "ingest", "monitor", "persister", "scheduler"].map((name) => `corder-${name}`);
	const names = async () => [...new Set((await client.services()).map(({ name }) => name))].sort();
	let found = [];
	await until("all five answer in time", async () => (found = await names()).length === 5);
	assert.deepEqual(found, five);
});
