// A worker: asks for tasks, runs their handlers, settles them, several at a time. What is done travels with the request
// for what comes next; when that brings nothing, another request waits for it.
import { EventEmitter } from "node:events";
import { hostname } from "node:os";
import { connectionOf } from "./connection.js";
import { checkContent } from "./content.js";
import { BadJson, InvalidField, LeaseLost, LimitExceeded, Stopping, TaskFailed, TooLarge } from "./errors.js";
import { Job, outcome, textOf } from "./job.js";
import { checkToken, newId } from "./names.js";
import { backoffMs, pause } from "./pause.js";
import { Renewals } from "./renewals.js";

const WAIT_MS = 2000; // how long a request waits for a task; also the longest a graceful stop of an idle worker takes
const DONE_A_MESSAGE = 256;
const DONE_BYTES = 600000;
const ENVELOPE_BYTES = 2048; // of a request with one result: all but the result

// The request is refused for what is in it, and would be again.
const isContent = (error) => [BadJson, InvalidField, LimitExceeded, TooLarge].some((one) => error instanceof one);

const ownName = () => `${hostname()}-${process.pid}`.replace(/[^A-Za-z0-9_-]/g, "-").slice(-64);

// The tasks of one type.
class Queue {
	constructor(worker, type, handler, concurrency) {
		Object.assign(this, { worker, type, handler, concurrency });
		this.running = new Set();
		this.asked = 0; // places for which a request is under way
		this.done = []; // ended, not yet told: { job, item, end }
		this.telling = new Set(); // requests that carry some
	}

	get free() {
		return this.worker.stopping ? 0 : this.concurrency - this.running.size - this.asked;
	}

	get idle() {
		return this.running.size === 0 && this.asked === 0 && this.done.length === 0 && this.telling.size === 0;
	}

	// Sends what there is to send; called whenever something changed.
	turn() {
		if (this.done.length > 0 && !this.turning) {
			// What ends in the same moment goes in the same message.
			this.turning = setImmediate(() => {
				this.turning = undefined;
				this.#tell();
				this.turn();
			});
		} else if (this.done.length === 0 && this.free > 0) {
			this.#ask([], WAIT_MS);
		}
		this.worker.looked();
	}

	#tell() {
		while (this.done.length > 0) {
			const items = this.#takeDone();
			if (this.free > 0) this.#ask(items, 0);
			else this.#settle(items);
		}
	}

	#takeDone() {
		let bytes = 0;
		let count = 0;
		for (const { item } of this.done) {
			bytes += Buffer.byteLength(JSON.stringify(item));
			if (count > 0 && (count >= DONE_A_MESSAGE || bytes > DONE_BYTES)) break;
			count++;
		}
		return this.done.splice(0, count);
	}

	async #ask(items, wait_ms) {
		const max = Math.min(this.free, 256);
		this.asked += max;
		if (items.length > 0) this.telling.add(items);
		const { name, lease_ms } = this.worker;
		const body = { worker: name, max, wait_ms, lease_ms, request_id: newId(), done: items.map(({ item }) => item) };
		let reply;
		let refused;
		try {
			reply = await this.#send(`work.${this.type}`, body, wait_ms);
		} catch (error) {
			refused = error;
		}
		this.asked -= max;
		this.telling.delete(items);
		if (refused) this.#settleSingly(items);
		if (reply) this.#heed(items, reply.done);
		if (reply) this.#take(reply.tasks);
		this.turn();
	}

	async #settle(items) {
		this.telling.add(items);
		let reply;
		let refused;
		try {
			reply = await this.#send(
				`settle.${this.type}`,
				{ worker: this.worker.name, done: items.map(({ item }) => item) },
				0,
			);
		} catch (error) {
			refused = error;
		}
		this.telling.delete(items);
		if (refused && items.length > 1) this.#settleSingly(items);
		else if (refused) this.#refused(items[0], refused.code, refused.detail);
		if (reply) this.#heed(items, reply.done);
		this.turn();
	}

	// What one of them holds made the whole request be refused: alone, each stands for itself.
	#settleSingly(items) {
		for (const one of items) this.#settle([one]);
	}

	// Repeats until it is answered, or until the worker is closed for good. What is refused for the results in it is
	// thrown.
	async #send(subject, body, wait_ms) {
		const { connection, ending, problem } = this.worker;
		for (let attempt = 0; ; attempt++) {
			try {
				return await connection.request(subject, body, { tryMs: wait_ms + 5000, signal: ending });
			} catch (error) {
				if (ending.aborted) return undefined;
				if (body.done.length > 0 && isContent(error)) throw error;
				problem(error);
				if (connection.nats.isClosed()) return undefined;
			}
			try {
				await pause(backoffMs(attempt), ending);
			} catch {
				return undefined;
			}
			// Idle and stopping: nothing is lost by not asking again, for a lease that was given is given back by its
			// end.
			if (this.worker.stopping && body.done.length === 0) return undefined;
		}
	}

	// The verdict on what was settled, one by one.
	#heed(items, verdicts) {
		items.forEach((one, index) => {
			const { job, end, unseen } = one;
			const { ok, status, error } = verdicts[index];
			if (unseen) return;
			if (ok) return this.worker.ended(job, end, status);
			if (error.code === "stale_lease") return this.worker.ended(job, "lease_lost");
			this.#refused(one, error.code, error.message);
		});
	}

	// A result that is not taken fails the try, for another one would bring the same.
	#refused({ job, item, unseen }, code, text) {
		this.worker.problem(new Error(`settle of ${job.task_id}: ${code}: ${text}`));
		if (unseen) return;
		if (item.outcome === "failed") return this.worker.ended(job, "failed");
		const error = { message: textOf(`the result was refused: ${text}`), retryable: false };
		this.done.push({ job, end: "failed", item: { ...job.name, outcome: "failed", error } });
	}

	#take(tasks) {
		for (const task of tasks) {
			const job = new Job(task, () => this.worker.renewals.progress());
			if (!this.worker.stopping) this.#run(job);
			else this.done.push({ job, unseen: true, item: { ...job.name, outcome: "released" } }); // it came too late
		}
	}

	// A result that has no JSON is the handler's failure; so is one that no request can carry, and trying again would not
	// mend it.
	#checked(result) {
		try {
			const json = checkContent(result, "a result", this.worker.connection.maxBytes - ENVELOPE_BYTES);
			return json === undefined ? null : result;
		} catch (error) {
			if (error instanceof RangeError) throw new TaskFailed(error.message, { retryable: false, cause: error });
			throw error;
		}
	}

	async #run(job) {
		const { renewals } = this.worker;
		this.running.add(job);
		renewals.add(job);
		this.worker.emit("started", job);
		const came = {};
		try {
			const result = await this.handler(job);
			came.result = this.#checked(result);
		} catch (error) {
			came.error = error instanceof Error ? error : new TaskFailed(textOf(error));
		}
		if (!job.signal.aborted) await renewals.flush(job);
		renewals.delete(job);
		this.running.delete(job);
		if (this.worker.closing && came.error instanceof Stopping) job.abort(came.error);
		const { item, end } = outcome(job, came);
		if (item) this.done.push({ job, item, end });
		else this.worker.ended(job, end);
		if (came.error) this.worker.emit("failed", job, came.error);
		this.turn();
	}
}

