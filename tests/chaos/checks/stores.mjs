// The stores at the end: rows are the fold of their events, the log and the event stream say the same, Redis holds what is
// not over, as the fold has it, and nothing is left behind in Redis or JetStream.
import { finals, keyOf, microseconds, pairs, stateFormat, unpack } from "./read.mjs";

export function checkTables(run, told, fold, violation) {
	for (const { seq, reason } of run.tables.poison_events) violation("an event was set aside", `${seq}: ${reason}`);
	const rows = new Map(run.tables.tasks.map((row) => [keyOf(row), row]));
	for (const task of fold.tasks.values()) {
		const row = rows.get(task.key);
		if (!row) {
			violation("events without a row", task.key);
			continue;
		}
		const { last } = task;
		const wanted = {
			status: task.status,
			version: String(task.version),
			attempt: String(task.attempt),
			last_seq: String(task.seq),
			updated_at: last.at,
			created_at: task.events[0].at,
			finished_at: finals.has(task.status) ? last.at : null,
			because: last.because,
		};
		for (const [name, value] of Object.entries(wanted)) {
			const found = name.endsWith("_at") ? microseconds(row[name]) : row[name];
			if ((found ?? null) !== (value ?? null))
				violation("a row is not the fold of its events", `${task.key}: ${name} is ${found}, the events say ${value}`);
		}
	}
	for (const key of rows.keys()) if (!fold.tasks.has(key)) violation("a row without events", key);
	checkAttempts(run, fold, violation);
	return { rows: rows.size };
}

function checkAttempts(run, fold, violation) {
	const byNumber = new Map([...fold.tasks.values()].map((task) => [`${task.partition}/${task.number}`, task]));
	const seen = new Map();
	for (const { partition_id, number, attempt, outcome } of run.tables.task_attempts) {
		const task = byNumber.get(`${partition_id}/${number}`);
		const found = task?.tries.find((each) => each.attempt === Number(attempt));
		if (!found) violation("a row of an attempt that never was", `${task?.key} ${attempt}`);
		else if ((outcome === null) !== (found.end === null))
			violation("an attempt's row is not the fold", `${task.key} ${attempt}: ${outcome}`);
		seen.set(task, (seen.get(task) ?? 0) + 1);
	}
	for (const task of fold.tasks.values())
		if ((seen.get(task) ?? 0) !== task.tries.length) violation("attempts are missing", task.key);
}

// The log: entries chain, seqs have no gaps, and its records are the table's rows.
export function checkLog(run, told, fold, violation) {
	const rows = run.tables.task_events;
	const bySeq = new Map(rows.map((row) => [`${row.partition_id}/${row.seq}`, row]));
	fold.logIsWhole = true;
	const headMayBeLost = run.had(/^power-cut-(nats|all)|^disk-full-nats|^stream-full/);
	run.logs.forEach((entries, partition) => {
		let before = { id: "", last: 0 };
		// What JetStream itself lost with its disk has to be in the database, as the gapless table of events proves.
		if (headMayBeLost && entries[0]?.first > 1) {
			fold.logIsWhole = false;
			before = { id: null, last: entries[0].first - 1 };
		}
		for (const entry of entries) {
			if (entry.records[0]?.status === "continue") {
				fold.logIsWhole = false;
				before = { id: null, last: entry.last };
				continue;
			}
			if (entry.first !== before.last + 1)
				violation("a gap in the log", `partition ${partition}: ${before.last} then ${entry.first}`);
			if (before.id !== null && entry.previous !== before.id)
				violation("the log does not chain", `partition ${partition} at ${entry.first}`);
			before = entry;
			for (const record of entry.records) compareRecord(record, bySeq.get(`${partition}/${record.seq}`), violation);
		}
		const position = run.tables.log_position.find(({ partition_id }) => Number(partition_id) === partition);
		if (Number(position?.seq ?? 0) !== before.last)
			violation("the database is not at the log's end", `${position?.seq} of ${before.last}`);
		if (before.id && position && position.entry_id !== before.id)
			violation("the database is at another entry", `partition ${partition}`);
	});
	return { log_entries: run.logs.reduce((sum, entries) => sum + entries.length, 0) };
}

function compareRecord(record, row, violation) {
	const name = `${record.seq} ${record.project}/${record.task_id}`;
	if (!row) {
		violation("in the log and not in the table", name);
		return;
	}
	const same =
		row.status === record.status &&
		row.task_id === record.task_id &&
		Number(row.attempt) === record.attempt &&
		microseconds(row.at) === record.at;
	if (!same || (record.number > 0 && Number(row.version) !== record.version))
		violation("the table says another thing than the log", name);
}

