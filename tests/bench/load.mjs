// Runs one timed piece of load: a program that prints `begin`, then `end {figures}` in JSON. Between these two lines the
// machine is watched.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { between, look, peaks } from "./machine.mjs";

// --wrap: a command that each piece of load is started with.
let wrap = [];
export const setWrap = (words) => { wrap = words; };

// What a clean round may lose to others: kernel threads (journal, writeback) count as others too.
export const limits = { foreign_share: 0.08, steal_share: 0.05 };

export async function load(command, { env = {}, onBegin, onEnd, cwd } = {}) {
	const [program, ...args] = [...wrap, ...command];
	const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ["ignore", "pipe", "pipe"] });
	const ended = new Promise((resolve) => { child.on("close", (code, signal) => resolve(code ?? signal)); child.on("error", (error) => resolve(error.message)); });
	let said = "", first, last, figures, before, after;
	child.stderr.on("data", (data) => { said = (said + data).slice(-4000); });
	for await (const line of createInterface({ input: child.stdout })) {
		if (line === "begin") {
			before = await onBegin?.();
			first = look();
		} else if (line.startsWith("end ")) {
			last = look();
			after = await onEnd?.();
			figures = JSON.parse(line.slice(4));
		} else {
			said = `${said}${line}\n`.slice(-4000);
		}
	}
	const code = await ended;
	if (code !== 0 || figures === undefined || first === undefined) {
		throw new Error(`${command.join(" ")} ended with ${code}:\n${said}`);
	}
	const machine = between(first, last);
	const { foreign_share, steal_share } = machine;
	const reasons = [];
	if (foreign_share > limits.foreign_share) reasons.push(`others used ${(100 * foreign_share).toFixed(0)} % of the machine`);
	if (steal_share > limits.steal_share) reasons.push(`the host took ${(100 * steal_share).toFixed(0)} %`);
	return { figures, ...machine, before, after, peaks: peaks(), ...(reasons.length > 0 ? { discarded: reasons.join(", ") } : {}) };
}

// Percentile of [[us,count],…], in ms.
export function percentile(histogram, percent) {
	const total = (histogram ?? []).reduce((sum, [, count]) => sum + count, 0);
	let left = (percent / 100) * total;
	for (const [us, count] of histogram ?? []) {
		left -= count;
		if (left <= 0) return us / 1000;
	}
	return undefined;
}

export function merge(histograms) {
	const counts = new Map();
	for (const [us, count] of histograms.flat()) counts.set(us, (counts.get(us) ?? 0) + count);
	return [...counts].sort(([a], [b]) => a - b);
}
