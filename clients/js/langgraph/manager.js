// TaskQueueManager: the live object through which a graph's nodes use Corder. It is the graph's runtime context, or its
// task_queue_manager. What it knows is in Corder; the state holds only its reference.
//
// It derives the ids of what it submits from where in the graph it is called, so that running a step again submits
// nothing twice.
import { Conflict, CorderError, refusal } from "../src/errors.js";
import { Graph } from "../src/graph.js";
import { newId } from "../src/names.js";
import { observe } from "./observing.js";
import { batchOf, here, locate } from "./position.js";
import { recordOfSubmission } from "./records.js";

const TASKS_IN_ONE_BATCH = 5000;

// A node of this package ran in a graph that was given no TaskQueueManager.
export class MissingManager extends CorderError {}

// Gives every task its full id: name or number, colon, base; also where dependencies mean it. Without a base, ids stay.
function scoped(tasks, base) {
	const bodies = (tasks instanceof Graph ? tasks.tasks : [tasks].flat()).map((task) => ({
		...(task?.toJSON?.() ?? task),
	}));
	if (bodies.length === 0) throw new RangeError("there is no task to submit");
	if (!base) {
		for (const body of bodies) body.task_id ??= newId();
		return { bodies, names: Object.fromEntries(bodies.map(({ task_id }) => [task_id, task_id])) };
	}
	const names = new Map();
	for (const [number, body] of bodies.entries()) {
		const name = body.task_id ?? `${number}`;
		if (names.has(name)) throw new RangeError(`two tasks of this submission are called ${JSON.stringify(name)}`);
		body.task_id = `${name}:${base}`;
		names.set(name, body.task_id);
	}
	const edge = (one) =>
		typeof one === "string" ? (names.get(one) ?? one) : { ...one, task_id: names.get(one.task_id) ?? one.task_id };
	for (const body of bodies) if (body.dependencies) body.dependencies = body.dependencies.map(edge);
	return { bodies, names: Object.fromEntries(names) };
}

// A task under a lease of ours. Settle it before task.lease_until, or renew.
export class LeasedTask {
	#client;
	#worker;

	constructor(client, worker, task) {
		this.#client = client;
		this.#worker = worker;
		this.task = task;
		this.task_id = task.task_id;
		this.context = task.execution_context;
	}

	get #name() {
		const { project, task_id, lease } = this.task;
		return { project, task_id, lease };
	}

	// Each ends the try and returns the task's status; StaleLease when the lease is another's by now.
	complete(result = null) {
		return this.#settle({ outcome: "completed", result });
	}

	fail(message, { retryable = true } = {}) {
		return this.#settle({ outcome: "failed", error: { message, retryable } });
	}

	release() {
		return this.#settle({ outcome: "released" });
	}

	// Keeps the lease. true: somebody cancelled the task, so let go of it.
	async renew({ lease_ms = 60000, progress } = {}) {
		const body = { worker: this.#worker, lease_ms, leases: [{ ...this.#name, ...(progress ? { progress } : {}) }] };
		const { leases } = await this.#client.request(`renew.${this.task.task_type}`, body);
		return this.#verdict(leases[0]).cancel;
	}

	async #settle(outcome) {
		const body = { worker: this.#worker, done: [{ ...this.#name, ...outcome }] };
		const { done } = await this.#client.request(`settle.${this.task.task_type}`, body);
		return this.#verdict(done[0]).status;
	}

	#verdict(item) {
		if (!item.ok) throw refusal(item.error, this.task_id);
		return item;
	}
}

export class TaskQueueManager {
	#calls = new WeakMap();

	// batch_id: of everything it submits; otherwise a batch for each thread.
	constructor(client, { project = client.project, batch_id } = {}) {
		if (!project) throw new TypeError("project is missing: the client has none either");
		Object.assign(this, { client, project, batch_id });
	}

	// What the state keeps of this object.
	reference(batch_id = this.batch_id) {
		return { project: this.project, prefix: this.client.prefix, ...(batch_id ? { batch_id } : {}) };
	}

	// Submits tasks, whole or not at all: { batch_id, task_ids (by name), records, repeated }.
	//
	// In a node, a second execution of the same step submits nothing new: task ids are names within this submission
	// there, and their full ids begin with what the step is. Tasks without an id are numbered. A dependency is a name
	// of this submission, or the full id of another task. Several submissions of one node are told apart by their
	// order; if they run at once, give each a key.
	async submit_task_batch(tasks, { key = "", config, signal } = {}) {
		const node = here(config);
		const position = await locate(node, key);
		const own = position && !key ? this.#countCall(node) : key;
		return this.#submit(tasks, position, own, signal ?? node?.signal);
	}

