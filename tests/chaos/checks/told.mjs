// What clients and workers were told, gathered from their histories: what was submitted and with which answer, what was
// delivered, settled and renewed.
import { instant, keyOf } from "./read.mjs";

// Every task that somebody asked for: its specification, and whether it was accepted or stored.
export function gather(run) {
	const told = {
		tasks: new Map(),
		deliveries: [],
		settles: [],
		renewals: [],
		commands: [],
		refused: [],
		counts: {},
		wholes: new Map(),
	};
	const asks = new Map();
	const bodies = new Map();
	for (const note of run.history) {
		told.counts[note.what] = (told.counts[note.what] ?? 0) + 1;
		if (note.what === "ask") {
			const ops = `${note.process}:${note.op}`;
			if (note.body) bodies.set(ops, note.body);
			asks.set(`${note.process}:${note.id}`, { ...note, body: bodies.get(ops) });
			if (note.body && note.subject === "submit") intend(told, note.body);
		} else if (note.what === "answer") {
			const ask = asks.get(`${note.process}:${note.id}`);
			if (ask) answered(told, ask, note);
		} else if (note.what === "enqueue") {
			taskOf(told, note.project, note.task).enqueued = true;
		} else if (note.what === "stored") {
			const task = told.tasks.get(keyOf(note));
			task.stored = note.t;
		}
	}
	return told;
}

function taskOf(told, project, task) {
	const key = keyOf({ project, task_id: task.task_id });
	// A later submission of the same id with another body is a conflict on purpose: the first one counts.
	if (!told.tasks.has(key)) told.tasks.set(key, { key, project, ...task, accepted: null });
	return told.tasks.get(key);
}

const tasksOf = (body) => body.tasks ?? (body.task_id ? [body] : []);

function intend(told, body) {
	const tasks = tasksOf(body).map((task) => taskOf(told, body.project, task));
	if (tasks.length === 0) return;
	// All parts of a batch belong together; everything else is whole by itself.
	const name = body.part ? `${body.project}/${body.batch_id}` : `submission ${told.wholes.size}`;
	(told.wholes.get(name) ?? told.wholes.set(name, []).get(name)).push(...tasks);
}

function answered(told, ask, { t, reply }) {
	const [verb] = ask.subject.split(".");
	told.counts[`${verb} answered`] = (told.counts[`${verb} answered`] ?? 0) + 1;
	if (ask.subject === "submit") submitted(told, ask, t, reply);
	else if (verb === "task") command(told, ask, t, reply);
	if (!reply.ok) return;
	for (const task of reply.tasks && verb === "work" ? reply.tasks : [])
		told.deliveries.push({ t, asked: ask.t, worker: ask.body.worker, type: ask.subject.slice(5), ...task });
	(reply.done ?? []).forEach((verdict, i) =>
		told.settles.push({ t, asked: ask.t, worker: ask.body.worker, ...ask.body.done[i], verdict }),
	);
	if (verb === "renew") reply.leases.forEach((verdict, i) => told.renewals.push({ t, ...ask.body.leases[i], verdict }));
}

function submitted(told, ask, t, reply) {
	const { project } = ask.body;
	if (!reply.ok) {
		if (reply.error.code !== "unavailable")
			told.refused.push({ t, project, error: reply.error, tasks: tasksOf(ask.body) });
		return;
	}
	// A large graph is answered with a count in place of the list.
	const counted =
		reply.task_count === undefined ? [] : (ask.body.tasks ?? told.wholes.get(`${project}/${ask.body.batch_id}`) ?? []);
	for (const { task_id, result } of reply.tasks ?? counted) {
		const task = told.tasks.get(keyOf({ project, task_id }));
		if (task && task.accepted === null) Object.assign(task, { accepted: t, result });
	}
}

function command(told, ask, t, reply) {
	const verb = ask.subject.split(".")[1];
	const ids = ask.body.task_ids;
	const verdicts = reply.ok ? reply.tasks : [];
	told.commands.push(
		...ids.map((task_id, i) => ({ t, verb, project: ask.body.project, task_id, body: ask.body, verdict: verdicts[i] })),
	);
}

export const leaseUntil = (text) => instant(text);
