#!/usr/bin/env node
// ./dev bench: rounds of measures, interleaved with the peers, on stacks that start and end with each round.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { limits, setWrap } from "./load.mjs";
import { describe } from "./machine.mjs";
import { measures as queues, stacks } from "./measures.mjs";
import { peerMeasures, peerStacks } from "./peer_measures.mjs";
import { peers } from "./peers.mjs";
import { picture } from "./picture.mjs";
import { cpuTable, latencyTable, orderTable, summary, table } from "./report.mjs";
import { startStack } from "./stack.mjs";
import { workflowMeasures } from "./workflows.mjs";

const measures = [...queues, ...workflowMeasures];

const help = `./dev bench [MEASURE…] [options]: measures this machine, all servers, services, clients and workers on it

  MEASURE            of: ${[...new Set(measures.map(({ id }) => id))].join(" ")}, or a part ("W1 events"); without: the quick ones
  --rounds N         rounds of each; the median counts (3)
  --peers A,B…       measure these beside it: ${Object.keys(peers).join(", ")} (all)
  --share F          this share of the tasks, for a quick look (1)
  --foreign F        discard a round in which others used more than this share of the machine (${limits.foreign_share})
  --json FILE        where to keep the figures (build/bench/<time>.json)
  --svg FILE         a picture of the results (of several runs: tests/bench/picture.mjs)
  --wrap COMMAND     starts each timed piece of load with this command in front

${queues.map(({ key, what }) => `  ${key.padEnd(12)} ${what}`).join("\n")}
  W11          workflow graphs of the folder WORKFLOWS (WfFormat), or made ones: time above the least there can be, by order
`;

function options() {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			rounds: { type: "string", default: "3" }, peers: { type: "string" }, foreign: { type: "string" }, share: { type: "string", default: "1" }, json: { type: "string" }, svg: { type: "string" },
			wrap: { type: "string", default: "" }, help: { type: "boolean", short: "h" },
		},
	});
	const known = measures.flatMap(({ id, key }) => [id, key]);
	const strange = positionals.find((name) => !known.includes(name));
	if (strange !== undefined) throw new Error(`there is no measure "${strange}"; there are ${[...new Set(known)].join(", ")}`);
	const chosen = positionals.length === 0 ? measures.filter(({ slow }) => !slow)
		: measures.filter(({ id, key }) => positionals.includes(id) || positionals.includes(key));
	if (values.foreign !== undefined) limits.foreign_share = Number(values.foreign);
	return { ...values, rounds: Number(values.rounds), share: Number(values.share), chosen: [...chosen, ...besides(chosen, values.peers)] };
}

// What the named peers do of the chosen measures.
function besides(chosen, names = "") {
	const wanted = names === "all" ? Object.keys(peers) : names.split(",").filter(Boolean);
	const strange = wanted.find((name) => !(name in peers));
	if (strange !== undefined) throw new Error(`there is no peer "${strange}"; there are ${Object.keys(peers).join(", ")}`);
	return peerMeasures.filter(({ beside, peer }) => wanted.includes(peer) && chosen.some(({ key }) => key === beside));
}

// Fewer tasks, in whole graphs.
const scaler = (share) => (given) => {
	const unit = given.graph?.startsWith("fan") ? given.width + 1 : given.width ?? 1;
	return { ...given, tasks: Math.max(unit, Math.round((given.tasks * share) / unit) * unit) };
};

let stopping = false;
const say = (text) => process.stderr.write(`${text}\n`);

async function runOne(measure, stack, share, kept) {
	const { round, ...figures } = await measure.run(stack, scaler(share));
	const record = { measure: measure.key, ...figures, foreign_share: round.foreign_share, steal_share: round.steal_share,
		busy_share: round.busy_share, peaks: round.peaks, histograms: histogramsOf(round), ...(round.figures.curve ? { curve: round.figures.curve } : {}), ...(round.discarded ? { discarded: round.discarded } : {}) };
	kept.push(record);
	const rate = figures.over !== undefined ? `${(100 * figures.over).toFixed(1)} % over` : figures.p50_ms !== undefined ? `p50 ${figures.p50_ms} ms` : figures.bytes !== undefined ? `${Math.round(figures.bytes)} B` : `${Math.round(figures.per_s)}/s`;
	say(`  ${measure.key.padEnd(12)} ${rate.padStart(14)} ${figures.cpu_us_per_task.toFixed(0).padStart(6)} us${record.discarded ? `   DISCARDED: ${record.discarded}` : ""}`);
	return record.discarded === undefined;
}

