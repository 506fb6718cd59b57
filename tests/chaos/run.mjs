// ./dev chaos: rounds of faults under load, a fresh stack and a seed each, every one judged by the checker. Ends with a
// table, and 1 when a promise was not kept. A round that failed keeps its folder: tests/chaos/check FOLDER judges it again.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Disks } from "./disks.mjs";
import { faults, lasting } from "./faults.mjs";
import { Round, draw } from "./round.mjs";
import { Totals } from "./totals.mjs";

const text = { type: "string" };
const { values } = parseArgs({
	options: {
		seed: { ...text, default: "1" },
		seconds: { ...text, default: "60" },
		faults: text,
		round: { ...text, default: "60" },
		patience: { ...text, default: "60" },
		dust: { ...text, default: "20" },
		dir: { ...text, default: fileURLToPath(new URL("../../build/chaos", import.meta.url)) },
		json: text,
		without: text,
		load: { ...text, default: "6" },
		keep: { type: "boolean", default: false },
		"sync-always": { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});

const usage = `./dev chaos: breaks a whole stack under load, and proves that every promise was kept

  --seed N          the first seed (1), each round takes the next one; or a list: 3,10,17
  --seconds N       seconds of faults in all (60; of a list of seeds, every one is run)
  --round N         seconds of faults in one round (60)
  --load N          how much is submitted and worked on (6; 1 is a trickle)
  --patience N      seconds in which everything has to come to rest after the last fault (60)
  --dust N          seconds of rest before Redis is searched for what was left behind (20)
  --faults LIST     only these kinds, parted by commas; none: a round without faults
  --dir DIR         where rounds keep their folders (build/chaos); one that failed stays there
  --keep            keep them all
  --json FILE       the summary as JSON
  --sync-always     nats-server's files written synchronously (chattr +S), as a power cut asks for
  --without GUARD   switch off a guard of the protocol (a build with CORDER_TEETH=ON): it has to be found

kinds: ${[...Object.keys(faults), ...lasting].join(" ")}`;

function die(message) {
	console.error(message);
	process.exit(2);
}

function wantedKinds(list) {
	if (list === undefined) return null;
	const kinds = list === "none" ? [] : list.split(",");
	for (const kind of kinds)
		if (!(kind in faults) && !lasting.includes(kind)) die(`there is no fault "${kind}"; ./dev chaos --help names them`);
	return kinds;
}

function number(name) {
	const value = Number(values[name]);
	if (!Number.isInteger(value) || value < 0) die(`--${name} is a whole number, not "${values[name]}"`);
	return value;
}

function check(folder) {
	const program = fileURLToPath(new URL("check.mjs", import.meta.url));
	const words = ["--max-old-space-size=8192", program, folder];
	return new Promise((done) =>
		execFile(process.execPath, words, { maxBuffer: 2 ** 28 }, (error, stdout, stderr) =>
			done({ said: stdout + stderr, failed: Boolean(error) }),
		),
	);
}

function progress(round, totals, started) {
	const line = () => {
		const { known = 0, waiting = 0, injected } = round;
		const at = Math.round((Date.now() - started) / 1000);
		return `${at} s  seed ${round.plan.seed}: ${known} tasks accepted, ${waiting} under way, ${injected.length} faults; before: ${totals.line()}`;
	};
	if (!process.stdout.isTTY) return setInterval(() => console.log(line()), 30000);
	return setInterval(() => process.stdout.write(`\r\x1b[K${line()}`), 1000);
}

async function oneRound(seed, seconds, totals, started) {
	const plan = draw(seed, { wanted: totals.wanted, withDisks: totals.withDisks });
	const folder = join(resolve(values.dir), `seed-${seed}`);
	rmSync(folder, { recursive: true, force: true });
	const options = {
		seconds,
		withDisks: totals.withDisks,
		patienceMs: number("patience") * 1000,
		dustMs: number("dust") * 1000,
		without: values.without,
		load: Math.max(1, number("load")),
		syncAlways: values["sync-always"],
	};
	const round = new Round(folder, plan, options);
	const timer = progress(round, totals, started);
	let problem = "";
	await round.run().catch((error) => (problem = error.stack));
	clearInterval(timer);
	const { said, failed } = await check(folder);
	let verdict = null;
	try {
		verdict = JSON.parse(readFileSync(join(folder, "verdict.json"), "utf8"));
	} catch {
		problem ||= "the checker ended without a verdict";
	}
	totals.add(verdict, problem);
	if (values.json) writeFileSync(values.json, `${JSON.stringify(totals.summary(), null, "\t")}\n`);
	process.stdout.write(
		`${process.stdout.isTTY ? "\r\x1b[K" : ""}${said}${problem ? `the round failed: ${problem}\n` : ""}`,
	);
	if (!failed && !problem && !values.keep) rmSync(folder, { recursive: true, force: true });
	else console.log(`  kept: ${folder}`);
}

if (values.help) {
	console.log(usage);
	process.exit(0);
}
mkdirSync(values.dir, { recursive: true });
const totals = new Totals({ wanted: wantedKinds(values.faults), withDisks: Disks.possible(values.dir) });
if (!totals.withDisks) console.log("skipped: full disks and power cuts, for they need root and loop devices");
const [seconds, length, started] = [number("seconds"), Math.max(1, number("round")), Date.now()];
if (!/^\d+(,\d+)*$/.test(values.seed)) die(`--seed is a number, or several parted by commas, not "${values.seed}"`);
const seeds = values.seed.split(",").map(Number);
if (seeds.length > 1) {
	for (const seed of seeds) await oneRound(seed, length, totals, started);
} else {
	for (let seed = seeds[0], left = seconds; left > 0; seed++, left -= length)
		await oneRound(seed, Math.min(left, length), totals, started);
}
totals.print();
process.exit(totals.failed ? 1 : 0);