	// The project's tasks that could be leased now, best first, with the terms of their score.
	get_executable_tasks({ task_type, limit = 20, signal } = {}) {
		return this.client.executable({ project: this.project, task_type, limit, signal });
	}

	// Leases up to so many tasks of a type, best first, for a graph that works on them itself.
	async get_next_executable_batch(
		batch_size,
		task_type,
		{ worker = "langgraph", lease_ms = 60000, wait_ms = 0, signal } = {},
	) {
		const body = { worker, max: batch_size, lease_ms, wait_ms, request_id: newId() };
		const { tasks } = await this.client.request(`work.${task_type}`, body, { signal, tryMs: wait_ms + 5000 });
		return tasks.map((task) => new LeasedTask(this.client, worker, task));
	}

	// pending_count, running_count, completed_count, failed_count, queue_health, average_wait_time, throughput, and
	// more.
	get_queue_status({ window_s, signal } = {}) {
		return this.client.status({ project: this.project, window_s, signal });
	}

	// For each task in order of submission: when it was created, ready, tried and finished, and by whom.
	async get_task_timeline({ batch_id = this.batch_id, signal } = {}) {
		return (await this.client.timeline({ project: this.project, batch_id, signal })).tasks;
	}

	submitTaskBatch(...all) {
		return this.submit_task_batch(...all);
	}

	getExecutableTasks(...all) {
		return this.get_executable_tasks(...all);
	}

	getNextExecutableBatch(...all) {
		return this.get_next_executable_batch(...all);
	}

	getQueueStatus(...all) {
		return this.get_queue_status(...all);
	}

	getTaskTimeline(...all) {
		return this.get_task_timeline(...all);
	}

	// What is true of tasks now, and those of their events that the log does not have.
	observe(task_ids, options) {
		return observe(this.client, this.project, task_ids, options);
	}

	async #submit(tasks, position, key, signal) {
		const base = position?.base(key) ?? "";
		const { bodies, names } = scoped(tasks, base);
		const together = this.batch_id ?? (position && batchOf(position.thread_id || position.checkpoint_id));
		// A batch that goes in parts is one of its own: parts of two would mix.
		const batch_id = bodies.length > TASKS_IN_ONE_BATCH && base ? base : together;
		try {
			const submission = await this.client.submit(bodies, { project: this.project, batch_id, signal });
			const records = bodies.map((body) => recordOfSubmission(body, submission.batch_id));
			const repeated =
				(submission.tasks ?? []).length > 0 && submission.tasks.every(({ result }) => result === "duplicate");
			return { batch_id: submission.batch_id, task_ids: names, records, repeated };
		} catch (error) {
			if (!(error instanceof Conflict) || !position) throw error;
			// A replay that wants something else than the original did: that is new work.
			if (position.replayed_in) return this.#submit(tasks, position.apart(), key, signal);
			return this.#adopt(names, batch_id, signal);
		}
	}

	// These ids are this step's own: an earlier execution of it has submitted something else, and that counts.
	async #adopt(names, batch_id, signal) {
		const { records } = await this.observe(Object.values(names), { signal });
		return { batch_id, task_ids: names, records, repeated: true };
	}

	// "" for the first submission of a node's execution, "#2" for the second. An execution is known by the scratchpad
	// that LangGraph makes for it.
	#countCall(config) {
		const pad = config.configurable.__pregel_scratchpad ?? config.configurable;
		const attempt = config.executionInfo?.nodeAttempt ?? 1;
		const held = this.#calls.get(pad);
		const calls = held?.attempt === attempt ? held.calls + 1 : 1;
		this.#calls.set(pad, { attempt, calls });
		return calls === 1 ? "" : `#${calls}`;
	}
}

// The manager in a graph's runtime context: the context itself, or its task_queue_manager.
export function managerOf(config) {
	const context = config?.context ?? config?.configurable;
	const found = [config?.context, context?.task_queue_manager].find((one) => one instanceof TaskQueueManager);
	if (found) return found;
	throw new MissingManager("this graph was given no TaskQueueManager: run it with { context: { task_queue_manager } }");
}
