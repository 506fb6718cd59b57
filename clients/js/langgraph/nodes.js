// Nodes that submit and wait, in a graph's own steps and under Send.
//
// Waiting goes two ways. "block" stays in the node, for work of minutes, and tells of each event and of the workers'
// progress on the custom stream. "interrupt" ends the run with a LangGraph interrupt, for work of hours; drive() (or
// anybody) resumes it by the interrupt's id when the tasks have ended. Either way the node asks Corder how things are
// before it believes anything.
import { interrupt } from "@langchain/langgraph";
import { finalStatuses } from "../src/names.js";
import { managerOf } from "./manager.js";
import { logEntry, mergeRecords, stateKeys } from "./records.js";
import { resumePosition, updates } from "./reducers.js";
import { checkCount, enough, waitValue } from "./waits.js";

function checked({ count = "all", how = "block", timeoutMs, collect }) {
	checkCount(count);
	if (how !== "block" && how !== "interrupt")
		throw new RangeError(`how is "block" or "interrupt", not ${JSON.stringify(how)}`);
	if (timeoutMs !== undefined && how === "interrupt") {
		throw new RangeError('a timeout goes with how: "block"; give the tasks a timeout of their own otherwise');
	}
	return { count, how, timeoutMs, collect };
}

// A node that submits what build(state, config) returns and goes on at once. Its tasks are in pending_tasks then.
export function submitNode(build, { key } = {}) {
	return async (state, config) => {
		const manager = managerOf(config);
		const batch = await manager.submit_task_batch(await build(state, config), { key, config });
		return { task_queue_manager: manager.reference(batch.batch_id), ...updates(batch.records) };
	};
}

// A node that waits until tasks have ended: all, any, or so many of them.
//
// task_ids: which, from the state; otherwise all that it holds as pending or running. timeoutMs: only for "block";
// WaitTimeout is thrown then. collect(records, state): more of the update, from those that ended, in the order of
// task_ids.
export function waitNode({ task_ids, ...options } = {}) {
	const how = checked(options);
	return async (state, config) => {
		const ids = [...new Set(task_ids ? await task_ids(state, config) : unfinished(state))];
		return waitFor(managerOf(config), { task_ids: ids, submitted: [] }, how, state, config);
	};
}

// Both in one node: what a fan-out by Send needs, where each branch has its own task and no state of the others.
export function submitAndWaitNode(build, { key, ...options } = {}) {
	const how = checked(options);
	return async (state, config) => {
		const manager = managerOf(config);
		const batch = await manager.submit_task_batch(await build(state, config), { key, config });
		const what = { task_ids: Object.values(batch.task_ids), batch_id: batch.batch_id, submitted: batch.records };
		return waitFor(manager, what, how, state, config);
	};
}

function unfinished(state) {
	return [...Object.keys(state?.pending_tasks ?? {}), ...Object.keys(state?.running_tasks ?? {})];
}

// Waits, and tells the state all that is known then.
async function waitFor(manager, what, how, state, config) {
	const seen = await waited(manager, what, how, { log: state?.task_execution_log ?? [], config });
	const held = stateKeys.flatMap((key) => Object.values(state?.[key] ?? {}));
	const changes = updates([...held, ...what.submitted, ...seen.records], seen.events);
	const collected = how.collect ? await how.collect(seen.ended, state) : {};
	return { task_queue_manager: manager.reference(what.batch_id), ...changes, ...collected };
}

// { records, events, ended }: `ended` in the order of the ids, each as the last that is known of it.
export async function waited(manager, what, { count, how, timeoutMs }, { log, config }) {
	const { task_ids } = what;
	const { signal } = config;
	if (how === "block") await block(manager, task_ids, { count, timeoutMs }, config);
	let seen = await manager.observe(task_ids, { log, signal });
	while (how === "interrupt" && !enough(count, seen.finished.length, task_ids.length)) {
		// Throws in the first run. In a later one it returns what it was resumed with, which is only a reason to look
		// again: whoever resumed may have been mistaken.
		interrupt(waitValue(manager, { ...what, count }, resumePosition(seen.events)));
		seen = await manager.observe(task_ids, { log, signal });
	}
	return { ...seen, ended: endedOf(task_ids, seen.records) };
}

function endedOf(task_ids, records) {
	const last = new Map();
	for (const record of records)
		last.set(record.task_id, last.has(record.task_id) ? mergeRecords(last.get(record.task_id), record) : record);
	return task_ids.map((task_id) => last.get(task_id)).filter((record) => record && finalStatuses.has(record.status));
}

async function block(manager, task_ids, { count, timeoutMs }, config) {
	if (task_ids.length === 0) return;
	const { client, project } = manager;
	const write = config.writer ?? (() => {});
	const over = new AbortController();
	const onEvent = (event) => {
		write({ type: "corder.event", ...logEntry(event) });
		config.heartbeat?.();
	};
	const listening = tellProgress(client, { project, task_ids, signal: over.signal }, write);
	try {
		await client.wait(task_ids, { project, count, timeoutMs, onEvent, signal: config.signal });
	} finally {
		over.abort();
		await listening;
	}
}

// Progress is kept nowhere: what comes while nobody listens is lost.
async function tellProgress(client, what, write) {
	try {
		for await (const { task_id, worker, progress } of client.progress(what))
			write({ type: "corder.progress", task_id, worker, ...progress });
	} catch (error) {
		if (!what.signal.aborted) write({ type: "corder.progress", error: error.message });
	}
}