const histogramsOf = ({ figures }) => Object.fromEntries(Object.entries(figures).filter(([name, value]) => Array.isArray(value) && name !== "curve"));

// One round of the measures of one stack. What a peer cannot do here is said, and left out.
async function runStack(name, here, share, records, clean) {
	let stack;
	try {
		const kind = peerStacks[name] ?? stacks[name];
		stack = await (kind.start?.() ?? startStack(kind));
		for (const measure of here)
			if (await runOne(measure, stack, share, records)) clean.set(measure.key, (clean.get(measure.key) ?? 0) + 1);
	} catch (error) {
		if (!(name in peerStacks)) throw error;
		say(`  ${name}: ${error.message}`);
	} finally {
		await stack?.stop();
	}
}

// A discarded round is repeated, as often as there are rounds.
async function main() {
	const chosen = options();
	if (chosen.help) return process.stdout.write(help);
	setWrap(chosen.wrap.split(" ").filter(Boolean));
	const started = new Date(), records = [], clean = new Map(), tried = new Map();
	const machine = describe();
	say(`measuring on ${machine.cores} cores (${machine.cpu}), the load itself included; a round counts when others use at most ${Math.round(100 * limits.foreign_share)} % of it`);
	const lacks = (measure) => (clean.get(measure.key) ?? 0) < chosen.rounds && (tried.get(measure.key) ?? 0) < 2 * chosen.rounds;
	for (let round = 1; chosen.chosen.some(lacks) && !stopping; round++) {
		const due = chosen.chosen.filter(lacks);
		for (const name of new Set(due.map(({ stack }) => stack))) {
			if (stopping) break;
			say(`round ${round}, stack: ${name}`);
			const here = due.filter((one) => one.stack === name);
			for (const { key } of here) tried.set(key, (tried.get(key) ?? 0) + 1);
			await runStack(name, here, chosen.share, records, clean).catch((error) => {
				if (records.length === 0) throw error;
				say(`${error.message}\nends with the figures it has`);
				process.exitCode = 1;
				stopping = true;
			});
		}
	}
	finish(chosen, { started, machine, records });
}

function finish({ chosen, share, json, svg }, { started, machine, records }) {
	const results = {};
	for (const { key } of chosen) {
		const all = records.filter(({ measure }) => measure === key), kept = all.filter(({ discarded }) => !discarded);
		if (all.length === 0) continue;
		const list = kept.length > 0 ? kept : all;
		results[key] = { rounds: kept.length, discarded: all.length - kept.length, summary: summary(list.map(({ histograms, peaks, curve, ...figures }) => figures)) };
		if (kept.length === 0) say(`${key}: something else used the machine in every round; the figures are of discarded rounds`);
		else if (kept.length < all.length) say(`${key}: ${all.length - kept.length} of ${all.length} rounds discarded, because something else used the machine`);
	}
	const file = json ?? `build/bench/${started.toISOString().replace(/[-:]|\.\d+/g, "")}.json`;
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, JSON.stringify({ started, machine, share, limits, results, records }, null, 1));
	if (svg) writeFileSync(svg, picture({ results, records }));
	process.stdout.write(`\n${table(chosen, results)}\n\nCPU microseconds a task, by process\n${cpuTable(chosen, results)}\n\nRound trips\n${latencyTable(chosen, results)}\n${orderTable(chosen, results)}`);
	say(`\nkept as ${file}`);
}

process.on("SIGTERM", () => process.exit(143));
process.on("SIGINT", () => {
	if (stopping) process.exit(130);
	stopping = true;
	say("ends after this stack, with the figures it has; once more ends it at once");
});
await main().catch((error) => { say(`bench: ${error.message}`); process.exitCode = 1; });
