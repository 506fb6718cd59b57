// Workers: what they send, what a handler's signal tells, how they stop.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancelled, LeaseLost, Release, Stopping, TaskFailed, Worker } from "corder";
import { deferred, freshClient, freshName, take } from "./support/setup.js";
import { until } from "./support/until.js";

const untilAborted = (signal) =>
	new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

// A client, a type of its own, a worker with a list of how its jobs ended.
async function prepare(handler, options = {}) {
	const client = await freshClient();
	const type = freshName("t");
	const worker = new Worker(client, { concurrency: 4, ...options });
	const ended = [];
	const problems = [];
	worker.on("ended", ({ task_id }, how, status) => ended.push([task_id, how, status]));
	worker.on("problem", (error) => problems.push(error));
	worker.task(type, handler).start();
	return { client, type, worker, ended, problems };
}

test("results travel along a chain, and a hop costs one request", async () => {
	const { client, type, worker, ended } = await prepare(
		({ inputs, context }) => Object.values(inputs).reduce((a, b) => a + b, context.n),
		{ concurrency: 1 },
	);
	let requests = 0;
	client.nats.subscribe(client.prefix + `.v1.*.${type}`, { callback: () => requests++ });
	const tasks = Array.from({ length: 40 }, (_, n) => ({
		task_id: `c${n}`,
		task_type: type,
		execution_context: { n },
		dependencies: n ? [`c${n - 1}`] : [],
	}));
	await client.submit(tasks);
	assert.equal(await client.result("c39", { timeoutMs: 120000 }), (39 * 40) / 2);
	await worker.stop();
	assert.equal(ended.length, 40);
	assert.ok(ended.every(([, how, status]) => how === "returned" && status === "completed"));
	assert.ok(requests <= 46, `${requests} requests for 40 hops`);
});

test("what a handler throws decides: failed, failed for good, released", async () => {
	const tries = [];
	const { client, type, worker } = await prepare(({ task_id, attempt, error }) => {
		tries.push([task_id, attempt, error?.message]);
		if (task_id === "again" && attempt === 1) throw new Error("once");
		if (task_id === "never") throw new TaskFailed("for good", { retryable: false });
		if (task_id === "text") throw "no error object";
		if (task_id === "given-back" && tries.filter(([id]) => id === task_id).length === 1) throw new Release();
		if (task_id === "circle") return Object.assign({}, { toJSON: () => 1n });
	});
	const quick = { task_type: type, retry_backoff: { initial_ms: 1, factor: 1, max_ms: 1 }, max_retries: 1 };
	const ids = ["again", "never", "text", "given-back", "circle"];
	await client.submit(ids.map((task_id) => ({ ...quick, task_id })));
	const done = await client.wait(ids, { timeoutMs: 120000 });
	await worker.stop();
	const told = (id) => [done.get(id).status, done.get(id).attempt, done.get(id).error?.message];
	assert.deepEqual(told("again"), ["completed", 2, undefined]);
	assert.deepEqual(
		tries.filter(([id]) => id === "again"),
		[
			["again", 1, undefined],
			["again", 2, "once"],
		],
	);
	assert.deepEqual(told("never"), ["failed", 1, "for good"]);
	assert.deepEqual(told("text"), ["failed", 2, "no error object"]);
	assert.equal(told("given-back")[0], "completed");
	assert.equal(tries.filter(([id]) => id === "given-back").length, 2);
	assert.equal(told("circle")[0], "failed");
	assert.match(told("circle")[2], /BigInt/);
});

test("a cancel aborts the signal with Cancelled, a lost lease with LeaseLost", async () => {
	const reasons = new Map();
	const { client, type, worker, ended } = await prepare(
		async (job) => {
			try {
				await untilAborted(job.signal);
			} catch (reason) {
				reasons.set(job.task_id, reason);
				throw reason;
			}
		},
		{ lease_ms: 6000 },
	);
	await client.submit([
		{ task_type: type, task_id: "cancelled" },
		{ task_type: type, task_id: "lost" },
	]);
	await until("both run", () => worker.jobs.length === 2);
	await client.cancel("cancelled");
	const lost = worker.jobs.find(({ task_id }) => task_id === "lost");
	const { project, lease } = lost.task;
	await client.request(`settle.${type}`, {
		worker: "thief",
		done: [{ project, task_id: "lost", lease, outcome: "completed", result: 7 }],
	});
	const done = await client.wait(["cancelled", "lost"], { timeoutMs: 120000 });
	await until("both handlers have ended", () => ended.length === 2);
	await worker.stop();
	assert.ok(reasons.get("cancelled") instanceof Cancelled);
	assert.ok(reasons.get("lost") instanceof LeaseLost);
	assert.equal(done.get("cancelled").status, "cancelled");
	assert.equal(done.get("lost").result, 7);
	assert.deepEqual(Object.fromEntries(ended.map(([id, how]) => [id, how])), {
		cancelled: "cancelled",
		lost: "lease_lost",
	});
});

