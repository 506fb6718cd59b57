// The tasks of a project as the timeline and the graph draw them: made of the timeline's answer, times in milliseconds,
// kept up to date by changes.
import { commonStart } from "../format.js";
import { ended } from "../status.js";

const outcomes = {
	completed: "completed",
	failed: "failed",
	retry: "failed",
	cancelled: "cancelled",
	skipped: "cancelled",
};

// The answer's rows are arrays; `fields` names their places.
function toTasks({ fields, tasks }) {
	const at = Object.fromEntries(fields.map((name, index) => [name, index]));
	return tasks.map((row, order) => ({
		order,
		id: row[at.task_id],
		type: row[at.task_type],
		batch: row[at.batch_id],
		status: row[at.status],
		version: row[at.version],
		attempt: row[at.attempt],
		because: row[at.because],
		estimate: row[at.estimated_s],
		created: row[at.created_ms],
		ready: row[at.ready_ms],
		started: row[at.started_ms],
		finished: row[at.finished_ms],
		worker: row[at.worker],
		search: `${row[at.task_id]} ${row[at.task_type]} ${row[at.service_name] ?? ""} ${row[at.worker] ?? ""}`.toLowerCase(),
		dependencies: [],
		tries: [],
	}));
}

const outcomeOf = { completed: "completed", failed: "failed", cancelled: "cancelled" };

// Only tasks with several tries have them listed; of the others the row says all.
function addTries(tasks, attempts) {
	for (const [index, number, worker, start, end, outcome] of attempts)
		tasks[index].tries.push({ number, worker, start, end, outcome });
	for (const task of tasks) {
		if (task.tries.length > 0 || task.started == null || task.attempt === 0) continue;
		const running = task.status === "running";
		const end = running ? null : (task.finished ?? Math.max(task.started, task.ready ?? 0)); // waits again: it failed before
		const outcome = running ? null : (outcomeOf[task.status] ?? (ended.has(task.status) ? "released" : "failed"));
		task.tries.push({ number: task.attempt, worker: task.worker, start: task.started, end, outcome });
	}
}

export class Plan {
	constructor(answer) {
		this.tasks = toTasks(answer);
		addTries(this.tasks, answer.attempts);
		for (const [from, to] of answer.edges) this.tasks[to].dependencies.push(this.tasks[from].id);
		for (const [index, start, end] of answer.forecast ?? []) this.tasks[index].expected = [start, end];
		this.start = commonStart(this.tasks.map((task) => task.id));
		this.finish = answer.finish_ms;
		this.truncated = answer.truncated;
		this.byId = new Map(this.tasks.map((task) => [task.id, task]));
		this.revision = 1; // changes with everything
		this.measure();
	}

	// How deep each task lies: the longest way to it from a task without dependencies. Linear in tasks and edges.
	measure() {
		const waiting = new Map(this.tasks.map((task) => [task, task.dependencies.length]));
		const dependents = new Map(this.tasks.map((task) => [task.id, []]));
		for (const task of this.tasks) {
			task.depth = 0;
			for (const id of task.dependencies) dependents.get(id).push(task);
		}
		this.topological = this.tasks.filter((task) => task.dependencies.length === 0);
		for (let at = 0; at < this.topological.length; at++) {
			const task = this.topological[at];
			for (const next of dependents.get(task.id)) {
				next.depth = Math.max(next.depth, task.depth + 1);
				waiting.set(next, waiting.get(next) - 1);
				if (waiting.get(next) === 0) this.topological.push(next);
			}
		}
	}

