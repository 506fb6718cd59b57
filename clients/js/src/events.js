// Events as an async iterator: from the stream that keeps them, at any place, going on by itself after whatever broke;
// each event once, in order, with no version of a task left out.
import { EventEmitter } from "node:events";
import { EventsLost } from "./errors.js";
import { checkToken, finalStatuses } from "./names.js";
import { backoffMs, pause } from "./pause.js";

const HEARTBEAT_MS = 2000;
const ADVANCE_MS = 60000;
const VERSIONS_KEPT = 100000;
const WINDOW = 1000;
const FORGOTTEN_MS = 60000; // a consumer that nobody asks, for its process was killed, goes by itself

// The last version of each task, those seen least lately forgotten first; and the ids of rejections.
export class Versions {
	#last = new Map();
	#gaps;

	constructor({ gaps = true } = {}) {
		this.#gaps = gaps;
	}

	#set(key, value) {
		this.#last.delete(key);
		this.#last.set(key, value);
		if (this.#last.size > VERSIONS_KEPT) this.#last.delete(this.#last.keys().next().value);
	}

	// "new", "seen", or "gap": there was another one between.
	look({ event_id, project, task_id, version, status }) {
		if (status === "rejected") return this.#note(event_id, 1, 0);
		return this.#note(`${project}/${task_id}`, version, version - 1);
	}

	#note(key, version, before) {
		const last = this.#last.get(key);
		if (last !== undefined && version <= last) return "seen";
		if (this.#gaps && last !== undefined && last !== before) return "gap";
		this.#set(key, version);
		return "new";
	}

	// After a gap that stays.
	accept({ project, task_id, version }) {
		this.#set(`${project}/${task_id}`, version);
	}
}

const wanted = (filter, value) =>
	filter === undefined || (Array.isArray(filter) ? filter.includes(value) : filter === value);
const one = (filter) => (Array.isArray(filter) && filter.length === 1 ? filter[0] : filter);

export class Events {
	#connection;
	#options;
	#wake = new EventEmitter();
	#queue = [];
	#problem;
	#closed = false;
	#versions;
	#retried = new Set();
	#ready;
	#running;

	constructor(connection, options, defaultProject) {
		const { project = defaultProject, task_type, status, task_ids, batch_id, since, follow = true, signal } = options;
		const ids = task_ids && new Set(task_ids);
		this.#connection = connection;
		this.#options = { project, since, follow, signal };
		const token = (value, what) => (typeof value === "string" && value !== "*" ? checkToken(value, what) : "*");
		if (project === undefined) throw new TypeError('project is missing; "*" stands for all');
		const type = token(one(task_type), "task_type");
		const only = token(one(status), "status");
		this.subject = connection.subject(`event.${token(project, "project")}.${type}.${only}`);
		// Where one status is all that comes, there are gaps of versions on purpose.
		this.#versions = new Versions({ gaps: only === "*" });
		this.#matches = (event) =>
			wanted(task_type, event.task_type) &&
			wanted(status, event.status) &&
			wanted(batch_id, event.batch_id) &&
			(!ids || ids.has(event.task_id));
		// The place in the stream of the last event given out: `since` of an iterator that goes on from here.
		this.position = typeof since === "number" ? since : undefined;
		this.#wake.setMaxListeners(0);
		signal?.addEventListener("abort", this.#onEnd, { once: true });
		connection.once("closed", this.#onEnd);
	}

	#matches;
	#onEnd = () => this.close();

	// Resolves when no event from now on can be missed. Iterating waits for it by itself.
	get ready() {
		return (this.#ready ??= this.#start());
	}

	async #start() {
		this.#options.signal?.throwIfAborted();
		const first = await this.#untilDone(() => this.#place());
		if (first === null) this.#running = this.#listenLive();
		else this.#running = this.#read(first);
		this.#running.catch((error) => this.#fail(error));
	}

	#untilDone(action) {
		return this.#connection.repeat("events", action, { signal: this.#options.signal });
	}

	#fail(error) {
		this.#problem ??= error;
		this.#wake.emit("more");
	}

