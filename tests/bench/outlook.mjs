#!/usr/bin/env node
// How good are the estimates of the monitor? Replays workflows (WfFormat) with scaled durations on a running stack
// (NATS_URL, CORDER_HTTP of its env file; `corder` in PATH), asks for the forecast all the time, and compares it with
// what happened. Prints a table: errors of start and finish in per cent of the whole run.
//   tests/bench/outlook.mjs [--seconds N] [--slots N] FILE…
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const args = process.argv.slice(2);
const option = (name, initial) => {
	const at = args.indexOf(name);
	return at < 0 ? initial : Number(args.splice(at, 2)[1]);
};
const seconds = option("--seconds", 12);
const slots = option("--slots", 4); // of each type
const http = process.env.CORDER_HTTP;

const typeOf = (name) => name.replace(/^.*[.:/]/, "").replace(/[_.-]?(ID)?\d+$/, "").replace(/[^\w-]/g, "_").slice(0, 64);

function load(file) {
	const { specification, execution } = JSON.parse(readFileSync(file, "utf8")).workflow;
	const ran = new Map(execution.tasks.map((task) => [task.id, task.runtimeInSeconds]));
	const clean = (id) => id.replace(/[^\w.:-]/g, "-");
	return specification.tasks.map((task) => ({
		id: clean(task.id), type: typeOf(task.name), runtime: ran.get(task.id) ?? 0, parents: task.parents.map(clean),
	}));
}

// So that the run takes about the seconds asked for: bound by its longest path, or by the slots.
function scaleOf(tasks) {
	const byId = new Map(tasks.map((task) => [task.id, task]));
	const length = new Map();
	const longest = (id) => {
		if (!length.has(id)) {
			const task = byId.get(id);
			length.set(id, task.runtime + Math.max(0, ...task.parents.map(longest)));
		}
		return length.get(id);
	};
	const path = Math.max(...tasks.map((task) => longest(task.id)));
	const work = tasks.reduce((sum, task) => sum + task.runtime, 0) / slots;
	return seconds / Math.max(path, work);
}

function submit(project, tasks, scale, declare) {
	const lines = tasks.map((task) => JSON.stringify({
		task_id: task.id, task_type: task.type, dependencies: task.parents, max_retries: 0,
		execution_context: { seconds: (task.runtime * scale).toFixed(3) },
		...(declare ? { estimated_duration: task.runtime * scale } : {}),
	}));
	const said = spawnSync("corder", ["submit", "-", "--project", project], { input: lines.join("\n"), encoding: "utf8" });
	if (said.status !== 0) throw new Error(said.stderr);
}

async function timeline(project) {
	const reply = await (await fetch(`${http}/api/v1/projects/${project}/timeline`)).json();
	if (!reply.ok) throw new Error(JSON.stringify(reply.error));
	const place = Object.fromEntries(reply.fields.map((name, i) => [name, i]));
	return { ...reply, place };
}

async function watch(project, tasks) {
	const looks = [];
	for (;; await wait(200)) {
		const look = await timeline(project);
		if (look.tasks.length < tasks.length) continue; // MySQL does not have them all yet
		looks.push(look);
		if (look.tasks.every((task) => task[look.place.finished_ms] !== null)) return looks;
	}
}

const quantile = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];

function judge(looks) {
	const last = looks.at(-1), { started_ms, finished_ms, created_ms } = last.place;
	const begin = Math.min(...last.tasks.map((task) => task[created_ms]));
	const end = Math.max(...last.tasks.map((task) => task[finished_ms]));
	const share = (ms) => (100 * Math.abs(ms)) / (end - begin);
	const starts = [], ends = [], whole = [];
	for (const look of looks.slice(0, -1)) {
		if (look.finish_ms === null || look.forecast.length === 0) continue;
		whole.push(share(look.finish_ms - end));
		for (const [index, start, finish] of look.forecast) {
			if (look.tasks[index][look.place.status] !== "running") starts.push(share(start - last.tasks[index][started_ms]));
			ends.push(share(finish - last.tasks[index][finished_ms]));
		}
	}
	const early = whole.slice(0, Math.ceil(whole.length / 4));
	return { took: (end - begin) / 1000, starts, ends, whole, early };
}

async function replay(file, tasks, declare, run) {
	const project = `outlook-${Date.now().toString(36)}-${run}`;
	const scale = scaleOf(tasks);
	const types = [...new Set(tasks.map((task) => task.type))];
	const workers = types.map((type) => spawn("corder", ["work", "--type", type, "--concurrency", String(slots), "--exec",
		'sleep "$CORDER_CONTEXT_SECONDS"'], { stdio: "ignore" }));
	await wait(4500); // until the monitor has heard of the worker: dispatchers are asked every two seconds
	submit(project, tasks, scale, declare);
	const looks = await watch(project, tasks);
	for (const worker of workers) worker.kill("SIGTERM");
	return judge(looks);
}

const show = (list) => list.length === 0 ? "-".padStart(13) : `${quantile(list, 0.5).toFixed(1)} / ${quantile(list, 0.9).toFixed(1)}`.padStart(13);
console.log("workflow                          durations  tasks   took s  start p50/p90  finish p50/p90  whole p50/p90  first quarter");
for (const file of args) {
	const tasks = load(file);
	// Declared first; then without, when the types were measured by the run before.
	for (const declare of [true, false]) {
		const { took, starts, ends, whole, early } = await replay(file, tasks, declare, declare ? "d" : "m");
		console.log(`${basename(file, ".json").slice(0, 32).padEnd(34)}${(declare ? "declared" : "by type").padEnd(9)}` +
			`${String(tasks.length).padStart(7)}${took.toFixed(1).padStart(9)}  ${show(starts)}  ${show(ends)}  ${show(whole)}  ${show(early)}`);
	}
}
