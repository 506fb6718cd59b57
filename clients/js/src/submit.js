// Submissions: one task, many, a graph; in one message or in parts that a seal ends; or into the stream that needs no
// service to be up. Ids are made here, so that a repeat is the same submission.
import { TooLarge } from "./errors.js";
import { Graph } from "./graph.js";
import { checkToken, newId } from "./names.js";

const TASKS_A_MESSAGE = 10000;
const ENVELOPE_BYTES = 1024;
const SEAL_MS = 300000;

// What submit() and enqueue() return.
export class Submission {
	// enqueued: the verdict is still to come, as an event of each task or as "rejected".
	// position: where the stream of events was before; all that becomes of the tasks comes behind it.
	constructor({ project, batch_id, task_ids, tasks, dry_run = false, enqueued = false, position }) {
		Object.assign(this, { project, batch_id, task_ids, dry_run, enqueued, position });
		if (tasks) this.tasks = tasks;
	}
}

const asTask = (task) => (typeof task?.toJSON === "function" ? task.toJSON() : task);

// Everything a submission is, with all ids: { project, batch_id, single, tasks }.
function plan(what, { project, batch_id }, defaultProject) {
	const single = !Array.isArray(what) && !(what instanceof Graph);
	const list = (single ? [what] : what instanceof Graph ? what.tasks : what).map(asTask);
	const named =
		project ?? (what instanceof Graph ? what.project : undefined) ?? (single ? list[0]?.project : undefined);
	const tasks = list.map((task) => ({ ...task, task_id: task?.task_id ?? newId() }));
	const batch = batch_id ?? (what instanceof Graph ? what.batch_id : undefined);
	return {
		project: checkToken(named ?? defaultProject, "project"),
		batch_id: batch ?? newId(),
		single: single && !batch,
		tasks,
	};
}

function tooLarge(index, bytes, most) {
	const message = `the task has ${bytes} bytes; a message holds ${most}. Keep large data elsewhere and a reference here`;
	return new TooLarge({ code: "too_large", message, path: `/tasks/${index}` }, "submit");
}

// Lists of tasks that fit into a message each.
function split(tasks, mostBytes) {
	const parts = [];
	let bytes = Infinity;
	for (const [index, task] of tasks.entries()) {
		const length = Buffer.byteLength(JSON.stringify(task)) + 1;
		if (length > mostBytes) throw tooLarge(index, length, mostBytes);
		if (bytes + length > mostBytes || parts.at(-1).length >= TASKS_A_MESSAGE) {
			parts.push([]);
			bytes = 0;
		}
		parts.at(-1).push(task);
		bytes += length;
	}
	return parts;
}

// The messages of a submission, in order.
function messages({ project, batch_id, single, tasks }, orders, mostBytes) {
	if (single) return [{ ...tasks[0], project, ...orders }];
	const parts = split(tasks, mostBytes - ENVELOPE_BYTES);
	if (parts.length < 2) return [{ project, batch_id, tasks, ...orders }];
	const bodies = parts.map((part, index) => ({ project, batch_id, part: index + 1, tasks: part }));
	return [...bodies, { project, batch_id, seal: parts.length, ...orders }];
}

export async function submit(connection, what, options, defaultProject) {
	const { dry_run, ack, order, signal, traceparent, patienceMs } = options;
	const planned = plan(what, options, defaultProject);
	const orders = { ...(dry_run ? { dry_run } : {}), ...(ack ? { ack } : {}), ...(order ? { order } : {}) };
	const bodies = messages(planned, orders, connection.maxBytes);
	const large = planned.tasks.length > 5000 || ack === "archived";
	const position = dry_run ? undefined : await connection.eventsPosition();
	let reply;
	for (const body of bodies) {
		const slow = body.seal || large ? { tryMs: 60000, patienceMs: Math.max(SEAL_MS, connection.patienceMs) } : {};
		reply = await connection.request("submit", body, {
			signal,
			traceparent,
			...slow,
			...(patienceMs && { patienceMs }),
		});
	}
	const task_ids = planned.tasks.map(({ task_id }) => task_id);
	const { project } = planned;
	return new Submission({ project, batch_id: reply.batch_id, task_ids, tasks: reply.tasks, dry_run, position });
}

// The promise says that the stream has it; the verdict comes as events.
export async function enqueue(connection, what, options, defaultProject) {
	const { signal } = options;
	const planned = plan(what, options, defaultProject);
	const { project, batch_id, tasks } = planned;
	const subject = connection.subject(`enqueue.${project}`);
	const position = await connection.eventsPosition();
	for (const body of messages(planned, {}, connection.maxBytes)) {
		const bytes = JSON.stringify(body);
		const publish = (timeout) => connection.untilLost(connection.jetstream.publish(subject, bytes, { timeout }));
		await connection.repeat("enqueue", publish, { signal });
	}
	const task_ids = tasks.map(({ task_id }) => task_id);
	return new Submission({ project, batch_id: planned.single ? "" : batch_id, task_ids, enqueued: true, position });
}