	// Where to begin: { opt_start_seq } or { opt_start_time }; null when there is no stream.
	async #place() {
		const { since } = this.#options;
		const manager = await this.#connection.manager();
		let state;
		try {
			({ state } = await this.#connection.untilLost(manager.streams.info(this.#connection.stream("EVENTS"))));
		} catch (error) {
			if (!/stream not found/.test(error.message)) throw error;
			if (since === undefined) return null;
			const lost = new EventsLost(`there is no stream ${this.#connection.stream("EVENTS")} to replay from`);
			throw Object.defineProperty(lost, "isDefinite", { value: true });
		}
		this.lastKept = state.last_seq;
		if (this.position !== undefined) return { opt_start_seq: this.#after(this.position, state) };
		if (since === "all") return { opt_start_seq: Math.max(1, state.first_seq) };
		if (since instanceof Date) return { opt_start_time: since.toISOString() };
		this.position = state.last_seq;
		return { opt_start_seq: state.last_seq + 1 };
	}

	#after(position, { first_seq, last_seq, messages }) {
		const next = position + 1;
		const first = messages === 0 ? last_seq + 1 : first_seq;
		if (next >= first && position <= last_seq) return next;
		const text = position > last_seq ? `it ends at ${last_seq}: another stream?` : `the first event left is ${first}`;
		throw Object.defineProperty(new EventsLost(`the stream does not hold ${next}; ${text}`, position), "isDefinite", {
			value: true,
		});
	}