// CORDER_EVENTS: every event once or more, in order for each task; after a power cut of NATS it may lack some.
export function checkStream(run, told, fold, violation) {
	const lossy = run.had(/^power-cut-(nats|all)/);
	const versions = new Map();
	const ids = new Set();
	let repeated = 0;
	for (const event of run.stream) {
		if (ids.has(event.event_id)) {
			repeated++;
			continue;
		}
		ids.add(event.event_id);
		if (event.status === "rejected") continue;
		const key = keyOf(event);
		const before = versions.get(key) ?? 0;
		if (event.version <= before || (event.version !== before + 1 && !lossy))
			violation("the event stream is out of order for a task", `${key}: ${before} then ${event.version}`);
		versions.set(key, Math.max(before, event.version));
		if (!fold.eventIds.has(event.event_id))
			violation("an event of the stream is not in the table", `${key} v${event.version}`);
	}
	for (const row of run.tables.task_events) {
		if (!["queue", "graph", "graph_done"].includes(row.status) && !ids.has(row.event_id) && !lossy)
			violation("an event is not in the event stream", `${keyOf(row)} v${row.version}`);
	}
	return { stream_events: run.stream.length, stream_repeats: repeated };
}

// Live observers: an event may come twice, never a new one behind a later one of its task.
export function checkObservers(run, told, fold, violation) {
	const seen = new Map();
	let heard = 0;
	for (const { what, who, process, event_id, project, task_id, version, status } of run.history) {
		if (what !== "event" || status === "rejected") continue;
		heard++;
		const key = `${process} ${who} ${project}/${task_id}`;
		const state = seen.get(key) ?? { top: 0, ids: new Set() };
		seen.set(key, state);
		if (!state.ids.has(event_id) && version <= state.top)
			violation("an observer heard events out of order", `${key} v${version} after v${state.top}`);
		if (!fold.eventIds.has(event_id))
			violation("an observer heard an event that is not in the table", `${key} v${version}`);
		state.ids.add(event_id);
		state.top = Math.max(state.top, version);
	}
	return { heard };
}

// ---------------------------------------------------------------------------------------------- Redis

export function checkRedis(run, told, fold, violation) {
	const figures = { redis_tasks: 0 };
	for (let partition = 0; partition < run.plan.partitions; partition++)
		checkPartition(run, fold, violation, partition, figures);
	return figures;
}

class Keys {
	constructor(run, partition) {
		this.prefix = `{p${partition}}:`;
		this.all = run.redis;
	}

	get(name) {
		return this.all.get(this.prefix + name);
	}

	hash(name) {
		return pairs(this.get(name)?.value ?? []);
	}

	named(start) {
		return [...this.all.keys()]
			.filter((key) => key.startsWith(this.prefix + start))
			.map((key) => key.slice(this.prefix.length));
	}
}

const memberNumber = (text) => [...Buffer.from(text, "latin1")].reduce((sum, byte) => sum * 256 + byte, 0);
const numbersIn = (keys, name) => [...pairs(keys.get(name)?.value ?? []).keys()].map(memberNumber);

function checkPartition(run, fold, violation, partition, figures) {
	const keys = new Keys(run, partition);
	const format = keys.hash("m").get("format") ?? stateFormat;
	if (format !== stateFormat) {
		violation("the checker does not know this form of states", `${format}: teach unpack() in read.mjs`);
		return;
	}
	const ofFold = new Map(
		[...fold.tasks.values()].filter((task) => task.partition === partition).map((task) => [task.number, task]),
	);
	const states = new Map([...keys.hash("t")].map(([member, bytes]) => [memberNumber(member), unpack(bytes)]));
	figures.redis_tasks += states.size;
	if (ofFold.size > 0 && !keys.hash("m").get("epoch")) violation("Redis is not live", `partition ${partition}`);
	compareStates(ofFold, states, keys, violation, run.settled);
	compareQueues(states, keys, violation, run.settled);
	compareCounts(ofFold, keys, violation);
	checkLeft(run, fold, ofFold, states, keys, violation);
}

function compareStates(ofFold, states, keys, violation, settled) {
	const ids = keys.hash("id");
	for (const task of ofFold.values()) {
		const state = states.get(task.number);
		if (!state) {
			if (!finals.has(task.status)) violation("a task that is not over is not in Redis", task.key);
			continue;
		}
		for (const name of ["status", "version", "attempt", "seq"]) {
			if (state[name] !== task[name])
				violation("Redis is not the fold", `${task.key}: ${name} is ${state[name]}, the events say ${task[name]}`);
		}
		if (settled && memberNumber(ids.get(task.key) ?? "") !== task.number)
			violation("Redis does not find a task by its name", task.key);
	}
	for (const [number, { project, task_id }] of states)
		if (!ofFold.has(number)) violation("a task in Redis that has no events", `${project}/${task_id}`);
	if (!settled) return; // while ended tasks leave, the keys are not of one moment
	for (const [name, member] of ids)
		if (!states.has(memberNumber(member))) violation("leaked in Redis", `the name ${name} (${memberNumber(member)})`);
	for (const member of keys.hash("er").keys())
		if (!states.has(memberNumber(member))) violation("leaked in Redis", `how ${memberNumber(member)} failed`);
}

