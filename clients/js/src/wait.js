// Waiting for tasks to end: events tell, and a look at the tasks themselves covers what no event told.
import { setMaxListeners } from "node:events";
import { EventsLost, NoAnswer, NotFound, TaskEnded, Unavailable, WaitTimeout, refusal } from "./errors.js";
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
	// mayCome: the tasks were enqueued, and may not be there yet.
	constructor(client, { project, batch_id, task_ids, mayCome, since, known }, options) {
		Object.assign(this, { client, project, batch_id, mayCome, since, known, options });
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
			const ours = event.task_id
				? this.open.has(event.task_id)
				: event.batch_id !== "" && event.batch_id === this.batch_id;
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
			if (!(error instanceof NotFound) || !this.mayCome) throw error;
		}
	}

	// A batch: what ended of it is looked at one by one, for lists have no results. A list is read from MySQL, which
	// may be behind: a batch that is known by its id alone is taken as whole when two looks have found the same. Tasks
	// that were there before the submit are in the batch they came with: what two lists do not name is looked at, too.
	async lookAtBatch(signal) {
		const { client, project, batch_id } = this;
		const over = [];
		const unnamed = new Set(this.whole ? [] : this.open);
		for await (const { task_id, status } of client.list({ project, batch_id, limit: Infinity, signal })) {
			if (this.whole && !this.finished.has(task_id)) this.open.add(task_id);
			if (finalStatuses.has(status) && this.open.has(task_id)) over.push(task_id);
			unnamed.delete(task_id);
		}
		for (const task_id of unnamed) if (this.unnamedBefore?.has(task_id)) over.push(task_id);
		this.unnamedBefore = unnamed;
		await inTurns(over, (task_id) => this.look(task_id, signal));
		if (this.whole && this.open.size + this.finished.size === 0) return; // maybe it is not there yet
		this.listed = !this.whole || this.seenBefore === this.open.size + this.finished.size;
		this.seenBefore = this.open.size + this.finished.size;
		if (this.enough) this.stop.abort(this);
	}

	// Of what was new when it was submitted, the events since then tell everything.
	async lookFirst(signal) {
		if (this.since === undefined || !this.known) return this.lookAround(signal);
		await inTurns(
			this.known.filter((task_id) => this.open.has(task_id)),
			(task_id) => this.look(task_id, signal),
		);
	}

	async lookAround(signal) {
		const many = this.whole || (this.batch_id && this.open.size > 100);
		if (many) await this.lookAtBatch(signal);
		else await inTurns(this.open, (task_id) => this.look(task_id, signal));
	}

	// Events are enough; this guards against what no event tells: a stream that was replaced, cut, or is switched off.
	async lookAgain(signal) {
		for (let ms = FIRST_LOOK_MS; ; ms = Math.min(LAST_LOOK_MS, ms * 2)) {
			await pause(ms, signal);
			try {
				await this.lookAround(signal);
			} catch (error) {
				if (!(error instanceof NoAnswer) && !(error instanceof Unavailable)) throw error;
			}
		}
	}

	// Events that are lost are no matter: the looks go on.
	async follow(events, signal) {
		for (let lost = true; lost; ) {
			try {
				lost = false;
				for await (const event of events) this.heed(event);
			} catch (error) {
				if (!(error instanceof EventsLost)) throw error;
				lost = true;
			}
		}
		signal.throwIfAborted();
		throw new NoAnswer("wait", 0, { cause: new Error("the connection was closed") });
	}

	// From where we want them; else from now on.
	async ready(events, signal) {
		try {
			await events.ready;
			return events;
		} catch (error) {
			if (!(error instanceof EventsLost)) throw error;
			events.close();
			this.since = undefined;
			const others = this.client.events({ project: this.project, signal });
			await others.ready;
			return others;
		}
	}

	async run() {
		const { timeoutMs, signal } = this.options;
		const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(Math.max(0, timeoutMs));
		const inner = AbortSignal.any([this.stop.signal, ...(limit ? [limit] : []), ...(signal ? [signal] : [])]);
		setMaxListeners(0, inner);
		let events = this.client.events({ project: this.project, since: this.since, signal: inner });
		try {
			events = await this.ready(events, inner);
			const following = this.follow(events, inner);
			following.catch(() => {});
			await Promise.race([following, this.lookFirst(inner)]);
			if (!this.enough) await Promise.race([following, this.lookAgain(inner)]);
		} catch (error) {
			signal?.throwIfAborted();
			if (!this.enough && limit?.aborted && error === limit.reason)
				throw new WaitTimeout(this.finished, [...this.open]);
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
	const { task_ids, enqueued: mayCome, position: since, tasks } = given;
	const known = mayCome
		? undefined
		: tasks?.filter(({ result }) => result === "duplicate").map(({ task_id }) => task_id);
	if (!task_ids && !given.batch_id) throw new TypeError("what to wait for: an id, ids, a submission, or { batch_id }");
	return {
		project: given.project ?? project ?? defaultProject,
		batch_id: given.batch_id,
		task_ids: task_ids && ids(task_ids),
		mayCome,
		since,
		known,
	};
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
