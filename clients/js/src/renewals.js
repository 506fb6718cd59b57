// Keeps the leases of all running jobs, carries their progress, and hears of cancels.
import { Cancelled, LeaseLost } from "./errors.js";

const LEASES_A_MESSAGE = 256;
const PROGRESS_A_MESSAGE = 32; // of those that have some, which may be large
const PROGRESS_EVERY_MS = 100;

function parts(list, size) {
	return Array.from({ length: Math.ceil(list.length / size) }, (_, n) => list.slice(n * size, (n + 1) * size));
}

export class Renewals {
	#connection;
	#worker;
	#lease_ms;
	#jobs = new Set();
	#timer;
	#soon;

	// problem(error): a renew that was not answered; the next one tries again.
	constructor(connection, worker, lease_ms, problem) {
		this.#connection = connection;
		this.#worker = worker;
		this.#lease_ms = lease_ms;
		this.problem = problem;
	}

	start() {
		this.#timer ??= setInterval(() => this.#renew([...this.#jobs]), Math.max(20, this.#lease_ms / 3));
	}

	stop() {
		clearInterval(this.#timer);
		clearTimeout(this.#soon);
		this.#timer = this.#soon = undefined;
	}

	add(job) {
		this.#jobs.add(job);
	}

	delete(job) {
		this.#jobs.delete(job);
	}

	// Progress was told: a renew of those that have some, a little later, so that many lines make few messages.
	progress() {
		this.#soon ??= setTimeout(() => {
			this.#soon = undefined;
			this.#renew([...this.#jobs].filter((job) => job.pendingProgress));
		}, PROGRESS_EVERY_MS);
	}

	// What the job said last goes out before it ends.
	async flush(job) {
		if (job.pendingProgress) await this.#renew([job]);
	}

	async #renew(jobs) {
		const types = new Map();
		for (const job of jobs) types.set(job.task_type, [...(types.get(job.task_type) ?? []), job]);
		const messages = [];
		for (const [type, list] of types) {
			const talking = list.filter((job) => job.pendingProgress);
			const silent = list.filter((job) => !job.pendingProgress);
			for (const part of [...parts(talking, PROGRESS_A_MESSAGE), ...parts(silent, LEASES_A_MESSAGE)])
				messages.push(this.#send(type, part));
		}
		await Promise.all(messages);
	}

	async #send(type, jobs) {
		const leases = jobs.map((job) => {
			const { pendingProgress: progress } = job;
			job.pendingProgress = undefined;
			return { ...job.name, ...(progress ? { progress } : {}) };
		});
		const body = { worker: this.#worker, lease_ms: this.#lease_ms, leases };
		try {
			const patienceMs = Math.max(1000, this.#lease_ms / 3);
			const reply = await this.#connection.request(`renew.${type}`, body, {
				patienceMs,
				tryMs: Math.min(2000, patienceMs),
			});
			reply.leases.forEach((lease, index) => this.#heed(jobs[index], lease));
		} catch (error) {
			this.problem(error);
		}
	}

	#heed(job, { ok, cancel, error }) {
		if (!this.#jobs.has(job) || job.signal.aborted) return;
		if (ok && cancel) job.abort(new Cancelled());
		else if (!ok && error.code === "stale_lease") job.abort(new LeaseLost());
		else if (!ok) this.problem(new Error(`renew of ${job.task_id}: ${error.code}: ${error.message}`));
	}
}
