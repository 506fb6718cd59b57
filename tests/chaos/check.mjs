// The checker: reads what a round has left in its folder and proves, by code that shares nothing with the product, that all
// that was promised was kept. Writes verdict.json there; ends with 1 when something was not.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fold } from "./checks/fold.mjs";
import { checkAccepted, checkCauses, checkDeliveries, checkLeases, checkSettles } from "./checks/promises.mjs";
import { readRun } from "./checks/read.mjs";
import { recovery } from "./checks/recovery.mjs";
import {
	checkAuditor,
	checkJetStream,
	checkLog,
	checkObservers,
	checkRedis,
	checkStream,
	checkTables,
} from "./checks/stores.mjs";
import { gather } from "./checks/told.mjs";

const checks = [
	checkLog,
	checkAccepted,
	checkCauses,
	checkDeliveries,
	checkSettles,
	checkLeases,
	checkTables,
	checkStream,
	checkObservers,
	checkRedis,
	checkJetStream,
	checkAuditor,
];
const shown = 6; // of each kind of violation

export function judge(folder) {
	const run = readRun(folder);
	const found = new Map();
	const violation = (what, where) => {
		const list = found.get(what) ?? found.set(what, { what, count: 0, where: [] }).get(what);
		list.count++;
		if (list.where.length < shown) list.where.push(where);
	};
	if (!run.collected) violation("the round did not come to its end", folder);
	run.quiet = run.history.some(({ what }) => what === "quiet");
	run.settled = run.quiet && run.options.dustMs >= 18000; // long enough for what has ended to leave Redis
	const told = gather(run);
	const fold = new Fold(run, told, violation).all();
	const figures = { ...fold.figures, tasks: fold.tasks.size };
	for (const check of run.collected ? checks : []) Object.assign(figures, check(run, told, fold, violation));
	figures.requests = told.counts.ask ?? 0;
	figures.unanswered = told.counts.none ?? 0;
	return {
		seed: run.plan.seed,
		violations: [...found.values()],
		figures,
		faults: recovery(run),
		losses: run.history
			.filter(({ what }) => what === "loss")
			.map(({ server, before, after }) => ({ server, before, after })),
	};
}

const verdict = judge(process.argv[2]);
writeFileSync(join(process.argv[2], "verdict.json"), JSON.stringify(verdict, null, 1));
for (const { what, count, where } of verdict.violations)
	console.log(`VIOLATION ${what} (${count})\n  ${where.join("\n  ")}`);
const { tasks, events, leases, requests } = verdict.figures;
console.log(
	`seed ${verdict.seed}: ${tasks} tasks, ${events} events, ${leases} leases, ${requests} requests, ${verdict.violations.length} kinds of violations`,
);
process.exitCode = verdict.violations.length > 0 ? 1 : 0;
