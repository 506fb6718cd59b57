// What the harnesses in JavaScript share: their options, packages from the folder of the build, the lines `begin` and
// `end {figures}` between which ./dev bench watches the machine, and worker processes.
import { fork } from "node:child_process";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

export const require = createRequire(`${process.env.PEERS}/`);
export const now = () => performance.now();
export const payload = { data: "7".padStart(244, "0") }; // 256 bytes of JSON

// numbers: name -> default. The first word names the measure.
export function read(numbers) {
	const options = Object.fromEntries(Object.keys(numbers).map((name) => [name, { type: "string" }]));
	const { values, positionals } = parseArgs({ allowPositionals: true, options });
	return { measure: positionals[0], ...numbers, ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)])) };
}

let began;
export function begin() {
	began = now();
	console.log("begin");
}
export const seconds = (at = now()) => (at - began) / 1000;
export const end = (figures) => console.log(`end ${JSON.stringify(figures)}`);

// Milliseconds to [[us, count], …].
export function histogram(list) {
	const counts = new Map();
	for (const ms of list) counts.set(Math.round(ms * 1000), (counts.get(Math.round(ms * 1000)) ?? 0) + 1);
	return [...counts].sort(([a], [b]) => a - b);
}

// Worker processes run the same file with WORKER set; each sends {ready}, then how many tasks it has completed.
export const isWorker = process.env.WORKER !== undefined;

export async function workers(count) {
	let done = 0, wanted = Infinity, tell;
	const children = Array.from({ length: count }, () => fork(process.argv[1], process.argv.slice(2), { env: { ...process.env, WORKER: "1" } }));
	await Promise.all(children.map((child) => new Promise((resolve, reject) => {
		child.on("exit", (code) => reject(new Error(`a worker ended with ${code}`)));
		child.on("message", ({ ready, completed }) => {
			if (ready) return resolve();
			done += completed;
			if (done >= wanted) tell();
		});
	})));
	return {
		completed: (tasks) => new Promise((resolve) => { wanted = tasks; tell = resolve; if (done >= tasks) resolve(); }),
		stop: () => { for (const child of children) { child.removeAllListeners("exit"); child.kill("SIGKILL"); } },
	};
}

// In a worker: counts, and tells every few milliseconds.
export function teller() {
	let count = 0;
	setInterval(() => {
		if (count > 0) process.send({ completed: count });
		count = 0;
	}, 5);
	process.send({ ready: true });
	return () => { count++; };
}

// Runs work(i) for i below count, `parallel` at a time.
export async function inParallel(count, parallel, work) {
	let next = 0;
	await Promise.all(Array.from({ length: parallel }, async () => { while (next < count) await work(next++); }));
}
