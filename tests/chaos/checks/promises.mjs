// What was told has to be true: accepted tasks are there and come to an end, deliveries were leases, settles answered ok are
// in the events, a lease held as long as was told, refusals left no trace.
import { finals, keyOf } from "./read.mjs";
import { dependenciesOf } from "./fold.mjs";
import { leaseUntil } from "./told.mjs";

export function checkAccepted(run, told, fold, violation) {
	const enqueuesMayBeLost = run.had(/^power-cut-(nats|all)|^disk-full-nats/);
	const rejected = new Set(run.tables.task_events.filter(({ status }) => status === "rejected").map(keyOf));
	const slicesMayBeLost = run.had(/^power-cut-(nats|all)/);
	const figures = { accepted: 0, unknown: 0, unknown_but_there: 0, enqueued: 0, in_part: 0 };
	for (const task of told.tasks.values()) {
		const there = fold.tasks.has(task.key);
		if (task.accepted !== null) {
			figures.accepted++;
			if (!there) violation("an accepted task is missing", task.key);
		} else if (task.stored) {
			figures.enqueued++;
			if (!there && !rejected.has(task.key) && !enqueuesMayBeLost) violation("an enqueued task is missing", task.key);
		} else {
			figures.unknown++;
			if (there) figures.unknown_but_there++;
		}
	}
	for (const [name, tasks] of told.wholes) {
		const there = tasks.filter(({ key }) => fold.tasks.has(key)).length;
		if (there === 0 || there === tasks.length) continue;
		// Its slices were lost with NATS' power, between its decision and its end: nobody was told ok, and it may stand in part.
		if (slicesMayBeLost && tasks.every(({ accepted }) => accepted === null)) figures.in_part++;
		else
			violation("a graph was admitted in part", `${name}: ${there} of ${tasks.length}, with ${tasks[0].key}`);
	}
	for (const { project, error, tasks } of told.refused) {
		for (const { task_id } of tasks) {
			const task = told.tasks.get(keyOf({ project, task_id }));
			const there = fold.tasks.get(keyOf({ project, task_id }));
			if (there && task.accepted === null && !task.stored && error.code !== "conflict")
				violation("a refused task is there", `${task.key}: ${error.code}`);
			if (error.code === "conflict" && there && task.accepted === null) continue;
		}
	}
	return figures;
}

// Every task is over, or something it waits for is truly not there yet.
export function checkCauses(run, told, fold, violation) {
	const approved = new Set(told.commands.filter(({ verb, verdict }) => verb === "approve" && verdict?.ok).map(keyOf));
	const end = run.history.findLast(({ what }) => what === "end")?.t ?? 0;
	let open = 0;
	for (const task of fold.tasks.values()) {
		if (finals.has(task.status)) continue;
		open++;
		const problem = (why) => violation("stuck", `${task.key} is ${task.status} since v${task.version}: ${why}`);
		if (task.status !== "blocked") {
			problem("nothing moves it");
			continue;
		}
		const { spec } = task;
		const waits = fold.unmet(task).map(({ task_id, when }) => ({
			when,
			status: fold.tasks.get(keyOf({ project: task.project, task_id }))?.status ?? "unknown",
		}));
		const live = ({ status }) => !finals.has(status) || (spec.on_dependency_failure ?? "skip") === "block";
		if (waits.length > 0 && waits.some(live)) continue;
		if (waits.length > 0) problem(`its dependencies have ended: ${JSON.stringify(waits)}`);
		else if (spec?.not_before && Date.parse(spec.not_before) > end - 1000) continue;
		else if (spec?.hold && !approved.has(task.key)) continue;
		else problem("all it waits for has come");
	}
	return { open };
}

const tryOf = (fold, item, lease) => fold.tasks.get(keyOf(item))?.tries.find((each) => each.lease === lease);