function compareQueues(states, keys, violation, settled) {
	const where = (name) => numbersIn(keys, name).map((number) => [states.get(number), number]);
	for (const name of keys.named("r:")) {
		for (const [state, number] of where(name))
			if (state?.status !== "pending" || `r:${state.type}` !== name)
				violation("leaked in Redis", `${number} in ${name} is ${state?.status}`);
	}
	if (!settled) return;
	// "=entry id" stands for what was leased together: it stays until its time comes, whatever has become of them.
	const due = [...pairs(keys.get("due")?.value ?? []).keys()];
	for (const name of due.filter((each) => each.length > 6))
		if (!keys.hash("lg").has(name.slice(1))) violation("leaked in Redis", `${name} in due is no group`);
	if (due.filter((each) => each.length > 6).length !== keys.hash("lg").size)
		violation("leaked in Redis", "a group of leases that is not in due");
	const singles = due
		.filter((each) => each.length === 6)
		.map(memberNumber)
		.map((number) => [states.get(number), number]);
	for (const [state, number] of singles)
		if (!state || state.due === 0 || finals.has(state.status))
			violation("leaked in Redis", `${number} in due is ${state?.status}`);
	for (const name of keys.named("kw:")) {
		for (const [state, number] of where(name))
			if (state?.status !== "blocked") violation("leaked in Redis", `${number} in ${name} is ${state?.status}`);
	}
	const running = new Map();
	for (const { status, project, key } of states.values())
		if (status === "running" && key) running.set(`${project}/${key}`, (running.get(`${project}/${key}`) ?? 0) + 1);
	for (const [key, count] of keys.hash("k"))
		if (Number(count) !== (running.get(key) ?? 0))
			violation("leaked in Redis", `${count} places of key ${key}, ${running.get(key) ?? 0} run`);
}

const letters = {
	blocked: "b",
	pending: "p",
	running: "r",
	retry: "t",
	completed: "c",
	failed: "f",
	cancelled: "x",
	skipped: "s",
};

function compareCounts(ofFold, keys, violation) {
	const counted = new Map();
	for (const { project, type, status } of ofFold.values()) {
		const name = `${project}/${type}/${letters[status]}`;
		counted.set(name, (counted.get(name) ?? 0) + 1);
	}
	const found = keys.hash("c");
	for (const name of new Set([...counted.keys(), ...found.keys()])) {
		if (Number(found.get(name) ?? 0) !== (counted.get(name) ?? 0))
			violation("a counter is wrong", `${name}: ${found.get(name) ?? 0}, the events say ${counted.get(name) ?? 0}`);
	}
}

// After the dust has settled: what has ended is gone, unless something that has not ended hangs on it.
function checkLeft(run, fold, ofFold, states, keys, violation) {
	const needed = new Set(
		[...ofFold.values()]
			.filter(({ status }) => !finals.has(status))
			.flatMap(({ project, spec }) =>
				(spec?.dependencies ?? []).map((each) => keyOf({ project, task_id: each.task_id ?? each })),
			),
	);
	for (const { status, project, task_id } of states.values()) {
		if (finals.has(status) && !needed.has(`${project}/${task_id}`) && run.settled)
			violation("leaked in Redis", `${project}/${task_id} ended and stays`);
	}
	if (!run.settled) return;
	for (const name of ["x", "e"])
		for (const member of keys.hash(name).keys())
			if (!states.has(memberNumber(member))) violation("leaked in Redis", `${memberNumber(member)} in ${name}`);
	for (const name of keys.named("d:"))
		if (!states.has(memberNumber(name.slice(2)))) violation("leaked in Redis", `d:${memberNumber(name.slice(2))}`);
	for (const name of ["rel", "ab", "rs", "ld"])
		if (keys.get(name)) violation("leaked in Redis", `${name}: ${JSON.stringify(keys.get(name)).slice(0, 100)}`);
	for (const name of keys.named("rq:"))
		if (keys.get(name).ttl < 0) violation("leaked in Redis", `${name} never expires`);
	for (const name of keys.named("pk:")) violation("leaked in Redis", name);
	if ((keys.get("ob")?.value.length ?? 0) > 0 && run.settled)
		violation("leaked in Redis", `${keys.get("ob").value.length} entries in the outbox`);
	const known = /^(m|id|t|x|e|er|fw|due|lg|k|ps|fin|c|ob|oi|rl)$|^(d|r|rq|kw):/;
	for (const name of keys.named("")) if (!known.test(name)) violation("leaked in Redis", `a key nobody knows: ${name}`);
}

export function checkJetStream(run, told, fold, violation) {
	let consumers = 0;
	for (const stream of run.streams) {
		consumers += stream.consumers.length;
		if (/ENQUEUE/.test(stream.name) && stream.messages > 0)
			violation("leaked in JetStream", `${stream.messages} messages in ${stream.name}`);
	}
	if (consumers > 20) violation("leaked in JetStream", `${consumers} consumers`);
	return { consumers };
}

export function checkAuditor(run, told, fold, violation) {
	const asked = run.history.filter(({ what }) => what === "auditor");
	for (const { who, violations, t } of asked)
		if (violations > 0)
			violation("the auditor found stuck tasks", `${violations} by ${who} at ${new Date(t).toISOString()}`);
	for (const { name } of run.history.filter(({ what }) => what === "fallen"))
		violation("a service ended although nobody killed it", name);
	if (!run.quiet) violation("it never came to rest", "tasks still moved, or nobody answered");
	return { auditor_asked: asked.length };
}