// Events: "started" (job), "failed" (job, error), "ended" (job, how, status), "problem" (error: a request that will be
// repeated, or a result that was refused). A problem that nobody listens to is a warning of the process.
export class Worker extends EventEmitter {
	#queues = new Map();
	#ending = new AbortController();
	#stopped;
	#run;

	// lease_ms: how long a task stays ours without a word from us; renewed three times as often by itself.
	// graceMs: how long a stop waits for what runs, before its signal is aborted and it is given back.
	constructor(client, { name = ownName(), concurrency = 4, lease_ms = 30000, graceMs = 30000 } = {}) {
		super();
		this.connection = connectionOf(client);
		this.name = checkToken(name, "the worker's name");
		Object.assign(this, { concurrency, lease_ms, graceMs, stopping: false, closing: false });
		this.renewals = new Renewals(this.connection, this.name, lease_ms, this.problem);
	}

	get ending() {
		return this.#ending.signal;
	}

	// handler(job) returns the result, or throws: TaskFailed, Release, or any error (failed, may be tried again).
	task(task_type, handler, { concurrency = this.concurrency } = {}) {
		checkToken(task_type, "task_type");
		if (this.#queues.has(task_type)) throw new RangeError(`there is a handler for ${task_type} already`);
		if (!Number.isInteger(concurrency) || concurrency < 1)
			throw new RangeError("concurrency must be a whole number from 1 on");
		const queue = new Queue(this, task_type, handler, concurrency);
		this.#queues.set(task_type, queue);
		if (this.#run) queue.turn();
		return this;
	}

	// What runs now.
	get jobs() {
		return [...this.#queues.values()].flatMap(({ running }) => [...running]);
	}

	problem = (error) => {
		if (!this.emit("problem", error)) process.emitWarning(`worker ${this.name}: ${error.message}`, "CorderWarning");
	};

	ended(job, how, status) {
		this.emit("ended", job, how, status);
	}

	start() {
		if (this.#run) return this;
		if (this.#queues.size === 0) throw new RangeError("the worker has no handler: call task() first");
		this.#run = new Promise((resolve) => (this.#stopped = resolve));
		this.renewals.start();
		this.connection.once("closed", this.#onClosed);
		for (const queue of this.#queues.values()) queue.turn();
		this.looked(); // a stop may have come before
		return this;
	}

	// Until stop(), the signal, or SIGTERM or SIGINT (unless `signals` is false). What runs is finished first.
	async run({ signal, signals = true } = {}) {
		const stop = () => this.stop();
		const names = signals ? ["SIGTERM", "SIGINT"] : [];
		names.forEach((name) => process.on(name, stop));
		signal?.addEventListener("abort", stop, { once: true });
		try {
			if (signal?.aborted) this.stop();
			await this.start().#run;
		} finally {
			names.forEach((name) => process.off(name, stop));
			signal?.removeEventListener("abort", stop);
		}
	}

	// No more tasks; what runs may finish within graceMs, then it is aborted and given back. Resolves when all is
	// settled.
	async stop({ graceMs = this.graceMs } = {}) {
		if (!this.#run) {
			this.stopping = true;
			return;
		}
		if (!this.stopping) {
			this.stopping = true;
			const close = setTimeout(() => this.#close(), graceMs);
			this.#run.then(() => clearTimeout(close));
			this.looked();
		}
		await this.#run;
	}

	async [Symbol.asyncDispose]() {
		await this.stop();
	}

	#close() {
		this.closing = true;
		for (const job of this.jobs) job.abort(new Stopping());
		// A handler that does not heed its signal is not waited for: its lease ends by itself.
		setTimeout(() => this.#end(), Math.min(10000, this.lease_ms)).unref();
	}

	#onClosed = () => {
		for (const job of this.jobs) job.abort(new LeaseLost("the connection was closed"));
		this.stopping = true;
		this.#end();
	};

	#end() {
		this.renewals.stop();
		this.connection.off("closed", this.#onClosed);
		this.#ending.abort(new Stopping());
		this.#stopped?.();
	}

	// Something ended: maybe that was the last.
	looked() {
		if (this.stopping && [...this.#queues.values()].every(({ idle }) => idle)) this.#end();
	}
}
