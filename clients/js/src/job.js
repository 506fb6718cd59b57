// One try of one task, as its handler sees it.
import { checkContent, cleaned } from "./content.js";

const PROGRESS_BYTES = 16384; // the contract's limit
const MESSAGE_CHARS = 4096; // as many bytes of an error's message are kept

export class Job {
	#controller = new AbortController();
	#onProgress;

	constructor(task, onProgress) {
		this.task = task;
		this.project = task.project;
		this.task_id = task.task_id;
		this.task_type = task.task_type;
		this.batch_id = task.batch_id;
		this.attempt = task.attempt;
		this.error = task.error ?? null;
		this.context = task.execution_context;
		this.inputs = task.inputs;
		this.traceparent = task.traceparent ?? null;
		this.#onProgress = onProgress;
	}

	// Aborted when somebody cancelled the task, when its lease is lost, and when the worker stops and does not wait
	// longer.
	get signal() {
		return this.#controller.signal;
	}

	// An object, told to whoever listens to progress; sent soon, the latest wins, never waited for.
	progress(progress) {
		if (progress === null || typeof progress !== "object" || Array.isArray(progress))
			throw new TypeError("progress is an object");
		checkContent(progress, "progress", PROGRESS_BYTES);
		this.pendingProgress = progress;
		this.#onProgress(this);
	}

	abort(reason) {
		this.#controller.abort(reason);
	}

	get name() {
		return { project: this.project, task_id: this.task_id, lease: this.task.lease };
	}
}

// What an error says, as the contract takes it.
export function textOf(error) {
	let text;
	try {
		text = `${error?.message ?? error}` || `${error.name}`;
	} catch {
		text = "an error that has no text";
	}
	return cleaned(text, MESSAGE_CHARS) || "failed";
}

// How a try ended, from what its handler returned or threw: an item of `done`, and a word for it.
export function outcome(job, { result, error }) {
	const reason = job.signal.aborted ? job.signal.reason : undefined;
	if (reason?.name === "LeaseLost") return { end: "lease_lost" };
	if (!error) {
		const item = { ...job.name, outcome: "completed", result: result === undefined ? null : result };
		return { end: reason?.name === "Cancelled" ? "cancelled" : "returned", item };
	}
	if (error.name === "Release" || reason?.name === "Stopping")
		return { end: "released", item: { ...job.name, outcome: "released" } };
	const told = { message: textOf(error), retryable: error.retryable !== false };
	const item = { ...job.name, outcome: "failed", error: told };
	return { end: reason?.name === "Cancelled" ? "cancelled" : "failed", item };
}
