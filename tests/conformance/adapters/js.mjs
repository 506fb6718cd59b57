// The JavaScript client under the conformance suite: a request a line on stdin, an answer a line on stdout.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as corder from "../../../clients/js/src/index.js";

const { version } = JSON.parse(readFileSync(new URL("../../../clients/js/package.json", import.meta.url)));

const kinds = [
	[corder.Unavailable, "unavailable"],
	[corder.NoAnswer, "no_answer"],
	[corder.EventsLost, "events_lost"],
	[RangeError, "usage"],
	[TypeError, "usage"],
];

// An exception, by its kind.
function told(error) {
	if (error instanceof corder.WaitTimeout)
		return { kind: "wait_timeout", finished: [...error.finished.keys()].sort(), unfinished: error.unfinished.sort() };
	if (error instanceof corder.TaskEnded) return { kind: "task_ended", status: error.status };
	const [, kind] = kinds.find(([one]) => error instanceof one) ?? [];
	if (kind) return { kind, message: error.message };
	const { code, detail, path, tasks } = error;
	if (error instanceof corder.Refused) return { kind: "refused", code, message: detail, path, tasks };
	return { kind: "bug", message: error.stack };
}

function picked(given, ...names) {
	return Object.fromEntries(names.filter((name) => name in given).map((name) => [name, given[name]]));
}

function generated({ count, task_type, chain = 1, context_bytes = 0 }) {
	const context = context_bytes ? { execution_context: { text: "x".repeat(context_bytes) } } : {};
	const task = (n) => ({
		task_id: `g${n}`,
		task_type,
		...context,
		...(n % chain ? { dependencies: [`g${n - 1}`] } : {}),
	});
	return Array.from({ length: count }, (_, n) => task(n));
}

const clean = ({ wrong, ...task }) => task;
const named = ({ task_id, task_ids, batch_id }) => task_id ?? task_ids ?? { batch_id };

let client;
const submissions = new Map();
const watches = new Map();
const workers = new Map();
const gates = new Map();

function gate(name) {
	if (!gates.has(name)) {
		const one = {};
		one.opened = new Promise((resolve) => (one.open = resolve));
		gates.set(name, one);
	}
	return gates.get(name);
}

const untilAborted = (signal) =>
	new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

function submission(said) {
	const { batch_id, tasks, task_ids } = said;
	submissions.set(batch_id, said);
	return tasks ? { batch_id, tasks } : { batch_id, task_count: task_ids.length };
}

async function step(job, one) {
	if ("fail" in one) throw new corder.TaskFailed(one.fail, { retryable: one.retryable ?? true });
	if ("raise" in one) throw new Error(one.raise);
	if ("release" in one) throw new corder.Release();
	if ("progress" in one) job.progress(one.progress);
	if ("wait_for" in one) await Promise.race([gate(one.wait_for).opened, untilAborted(job.signal)]);
	if ("until_cancelled" in one) await untilAborted(job.signal);
}

// What the task's context says, one list of steps for each attempt where it is a list of lists.
async function script(job) {
	let { do: steps } = job.context;
	if (steps === undefined) return { inputs: job.inputs };
	if (Array.isArray(steps[0])) steps = steps[Math.min(job.attempt, steps.length) - 1];
	for (const one of steps) {
		if ("return" in one) return one.return;
		if ("return_bytes" in one) return "x".repeat(one.return_bytes);
		await step(job, one);
	}
	return null;
}