	// Returns false for a change that this plan cannot take in truly: then a new snapshot is due. Of several changes in one
	// frame only the last comes, so a try may have begun and ended between two frames.
	apply(change) {
		const task = this.byId.get(change.task_id);
		if (!task) return this.truncated && !change.new; // of a part that is not shown
		if (change.version <= task.version) return true;
		const at = change.at_ms;
		const last = task.tries.at(-1);
		const unseen = change.attempt > (last?.number ?? 0) && change.status !== "running";
		const end = { end: at, outcome: outcomes[change.status] ?? "released", error: change.error };
		if (last && last.end == null && (change.status !== "running" || last.number !== change.attempt))
			Object.assign(last, end);
		if (change.status === "running" || unseen) this.startTry(task, change, change.started_ms ?? at);
		if (unseen) Object.assign(task.tries.at(-1), end);
		if (change.ready_ms) task.ready = change.ready_ms;
		task.finished = ended.has(change.status) ? at : null;
		Object.assign(task, {
			status: change.status,
			version: change.version,
			attempt: change.attempt,
			because: change.because,
		});
		if (change.worker) task.worker = change.worker;
		this.revision++;
		return !unseen || change.started_ms != null;
	}

	startTry(task, change, at) {
		if (task.tries.some((one) => one.number === change.attempt)) return;
		task.started = at;
		task.tries.push({ number: change.attempt, worker: change.worker, start: at, end: null, outcome: null });
	}

	// When it was ready for its first try: a task knows the last time only, but its dependencies tell.
	firstReady(task) {
		const first = task.tries[0]?.start ?? Infinity;
		if (task.ready != null && task.ready <= first) return task.ready;
		if (first === Infinity) return null;
		const before = task.dependencies.map((id) => this.byId.get(id).finished ?? 0).filter((at) => at <= first);
		return Math.max(task.created ?? first, ...before);
	}

	counts() {
		const sums = {};
		for (const task of this.tasks) sums[task.status] = (sums[task.status] ?? 0) + 1;
		return sums;
	}

	// First and last moment of what is drawn.
	span(now) {
		let from = Infinity;
		let to = -Infinity;
		for (const task of this.tasks) {
			from = Math.min(from, task.created ?? task.ready ?? Infinity);
			to = Math.max(to, ended.has(task.status) ? (task.finished ?? 0) : now);
		}
		return from === Infinity ? { from: now - 60000, to: now } : { from, to: Math.max(to, from + 100) };
	}

	// The chain that decided, or will decide, when all is done: back from the latest end, always to the dependency that
	// ended last. What has not ended counts with its estimate, or with the mean of its type.
	critical(now) {
		const mean = this.meanDurations();
		const ends = new Map();
		let last = null;
		for (const task of this.topological) {
			const end = this.expectedEnd(task, ends, mean, now);
			ends.set(task.id, end);
			const counts = task.status !== "skipped" && task.status !== "cancelled";
			if (counts && (last === null || end >= ends.get(last.id))) last = task;
		}
		const end = last ? ends.get(last.id) : null;
		const path = [];
		let runs = 0;
		while (last) {
			path.push(last.id);
			for (const one of last.tries) runs += (one.end ?? now) - one.start;
			const before = last.dependencies.map((id) => this.byId.get(id));
			last = before.reduce(
				(best, other) => (best && ends.get(best.id) >= ends.get(other.id) ? best : other),
				null,
			);
		}
		return { path: path.reverse(), end, runs };
	}

	expectedEnd(task, ends, mean, now) {
		if (ended.has(task.status)) return task.finished ?? 0;
		const length = 1000 * (task.estimate ?? mean.get(task.type) ?? 0);
		if (task.status === "running") return Math.max(now, task.started + length);
		let from = Math.max(now, task.ready ?? 0);
		for (const id of task.dependencies) from = Math.max(from, ends.get(id) ?? 0);
		return from + length;
	}

	// Seconds that a completed try took, by type.
	meanDurations() {
		const sums = new Map();
		for (const { type, tries } of this.tasks) {
			for (const { start, end, outcome } of tries) {
				if (outcome !== "completed") continue;
				const sum = sums.get(type) ?? { seconds: 0, count: 0 };
				sums.set(type, { seconds: sum.seconds + (end - start) / 1000, count: sum.count + 1 });
			}
		}
		return new Map([...sums].map(([type, { seconds, count }]) => [type, seconds / count]));
	}
}
