// A load that goes on through failures: a submitter and some workers that repeat with the same ids whatever has no
// answer, as the contract asks, and remember what they were told. At the end, what was told has to be true.
import assert from "node:assert/strict";
import { Client } from "./client.mjs";
import { until } from "./wait.mjs";

const lanes = 20; // task n depends on task n - lanes
const batchSize = 40;
const lease_ms = 3000;

export class Load {
	// forgetful: Redis is emptied on the way. Then the repeat of a settle whose answer was lost may find that its task is
	// over and no longer in Redis: not_found, as good as stale_lease.
	constructor(stack, { project, workers = 4, forgetful = false }) {
		Object.assign(this, { stack, project, type: `${project}_t`, workerCount: workers });
		this.staleCodes = forgetful ? ["stale_lease", "not_found"] : ["stale_lease"];
		this.accepted = new Set();
		this.ends = new Map(); // task_id -> the leases whose settle was answered ok
		this.submitting = true;
		this.working = true;
		this.failure = null;
	}

	get endedCount() {
		return this.ends.size;
	}

	// The test is told to close it, so that a test that fails leaves nobody knocking.
	async start(test) {
		test.after(() => this.close());
		this.clients = [];
		for (let i = 0; i <= this.workerCount; i++) this.clients.push(await Client.open(this.stack.addresses));
		const [submitter, ...workers] = this.clients;
		const loops = [this.submitLoop(submitter), ...workers.map((client, index) => this.workLoop(client, index))];
		const note = (error) => {
			this.failure ??= error;
			this.submitting = this.working = false;
		};
		this.loops = loops.map((loop) => loop.catch(note));
		await this.progress(100);
		return this;
	}

	async submitLoop(client) {
		for (let first = 0; this.submitting; first += batchSize) {
			const numbers = Array.from({ length: batchSize }, (_, index) => first + index);
			const tasks = numbers.map((n) => ({
				task_id: `t${n}`, task_type: this.type, max_retries: 100,
				retry_backoff: { initial_ms: 50, factor: 1, max_ms: 50 },
				dependencies: n >= lanes ? [`t${n - lanes}`] : [],
			}));
			const reply = await client.stubborn("submit", { project: this.project, batch_id: `b${first}`, tasks });
			reply.tasks.forEach(({ task_id }) => this.accepted.add(task_id));
			const backlog = () => this.accepted.size - this.ends.size < 400 || !this.submitting;
			await until("the workers keep up", backlog, { seconds: 120 });
		}
	}

	async workLoop(client, index) {
		let done = [];
		for (let turn = 0; this.working || done.length > 0; turn++) {
			const request = { worker: `w${index}`, max: this.working ? 10 : 1, wait_ms: this.working ? 500 : 0, lease_ms };
			const request_id = `w${index}-${turn}`;
			const reply = await client.stubborn(`work.${this.type}`, { ...request, request_id, done });
			reply.done.forEach((verdict, place) => this.note(verdict, done[place]));
			done = reply.tasks.map(({ project, task_id, lease }) => ({ project, task_id, lease, outcome: "completed" }));
			if (!this.working && reply.tasks.length === 0) break;
		}
	}

	note(verdict, { task_id, lease }) {
		if (!verdict.ok) return assert.ok(this.staleCodes.includes(verdict.error.code), JSON.stringify(verdict));
		assert.equal(verdict.status, "completed");
		if (!this.ends.has(task_id)) this.ends.set(task_id, new Set());
		this.ends.get(task_id).add(lease);
	}

	// So many more tasks end.
	async progress(more, seconds = 60) {
		const goal = this.endedCount + more;
		const reached = () => this.failure || this.endedCount >= goal;
		await until(`${more} more tasks ended (${this.endedCount} so far)`, reached, { seconds });
		if (this.failure) throw this.failure;
	}

	// Ends it, and holds what was told against what MySQL says.
	async finish(witness) {
		this.submitting = false;
		await this.loops[0];
		const told = () => this.failure !== null || this.endedCount === this.accepted.size;
		// A settle whose answer was lost, and whose task was over before the repeat, is not in `ends`: ask MySQL, too.
		const archived = async () => told() || (await this.archivedCount(witness)) === this.accepted.size;
		await until("every accepted task has ended", archived, { seconds: 90, everyMs: 200 });
		this.working = false;
		await Promise.all(this.loops);
		if (this.failure) throw this.failure;
		await witness.ended(this.project, this.accepted.size, { seconds: 60 });
		await this.verify(witness);
	}

	async close() {
		this.submitting = this.working = false;
		this.failure ??= new Error("closed");
		await Promise.all(this.clients.map((client) => client.close()));
		await Promise.all(this.loops);
	}

	async archivedCount(witness) {
		const sql = `SELECT COUNT(*) n FROM tasks WHERE project='${this.project}' AND status='completed'`;
		return Number((await witness.sql(sql))[0].n);
	}

	async verify(witness) {
		const rows = await witness.rows(this.project);
		assert.equal(rows.length, this.accepted.size, "every accepted task is there, and no other");
		assert.ok(rows.every(({ task_id, status }) => this.accepted.has(task_id) && status === "completed"));
		for (const [task, leases] of this.ends) assert.equal(leases.size, 1, `${task} ended under one lease`);
		assert.deepEqual(await witness.problems(this.project), []);
		const ends = (await witness.events(this.project)).filter(({ status }) => status === "completed");
		assert.equal(ends.length, rows.length, "each ended once");
	}
}
