// The fold: every event of every partition in its order, from the table of events, with what only the log's records say
// beside them. On the way: versions, lawful moves, one end, dependencies, keys, tokens, and priority at each lease.
import { finals, keyOf, microseconds } from "./read.mjs";

const moves = {
	"": ["blocked", "pending", "skipped"],
	blocked: ["blocked", "pending", "cancelled", "skipped"],
	pending: ["pending", "running", "blocked", "cancelled"],
	running: ["running", "completed", "failed", "retry", "pending", "blocked", "cancelled"],
	retry: ["retry", "pending", "blocked", "cancelled"],
	completed: [],
	failed: ["pending", "blocked"],
	cancelled: ["pending", "blocked"],
	skipped: ["pending", "blocked"],
};
const holds = { completed: ["completed"], failed: ["failed"], finished: [...finals] };
const usPerPoint = 3600e6;
const graceUs = 2e6; // after a resume, what was parked comes back in slices

export const dependenciesOf = (spec) =>
	(spec?.dependencies ?? [])
		.map((each) => (typeof each === "string" ? { task_id: each } : each))
		.map((each) => ({ when: "completed", ...each }));

export class Fold {
	constructor(run, told, violation) {
		Object.assign(this, {
			run,
			told,
			violation,
			tasks: new Map(),
			ready: new Map(),
			pauses: new Map(),
			resumed: new Map(),
		});
		Object.assign(this, {
			keys: new Map(),
			tokens: new Map(),
			eventIds: new Set(),
			figures: { events: 0, leases: 0, ranked: 0, unranked: 0 },
		});
		this.records = run.logs.map(
			(entries) => new Map(entries.flatMap(({ records }) => records.map((record) => [record.seq, record]))),
		);
	}

	all() {
		const last = new Map();
		for (const row of this.run.tables.task_events) {
			const partition = Number(row.partition_id);
			const seq = Number(row.seq);
			const before = last.get(partition) ?? 0;
			if (seq !== before + 1)
				this.violation("gap in the table of events", `partition ${partition}: ${before} then ${seq}`);
			last.set(partition, seq);
			this.take({ ...row, partition, seq, at: microseconds(row.at) });
		}
		return this;
	}

	take(event) {
		this.figures.events++;
		if (this.eventIds.has(event.event_id)) this.violation("event id twice", event.event_id);
		this.eventIds.add(event.event_id);
		event.record = this.records[event.partition]?.get(event.seq);
		if (event.record && event.record.status === "continue") event.record = undefined;
		if (event.status === "queue") return this.queue(event);
		if (event.number === null || event.status === "rejected" || event.status.startsWith("graph")) return undefined;
		return this.move(event);
	}

	queue({ task_type, project, reason, at }) {
		const key = `${task_type}/${project}`;
		const [word] = reason.split(":");
		if (word === "paused") this.pauses.set(key, at);
		else this.pauses.delete(key);
		if (word === "resumed") this.resumed.set(project, at);
	}

	isPaused(task, at) {
		const paused = ["/" + task.project, `${task.type}/${task.project}`, `${task.type}/`].some((key) =>
			this.pauses.has(key),
		);
		const lately = [task.project, ""].some((project) => at - (this.resumed.get(project) ?? -Infinity) < graceUs);
		return paused || lately;
	}

	create(event) {
		const key = keyOf(event);
		const spec = this.told.tasks.get(key);
		if (!spec) this.violation("a task that nobody submitted", key);
		const task = {
			key,
			project: event.project,
			task_id: event.task_id,
			partition: event.partition,
			number: Number(event.number),
			type: event.task_type,
			batch: event.batch_id,
		};
		Object.assign(task, {
			spec,
			version: 0,
			status: "",
			attempt: 0,
			events: [],
			tries: [],
			ends: 0,
			allowed: false,
			sound: true,
		});
		this.tasks.set(key, task);
		return task;
	}

	move(event) {
		const task = this.tasks.get(keyOf(event)) ?? this.create(event);
		const problem = (what, more = "") => this.violation(what, `${task.key} v${event.version}: ${more}`);
		const from = task.status;
		if (Number(event.version) !== task.version + 1) problem("gap in versions", `after ${task.version}`);
		if ((event.previous ?? "") !== from) problem("previous is not the status before", `${event.previous}, was ${from}`);
		if (!moves[from].includes(event.status)) problem("unlawful move", `${from} to ${event.status}`);
		if (finals.has(from) && !/^retried/.test(event.reason ?? ""))
			problem("an event after the final one", `${from} to ${event.status}`);
		if (event.at < (task.at ?? 0)) problem("time runs backwards");
		this.leave(task, from);
		Object.assign(task, {
			version: Number(event.version),
			status: event.status,
			at: event.at,
			seq: event.seq,
			last: event,
		});
		task.events.push({
			status: event.status,
			previous: from,
			attempt: Number(event.attempt),
			at: event.at,
			seq: event.seq,
			code: event.error_code,
			reason: event.reason,
			worker: event.worker,
			version: task.version,
		});
		if (/^retried/.test(event.reason ?? "")) Object.assign(task, { allowed: false, retriedAt: event.at });
		this.judgeDependencies(task, event, from, problem);
		if (event.status === "running") this.judgeTry(task, event, from, problem);
		else if (from === "running") this.endTry(task, event);
		if (event.status === "pending") this.enter(task, event);
		if (finals.has(event.status)) task.ends++;
	}

