// Random graphs worked off by workers that complete, fail, release and vanish, while tasks are cancelled, retried and
// updated. Then the history itself is the witness: no task ran before its dependencies allowed it, none is left behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const taskCount = 300;
const finals = ["completed", "failed", "cancelled", "skipped"];
const holds = { completed: ["completed"], failed: ["failed"], finished: finals };

// A small generator of repeatable randomness (mulberry32).
function dice(seed) {
	let state = seed;
	const next = () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
	};
	const below = (most) => Math.floor(next() * most);
	return { below, chance: (part) => next() < part, pick: (list) => list[below(list.length)] };
}

function randomTasks({ below, chance, pick }, count) {
	return range(count).map((n) => ({
		task_id: `t${n}`,
		priority: 1 + below(10),
		max_retries: below(3),
		retry_backoff: { initial_ms: below(30), factor: 1, max_ms: 30 },
		dependencies: [...new Set(range(below(Math.min(n, 4) + 1)).map(() => below(n)))].map((of) => ({
			task_id: `t${of}`, when: pick(["completed", "completed", "completed", "failed", "finished"]),
		})),
		on_dependency_failure: pick(["skip", "skip", "block", "run"]),
		...(chance(0.1) ? { concurrency_key: pick(["k1", "k2"]), concurrency_limit: 1 } : {}),
	}));
}

async function workRandomly({ project, type }, { pick, chance }, isOver) {
	while (!isOver()) {
		const lease_ms = chance(0.05) ? 100 : 20000;
		const { tasks } = await stack.client.work(type, { max: 5, wait_ms: 200, lease_ms });
		for (const task of tasks) {
			if (lease_ms === 100 && chance(0.7)) continue; // vanishes
			const outcome = pick(["completed", "completed", "completed", "completed", "failed", "released"]);
			const error = { message: "by chance", retryable: chance(0.7) };
			const verdict = await stack.client.settle(task, outcome, { error });
			assert.ok(verdict.ok || verdict.error.code === "stale_lease", JSON.stringify({ verdict, project }));
		}
	}
}

async function interfere({ project }, { below, pick }, count, isOver) {
	while (!isOver()) {
		const task_ids = [`t${below(count)}`];
		const name = pick(["cancel", "retry", "update", "update"]);
		const more = { cancel: {}, retry: { cascade: true }, update: { priority: 1 + below(10) } }[name];
		const { tasks } = await stack.client.ok(`task.${name}`, { project, task_ids, ...more });
		const fine = tasks.every(({ ok, error }) => ok || ["wrong_status", "unavailable"].includes(error.code));
		assert.ok(fine, JSON.stringify(tasks));
		await until("a moment has passed", () => true, { everyMs: 20 });
	}
}

// Nothing is running, ready or waiting for time any more.
async function isQuiet(project) {
	const { pending_count, running_count, retry_count } = await stack.client.ok("status", { project });
	return pending_count + running_count + retry_count === 0;
}

const anyEnd = { completed: finals, failed: finals, finished: finals };
const allowedBy = ({ on_dependency_failure }) => (on_dependency_failure === "run" ? anyEnd : holds);

// Each time a task became running, each of its dependencies had ended as the task wants it (or the policy is run).
function earlyStarts(tasks, events) {
	const now = new Map();
	const specification = new Map(tasks.map((task) => [task.task_id, task]));
	const early = [];
	for (const { task_id, status, previous } of events) {
		now.set(task_id, status);
		if (status !== "running" || previous === "running") continue;
		const task = specification.get(task_id);
		const unmet = task.dependencies.filter(({ task_id: of, when }) => !allowedBy(task)[when].includes(now.get(of)));
		for (const { task_id: of } of unmet) early.push(`${task_id} ran while ${of} was ${now.get(of)}`);
	}
	return early;
}

// What is blocked at the end waits for a dependency that has not ended as it wants, and its policy is to wait.
function leftBehind(tasks, rows) {
	const status = new Map(rows.map((row) => [row.task_id, row.status]));
	const unmet = (task) => ({ task_id, when }) => !allowedBy(task)[when].includes(status.get(task_id));
	const waits = (task) => task.dependencies.some(unmet(task));
	const open = tasks.filter(({ task_id }) => !finals.includes(status.get(task_id)));
	return open.filter((task) => !waits(task)).map(({ task_id }) => `${task_id} is ${status.get(task_id)}`);
}

// Meddles until a part of the graph has ended.
async function meddleAtFirst(names, seed) {
	let calm = false;
	const meddler = interfere(names, dice(seed * 1000), taskCount, () => calm);
	const part = async () => (await stack.client.ok("status", { project: names.project })).completed_count > 60;
	await until("a part has ended", part, { seconds: 60, everyMs: 100 }).finally(() => {
		calm = true;
	});
	await meddler;
}

async function isArchived({ project }) {
	const moving = `SELECT COUNT(*) n FROM tasks WHERE project='${project}' AND status IN ('pending','running','retry')`;
	const [{ n }] = await stack.witness.sql(moving);
	return n === "0" && (await stack.witness.rows(project)).length === taskCount;
}

for (const [seed, interference] of [[1, false], [2, false], [3, true], [4, true]]) {
	const how = interference ? "in spite of interference" : "by itself";
	test(`the random graph of seed ${seed} ends as it should ${how}`, { timeout: 120000 }, async () => {
		const names = fresh("random");
		const tasks = randomTasks(dice(seed), taskCount);
		await stack.client.submitBatch(names.project, tasks);
		let over = false;
		const workers = range(3).map((n) => workRandomly(names, dice(seed * 100 + n), () => over));
		const workersEnd = Promise.all(workers);
		if (interference) await meddleAtFirst(names, seed);
		const quiet = async () => (await isQuiet(names.project)) && (await isArchived(names));
		await until("all is quiet", quiet, { seconds: 60, everyMs: 100 }).finally(() => {
			over = true;
		});
		await workersEnd;
		assert.deepEqual(await stack.witness.problems(names.project), []);
		assert.deepEqual(earlyStarts(tasks, await stack.witness.events(names.project)), []);
		assert.deepEqual(leftBehind(tasks, await stack.witness.rows(names.project)), []);
	});
}
