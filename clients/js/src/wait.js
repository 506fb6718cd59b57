// Waiting for tasks to end: events tell, and a look at the tasks themselves covers what no event told.
import { NotFound, Refused, TaskEnded, WaitTimeout, refusal } from "./errors.js";
import { finalStatuses } from "./names.js";
import { pause } from "./pause.js";

const FIRST_LOOK_MS = 1000;
const LAST_LOOK_MS = 15000;
const AT_ONCE = 32;

// What a wait tells of a task that ended; the same from an event and from the task.
function ended(source) {
	const { project, task_id, task_type, batch_id, status, attempt, version, worker, result, error, because } = source;
	const more = { worker: worker ?? null, result: result ?? null, error: error ?? null, because: because ?? null };
	return { project, task_id, task_type, batch_id, status, attempt, version, ...more };
}

async function inTurns(list, action) {
	const rest = [...list];
	const turn = async () => {
		while (rest.length > 0) await action(rest.pop());
	};
	await Promise.all(Array.from({ length: Math.min(AT_ONCE, rest.length) }, turn));
}

class Wait {
	constructor(client, { project, batch_id, task_ids }, options) {
		Object.assign(this, { client, project, batch_id, options });
		this.finished = new Map();
		this.open = new Set(task_ids);
		this.whole = task_ids === undefined; // a batch by its id: its tasks are found out by a look
		this.stop = new AbortController();
	}

	get enough() {
		const { count = "all" } = this.options;
		if (this.whole && !this.listed) return false;
		if (count === "all") return this.open.size === 0;
		return this.finished.size >= Math.min(count === "any" ? 1 : count, this.finished.size + this.open.size);
	}

	note(task) {
		if (!finalStatuses.has(task.status)) return;
		if (!this.open.delete(task.task_id) && !(this.whole && task.batch_id === this.batch_id)) return;
		const before = this.finished.get(task.task_id);
		if (!before || before.version < task.version) this.finished.set(task.task_id, ended(task));
		if (this.enough) this.stop.abort(this);
	}

	heed(event) {
		if (event.status === "rejected") {
			const ours = event.task_id ? this.open.has(event.task_id) : event.batch_id !== "" && event.batch_id === this.batch_id;
			if (ours) throw refusal(event.error, "enqueue");
			return;
		}
		const ours = this.open.has(event.task_id) || (this.whole && event.batch_id === this.batch_id);
		if (!ours) return;
		if (this.whole && !finalStatuses.has(event.status)) this.open.add(event.task_id);
		this.options.onEvent?.(event);
		this.note(event);
	}

	async look(task_id, signal) {
		const { client, project } = this;
		try {
			this.note(await client.get(task_id, { project, signal }));
		} catch (error) {
			if (!(error instanceof NotFound)) throw error; // it may come yet: enqueued, or a future dependency
		}
	}

	// A batch: what ended of it is looked at one by one, for lists have no results.
	async lookAtBatch(signal) {
		const { client, project, batch_id } = this;
		const over = [];
		for await (const { task_id, status } of client.list({ project, batch_id, limit: Infinity, signal })) {
			if (this.whole && !this.finished.has(task_id)) this.open.add(task_id);
			if (finalStatuses.has(status) && this.open.has(task_id)) over.push(task_id);
		}
		await inTurns(over, (task_id) => this.look(task_id, signal));
		if (this.whole && this.open.size + this.finished.size === 0) throw new NotFound({ code: "not_found", message: `no batch ${batch_id}`, path: "/batch_id" });
		this.listed = true;
		if (this.enough) this.stop.abort(this);
	}

	async lookAround(signal) {
		const many = this.whole || (this.batch_id && this.open.size > 100);
		if (many) await this.lookAtBatch(signal);
		else await inTurns(this.open, (task_id) => this.look(task_id, signal));
	}

	async lookAgain(signal) {
		for (let ms = FIRST_LOOK_MS; ; ms = Math.min(LAST_LOOK_MS, ms * 2)) {
			await pause(ms, signal);
			await this.lookAround(signal);
		}
	}

	async follow(events) {
		for await (const event of events) this.heed(event);
	}

	async run() {
		const { timeoutMs, signal } = this.options;
		const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(Math.max(0, timeoutMs));
		const inner = AbortSignal.any([this.stop.signal, ...(limit ? [limit] : []), ...(signal ? [signal] : [])]);
		const events = this.client.events({ project: this.project, signal: inner });
		try {
			await events.ready;
			const following = this.follow(events);
			following.catch(() => {});
			await Promise.race([following, this.lookAround(inner)]);
			if (!this.enough) await Promise.race([following, this.lookAgain(inner)]);
		} catch (error) {
			signal?.throwIfAborted();
			if (limit?.aborted && !(error instanceof Refused) && !this.enough) throw new WaitTimeout(this.finished, [...this.open]);
			if (!this.enough) throw error;
		} finally {
			events.close();
			this.stop.abort();
		}
		return this.finished;
	}
}

// What is waited for: an id, ids, a submission, or { batch_id }.
function target(what, { project, batch_id }, defaultProject) {
	const ids = (list) => [...new Set(list)];
	if (typeof what === "string") return { project: project ?? defaultProject, task_ids: [what] };
	if (Array.isArray(what)) return { project: project ?? defaultProject, task_ids: ids(what) };
	const given = what ?? { batch_id };
	const { task_ids } = given;
	return { project: given.project ?? project ?? defaultProject, batch_id: given.batch_id, task_ids: task_ids && ids(task_ids) };
}

export async function wait(client, what, options) {
	options.signal?.throwIfAborted();
	const found = target(what, options, client.project);
	if (found.task_ids?.length === 0) return new Map();
	return new Wait(client, found, options).run();
}

export async function result(client, task_id, options) {
	const task = (await wait(client, task_id, options)).get(task_id);
	if (task.status !== "completed") throw new TaskEnded(task);
	return task.result;
}