export function checkDeliveries(run, told, fold, violation) {
	const logIsWhole = fold.logIsWhole;
	for (const delivery of told.deliveries) {
		const task = fold.tasks.get(keyOf(delivery));
		const found = task?.tries.find(({ attempt }) => attempt === delivery.attempt);
		if (!found || found.worker !== delivery.worker || (found.lease !== null && found.lease !== delivery.lease)) {
			if (found?.lease || logIsWhole || !found)
				violation(
					"delivered, but no such lease is in the log",
					`${keyOf(delivery)} attempt ${delivery.attempt} to ${delivery.worker}`,
				);
			continue;
		}
		if (found.at / 1000 > delivery.t + 5) violation("delivered before it was leased", keyOf(delivery));
		if (delivery.context?.id !== undefined && delivery.context.id !== delivery.task_id)
			violation("another task's context was delivered", keyOf(delivery));
		judgeInputs(fold, task, delivery, found, violation);
	}
	return { deliveries: told.deliveries.length };
}

// The result of each dependency that completed, and of no other; results carry the lease that made them.
function judgeInputs(fold, task, delivery, found, violation) {
	for (const { task_id } of dependenciesOf(task.spec)) {
		const parent = fold.tasks.get(keyOf({ project: task.project, task_id }));
		const done = parent?.tries.find(({ end }) => end?.status === "completed" && end.at <= found.at);
		const given = delivery.inputs[task_id];
		if (done && done.lease !== null && given !== undefined && given !== done.lease)
			violation("inputs hold another result", `${task.key} from ${task_id}`);
		if (done && given === undefined) violation("a result is missing in the inputs", `${task.key} from ${task_id}`);
		if (!done && given !== undefined)
			violation("inputs hold a result that was never accepted", `${task.key} from ${task_id}`);
	}
}

export function checkSettles(run, told, fold, violation) {
	const winners = new Map();
	const sent = new Map(); // lease -> outcomes ever sent
	for (const { lease, outcome } of told.settles) sent.set(lease, (sent.get(lease) ?? new Set()).add(outcome));
	const figures = { settled_ok: 0, settled_stale: 0 };
	for (const settle of told.settles) {
		const { verdict, lease, outcome } = settle;
		figures[verdict.ok ? "settled_ok" : "settled_stale"]++;
		const name = `${keyOf(settle)} lease ${lease}`;
		if (!verdict.ok) {
			if (!["stale_lease", "not_found"].includes(verdict.error.code))
				violation("a settle was refused with an odd code", `${name}: ${verdict.error.code}`);
			continue;
		}
		const found = tryOf(fold, settle, lease);
		if (!found) {
			if (fold.logIsWhole) violation("settled ok under a lease that is not in the log", name);
			continue;
		}
		if (!found.end) violation("a settle answered ok is not in the events", `${name}: ${verdict.status}`);
		else if (["completed", "failed"].includes(verdict.status)) {
			const task = fold.tasks.get(keyOf(settle));
			if (!task.events.some(({ status, attempt }) => status === verdict.status && attempt === found.attempt))
				violation(
					"a settle answered ok is not in the events",
					`${name}: told ${verdict.status}, ended ${found.end.status}`,
				);
			if (verdict.status === "completed")
				(winners.get(task.key) ?? winners.set(task.key, new Set()).get(task.key)).add(lease);
		}
		if (outcome === "completed" && sent.get(lease).size === 1 && !["completed", "cancelled"].includes(verdict.status))
			violation("completed, but told otherwise", `${name}: ${verdict.status}`);
	}
	for (const [key, leases] of winners) if (leases.size > 1) violation("two leases were told completed", key);
	return figures;
}

// A lease that was told to hold until then was not taken away before, but by its own settle, a time-out or a cancel.
export function checkLeases(run, told, fold, violation) {
	const until = new Map(); // lease -> [{ t, until }]
	const note = (lease, t, text) =>
		(until.get(lease) ?? until.set(lease, []).get(lease)).push({ t, until: leaseUntil(text) });
	for (const { lease, t, lease_until } of told.deliveries) note(lease, t, lease_until);
	for (const { lease, t, verdict } of told.renewals) if (verdict.ok) note(lease, t, verdict.lease_until);
	for (const task of fold.tasks.values()) {
		for (const { lease, attempt, end } of task.tries) {
			if (end?.code !== "worker_lost") continue;
			const longest = Math.max(
				0,
				...(until.get(lease) ?? []).filter(({ t }) => t * 1000 < end.at).map((told_) => told_.until),
			);
			if (longest > end.at + 1000)
				violation(
					"a lease was taken away before the time that was told",
					`${task.key} attempt ${attempt}: ${Math.round((longest - end.at) / 1000)} ms early`,
				);
		}
	}
	return {};
}
