// What the state keeps of a task (a record) and of an event (an entry of the log): plain objects, so that any
// checkpoint store can hold them. Owns how they are made from what Corder says, and how two records of one task become
// one.

export const collections = ["pending", "running", "completed", "failed"];
export const stateKeys = collections.map((name) => `${name}_tasks`);

const collectionOfStatus = {
	blocked: "pending",
	pending: "pending",
	retry: "pending",
	running: "running",
	completed: "completed",
	failed: "failed",
	cancelled: "failed",
	skipped: "failed",
	rejected: "failed",
};

// What never changes after the submission, and what every version says anew.
const lasting = ["batch_id", "task_type", "service_name", "priority", "dependencies"];
const moving = ["status", "version", "attempt", "at", "worker", "reason", "error", "because", "waits_for", "result"];
const logged = [
	"event_id",
	"seq",
	"position",
	"task_id",
	"batch_id",
	"task_type",
	"status",
	"previous",
	"version",
	"attempt",
	"at",
	"worker",
	"reason",
	"error",
	"because",
];

export function collectionOf(status) {
	const collection = collectionOfStatus[status];
	if (!collection) throw new RangeError(`there is no status ${JSON.stringify(status)}`);
	return collection;
}

// Keys in order: equal values are equal texts.
export function canonical(value) {
	return JSON.stringify(value, (_, one) => {
		if (one === null || typeof one !== "object" || Array.isArray(one)) return one;
		return Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
	});
}

const pick = (source, names) =>
	Object.fromEntries(
		names.filter((name) => source[name] !== undefined && source[name] !== null).map((name) => [name, source[name]]),
	);

// Orders records of one task: the later version, and a refusal behind the submission that it refuses.
export function rankOf({ version = 0, status }) {
	return [version, collections.indexOf(collectionOf(status))];
}

export const compareRanks = (one, other) => one[0] - other[0] || one[1] - other[1];

function isLater(one, other) {
	const ranks = compareRanks(rankOf(one), rankOf(other));
	return ranks !== 0 ? ranks > 0 : canonical(pick(one, moving)) > canonical(pick(other, moving));
}

// The later of two records of a task, with what only the other knows of its submission. Commutative, associative and
// idempotent, whatever the records say.
export function mergeRecords(one, other) {
	const later = isLater(one, other) ? one : other;
	const merged = { task_id: one.task_id, ...pick(later, moving) };
	for (const name of lasting) {
		const known = [one[name], other[name]].filter((value) => value !== undefined && value !== null);
		if (known.length > 0) merged[name] = known.reduce((a, b) => (canonical(a) >= canonical(b) ? a : b));
	}
	return merged;
}

// The record that an event makes.
export function recordOfEvent(event) {
	const first = event.task ? pick(event.task, ["service_name", "priority", "dependencies"]) : {};
	return { ...pick(event, ["task_id", "batch_id", "task_type", ...moving]), ...first };
}

// The record that the reply to task.get makes. Its priority may have been changed since: left out.
export function recordOfTask(task) {
	const record = pick(task, ["task_id", "batch_id", "task_type", "service_name", ...moving]);
	return task.updated_at ? { ...record, at: task.updated_at } : record;
}

// The record of a task that was just submitted: behind every event, and the same when the step runs again.
export function recordOfSubmission(task, batch_id) {
	const known = pick(task, ["task_id", "task_type", "service_name", "priority", "dependencies"]);
	const waits = (task.dependencies ?? []).length > 0 || task.hold || task.not_before;
	return { ...known, batch_id, status: waits ? "blocked" : "pending", version: 0 };
}

// The entry of the execution log that an event makes.
export const logEntry = (event) => pick(event, logged);
