// Where in a graph a node runs, as an id that a second execution of the same step finds again.
//
// LangGraph gives a step an id made of its checkpoint, its node and its place among the Sends of that checkpoint. A
// crash and resume, an answered interrupt and a retry of the node run the same step of the same checkpoint. A replay
// (invoke from an earlier checkpoint) runs it under a copy of that checkpoint: origins() finds what it is a copy of. A
// fork (updateState on an earlier checkpoint) is another checkpoint, and so another step.
//
// The names of LangGraph's internals that this needs are all in this file.
import { getConfig } from "@langchain/langgraph";
import { createHash } from "node:crypto";
import { CorderError } from "../src/errors.js";
import { pause } from "../src/pause.js";
import { canonical } from "./records.js";

const SAVER = "__pregel_checkpointer";
const SAVED_WITHIN_MS = 30000;
// Whatever else a task of a step has written, it wrote when it ended.
const WRITTEN_BEFORE_THE_END = ["__interrupt__", "__resume__", "__error__", "__error_source_node__"];

// The graph does not run in a way in which a crash could find its submissions again; the message says what to do.
export class PositionError extends CorderError {}

const hash = (parts) => `lg-${createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 20)}`;

// The batch in which all tasks of a thread are, so that one timeline shows them.
export const batchOf = (thread_id) => hash(["thread", thread_id]);

// A step of a graph: everything that tells it apart from every other, and nothing that changes when it runs again.
export class Position {
	// checkpoint_id: in a replay, of the original; replayed_in is the copy's own then.
	constructor({ thread_id, level, checkpoint_id, node, path, replayed_in = "" }) {
		Object.assign(this, { thread_id, level, checkpoint_id, node, path, replayed_in });
	}

	// The prefix of the ids of all tasks that this step submits under this key.
	base(key = "") {
		const { thread_id, level, checkpoint_id, node, path } = this;
		return hash([thread_id, level, checkpoint_id, node, path, key]);
	}

	// The same step as one of its own, no longer as a replay of another.
	apart() {
		return new Position({ ...this, checkpoint_id: this.replayed_in, replayed_in: "" });
	}
}

// The config of the node that runs, undefined outside of a graph.
export function here(config) {
	if (config) return config;
	try {
		return getConfig();
	} catch {
		return undefined;
	}
}

// A Send's place is stable, and so is the place of a task() call in its caller; a node's own name says enough.
function placeOf(path) {
	const [kind, ...places] = path ?? [];
	if (!`${kind}`.includes("push")) return "pull";
	return `push:${places.filter((place) => typeof place !== "boolean").join(",")}`;
}

// The namespace of the subgraph that the node is in, "" in the graph itself. Where a node calls its subgraph again
// (also by a retry policy), LangGraph counts the calls in it; a key says that they are one.
function levelOf(checkpoint_ns = "", key) {
	const levels = checkpoint_ns.split("|").slice(0, -1);
	return (key ? levels.filter((level) => !/^\d+$/.test(level)) : levels).join("|");
}

// The position of the node that runs with this config; undefined outside of a graph. Resolves when the checkpoint it
// stands on is saved: a crash before that would run the step again under another one.
export async function locate(config, key = "") {
	const settings = config?.configurable;
	const map = settings?.checkpoint_map;
	if (!map || !config.metadata?.langgraph_node) return undefined;
	const { langgraph_node: node, langgraph_path, langgraph_step } = config.metadata;
	const path = placeOf(langgraph_path);
	const level = levelOf(settings.checkpoint_ns, key);
	const { thread_id } = settings;
	const saver = settings[SAVER];
	if (typeof saver?.getTuple !== "function" || thread_id === undefined) {
		return new Position({ thread_id: "", level, checkpoint_id: map[level] ?? map[""], node, path });
	}
	if (config.durability === "exit" || config.checkpointDuring === false)
		return withoutCheckpoints({ thread_id, level, node }, key);
	const root = map[""] ?? map[level];
	await saved(saver, thread_id, root, config.signal);
	if (level) return new Position({ thread_id, level, checkpoint_id: `step:${langgraph_step}`, node, path });
	const origin = await originOf(saver, thread_id, root);
	return new Position({
		thread_id,
		level,
		checkpoint_id: origin,
		node,
		path,
		replayed_in: origin === root ? "" : root,
	});
}

