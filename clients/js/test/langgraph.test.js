// The nodes, the manager, the tool for agents, and graphs as workers; with the real LangGraph and no model but a fixed
// one.
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import {
	Annotation,
	END,
	MemorySaver,
	MessagesAnnotation,
	START,
	Send,
	StateGraph,
	interrupt,
} from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { StaleLease, WaitTimeout, Worker } from "corder";
import {
	MissingManager,
	TaskQueueManager,
	corderState,
	corderTool,
	drive,
	graphHandler,
	submitAndWaitNode,
	submitNode,
	waitNode,
	Position,
	batchOf,
} from "corder/langgraph";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { z } from "zod";
import { deferred, freshClient, freshName } from "./support/setup.js";
import { openSaver } from "./support/sqlite.js";
import { until } from "./support/until.js";

const folder = mkdtempSync(join(tmpdir(), "corder-langgraph-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function prepare(handler = ({ context }) => ({ did: context.what })) {
	const client = await freshClient();
	const manager = new TaskQueueManager(client);
	const task_type = freshName("t");
	const worker = new Worker(client).task(task_type, handler).start();
	const config = { configurable: { thread_id: freshName("thread") }, context: { task_queue_manager: manager } };
	return { client, manager, task_type, worker, config };
}

const State = () =>
	Annotation.Root({
		...corderState(),
		names: Annotation(),
		what: Annotation(),
		results: Annotation({ reducer: (a, b) => [...a, ...b], default: () => [] }),
	});
const collect = (ended) => ({ results: ended.map(({ result }) => result) });
const alone = (node) =>
	new StateGraph(State())
		.addNode("node", node)
		.addEdge(START, "node")
		.addEdge("node", END)
		.compile({ checkpointer: new MemorySaver() });

test("the six keys after a fan-out by Send: every task in one collection, every event in the log, and all of it plain data", async () => {
	const { task_type, config, manager } = await prepare();
	const node = submitAndWaitNode(({ what }) => ({ task_type, execution_context: { what } }), { collect });
	const graph = new StateGraph(State())
		.addNode("code", node)
		.addConditionalEdges(START, ({ names }) => names.map((what) => new Send("code", { what })))
		.addEdge("code", END)
		.compile({ checkpointer: openSaver(join(folder, "fan.db")) });
	await graph.invoke({ names: ["a", "b", "c"] }, config);
	const { values } = await graph.getState(config);
	assert.deepEqual(values.results, [{ did: "a" }, { did: "b" }, { did: "c" }]);
	const { task_queue_manager, pending_tasks, running_tasks, completed_tasks, failed_tasks, task_execution_log } =
		values;
	assert.deepEqual(
		[pending_tasks, running_tasks, failed_tasks].map((tasks) => Object.keys(tasks).length),
		[0, 0, 0],
	);
	assert.equal(Object.keys(completed_tasks).length, 3);
	assert.deepEqual(task_queue_manager, {
		project: manager.project,
		prefix: "corder",
		batch_id: Object.values(completed_tasks)[0].batch_id,
	});
	assert.deepEqual(
		task_execution_log.map(({ seq }) => seq),
		task_execution_log.map(({ seq }) => seq).sort((a, b) => a - b),
	);
	for (const task_id of Object.keys(completed_tasks)) {
		const statuses = task_execution_log.filter((event) => event.task_id === task_id).map(({ status }) => status);
		assert.deepEqual(statuses, ["pending", "running", "completed"]);
	}
	assert.deepEqual(JSON.parse(JSON.stringify(values)), {
		...values,
		completed_tasks: { ...completed_tasks },
		pending_tasks: {},
		running_tasks: {},
		failed_tasks: {},
	});
});

test("a wait for any, and for some, goes on while others work", async () => {
	const go = deferred();
	const { task_type, config } = await prepare(({ context }) => (context.what === "slow" ? go.promise : context.what));
	const tasks = ({ names }) => names.map((what) => ({ task_id: what, task_type, execution_context: { what } }));
	const any = await alone(submitAndWaitNode(tasks, { count: "any", collect })).invoke(
		{ names: ["slow", "quick"] },
		config,
	);
	assert.deepEqual(any.results, ["quick"]);
	assert.equal(Object.keys({ ...any.pending_tasks, ...any.running_tasks }).length, 1);
	const other = { ...config, configurable: { thread_id: freshName("thread") } };
	const two = await alone(submitAndWaitNode(tasks, { count: 2, collect, how: "block" })).invoke(
		{ names: ["one", "slow", "two"] },
		other,
	);
	assert.deepEqual([...two.results].sort(), ["one", "two"]);
	go.resolve();
});

test("a wait that blocks tells events and progress on the custom stream, and ends at its time-out", async () => {
	const told = [];
	const { task_type, config } = await prepare(async (job) => {
		// Again and again: what is told before the node listens is lost.
		await until("progress was heard", () => told.includes(50) || void job.progress({ percent: 50 }));
	});
	const graph = alone(submitAndWaitNode(() => ({ task_type })));
	for await (const chunk of await graph.stream({}, { ...config, streamMode: "custom" }))
		told.push(chunk.type === "corder.progress" ? chunk.percent : chunk.status);
	assert.ok(told.includes(50) && told.at(-1) === "completed", `${told}`);
	const late = { ...config, configurable: { thread_id: freshName("thread") } };
	const never = alone(submitAndWaitNode(() => ({ task_type, hold: true }), { timeoutMs: 200 }));
	await assert.rejects(never.invoke({}, late), WaitTimeout);
});

test("an aborted run stops waiting", async () => {
	const { task_type, config } = await prepare();
	const controller = new AbortController();
	const graph = alone(submitAndWaitNode(() => ({ task_type, hold: true })));
	const running = graph.invoke({}, { ...config, signal: controller.signal });
	setTimeout(() => controller.abort(), 100);
	await assert.rejects(running, /abort/i);
});

test("a question to a human stays with the human, while waits are driven", async () => {
	const { client, config, manager } = await prepare();
	const task_type = freshName("t");
	const worker = new Worker(client).task(task_type, ({ context }) => ({ did: context.what }));
	const graph = new StateGraph(State())
		.addNode(
			"code",
			submitAndWaitNode(() => ({ task_type, execution_context: { what: "code" } }), { how: "interrupt", collect }),
		)
		.addNode("ask", () => ({ results: [interrupt("ship it?")] }))
		.addEdge(START, "code")
		.addEdge(START, "ask")
		.compile({ checkpointer: new MemorySaver() });
	// The work begins when both nodes have interrupted: one of them ends then, and LangGraph still lists its interrupt.
	const run = async (what) => {
		await graph.invoke(what, config);
		worker.start();
	};
	const { interrupts, values } = await drive(graph, {}, config, { manager, run });
	assert.deepEqual(
		interrupts.map(({ value }) => value),
		["ship it?"],
	);
	assert.deepEqual(values.results, [{ did: "code" }]);
});

test("the manager has the methods of the first design, by both spellings", async () => {
	const { client, manager } = await prepare();
	const task_type = freshName("own");
	const { task_ids, batch_id } = await manager.submitTaskBatch([
		{ task_id: "low", task_type, priority: 1 },
		{ task_id: "high", task_type, priority: 9 },
		{ task_id: "later", task_type, dependencies: ["high"] },
	]);
	assert.deepEqual(task_ids, { low: "low", high: "high", later: "later" });
	assert.deepEqual(
		(await manager.get_executable_tasks({ task_type })).map(({ task_id }) => task_id),
		["high", "low"],
	);
	const [leased] = await manager.get_next_executable_batch(1, task_type);
	assert.equal(leased.task_id, "high");
	assert.equal(await leased.renew({ progress: { percent: 1 } }), false);
	assert.equal(await leased.complete({ fine: true }), "completed");
	await assert.rejects(leased.renew(), StaleLease);
	const rest = await manager.getNextExecutableBatch(5, task_type, { wait_ms: 2000 });
	assert.deepEqual(rest.map(({ task_id }) => task_id).sort(), ["later", "low"]);
	assert.equal(await rest[0].fail("no", { retryable: false }), "failed");
	assert.equal(await rest[1].release(), "pending");
	const { completed_count, failed_count, pending_count } = await manager.get_queue_status();
	assert.deepEqual([completed_count, failed_count, pending_count], [1, 1, 1]);
	const timeline = await until("the timeline is whole", async () => {
		const tasks = await manager.get_task_timeline({ batch_id });
		return tasks.length === 3 && tasks;
	});
	assert.deepEqual(
		timeline.map(({ task_id }) => task_id),
		["low", "high", "later"],
	);
	assert.equal(manager.project, client.project);
});

test("ids are made as the Python package makes them", () => {
	const where = { thread_id: "thread-ä", level: "", checkpoint_id: "c1", node: "code", path: "push:3" };
	assert.equal(new Position(where).base("key"), "lg-25cb319ddc9dd885d4ed");
	assert.equal(batchOf("thread-ä"), "lg-7a15ce45f41ea2184fb9");
});

test("a node without a manager says how it gets one", async () => {
	const graph = alone(submitNode(() => ({ task_type: "x" })));
	await assert.rejects(graph.invoke({}, { configurable: { thread_id: "t" } }), MissingManager);
	assert.throws(() => waitNode({ how: "interrupt", timeoutMs: 1 }), RangeError);
	assert.throws(() => waitNode({ count: 0 }), RangeError);
	assert.throws(() => waitNode({ how: "sleep" }), RangeError);
});

// A model that calls the tool for each name, then says what the answers were.
const fixedModel = ({ messages }) => {
	const answers = messages.filter((message) => message.getType() === "tool");
	if (answers.length > 0)
		return { messages: [new AIMessage(`made ${answers.map(({ content }) => JSON.parse(content).result?.did)}`)] };
	const tool_calls = messages[0].content
		.split(" ")
		.map((what) => ({ name: "code", args: { what }, id: `call_${what}` }));
	return { messages: [new AIMessage({ content: "", tool_calls })] };
};

test("an agent's tool calls are tasks: the same calls are the same tasks", async () => {
	const { client, task_type, config } = await prepare();
	const description = "Writes a file";
	const tool = corderTool(({ what }) => ({ task_type, execution_context: { what } }), {
		name: "code",
		description,
		schema: z.object({ what: z.string() }),
		update: true,
	});
	const graph = new StateGraph(Annotation.Root({ ...MessagesAnnotation.spec, ...corderState() }))
		.addNode("model", fixedModel)
		.addNode("tools", new ToolNode([tool]))
		.addEdge(START, "model")
		.addConditionalEdges("model", ({ messages }) => (messages.at(-1).tool_calls?.length ? "tools" : END))
		.addEdge("tools", "model")
		.compile({ checkpointer: new MemorySaver() });
	const values = await graph.invoke({ messages: [new HumanMessage("login logout")] }, config);
	assert.equal(values.messages.at(-1).content, "made login,logout");
	assert.equal(Object.keys(values.completed_tasks).length, 2);
	for await (const state of graph.getStateHistory(config)) {
		if (state.next.includes("tools")) await graph.invoke(null, { ...state.config, context: config.context });
	}
	assert.equal((await client.status()).completed_count, 2);
});

test("a graph is a worker: context in, values out, nodes as progress, a second try goes on where the first was", async () => {
	const { client, manager } = await prepare();
	const visits = { read: 0, write: 0 };
	const Work = Annotation.Root({ file: Annotation(), text: Annotation() });
	const graph = new StateGraph(Work)
		.addNode("read", ({ file }) => (visits.read++, { text: `content of ${file}` }))
		.addNode("write", ({ text }) => {
			if (++visits.write === 1) throw new Error("the disk is full");
			return { text: text.toUpperCase() };
		})
		.addEdge(START, "read")
		.addEdge("read", "write")
		.compile({ checkpointer: openSaver(join(folder, "worker.db")) });
	const task_type = freshName("agent");
	const progress = [];
	const worker = new Worker(client)
		.task(task_type, graphHandler(graph, { output: ({ text }) => ({ text }), manager }))
		.start();
	worker.on("started", (job) => {
		const { progress: tell } = job;
		job.progress = (told) => (progress.push(told), tell.call(job, told));
	});
	await client.submit({
		task_type,
		task_id: "a",
		execution_context: { file: "f" },
		retry_backoff: { initial_ms: 1, factor: 1, max_ms: 1 },
	});
	assert.deepEqual(await client.result("a", { timeoutMs: 120000 }), { text: "CONTENT OF F" });
	assert.deepEqual(visits, { read: 1, write: 2 });
	assert.deepEqual(progress, [{ node: "read" }, { node: "write" }]);
	worker.stop();
});

test("whatever a node writes to the custom stream, its task does not fail for it", async () => {
	const { client } = await prepare();
	const circle = {};
	circle.circle = circle;
	const written = [
		"x".repeat(20000),
		{ text: "x".repeat(20000) },
		{ text: "\0" },
		{ big: 1n },
		circle,
		Symbol("s"),
		"end",
	];
	const graph = new StateGraph(Annotation.Root({ text: Annotation() }))
		.addNode("node", (_, { writer }) => (written.forEach((one) => writer(one)), { text: "done" }))
		.addEdge(START, "node")
		.compile({ checkpointer: new MemorySaver() });
	const task_type = freshName("agent");
	const told = [];
	const worker = new Worker(client).task(task_type, graphHandler(graph)).start();
	worker.on("started", (job) => {
		const { progress: tell } = job;
		job.progress = (progress) => (tell.call(job, progress), told.push(progress));
	});
	await client.submit({ task_type, task_id: "a", max_retries: 0 });
	assert.deepEqual(await client.result("a", { timeoutMs: 120000 }), { text: "done" });
	assert.deepEqual(told, [
		{ message: "x".repeat(4000) },
		{ message: `{"text":"${"x".repeat(4000 - 9)}` },
		{ message: '{"text":"\\u0000"}' },
		{ message: "Symbol(s)" },
		{ message: "end" },
		{ node: "node" },
	]);
	worker.stop();
});

test("a cancelled task aborts the graph that works on it; one that asks a human fails for good", async () => {
	const { client } = await prepare();
	const started = deferred();
	let aborted = false;
	const State = Annotation.Root({ ask: Annotation() });
	const graph = new StateGraph(State)
		.addNode("node", async ({ ask }, { signal }) => {
			if (ask) return { ask: interrupt(ask) };
			started.resolve();
			await new Promise((_, reject) =>
				signal.addEventListener("abort", () => ((aborted = true), reject(signal.reason))),
			);
		})
		.addEdge(START, "node")
		.compile({ checkpointer: new MemorySaver() });
	const task_type = freshName("agent");
	const worker = new Worker(client, { lease_ms: 4000 }).task(task_type, graphHandler(graph)).start();
	await client.submit({ task_type, task_id: "long" });
	await started.promise;
	await client.cancel("long");
	assert.equal((await client.wait("long", { timeoutMs: 120000 })).get("long").status, "cancelled");
	assert.ok(aborted);
	await client.submit({ task_type, task_id: "asks", execution_context: { ask: "may I?" } });
	const { status, attempt, error } = (await client.wait("asks", { timeoutMs: 120000 })).get("asks");
	assert.deepEqual([status, attempt], ["failed", 1]);
	assert.match(error.message, /may I\?/);
	worker.stop();
});