	// Reads on from a place until closed; whatever breaks is followed by a new consumer behind the last event.
	async #read(first) {
		for (let place = first, attempt = 0; !this.#closed; attempt++) {
			const before = this.position;
			try {
				if (place) await this.#consume(place);
				place = null;
				if (this.#closed) return;
				if (this.position !== before) attempt = 0;
				place = await this.#untilDone(() => this.#place());
			} catch (error) {
				if (this.#closed) return;
				if (this.#connection.nats.isClosed()) throw error;
				if (error instanceof EventsLost) {
					this.#tell(error);
					this.position = undefined;
					this.#options.since = "all";
				}
				place = null;
				await pause(backoffMs(attempt), this.#options.signal);
			}
		}
	}

	async #consume(place) {
		const options = {
			filter_subjects: this.subject,
			inactive_threshold: FORGOTTEN_MS,
			...(place.opt_start_time ? { deliver_policy: "by_start_time" } : {}),
			...place,
		};
		const stream = this.#connection.stream("EVENTS");
		const consumer = await this.#connection.untilLost(this.#connection.jetstream.consumers.get(stream, options));
		try {
			await this.#readAll(consumer);
		} finally {
			if (!this.#connection.away && !this.#connection.closing) consumer.delete().catch(() => {});
		}
	}

	async #readAll(consumer) {
		const { num_pending } = await consumer.info(true); // of its creation: nothing is delivered yet
		if (!this.#options.follow && num_pending === 0) return this.#finish();
		const messages = await consumer.consume({ max_messages: WINDOW, idle_heartbeat: HEARTBEAT_MS, expires: 30000 });
		const advance = setInterval(() => this.#advance(consumer).catch(() => {}), ADVANCE_MS).unref();
		const stop = () => messages.stop();
		this.#wake.once("close", stop);
		this.#connection.once("disconnect", stop);
		this.#watch(messages, stop);
		if (this.#closed) stop(); // while the consumer was made
		try {
			for await (const message of messages) {
				if ((await this.#take(message)) === "again") break;
				if (!this.#options.follow && (message.seq >= this.lastKept || message.info.pending === 0))
					return this.#finish();
			}
		} finally {
			clearInterval(advance);
			this.#wake.off("close", stop);
			this.#connection.off("disconnect", stop);
			stop();
		}
	}

	// Where other projects' events grow old and go, our place moves on: all of ours up to the stream's end were given
	// out.
	async #advance(consumer) {
		const manager = await this.#connection.manager();
		const { state } = await manager.streams.info(this.#connection.stream("EVENTS"));
		const { num_pending, delivered } = await consumer.info();
		if (num_pending === 0 && delivered.stream_seq <= (this.position ?? 0))
			this.position = Math.max(this.position, state.last_seq);
	}

	// A consumer that is silent, or gone, is replaced.
	async #watch(messages, stop) {
		for await (const { type } of messages.status()) {
			if (["heartbeats_missed", "consumer_not_found", "stream_not_found", "consumer_deleted"].includes(type)) stop();
		}
	}

	async #take(message) {
		const event = message.json();
		event.position = message.seq;
		const verdict = this.#versions.look(event);
		if (verdict === "gap" && !this.#retried.has(event.event_id)) {
			// Once more from where we were: the event may have been lost on its way. Then it is lost in the stream,
			// too.
			this.#retried.add(event.event_id);
			return "again";
		}
		if (verdict === "gap") {
			this.#tellGap(event);
			return this.#take(message);
		}
		if (verdict === "new") await this.#give(event);
		this.position = message.seq;
		return verdict;
	}

	// The next call of next() throws; the one after it goes on with the event behind the gap.
	#tellGap(event) {
		this.#retried.delete(event.event_id);
		this.#versions.accept({ ...event, version: event.version - 1 });
		const text = `events of task ${event.task_id} before version ${event.version} are missing`;
		if (this.#matches(event)) this.#tell(new EventsLost(text, this.position));
	}

	#tell(item) {
		this.#queue.push(item);
		this.#wake.emit("more");
	}

	async #give(event) {
		if (!this.#matches(event)) return;
		this.#tell(event);
		while (this.#queue.length > WINDOW && !this.#closed) await this.#once("taken");
	}

	#once(name) {
		return new Promise((resolve) => this.#wake.once(name, resolve));
	}

	// Without a stream: what comes while we are connected, and no more than that.
	async #listenLive() {
		const subscription = this.#connection.nats.subscribe(this.subject);
		this.#wake.once("close", () => subscription.unsubscribe());
		await this.#connection.nats.flush();
		this.#pump(subscription).catch((error) => this.#fail(error));
	}

	async #pump(subscription) {
		for await (const message of subscription) {
			const event = message.json();
			const verdict = this.#versions.look(event);
			if (verdict === "gap") {
				this.#tellGap(event);
				this.#versions.look(event);
			}
			if (verdict !== "seen") await this.#give(event);
		}
	}

	#finish() {
		this.#closed = true;
		this.#release();
	}

	#release() {
		this.#options.signal?.removeEventListener("abort", this.#onEnd);
		this.#connection.off("closed", this.#onEnd);
		for (const name of ["close", "taken", "more"]) this.#wake.emit(name);
	}

	// Ends the iteration; what was not yet taken is dropped.
	close() {
		this.#closed = true;
		this.#queue.length = 0;
		this.#release();
	}

	async next() {
		await this.ready;
		for (;;) {
			const event = this.#queue.shift();
			if (event) {
				this.#wake.emit("taken");
				if (event instanceof EventsLost) throw event;
				return { value: event, done: false };
			}
			if (this.#options.signal?.aborted) throw this.#options.signal.reason;
			if (this.#problem) throw this.#problem;
			if (this.#closed || this.#connection.nats.isClosed()) return { value: undefined, done: true };
			await this.#once("more");
		}
	}

	async return() {
		this.close();
		return { value: undefined, done: true };
	}

	[Symbol.asyncIterator]() {
		return this;
	}

	async [Symbol.asyncDispose]() {
		this.close();
	}
}

export const isFinal = ({ status }) => finalStatuses.has(status);