function withoutCheckpoints(where, key) {
	if (key) return new Position({ ...where, checkpoint_id: "", path: "" });
	const why = 'durability "exit" saves nothing before the graph ends, so that a crash would submit again';
	throw new PositionError(
		`${why}: run it with "sync" or "async", or give the submission a key that is unique in its thread`,
	);
}

async function saved(saver, thread_id, checkpoint_id, signal) {
	const config = { configurable: { thread_id, checkpoint_ns: "", checkpoint_id } };
	const until = Date.now() + SAVED_WITHIN_MS;
	for (let ms = 1; !(await saver.getTuple(config)); ms = Math.min(100, ms * 2)) {
		if (Date.now() > until)
			throw new PositionError(
				`checkpoint ${checkpoint_id} of thread ${thread_id} was not saved in ${SAVED_WITHIN_MS / 1000} s`,
			);
		await pause(ms, signal);
	}
}

async function listOf(saver, thread_id, filter) {
	const found = [];
	const config = { configurable: { thread_id, checkpoint_ns: "" } };
	for await (const one of saver.list(config, filter ? { filter } : undefined)) found.push(one);
	return found;
}

// A thread that was never replayed costs one query that finds nothing.
async function originOf(saver, thread_id, checkpoint_id) {
	if ((await listOf(saver, thread_id, { source: "fork" })).length === 0) return checkpoint_id;
	return origins(await listOf(saver, thread_id)).get(checkpoint_id) ?? checkpoint_id;
}

const sameVersions = (one, other) =>
	canonical(one.checkpoint.channel_versions) === canonical(other.checkpoint.channel_versions);
const sameValues = (one, other) =>
	canonical(one.checkpoint.channel_values) === canonical(other.checkpoint.channel_values);

// For every checkpoint of a thread, the one that it repeats: itself, or in a replay the original's.
//
// A replay begins with a copy of the checkpoint it starts from. What follows repeats the original as long as its states
// are the same; from the first that differs on, it is on a way of its own.
export function origins(checkpoints) {
	const known = new Map(checkpoints.map((one) => [one.checkpoint.id, one]));
	const children = new Map();
	const origin = new Map();
	for (const id of [...known.keys()].sort()) {
		const one = known.get(id);
		const parentId = one.parentConfig?.configurable?.checkpoint_id;
		const parent = known.get(parentId);
		origin.set(id, id);
		if (!parent) continue;
		const { source } = one.metadata ?? {};
		if (source === "fork" && sameVersions(one, parent)) {
			origin.set(id, origin.get(parentId));
		} else if (source === "loop" && origin.get(parentId) !== parentId) {
			const twin = (children.get(origin.get(parentId)) ?? [])
				.map((sibling) => known.get(sibling))
				.find((other) => sameValues(other, one));
			if (twin) origin.set(id, origin.get(twin.checkpoint.id));
		}
		if (source === "loop") children.set(parentId, [...(children.get(parentId) ?? []), id]);
	}
	return origin;
}

// The interrupts of a state that nobody has answered. LangGraph lists those of a task that has ended since, as long as
// another of its step still waits; a driver that took them for open would resume them for ever.
export async function openInterrupts({ checkpointer }, { tasks, config }) {
	const writes = (await checkpointer?.getTuple?.(config))?.pendingWrites ?? [];
	const ended = new Set(writes.filter(([, channel]) => !WRITTEN_BEFORE_THE_END.includes(channel)).map(([id]) => id));
	return tasks.filter(({ id }) => !ended.has(id)).flatMap(({ interrupts }) => interrupts);
}
