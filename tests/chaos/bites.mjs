// Does the checker notice? Takes the folder of a round that it found good, damages a copy of it in one way after another, and
// wants the violation that belongs to each: node bites.mjs DIR
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [source] = process.argv.slice(2);
const wanted = /^(history-|log-|table-|events\.jsonl|redis\.jsonl|round\.json|streams\.json)/;
const files = readdirSync(source).filter((file) => wanted.test(file));

// change(lines) of each file whose name fits; the first that changes something is enough.
function edit(folder, fits, change) {
	for (const file of files.filter((name) => fits.test(name))) {
		const lines = readFileSync(join(folder, file), "utf8").split("\n").filter(Boolean);
		const changed = change(lines);
		if (!changed) continue;
		writeFileSync(join(folder, file), `${changed.join("\n")}\n`);
		return true;
	}
	return false;
}

const cut = (lines, at) => lines.filter((_, index) => index !== at);
const put = (lines, at, line) => lines.map((old, index) => (index === at ? line : old));

const without = (test) => (lines) => {
	const at = lines.findLastIndex(test);
	return at > 0 ? cut(lines, at) : null;
};
const replaced = (test, change) => (lines) => {
	const at = lines.findLastIndex(test);
	return at > 0 ? put(lines, at, change(lines[at])) : null;
};
const json = (change) => (line) => JSON.stringify(change(JSON.parse(line)));
const inRedis = (name, change) => replaced((line) => line.includes(`}:${name}","type"`), json(change));

const damages = [
	[
		"an event row is gone",
		"gap in the table of events",
		/task_events/,
		(lines) => cut(lines, Math.floor(lines.length / 2)),
	],
	[
		"a task's row says another status",
		"a row is not the fold of its events",
		/table-tasks/,
		replaced(
			(line) => /\tcompleted\t/.test(line),
			(line) => line.replace("\tcompleted\t", "\tfailed\t"),
		),
	],
	[
		"an event after the last one",
		"an event after the final one",
		/task_events/,
		(lines) => {
			const head = lines[0].split("\t");
			const row = lines.findLast((line) => /\tcompleted\t/.test(line)).split("\t");
			const last = Number(lines.at(-1).split("\t")[1]);
			const at = (name) => head.indexOf(name);
			row[at("seq")] = String(last + 1);
			row[at("event_id")] = "made-up-0";
			row[at("version")] = String(Number(row[at("version")]) + 1);
			row[at("previous")] = "completed";
			row[at("status")] = "pending";
			return [...lines, row.join("\t")];
		},
	],
	[
		"a block of the log is gone",
		"a gap in the log",
		/^log-/,
		(lines) => (lines.length > 4 ? cut(lines, Math.floor(lines.length / 2)) : null),
	],
	[
		"an event is not in the stream",
		"an event is not in the event stream",
		/^events/,
		without((line) => line.includes('"completed"')),
	],
	[
		"two events of the stream change places",
		"the event stream is out of order for a task",
		/^events/,
		(lines) => {
			const last = lines.findLastIndex((line) => line.includes('"completed"'));
			const { task_id, project } = JSON.parse(lines[last]);
			const before = lines.findLastIndex(
				(line, at) => at < last && line.includes(`"${task_id}"`) && line.includes(`"${project}"`),
			);
			return put(put(lines, last, lines[before]), before, lines[last]);
		},
	],
	[
		"an accepted task is in no table",
		"an accepted task is missing",
		/^history-clients/,
		replaced(
			(line) => line.includes('"result":"accepted"'),
			json((note) => {
				note.reply.tasks.push({
					task_id: note.reply.tasks[0].task_id.replace(/^c/, "lost-c"),
					result: "accepted",
					status: "pending",
				});
				return note;
			}),
		),
		(folder) =>
			edit(folder, /^history-clients/, (lines) => {
				const answer = JSON.parse(lines.findLast((line) => line.includes('"lost-c')));
				return lines.map((line) =>
					line.includes('"ask"') && line.includes(`"id":${answer.op},`)
						? json((note) => {
								note.body.tasks.push({
									...note.body.tasks[0],
									task_id: note.body.tasks[0].task_id.replace(/^c/, "lost-c"),
								});
								return note;
							})(line)
						: line,
				);
			}),
	],
	[
		"a delivered lease is not in the log",
		"delivered, but no such lease is in the log",
		/^history-workers/,
		replaced(
			(line) => line.includes('"lease":') && line.includes('"answer"') && line.includes('"attempt"'),
			json((note) => {
				note.reply.tasks[0].lease = "never-given";
				return note;
			}),
		),
	],
	[
		"a lease was told for longer than it held",
		"a lease was taken away before the time that was told",
		/^history-workers/,
		(lines) =>
			lines.map((line) =>
				line.includes('"lease_until"') ? line.replace(/"lease_until":"2/g, '"lease_until":"3') : line,
			),
	],
	[
		"a settle ok under a lease nobody had",
		"settled ok under a lease that is not in the log",
		/^history-workers/,
		(lines) =>
			lines.map((line) =>
				line.includes('"done":[{"project"') && line.includes("settle.")
					? line.replaceAll('"lease":"', '"lease":"x')
					: line,
			),
	],
	[
		"the auditor found one",
		"the auditor found stuck tasks",
		/^history-driver/,
		replaced(
			(line) => line.includes('"auditor"'),
			json((note) => ({ ...note, violations: 1 })),
		),
	],
	[
		"a name stays in Redis",
		"leaked in Redis",
		/^redis/,
		inRedis("m", (key) => ({ ...key, key: key.key.replace(/m$/, "rel"), type: "list", value: ["1 0"] })),
	],
	[
		"a counter of Redis is wrong",
		"a counter is wrong",
		/^redis/,
		inRedis("c", (key) => ({ ...key, value: put(key.value, 1, "99999") })),
	],
	[
		"an event was set aside",
		"an event was set aside",
		/poison_events/,
		(lines) => [...(lines.length ? lines : ["partition_id\tseq\treason"]), "0\t7\tmade up"],
	],
];

let missed = 0;
for (const [name, violation, fits, change, more] of damages) {
	const folder = mkdtempSync(join(tmpdir(), "corder-bites-"));
	for (const file of files) cpSync(join(source, file), join(folder, file));
	const done = edit(folder, fits, change) && (!more || more(folder));
	let said = "";
	try {
		said = execFileSync(process.execPath, [fileURLToPath(new URL("check.mjs", import.meta.url)), folder], {
			encoding: "utf8",
			stdio: ["ignore", "pipe", "pipe"],
		});
	} catch (error) {
		said = error.stdout;
	}
	const found = said.includes(`VIOLATION ${violation} `);
	if (!found) missed++;
	console.log(
		`${found ? "ok" : "not ok"} - ${name}: ${violation}${found ? "" : ` (${done ? "not noticed" : "nothing to damage"})\n${said.slice(0, 600)}`}`,
	);
	rmSync(folder, { recursive: true, force: true });
}
console.log(`${damages.length - missed} passed, ${missed} failed`);
process.exitCode = missed > 0 ? 1 : 0;
