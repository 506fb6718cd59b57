// W11: real workflow graphs (WfFormat, of the folder WORKFLOWS names), else graphs made here; durations scaled, so many
// workers. How much longer it took than max(longest path, work / workers), below which no order can get.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { bench, figuresOf } from "./measures.mjs";

export const orders = ["score", "fifo", "critical_path"];
const SECONDS = 8, folder = process.env.WORKFLOWS;

function read(file) {
	const { specification, execution } = JSON.parse(readFileSync(join(folder, file), "utf8")).workflow;
	const ran = new Map(execution.tasks.map((task) => [task.id, task.runtimeInSeconds]));
	const clean = (id) => id.replace(/[^\w.:-]/g, "-");
	const tasks = specification.tasks.map((task) => ({ id: clean(task.id), seconds: ran.get(task.id) ?? 0, parents: task.parents.map(clean) }));
	return { name: basename(file, ".json").split("-")[0] + (file.includes("forkjoin") ? "-forkjoin" : file.includes("chain") ? "-chain" : ""), tasks };
}

// A generator of numbers that is the same everywhere (mulberry32).
function random(seed) {
	return () => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

// Layers whose tasks wait for one to three of the layer before; a few tasks are ten times as long as the others.
function made(seed, layers, width) {
	const next = random(seed), tasks = [];
	for (let layer = 0; layer < layers; layer++) {
		for (let place = 0; place < width; place++) {
			const parents = layer === 0 ? [] : Array.from({ length: 1 + Math.floor(3 * next()) }, () => `l${layer - 1}-${Math.floor(width * next())}`);
			tasks.push({ id: `l${layer}-${place}`, seconds: next() < 0.1 ? 10 : 0.5 + next(), parents: [...new Set(parents)] });
		}
	}
	return { name: `made-${seed}`, tasks };
}

export function workflows() {
	const files = folder ? readdirSync(folder).filter((name) => name.endsWith(".json")).sort() : [];
	return files.length > 0 ? files.map(read) : [made(1, 8, 12), made(2, 12, 8), made(3, 5, 24)];
}

// From the start of each task to the end of the graph, by the longest path.
function paths(tasks) {
	const children = new Map(tasks.map(({ id }) => [id, []])), length = new Map();
	for (const task of tasks) for (const parent of task.parents) children.get(parent).push(task);
	const longest = (task) => {
		if (!length.has(task.id)) length.set(task.id, task.seconds + Math.max(0, ...children.get(task.id).map(longest)));
		return length.get(task.id);
	};
	tasks.forEach(longest);
	return length;
}

function bound(tasks, workers) {
	return Math.max(...paths(tasks).values(), tasks.reduce((sum, { seconds }) => sum + seconds, 0) / workers);
}

// What the order critical_path comes to when nothing costs any time: a worker that is free takes the task with the longest way.
export function planned({ tasks }, workers) {
	const way = paths(tasks), ended = new Set(), running = [];
	let now = 0, left = [...tasks];
	while (left.length > 0 || running.length > 0) {
		const ready = left.filter(({ parents }) => parents.every((id) => ended.has(id))).sort((a, b) => way.get(b.id) - way.get(a.id));
		const taken = ready.slice(0, workers - running.length);
		left = left.filter((task) => !taken.includes(task));
		running.push(...taken.map((task) => ({ id: task.id, at: now + task.seconds })));
		running.sort((a, b) => a.at - b.at);
		const next = running.shift();
		now = next.at;
		ended.add(next.id);
	}
	return now / bound(tasks, workers) - 1;
}

// One submission, its durations such that no order can do it faster than in SECONDS.
function body({ tasks }, workers, order, type, project) {
	const scale = SECONDS / bound(tasks, workers);
	return { project, order, tasks: tasks.map(({ id, seconds, parents }) => ({
		task_id: id, task_type: type, dependencies: parents, estimated_duration: seconds * scale,
		execution_context: { us: Math.round(seconds * scale * 1e6) },
	})) };
}

const makespan = (workflow, workers, order) => ({
	async run(stack) {
		const type = `flow-${process.hrtime.bigint()}`, file = join(stack.folder, `${type}.json`);
		writeFileSync(file, JSON.stringify(body(workflow, workers, order, type, type)));
		const round = await bench(stack, "slots", { file, type, slots: workers, tasks: workflow.tasks.length });
		return { round, ...figuresOf(round), over: round.figures.completed_s / SECONDS - 1, workers };
	},
});

// 5 % on the median of the graphs: judged in the report, since no single one decides.
export const workflowMeasures = workflows().flatMap((workflow) => [4, 8].flatMap((workers) => orders.map((order) => ({
	id: "W11", plan: planned(workflow, workers), key: `W11 ${workflow.name} w${workers} ${order}`, workflow: workflow.name, workers, order, stack: "default", slow: true,
	what: `${workflow.tasks.length} tasks, ${workers} workers, ${order}: time above the least there can be`, ...makespan(workflow, workers, order),
	shown: ["over"],
}))));