test("a lease is renewed while the handler works longer than it lasts", async () => {
	const go = deferred();
	const lease_ms = 4000;
	const { client, type, worker } = await prepare(() => go.promise, { lease_ms });
	await client.submit({ task_type: type, task_id: "a" });
	const until_ms = async () => Date.parse((await client.get("a")).lease_until);
	await until("it runs", () => worker.jobs.length === 1);
	const first = await until_ms();
	await until("the first lease has passed", async () => (await until_ms()) > first + lease_ms);
	go.resolve("late");
	assert.equal(await client.result("a", { timeoutMs: 120000 }), "late");
	assert.equal((await client.get("a")).attempt, 1);
	await worker.stop();
});

test("progress is told live, the last word before the end", async () => {
	const go = deferred();
	const { client, type, worker } = await prepare(async (job) => {
		await go.promise;
		for (let percent = 0; percent <= 100; percent++) job.progress({ percent });
	});
	const told = take(client.progress({ task_type: type }), 1);
	await client.nats.flush();
	await client.submit({ task_type: type, task_id: "a" });
	go.resolve();
	const [{ task_id, progress }] = await told;
	assert.deepEqual([task_id, progress], ["a", { percent: 100 }]);
	await client.wait("a", { timeoutMs: 120000 });
	await worker.stop();
});

test("a stop lets what runs finish, and takes no more", async () => {
	const go = deferred();
	const { client, type, worker, ended } = await prepare(() => go.promise, { concurrency: 1 });
	await client.submit([
		{ task_type: type, task_id: "a" },
		{ task_type: type, task_id: "b" },
	]);
	await until("one runs", () => worker.jobs.length === 1);
	const stopped = worker.stop();
	go.resolve("done");
	await stopped;
	assert.equal(ended.length, 1);
	assert.equal(await client.result(ended[0][0]), "done");
	const other = ended[0][0] === "a" ? "b" : "a";
	assert.deepEqual([(await client.get(other)).status, (await client.get(other)).attempt], ["pending", 0]);
});

test("a stop without grace aborts what runs, and gives it back at no try", async () => {
	let reason;
	const { client, type, worker, ended } = await prepare((job) =>
		untilAborted(job.signal).catch((error) => ((reason = error), Promise.reject(error))),
	);
	await client.submit({ task_type: type, task_id: "a", max_retries: 0 });
	await until("it runs", () => worker.jobs.length === 1);
	await worker.stop({ graceMs: 0 });
	assert.ok(reason instanceof Stopping);
	assert.deepEqual(
		ended.map(([, how]) => how),
		["released"],
	);
	await until("it is ready again", async () => (await client.get("a")).status === "pending");
});

test("run() ends with its signal", async () => {
	const client = await freshClient();
	const controller = new AbortController();
	const worker = new Worker(client).task(freshName("t"), () => 1);
	const running = worker.run({ signal: controller.signal, signals: false });
	controller.abort();
	await running;
	assert.ok(worker.stopping);
	await new Worker(client).task(freshName("t"), () => 1).run({ signal: controller.signal });
});

test("progress that cannot be sent is told where it is made", async () => {
	const errors = [];
	const { client, type, worker } = await prepare((job) => {
		for (const progress of [{ text: "x".repeat(16384) }, { text: "\0" }, "half", null]) {
			try {
				job.progress(progress);
			} catch (error) {
				errors.push(error.name);
			}
		}
	});
	await client.submit([{ task_type: type, task_id: "a" }]);
	await client.result("a", { timeoutMs: 120000 });
	assert.deepEqual(errors, ["RangeError", "RangeError", "TypeError", "TypeError"]);
	await worker.stop();
});