const verbs = {
	hello: () => ({ client: "js", version, skips: [] }),
	async connect({ url, project, prefix, patience_s = 30 }) {
		await verbs.close();
		client = await corder.connect({ servers: url, project, prefix, patienceMs: patience_s * 1000 });
	},
	async close() {
		await Promise.all([...workers.values()].map(({ worker }) => worker.stop({ graceMs: 0 })));
		for (const { events } of watches.values()) events.close();
		for (const map of [workers, watches, gates, submissions]) map.clear();
		await client?.close();
		client = undefined;
	},
	submit: async ({ tasks, single, ...given }) =>
		submission(
			await client.submit(single ? clean(tasks[0]) : tasks.map(clean), picked(given, "batch_id", "dry_run", "ack")),
		),
	generate: async (given) => submission(await client.submit(generated(given), picked(given, "batch_id"))),
	async generate_work({ count, task_type, do: steps }) {
		const task = (_, n) => ({ task_id: `w${n}`, task_type, execution_context: { do: steps } });
		return submission(await client.submit(Array.from({ length: count }, task)));
	},
	async enqueue({ tasks, single, ...given }) {
		const said = await client.enqueue(single ? clean(tasks[0]) : tasks.map(clean), picked(given, "batch_id"));
		submission(said);
		return { batch_id: said.batch_id, task_ids: said.task_ids };
	},
	get: ({ task_id }) => client.get(task_id),
	async list({ project, ...filters }) {
		const task_ids = [];
		for await (const task of client.list(filters)) task_ids.push(task.task_id);
		return { task_ids };
	},
	status: (given) => client.status(picked(given, "window_s")),
	timeline: (given) => client.timeline(picked(given, "batch_id")),
	executable: async (given) => ({ tasks: await client.executable(picked(given, "task_type", "limit")) }),
	explain: ({ task_id }) => client.explain(task_id),
	services: async () => ({ names: [...new Set((await client.services()).map(({ name }) => name))].sort() }),
	pause: (given) => client.pause(picked(given, "task_type", "project")),
	resume: (given) => client.resume(picked(given, "task_type", "project")),
	async wait({ task_ids, batch_id, count, timeout_s }) {
		const timeoutMs = timeout_s === undefined ? undefined : timeout_s * 1000;
		const finished = await client.wait(task_ids ?? submissions.get(batch_id), { count, timeoutMs });
		return { tasks: Object.fromEntries(finished) };
	},
	async watch({ name, ...given }) {
		const events = client.events(picked(given, "task_type", "status", "task_ids", "batch_id", "since"));
		await events.ready;
		watches.set(name, { events });
	},
	async next({ name, count, timeout_s = 120 }) {
		const watch = watches.get(name);
		const found = [];
		while (found.length < count) {
			watch.coming ??= watch.events.next();
			let timer;
			const late = new Promise(
				(_, reject) => (timer = setTimeout(() => reject(new corder.WaitTimeout(new Map(), [])), timeout_s * 1000)),
			);
			const come = watch.coming.finally(() => (watch.coming = undefined));
			const { value, done } = await Promise.race([come, late]).finally(() => clearTimeout(timer));
			if (done) throw new Error("the events have ended");
			found.push(value);
		}
		return { events: found };
	},
	async unwatch({ name }) {
		watches.get(name).events.close();
		watches.delete(name);
	},
	async work_start({ name, task_type, concurrency = 1, lease_ms = 30000 }) {
		const worker = new corder.Worker(client, { concurrency, lease_ms });
		const runs = [];
		worker.on("ended", ({ task_id, attempt }, end) => runs.push({ task_id, attempt, end }));
		worker.task(task_type, script).start();
		workers.set(name, { worker, runs });
	},
	work_gate: async ({ gate: name }) => gate(name).open(),
	work_log: ({ name }) => ({ runs: workers.get(name).runs }),
	work_stop: ({ name }) => workers.get(name).worker.stop(),
};

for (const verb of ["cancel", "retry", "approve", "reject", "update"]) {
	verbs[verb] = async (given) => ({
		tasks: await client[verb](named(given), picked(given, "reason", "cascade", "priority")),
	});
}

async function answer({ id, do: verb, with: given = {} }) {
	try {
		return { id, ok: true, value: (await verbs[verb](given)) ?? {} };
	} catch (error) {
		return { id, ok: false, error: told(error) };
	}
}

for await (const line of createInterface({ input: process.stdin })) {
	answer(JSON.parse(line)).then((said) => process.stdout.write(`${JSON.stringify(said)}\n`));
}
await verbs.close();
