// Looks at tasks: what they are now, and how they came there. Reads only, so it may run any number of times.
import { finalStatuses } from "../src/names.js";
import { logEntry, recordOfEvent, recordOfTask } from "./records.js";

const AT_ONCE = 32;
const CATCH_UP_MS = 5000;
const CLOCKS_DIFFER_MS = 60000; // between the clock that dates a task's creation and the one that dates its events' messages

async function lookUp(client, project, task_ids, signal) {
	const found = new Map();
	const rest = [...task_ids];
	const turn = async () => {
		while (rest.length > 0) {
			const task = await client.get(rest.pop(), { project, signal });
			found.set(task.task_id, task);
		}
	};
	await Promise.all(Array.from({ length: Math.min(AT_ONCE, rest.length) }, turn));
	return task_ids.map((task_id) => found.get(task_id));
}

// The events of these tasks that the log lacks, as far as the stream still has them.
async function missing(client, project, tasks, log, signal) {
	const known = new Map();
	for (const { task_id, version, at } of log) {
		if (version > (known.get(task_id)?.version ?? 0)) known.set(task_id, { version, at });
	}
	const behind = new Map(
		tasks
			.filter((task) => task.version > (known.get(task.task_id)?.version ?? 0))
			.map((task) => [task.task_id, task.version]),
	);
	if (behind.size === 0) return [];
	const begins = [...behind.keys()].map(
		(task_id) => known.get(task_id)?.at ?? tasks.find((task) => task.task_id === task_id).created_at,
	);
	const since = new Date(Math.min(...begins.map((at) => Date.parse(at))) - CLOCKS_DIFFER_MS);
	const limit = AbortSignal.timeout(CATCH_UP_MS);
	const both = signal ? AbortSignal.any([signal, limit]) : limit;
	const found = [];
	try {
		for await (const event of client.events({ project, task_ids: [...behind.keys()], since, signal: both })) {
			if (event.version > (known.get(event.task_id)?.version ?? 0)) found.push(event);
			if (event.version >= behind.get(event.task_id)) behind.delete(event.task_id);
			if (behind.size === 0) break;
		}
	} catch (error) {
		signal?.throwIfAborted(); // a stream that has them no longer, or is not there: the records say enough
	}
	return found;
}

// { records, events, finished }: what is true of these tasks now, and those of their events that the log does not have.
export async function observe(client, project, task_ids, { log = [], signal } = {}) {
	const tasks = await lookUp(client, project, task_ids, signal);
	const events = await missing(client, project, tasks, log, signal);
	const records = tasks.map(recordOfTask);
	const finished = records.filter(({ status }) => finalStatuses.has(status));
	return { records: [...records, ...events.map(recordOfEvent)], events: events.map(logEntry), finished };
}