	// ------------------------------------------------------------------------------------------ dependencies

	unmet(task) {
		if (!task.spec) return [];
		const run = task.spec.on_dependency_failure === "run";
		return dependenciesOf(task.spec).filter(({ task_id, when }) => {
			const status = this.tasks.get(keyOf({ project: task.project, task_id }))?.status ?? "unknown";
			return run ? !finals.has(status) : !holds[when].includes(status);
		});
	}

	// Allowed once the dependencies have all been met while it waited for them; a retry of the task asks anew.
	judgeDependencies(task, event, from, problem) {
		if (task.allowed || event.status === "skipped" || event.status === "cancelled") return;
		const unmet = this.unmet(task);
		if (unmet.length === 0) {
			task.allowed = true;
			return;
		}
		const known = event.record ? !event.record.waits.includes("d") && event.status === "blocked" : false;
		if (event.status !== "blocked" || known) {
			problem(
				"released before its dependencies allowed it",
				`${event.status}, waits for ${unmet.map(({ task_id, when }) => `${when} ${task_id}`)}`,
			);
			task.allowed = true; // said once
		}
	}

	// ------------------------------------------------------------------------------------------ tries

	judgeTry(task, event, from, problem) {
		if (from === "running") return; // cancel was asked for
		this.figures.leases++;
		const attempt = Number(event.attempt);
		if (attempt !== task.attempt + 1) problem("attempts do not count up", `${task.attempt} then ${attempt}`);
		task.attempt = attempt;
		const lease = event.record?.lease ?? null;
		if (lease !== null && this.tokens.has(lease)) problem("a lease token twice", `also ${this.tokens.get(lease)}`);
		if (lease !== null) this.tokens.set(lease, `${task.key} ${attempt}`);
		task.tries.push({
			attempt,
			lease,
			worker: event.worker,
			at: event.at,
			until: event.record?.lease_until ?? null,
			end: null,
		});
		this.judgeKey(task, problem);
		this.judgePriority(task, event, problem);
	}

	endTry(task, event) {
		const current = task.tries.at(-1);
		if (current)
			current.end = {
				status: event.status,
				at: event.at,
				code: event.error_code,
				seq: event.seq,
				reason: event.reason,
			};
		const key = this.keyName(task);
		if (key) this.keys.get(key).delete(task.key);
	}

	keyName(task) {
		return task.spec?.concurrency_key ? `${task.project}/${task.spec.concurrency_key}` : null;
	}

	judgeKey(task, problem) {
		const key = this.keyName(task);
		if (!key) return;
		if (!this.keys.has(key)) this.keys.set(key, new Set());
		const running = this.keys.get(key).add(task.key);
		const limit = task.spec.concurrency_limit ?? 1;
		if (running.size > limit) problem("more run with a key than its limit", `${key}: ${running.size} of ${limit}`);
	}

	// ------------------------------------------------------------------------------------------ priority

	enter(task, { record }) {
		if (!this.ready.has(task.type)) this.ready.set(task.type, new Map());
		const list = this.ready.get(task.type);
		if (!record) {
			list.set(task.key, { task, rank: null });
			return;
		}
		const degree = dependenciesOf(task.spec).length;
		const points = record.priority * 100 + Math.max(0, 10 - degree) + Math.max(0, 5 - record.retries);
		list.set(task.key, { task, rank: record.ready - points * usPerPoint });
	}

	leave(task, from) {
		if (from === "pending") {
			task.rank = this.ready.get(task.type)?.get(task.key)?.rank ?? null;
			this.ready.get(task.type)?.delete(task.key);
		}
	}

	judgePriority(task, event, problem) {
		if (task.rank === null || task.rank === undefined) {
			this.figures.unranked++;
			return;
		}
		this.figures.ranked++;
		if (
			this.pauses.has(`${task.type}/`) ||
			this.pauses.has(`/${task.project}`) ||
			this.pauses.has(`${task.type}/${task.project}`)
		) {
			problem("leased although it was paused", task.type);
		}
		for (const { task: other, rank } of this.ready.get(task.type)?.values() ?? []) {
			if (rank === null || rank > task.rank || (rank === task.rank && other.number > task.number)) continue;
			if (other.partition !== task.partition || this.isPaused(other, event.at) || this.keyIsTaken(other)) continue;
			problem("a more urgent one was ready", `${other.key} by ${Math.round((task.rank - rank) / 1000)} ms of rank`);
			return;
		}
	}

	keyIsTaken(task) {
		const key = this.keyName(task);
		return key !== null && (this.keys.get(key)?.size ?? 0) >= (task.spec.concurrency_limit ?? 1);
	}
}