test("what no request can carry fails its own try, and the worker goes on", async () => {
	const nested = (depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth));
	const results = {
		nul: "a\0b",
		half: "\ud800",
		key: { "\udc00": 1 },
		deep: nested(62),
		long: "x".repeat(1200000),
		wide: "\u20ac".repeat(400000),
	};
	const errors = {
		"says-nul": () => new Error("a\0b"),
		"says-half": () => new Error("\ud800"),
		"says-long": () => new Error("x".repeat(1200000)),
		"says-nothing": () => Object.create(null),
	};
	const fine = {
		fits: nested(61),
		pair: "\u{1f600}",
		escaped: "\\u0000 \\\\ud800",
		function: () => 1,
		kilobytes: "x".repeat(200000),
	};
	const { client, type, worker, ended, problems } = await prepare(
		({ task_id }) => {
			if (errors[task_id]) throw errors[task_id]();
			return results[task_id] ?? fine[task_id];
		},
		{ concurrency: 2 },
	);
	const ids = [results, errors, fine].flatMap(Object.keys);
	await client.submit(ids.map((task_id) => ({ task_id, task_type: type, max_retries: 0 })));
	const done = await client.wait(ids, { timeoutMs: 60000 });
	const says = (id) => [done.get(id).status, done.get(id).attempt, done.get(id).error?.message];
	for (const [id, what] of Object.entries({
		nul: /U\+0000/,
		half: /surrogate/,
		key: /surrogate/,
		deep: /nested 62 deep; 61 is the most/,
		long: /1200002 bytes/,
		wide: /1200002 bytes/,
		"says-nul": /^a\ufffdb$/,
		"says-half": /^\ufffd$/,
		"says-long": /^x{4096}$/,
		"says-nothing": /^an error that has no text$/,
	})) {
		const [status, attempt, message] = says(id);
		assert.deepEqual([id, status, attempt], [id, "failed", 1]);
		assert.match(message, what);
	}
	const { function: noJson, ...same } = fine;
	for (const id of Object.keys(same)) assert.deepEqual(done.get(id).result, same[id]);
	assert.equal(done.get("function").result, null);
	await worker.stop();
	assert.equal(ended.length, ids.length);
	assert.deepEqual(problems, []);
});

test("a request that is refused for one result is settled one by one, and that one fails", async () => {
	// What the client does not see is refused by the service: here a member of the item that is changed on its way.
	const together = deferred();
	let running = 0;
	const { client, type, worker, ended, problems } = await prepare(
		async ({ task_id }) => {
			if (++running === 3) together.resolve();
			await together.promise;
			let asked = 0;
			return task_id === "bad" ? { toJSON: () => (asked++ === 0 ? "fine" : "a\0b") } : task_id;
		},
		{ concurrency: 3 },
	);
	const ids = ["good", "bad", "fine"];
	await client.submit(ids.map((task_id) => ({ task_id, task_type: type })));
	const done = await client.wait(ids, { timeoutMs: 60000 });
	assert.deepEqual(
		["good", "fine", "bad"].map((id) => done.get(id).result),
		["good", "fine", null],
	);
	const { status, attempt, error } = done.get("bad");
	assert.deepEqual([status, attempt], ["failed", 1]);
	assert.match(error.message, /^the result was refused: .*U\+0000/);
	await client.submit({ task_id: "next", task_type: type });
	assert.equal(await client.result("next", { timeoutMs: 60000 }), "next");
	await worker.stop({ graceMs: 1000 });
	assert.equal(ended.length, 4);
	assert.equal(problems.length, 1);
});

test("a problem that nobody listens to is a warning", async () => {
	const worker = new Worker(await freshClient(), { name: "w" });
	const warned = new Promise((resolve) => process.once("warning", resolve));
	worker.problem(new Error("what happened"));
	assert.equal((await warned).message, "worker w: what happened");
});

test("several types run side by side, each with its own limit", async () => {
	const client = await freshClient();
	const [a, b] = [freshName("a"), freshName("b")];
	const most = { [a]: 0, [b]: 0 };
	const now = { [a]: 0, [b]: 0 };
	const three = deferred();
	const handler = async ({ task_type }) => {
		most[task_type] = Math.max(most[task_type], ++now[task_type]);
		if (now[b] === 3) three.resolve();
		await (task_type === b ? three.promise : new Promise(setImmediate));
		now[task_type]--;
	};
	const worker = new Worker(client, { concurrency: 8 }).task(a, handler, { concurrency: 2 }).task(b, handler).start();
	const tasks = Array.from({ length: 60 }, (_, n) => ({ task_type: n % 2 ? a : b }));
	await client.wait(await client.submit(tasks), { timeoutMs: 120000 });
	await worker.stop();
	assert.ok(most[a] <= 2 && most[b] <= 8, JSON.stringify(most));
});

test("what cannot work is refused at once", async () => {
	const client = await freshClient();
	assert.throws(() => new Worker(client).start(), RangeError);
	assert.throws(() => new Worker(client, { name: "a b" }), TypeError);
	assert.throws(() => new Worker(client).task("a.b", () => 1), TypeError);
	assert.throws(() => new Worker(client).task("a", () => 1, { concurrency: 0 }), RangeError);
	assert.throws(() => new Worker(client).task("a", () => 1).task("a", () => 1), RangeError);
});
