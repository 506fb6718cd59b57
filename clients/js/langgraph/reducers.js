// The folds behind the state: pure functions that may see each record and event twice, late, and in any order.
//
// A collection remembers, beside its tasks, the rank of every task that is elsewhere now: without that memory a late
// event would bring a task back. The memory is part of the checkpoint and not of the value that nodes read.
import { canonical, collectionOf, collections, compareRanks, mergeRecords, rankOf, stateKeys } from "./records.js";

export const LOG_LIMIT = 1000;

export const emptyMemory = () => ({ tasks: {}, left: {} });

const laterRank = (one, other) => (one === undefined || compareRanks(one, other) < 0 ? other : one);

// Folds records into one collection's memory, { tasks, left }; the given memory stays as it is.
export function reduceCollection(collection, memory, records) {
	const tasks = { ...memory.tasks };
	const left = { ...memory.left };
	for (const record of records) {
		const { task_id } = record;
		if (collectionOf(record.status) === collection)
			tasks[task_id] = tasks[task_id] ? mergeRecords(tasks[task_id], record) : record;
		else left[task_id] = laterRank(left[task_id], rankOf(record));
		if (tasks[task_id] && left[task_id] && compareRanks(rankOf(tasks[task_id]), left[task_id]) < 0)
			delete tasks[task_id];
	}
	return { tasks, left };
}

// The memory that has seen what both have seen.
export function mergeMemory(collection, one, other) {
	const left = { ...one.left };
	for (const [task_id, rank] of Object.entries(other.left)) left[task_id] = laterRank(left[task_id], rank);
	const merged = reduceCollection(collection, { tasks: one.tasks, left }, Object.values(other.tasks));
	for (const [task_id, record] of Object.entries(merged.tasks)) {
		if (left[task_id] && compareRanks(rankOf(record), left[task_id]) < 0) delete merged.tasks[task_id];
	}
	return merged;
}

// Folds records into all four collections as a node sees them; each task ends up in one.
export function reduceTasks(state, records) {
	const seen = stateKeys.flatMap((key) => Object.values(state[key] ?? {}));
	const latest = latestOf([...seen, ...records]);
	const of = (name) => latest.filter(({ status }) => collectionOf(status) === name);
	return Object.fromEntries(
		collections.map((name, index) => [stateKeys[index], Object.fromEntries(of(name).map((one) => [one.task_id, one]))]),
	);
}

const identity = ({ task_id = "", version = 0, event_id = "" }) =>
	`${task_id} ${version} ${version > 0 ? "" : event_id}`;

function fuller(one, other) {
	const places = (one.position ?? -1) - (other.position ?? -1);
	return places > 0 || (places === 0 && canonical(one) >= canonical(other)) ? one : other;
}

function inOrder(one, other) {
	const sequence = (one.seq ?? 0) - (other.seq ?? 0);
	return sequence !== 0 ? sequence : identity(one) < identity(other) ? -1 : 1;
}

// A reducer for an execution log of that many events: the newest by seq, each once, in order.
export function logReducer(limit = LOG_LIMIT) {
	if (!Number.isInteger(limit) || limit < 1) throw new RangeError("an execution log keeps at least one event");
	return (log, events) => {
		const known = new Map();
		for (const event of [...(log ?? []), ...(events ?? [])]) {
			const key = identity(event);
			known.set(key, known.has(key) ? fuller(known.get(key), event) : event);
		}
		return [...known.values()].sort(inOrder).slice(-limit);
	};
}

export const reduceLog = logReducer();

// Where a reader of the stream of events goes on: behind the last position that the log has; undefined when it has
// none.
export function resumePosition(log) {
	const positions = (log ?? []).map(({ position }) => position).filter((position) => position !== undefined);
	return positions.length > 0 ? positions.reduce((a, b) => Math.max(a, b)) : undefined;
}

// The last that is known of each task, with what any of the records knows of its submission.
function latestOf(records) {
	const latest = new Map();
	for (const record of records) {
		const held = latest.get(record.task_id);
		latest.set(record.task_id, held ? mergeRecords(held, record) : record);
	}
	return [...latest.values()];
}

// A node's update of the state: every collection is told of every task, so that each knows what moved.
export function updates(records, entries = []) {
	const told = latestOf(records);
	const changes = told.length > 0 ? Object.fromEntries(stateKeys.map((key) => [key, told])) : {};
	return entries.length > 0 ? { ...changes, task_execution_log: entries } : changes;
}
