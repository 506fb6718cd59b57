// The reducers see every event twice, late and in any order, in pieces of any size: and always end in the same state.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	CodingAgentState,
	TaskCollection,
	emptyMemory,
	logReducer,
	mergeMemory,
	mergeRecords,
	recordOfEvent,
	reduceCollection,
	reduceLog,
	reduceTasks,
	resumePosition,
	updates,
} from "corder/langgraph";
import fc from "fast-check";

const collections = ["pending", "running", "completed", "failed"];
const statuses = ["blocked", "pending", "running", "retry", "completed", "failed", "cancelled", "skipped"];

// Histories of some tasks: each a list of events with versions from 1 on, and numbers over all.
const histories = fc
	.array(fc.array(fc.constantFrom(...statuses), { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 })
	.map((lists) => {
		let seq = 0;
		return lists.map((list, task) =>
			list.map((status, index) => {
				seq++;
				const first = index === 0 ? { task: { priority: 5, service_name: `s${task}`, dependencies: [] } } : {};
				return {
					event_id: `e${seq}`,
					seq,
					position: seq * 2,
					task_id: `t${task}`,
					batch_id: "b",
					task_type: "t",
					status,
					version: index + 1,
					attempt: 0,
					at: `${seq}`,
					...first,
				};
			}),
		);
	});

// The events as they might come: shuffled, some of them again.
const deliveries = histories.chain((lists) => {
	const events = lists.flat();
	const again = fc.subarray(events);
	return fc.tuple(
		fc.constant(lists),
		again.chain((more) => fc.shuffledSubarray([...events, ...more], { minLength: events.length + more.length })),
		fc.integer({ min: 1, max: 4 }),
	);
});

const pieces = (list, size) =>
	Array.from({ length: Math.ceil(list.length / size) }, (_, n) => list.slice(n * size, (n + 1) * size));

// What moves: a collection that saw a task only leave forgets what its first event said of the submission.
const moving = (tasks) =>
	Object.fromEntries(
		Object.entries(tasks).map(([id, { service_name, priority, dependencies, ...rest }]) => [id, rest]),
	);

// What it has to be: each task by its last version, with what the first event knew.
function expected(lists) {
	const wanted = Object.fromEntries(collections.map((name) => [name, {}]));
	const where = {
		blocked: "pending",
		pending: "pending",
		retry: "pending",
		running: "running",
		completed: "completed",
	};
	for (const list of lists) {
		const record = { ...recordOfEvent(list.at(-1)), ...recordOfEvent(list[0]), ...recordOfEvent(list.at(-1)) };
		wanted[where[record.status] ?? "failed"][record.task_id] = record;
	}
	return wanted;
}

test("collections converge, whatever the order, the doubles and the pieces; a task is in one of them", () => {
	fc.assert(
		fc.property(deliveries, ([lists, came, size]) => {
			const channels = collections.map((name) => new TaskCollection(name));
			for (const piece of pieces(came, size)) {
				const change = updates(piece.map(recordOfEvent));
				for (const channel of channels) channel.update([change[`${channel.collection}_tasks`]]);
			}
			const wanted = expected(lists);
			const whole = lists.map((list) => list[0].task_id);
			for (const channel of channels) assert.deepEqual(moving(channel.get()), moving(wanted[channel.collection]));
			assert.deepEqual(channels.flatMap((channel) => Object.keys(channel.get())).sort(), whole.sort());
		}),
		{ numRuns: 300 },
	);
});

test("collections that saw different halves become the same when they meet, also through a checkpoint", () => {
	fc.assert(
		fc.property(deliveries, fc.func(fc.boolean()), ([lists, came], goesLeft) => {
			const wanted = expected(lists);
			for (const name of collections) {
				const halves = [came.filter((event) => goesLeft(event)), came.filter((event) => !goesLeft(event))];
				const [one, other] = halves.map((half) => reduceCollection(name, emptyMemory(), half.map(recordOfEvent)));
				assert.deepEqual(moving(mergeMemory(name, one, other).tasks), moving(wanted[name]));
				assert.deepEqual(mergeMemory(name, other, one), mergeMemory(name, one, other));
				const restored = new TaskCollection(name).fromCheckpoint(JSON.parse(JSON.stringify(one)));
				const inner = new TaskCollection(name).fromCheckpoint(other);
				restored.update([inner.get()]); // as a subgraph hands its state to the graph around it
				assert.deepEqual(moving(restored.get()), moving(wanted[name]));
			}
		}),
		{ numRuns: 200 },
	);
});

test("reduceTasks does the same on the state as nodes see it, when what it saw stays", () => {
	fc.assert(
		fc.property(deliveries, ([lists, came, size]) => {
			const state = pieces(came, size).reduce(
				(now, piece) => ({ ...now, ...reduceTasks(now, piece.map(recordOfEvent)) }),
				{},
			);
			const wanted = expected(lists);
			for (const name of collections) assert.deepEqual(state[`${name}_tasks`], wanted[name]);
		}),
	);
});

test("merging records does not care for order or doubles", () => {
	const record = fc.record({
		task_id: fc.constant("t"),
		status: fc.constantFrom(...statuses),
		version: fc.nat(3),
		at: fc.string(),
		priority: fc.option(fc.nat(9), { nil: undefined }),
	});
	fc.assert(
		fc.property(record, record, record, (a, b, c) => {
			assert.deepEqual(mergeRecords(a, b), mergeRecords(b, a));
			assert.deepEqual(mergeRecords(mergeRecords(a, b), c), mergeRecords(a, mergeRecords(b, c)));
			assert.deepEqual(mergeRecords(mergeRecords(a, b), b), mergeRecords(a, b));
		}),
	);
});

test("an update tells the last of each task once, with what its first event knew", () => {
	fc.assert(
		fc.property(deliveries, ([lists, came]) => {
			const { pending_tasks: told } = updates(came.map(recordOfEvent));
			const wanted = Object.assign({}, ...Object.values(expected(lists)));
			assert.deepEqual(Object.fromEntries(told.map((record) => [record.task_id, record])), wanted);
			assert.equal(told.length, lists.length);
		}),
	);
});

test("the log is the newest events in order, each once, whatever way they came", () => {
	fc.assert(
		fc.property(deliveries, fc.integer({ min: 1, max: 12 }), ([lists, came, size], limit) => {
			const all = lists
				.flat()
				.sort((a, b) => a.seq - b.seq)
				.map(({ event_id }) => event_id);
			const unbounded = pieces(came, size).reduce((log, piece) => reduceLog(log, piece), []);
			assert.deepEqual(
				unbounded.map(({ event_id }) => event_id),
				all,
			);
			assert.equal(resumePosition(unbounded), all.length * 2);
			const bounded = logReducer(limit)([], came);
			assert.deepEqual(
				bounded.map(({ event_id }) => event_id),
				all.slice(-limit),
			);
			assert.deepEqual(logReducer(limit)(bounded, came), bounded);
		}),
	);
});

test("a log entry that knows its place in the stream wins over one that does not", () => {
	const event = { event_id: "e", seq: 1, task_id: "t", version: 1, status: "pending" };
	assert.deepEqual(reduceLog([event], [{ ...event, position: 4 }]), [{ ...event, position: 4 }]);
	assert.deepEqual(reduceLog([{ ...event, position: 4 }], [event]), [{ ...event, position: 4 }]);
	assert.equal(resumePosition([]), undefined);
	assert.throws(() => logReducer(0), RangeError);
});

test("the state has the six names, and starts empty", () => {
	const names = [
		"task_queue_manager",
		"pending_tasks",
		"running_tasks",
		"completed_tasks",
		"failed_tasks",
		"task_execution_log",
	];
	assert.deepEqual(Object.keys(CodingAgentState.spec), names);
	const collection = new TaskCollection("failed");
	collection.update([[{ task_id: "a", status: "skipped", version: 2 }]]);
	collection.update([{ __overwrite__: {} }]);
	assert.deepEqual({ ...collection.get() }, {});
	assert.throws(() => new TaskCollection("done"), RangeError);
	assert.throws(() => collection.update([[{ task_id: "a", status: "done" }]]), RangeError);
});
