// The table of crash points: wherever a graph, or the queue, is stopped, each task is submitted once and runs once.
import { Annotation, Command, MemorySaver, START, StateGraph } from "@langchain/langgraph";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "corder";
import {
	PositionError,
	TaskQueueManager,
	corderState,
	drive,
	openInterrupts,
	submitAndWaitNode,
	submitNode,
	waitNode,
} from "corder/langgraph";
import { build } from "./support/crashing.js";
import { did, names, prepare } from "./support/graphs.js";
import { freshName } from "./support/setup.js";
import { openSaver } from "./support/sqlite.js";

const folder = mkdtempSync(join(tmpdir(), "corder-langgraph-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function runs(how, { store, task_type, client, ...environment }) {
	const program = fileURLToPath(new URL("support/crashing.js", import.meta.url));
	const env = { ...process.env, TASK_TYPE: task_type, CORDER_PROJECT: client.project, ...environment };
	const child = spawn(process.execPath, [program, store, "thread", how], { env, stdio: ["ignore", "pipe", "inherit"] });
	let out = "";
	child.stdout.on("data", (data) => (out += data));
	const [code, signal] = await once(child, "close");
	return { end: signal ?? code, out };
}

async function diesAndGoesOn(how, points, environment = {}) {
	const { client, task_type, ran, worker, count } = await prepare();
	const given = { store: join(folder, `${task_type}.db`), task_type, client, ...environment };
	if (!points.includes("while-waiting")) worker.start();
	for (const CRASH of points)
		assert.equal((await runs(how, { ...given, CRASH })).end, "SIGKILL", `it was not killed at ${CRASH}`);
	worker.start();
	const { end, out } = await runs(how, given);
	worker.stop();
	assert.equal(end, 0);
	assert.deepEqual(JSON.parse(out), did(names));
	assert.equal(await count(), names.length);
	assert.deepEqual([...ran].sort(), [...names].sort());
}

test("killed before the submit", () => diesAndGoesOn("block", ["before-submit-1"]));

test("killed after the submit and before the checkpoint", () => diesAndGoesOn("block", ["after-submit-1"]));

test("killed after the submit, with asynchronous checkpoints", () =>
	diesAndGoesOn("block", ["after-submit-1"], { DURABILITY: "async" }));

test("killed in the middle of a fan-out", () => diesAndGoesOn("interrupt", ["after-submit-3", "before-submit-2"]));

test("killed while waiting in the node", () => diesAndGoesOn("block", ["while-waiting"]));

test("killed while the driver waits", () => diesAndGoesOn("interrupt", ["while-waiting"]));

// The interrupts after a run.
async function interruptsAfter(graph, input, config) {
	await graph.invoke(input, config);
	return openInterrupts(graph, await graph.getState(config));
}

async function before(graph, node, config) {
	let found;
	for await (const state of graph.getStateHistory(config)) if (state.next.includes(node)) found = state;
	return found;
}

test("an event before the subscription: the node sees what has ended and does not wait", async () => {
	const { client, task_type, worker, config } = await prepare();
	const graph = build(task_type, "interrupt").compile({ checkpointer: new MemorySaver(), interruptBefore: ["wait"] });
	await graph.invoke({ services: [] }, config);
	const { pending_tasks } = (await graph.getState(config)).values;
	worker.start();
	await client.wait(Object.keys(pending_tasks), { timeoutMs: 120000 });
	const values = await graph.invoke(null, config);
	worker.stop();
	assert.equal(values.__interrupt__, undefined);
	assert.deepEqual(values.results, did(["plan", "check"]));
	assert.deepEqual([values.pending_tasks, values.running_tasks], [{}, {}]);
});

test("an event twice, and late, is in the log once and moves nothing back", async () => {
	const { client, task_type, worker, config } = await prepare();
	const graph = build(task_type, "interrupt").compile({ checkpointer: new MemorySaver() });
	const [wait] = await interruptsAfter(graph, { services: [] }, config);
	worker.start();
	await client.wait(wait.value.task_ids, { timeoutMs: 120000 });
	worker.stop();
	const events = client.events({ since: "all" });
	const { value: first } = await events.next();
	events.close();
	const { position, ...body } = first;
	client.nats.publish(
		`${client.prefix}.v1.event.${first.project}.${first.task_type}.${first.status}`,
		JSON.stringify(body),
	);
	const values = await graph.invoke(new Command({ resume: { [wait.id]: { finished: [] } } }), config);
	const log = values.task_execution_log.map(({ task_id, version }) => `${task_id} ${version}`);
	assert.equal(new Set(log).size, log.length);
	assert.equal(log.length, 7);
	assert.deepEqual(Object.keys(values.completed_tasks).sort(), [...wait.value.task_ids].sort());
	assert.deepEqual({ ...values.pending_tasks }, {});
});

test("a partial resume of many: the others wait on, submitted once", async () => {
	const { client, task_type, ran, worker, count, config } = await prepare();
	const graph = build(task_type, "interrupt").compile({ checkpointer: openSaver(join(folder, "partial.db")) });
	const [first] = await interruptsAfter(graph, { services: ["a", "b", "c"] }, config);
	worker.start();
	await client.wait(first.value.task_ids, { timeoutMs: 120000 });
	let waits = await interruptsAfter(graph, new Command({ resume: { [first.id]: { finished: [] } } }), config);
	while (waits.length > 0) {
		await client.wait(waits[0].value.task_ids, { timeoutMs: 120000 });
		waits = await interruptsAfter(graph, new Command({ resume: { [waits[0].id]: { finished: [] } } }), config);
	}
	worker.stop();
	assert.deepEqual((await graph.getState(config)).values.results, did(names));
	assert.equal(await count(), names.length);
	assert.equal(ran.length, names.length);
});

test("woken for nothing, the node waits again", async () => {
	const { manager, task_type, worker, config } = await prepare();
	const graph = build(task_type, "interrupt").compile({ checkpointer: new MemorySaver() });
	const [first] = await interruptsAfter(graph, { services: ["a", "b", "c"] }, config);
	const [again] = await interruptsAfter(graph, new Command({ resume: { [first.id]: "go on!" } }), config);
	assert.deepEqual(again.value.task_ids, first.value.task_ids);
	worker.start();
	const { values, interrupts } = await drive(graph, null, config, { manager });
	worker.stop();
	assert.deepEqual([values.results, interrupts], [did(names), []]);
});

test("a node that submits twice, fails and is retried submits what it submitted before", async () => {
	const { manager, task_type, count, config } = await prepare();
	const tries = [];
	const submit = async (_, config) => {
		const batches = [
			await manager.submit_task_batch({ task_type }, { config }),
			await manager.submit_task_batch({ task_type }, { config }),
		];
		tries.push(batches.map(({ task_ids }) => task_ids["0"]));
		if (tries.length < 3) throw new Error("the network");
		return {};
	};
	const graph = new StateGraph(Annotation.Root(corderState()))
		.addNode("submit", submit, { retryPolicy: { initialInterval: 1, jitter: false, retryOn: () => true } })
		.addEdge(START, "submit")
		.compile({ checkpointer: new MemorySaver() });
	await graph.invoke({}, config);
	assert.deepEqual(tries, [tries[0], tries[0], tries[0]]);
	assert.notEqual(tries[0][0], tries[0][1]);
	assert.equal(await count(), 2);
});

test("a replay comes to the same tasks, at the first step and behind it", async () => {
	const { task_type, ran, worker, count, config } = await prepare();
	const graph = build(task_type, "block").compile({ checkpointer: openSaver(join(folder, "replay.db")) });
	worker.start();
	const first = await graph.invoke({ services: ["a", "b", "c"] }, config);
	for (const node of ["submit", "code", "submit"]) {
		const start = await before(graph, node, config);
		const again = await graph.invoke(null, { ...start.config, context: config.context });
		assert.deepEqual(again.results, first.results);
		assert.deepEqual({ ...again.completed_tasks }, { ...first.completed_tasks });
	}
	worker.stop();
	assert.equal(await count(), names.length);
	assert.equal(ran.length, names.length);
});

test("a replay that asks for something else makes new tasks from there on", async () => {
	const { task_type, count, config } = await prepare();
	let wanted = "first";
	const graph = new StateGraph(Annotation.Root(corderState()))
		.addNode(
			"one",
			submitNode(() => ({ task_type, execution_context: { wanted } })),
		)
		.addNode(
			"two",
			submitNode(() => ({ task_type })),
		)
		.addEdge(START, "one")
		.addEdge("one", "two")
		.compile({ checkpointer: new MemorySaver() });
	await graph.invoke({}, config);
	const start = await before(graph, "one", config);
	assert.equal(await count(), 2);
	wanted = "second";
	await graph.invoke(null, { ...start.config, context: config.context });
	assert.equal(await count(), 4);
});

test("a fork is another story with tasks of its own, and so is a copy", async () => {
	const { task_type, worker, count, config } = await prepare();
	const graph = build(task_type, "block").compile({ checkpointer: new MemorySaver() });
	worker.start();
	await graph.invoke({ services: ["a"] }, config);
	assert.equal(await count(), 3);
	const start = await before(graph, "submit", config);
	const fork = await graph.updateState(start.config, { services: ["a"] });
	await graph.invoke(null, { ...fork, context: config.context });
	assert.equal(await count(), 6);
	const copy = await graph.updateState(start.config, null, "__copy__");
	await graph.invoke(null, { ...copy, context: config.context });
	worker.stop();
	assert.equal(await count(), 9);
});

test("a step that would submit something else when it runs again keeps what it submitted first", async () => {
	const { manager, task_type, worker, count, config } = await prepare();
	let time = 0;
	const graph = new StateGraph(Annotation.Root(corderState()))
		.addNode(
			"code",
			submitAndWaitNode(() => ({ task_type, execution_context: { time: ++time } }), { how: "interrupt" }),
		)
		.addEdge(START, "code")
		.compile({ checkpointer: new MemorySaver() });
	await graph.invoke({}, config);
	worker.start();
	const { values } = await drive(graph, null, config, { manager });
	worker.stop();
	assert.equal(Object.keys(values.completed_tasks).length, 1);
	assert.ok(time > 1);
	assert.equal(await count(), 1);
});

test("durability exit is refused without a key, and submits once with one", async () => {
	const { task_type, count, config } = await prepare();
	const graph = (key) =>
		new StateGraph(Annotation.Root(corderState()))
			.addNode(
				"submit",
				submitNode(() => ({ task_type }), { key }),
			)
			.addEdge(START, "submit")
			.compile({ checkpointer: new MemorySaver() });
	await assert.rejects(graph().invoke({}, { ...config, durability: "exit" }), PositionError);
	for (let time = 0; time < 2; time++) await graph("order 7").invoke({}, { ...config, durability: "exit" });
	assert.equal(await count(), 1);
});

test("in a subgraph: its step runs again, and the graph around it knows its tasks", async () => {
	const { manager, task_type, worker, count, config } = await prepare();
	let tries = 0;
	const inner = new StateGraph(Annotation.Root(corderState()))
		.addNode(
			"submit",
			submitAndWaitNode(() => ({ task_type }), { how: "interrupt" }),
		)
		.addNode("count", () => (tries++, {}))
		.addEdge(START, "submit")
		.addEdge("submit", "count")
		.compile();
	const graph = new StateGraph(Annotation.Root(corderState()))
		.addNode("inner", inner)
		.addEdge(START, "inner")
		.compile({ checkpointer: new MemorySaver() });
	const waits = await interruptsAfter(graph, {}, config);
	assert.equal(waits.length, 1);
	worker.start();
	const { values } = await drive(graph, null, config, { manager });
	worker.stop();
	assert.equal(Object.keys(values.completed_tasks).length, 1);
	assert.deepEqual({ ...values.pending_tasks }, {});
	assert.deepEqual([await count(), tries], [1, 1]);
});

test("a failed task ends a wait too", async () => {
	const { client, manager, task_type, config } = await prepare();
	const graph = build(task_type, "interrupt").compile({ checkpointer: new MemorySaver() });
	const [wait] = await interruptsAfter(graph, { services: [] }, config);
	await client.cancel(wait.value.task_ids[0]);
	const { values } = await drive(graph, null, config, { manager });
	const statuses = Object.fromEntries(
		Object.values(values.failed_tasks).map(({ task_id, status }) => [task_id.split(":")[0], status]),
	);
	assert.deepEqual(statuses, { plan: "cancelled", check: "skipped" });
});

test("a retry of a whole subgraph submits once, when its submission has a key", async () => {
	const { task_type, count, config } = await prepare();
	let tries = 0;
	const fail = () => {
		if (++tries === 1) throw new Error("the network");
		return {};
	};
	const inner = new StateGraph(Annotation.Root(corderState()))
		.addNode(
			"submit",
			submitNode(() => ({ task_type }), { key: "only" }),
		)
		.addNode("fail", fail)
		.addEdge(START, "submit")
		.addEdge("submit", "fail")
		.compile();
	const retryPolicy = { initialInterval: 1, jitter: false, retryOn: () => true };
	const graph = new StateGraph(Annotation.Root(corderState()))
		.addNode("inner", inner, { retryPolicy })
		.addEdge(START, "inner")
		.compile({ checkpointer: new MemorySaver() });
	await graph.invoke({}, config);
	assert.deepEqual([tries, await count()], [2, 1]);
});
