// What a round has left in its folder, as plain data. The stored forms (records of the log, rows, Redis' packed states) are
// read here by code of its own, from their descriptions in record.h, prelude.lua and 0001_tables.sql.
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync } from "node:fs";
import { join } from "node:path";

const words = {
	b: "blocked",
	p: "pending",
	r: "running",
	t: "retry",
	c: "completed",
	f: "failed",
	x: "cancelled",
	s: "skipped",
	j: "rejected",
	q: "queue",
	g: "graph",
	h: "graph_done",
	m: "continue",
};
export const finals = new Set(["completed", "failed", "cancelled", "skipped"]);
export const keyOf = ({ project, task_id }) => `${project}/${task_id}`;

// In pieces: a long round leaves files that are larger than a string may be.
function* linesOf(file) {
	if (!existsSync(file)) return;
	const [handle, piece] = [openSync(file), Buffer.alloc(1 << 24)];
	let left = Buffer.alloc(0);
	for (let size; (size = readSync(handle, piece)) > 0; ) {
		const all = Buffer.concat([left, piece.subarray(0, size)]);
		const end = all.lastIndexOf(10) + 1;
		for (const line of all.toString("utf8", 0, end).split("\n")) if (line) yield line;
		left = all.subarray(end);
	}
	closeSync(handle);
	if (left.length > 0) yield left.toString("utf8");
}

// A process that was killed may have left half a line at its end.
function parseLine(line) {
	try {
		return JSON.parse(line);
	} catch {
		return null;
	}
}

function readHistory(folder) {
	const files = readdirSync(folder).filter((file) => /^history-.*\.jsonl$/.test(file));
	const all = files.flatMap((file) => {
		const process = file.slice(8, -6);
		return [...linesOf(join(folder, file))]
			.map(parseLine)
			.filter(Boolean)
			.map((note) => ({ ...note, process }));
	});
	return all.sort((a, b) => a.t - b.t);
}

// Microseconds since 1970, from "YYYY-MM-DD hh:mm:ss.ffffff".
export const microseconds = (text) =>
	text === null ? null : Date.parse(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`) * 1000 + Number(text.slice(23, 26));
// The same of RFC 3339 with six digits.
export const instant = (text) => Date.parse(`${text.slice(0, 23)}Z`) * 1000 + Number(text.slice(23, 26));

const escapes = { n: "\n", t: "\t", 0: "\0", "\\": "\\" };
const field = (text) =>
	text === "NULL" ? null : text.includes("\\") ? text.replace(/\\(.)/g, (_, c) => escapes[c] ?? c) : text;

function readTable(folder, name) {
	const [head, ...rows] = [...linesOf(join(folder, `table-${name}.tsv`))];
	const columns = head?.split("\t") ?? [];
	return rows.map((row) => Object.fromEntries(row.split("\t").map((text, i) => [columns[i], field(text)])));
}

function record(text) {
	const f = text.split("\x1f");
	const number = (at) => (f[at] === "" ? null : Number(f[at]));
	return {
		seq: number(0),
		status: words[f[1]],
		number: number(2),
		project: f[3],
		type: f[4],
		task_id: f[5],
		batch: f[6],
		previous: words[f[8]] ?? null,
		version: number(9),
		attempt: number(10),
		at: number(11),
		ready: number(12),
		due: number(13),
		retries: number(14),
		priority: number(15),
		waits: f[16],
		worker: f[17],
		lease: f[18],
		lease_until: number(19),
		reason: f[20],
		code: f[21],
		because: f[23],
	};
}

// Entries in the order of the log: { id, previous, first, last, records }.
function readLog(folder, partition) {
	const entries = [];
	for (const line of linesOf(join(folder, `log-${partition}.jsonl`))) {
		for (const entry of JSON.parse(line).body.split("\x1c")) {
			const cut = entry.indexOf("\x1d");
			const [id, previous, first, last, epoch] = entry.slice(0, cut).split("\x1f");
			const records = entry
				.slice(cut + 1)
				.split("\x1e")
				.map(record);
			entries.push({ id, previous, first: Number(first), last: Number(last), epoch, records });
		}
	}
	return entries;
}

function readRedis(folder) {
	const keys = new Map();
	for (const line of linesOf(join(folder, "redis.jsonl"))) {
		const { key, ...rest } = JSON.parse(line);
		keys.set(key, rest);
	}
	return keys;
}

export const pairs = (list) =>
	new Map(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]));

// A state as prelude_data.lua packs it (big-endian; strings end with NUL).
export function unpack(text) {
	const bytes = Buffer.from(text, "latin1");
	let at = 0;
	const take = (size) => {
		let value = 0;
		for (let i = 0; i < size; i++) value = value * 256 + bytes[at++];
		return value;
	};
	const string = () => {
		const stop = bytes.indexOf(0, at);
		const found = bytes.toString("latin1", at, stop);
		at = stop + 1;
		return found;
	};
	const state = { number: take(6), status: words[String.fromCharCode(take(1))] };
	const fields = { priority: 1, flags: 1, waits: 1, policy: 1, retries: 1, special: 1, group_bytes: 1, degree: 2 };
	Object.assign(fields, { left: 3, version: 3, attempt: 3, created: 7, ready: 7, due: 7, started: 7, seq: 6 });
	for (const [name, size] of Object.entries(fields)) state[name] = take(size);
	for (const name of ["fixed", "worker", "lease", "because"]) state[name] = string();
	const [identity, constants, hash] = state.fixed.split("\x1e");
	[state.project, state.type, state.task_id, state.batch, state.trace] = identity.split("\x1f");
	state.hash = hash;
	state.key = constants.split("\x1f")[4] ?? "";
	return state;
}

// What unpack() knows; Redis says in `m` which one it holds.
export const stateFormat = "8";

export function readRun(folder) {
	const { plan, options, settings } = JSON.parse(readFileSync(join(folder, "round.json"), "utf8"));
	const history = readHistory(folder);
	const run = { folder, plan, options, settings, history, redis: readRedis(folder) };
	run.collected = existsSync(join(folder, "redis.jsonl"));
	run.logs = Array.from({ length: plan.partitions }, (_, partition) => readLog(folder, partition));
	run.tables = Object.fromEntries(
		[
			"log_position",
			"tasks",
			"task_events",
			"task_dependencies",
			"task_attempts",
			"batches",
			"queue_pauses",
			"poison_events",
		].map((name) => [name, readTable(folder, name)]),
	);
	run.stream = [...linesOf(join(folder, "events.jsonl"))].map((line) => JSON.parse(line));
	run.streams = existsSync(join(folder, "streams.json"))
		? JSON.parse(readFileSync(join(folder, "streams.json"), "utf8"))
		: [];
	run.faults = history.filter(({ what }) => what === "fault");
	run.had = (pattern) => run.faults.some(({ kind }) => pattern.test(kind));
	return run;
}
