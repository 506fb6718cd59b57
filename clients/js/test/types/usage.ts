// Not run: compiled under strict, so that the declarations fit what programs write. Lines marked so have to be errors.
import {
	connect,
	Graph,
	Refused,
	TaskFailed,
	Worker,
	WaitTimeout,
	failed,
	type Event,
	type Outcome,
	type Task,
} from "corder";
import {
	CodingAgentState,
	TaskQueueManager,
	corderState,
	corderTool,
	drive,
	graphHandler,
	submitAndWaitNode,
	submitNode,
	waitNode,
} from "corder/langgraph";
import { Annotation, END, MemorySaver, Send, START, StateGraph } from "@langchain/langgraph";
import { z } from "zod";

export async function client(signal: AbortSignal): Promise<void> {
	await using corder = await connect({
		servers: ["nats://a:4222", "nats://b:4222"],
		project: "shop",
		patienceMs: 1000,
		signal,
	});
	const task: Task = {
		task_type: "coding",
		priority: 7,
		not_before: new Date(),
		dependencies: ["a", { task_id: "b", when: "failed" }],
	};
	const { batch_id, tasks } = await corder.submit([task], { ack: "archived", signal });
	const statuses: string[] = tasks?.map(({ status }) => status) ?? [];
	const graph = new Graph({ prefix: "r1." });
	const plan = graph.add("plan", "planning", { execution_context: { text: "x" } });
	plan.before("code").after(failed("other"));
	const finished: Map<string, Outcome> = await corder.wait(await corder.submit(graph), {
		count: "any",
		timeoutMs: 5,
		onEvent: ({ status }: Event) => statuses.push(status),
	});
	for (const { result, status } of finished.values()) console.log(status, result);
	for await (const { task_id, position } of corder.events({ since: "all", status: ["failed", "rejected"], signal }))
		console.log(task_id, position);
	for await (const one of corder.list({ batch_id, status: "failed" })) console.log(one.error?.message);
	const [changed] = await corder.cancel("a", { reason: "no longer needed" });
	if (changed && !changed.ok) console.log(changed.error.code);
	const health: "ok" | "degraded" | "critical" = (await corder.status()).queue_health.status;
	console.log(
		health,
		(await corder.explain("a")).reasons[0]?.message,
		(await corder.timeline()).tasks.length,
		await corder.executable({ limit: 3 }),
	);
	// @ts-expect-error a task has a type
	await corder.submit({ priority: 3 });
	// @ts-expect-error there is no such status
	corder.list({ status: "done" });
	// @ts-expect-error a priority has to be given
	await corder.update("a", {});
}

export async function worker(signal: AbortSignal): Promise<void> {
	const corder = await connect();
	const worker = new Worker(corder, { concurrency: 2, lease_ms: 10000 });
	worker.task<{ file: string }>("coding", async (job) => {
		job.progress({ percent: 10 });
		await fetch("http://example.test", { signal: job.signal });
		if (job.attempt > 2) throw new TaskFailed("no", { retryable: false });
		return { file: job.context.file.toUpperCase(), before: job.inputs };
	});
	worker.on("ended", (job, how, status) => console.log(job.task_id, how, status));
	await worker.run({ signal });
	try {
		await corder.result("a");
	} catch (error) {
		if (error instanceof Refused) console.log(error.code === "not_found", error.path);
		if (error instanceof WaitTimeout) console.log(error.unfinished.length);
	}
}

export async function langgraph(): Promise<void> {
	const manager = new TaskQueueManager(await connect(), { batch_id: "b" });
	const State = Annotation.Root({ ...corderState({ logLimit: 10 }), files: Annotation<string[]> });
	const graph = new StateGraph(State)
		.addNode(
			"plan",
			submitNode((state: typeof State.State) =>
				state.files.map((file) => ({ task_type: "coding", execution_context: { file } })),
			),
		)
		.addNode(
			"wait",
			waitNode({
				how: "interrupt",
				count: 2,
				collect: (ended) => ({ files: ended.map(({ task_id }) => task_id) }),
			}),
		)
		.addNode(
			"one",
			submitAndWaitNode(() => ({ task_type: "review" })),
		)
		.addConditionalEdges(START, (state) => state.files.map((file) => new Send("one", { file })))
		.addEdge("plan", "wait")
		.addEdge("wait", END)
		.compile({ checkpointer: new MemorySaver() });
	const { values, interrupts } = await drive(
		graph,
		{ files: [] },
		{ configurable: { thread_id: "t" }, context: { task_queue_manager: manager } },
		{ manager },
	);
	const pending: number = Object.keys((values as typeof State.State).pending_tasks).length;
	const log = (values as typeof CodingAgentState.State).task_execution_log.map(({ status }) => status);
	const tool = corderTool(({ file }) => ({ task_type: "coding", execution_context: { file } }), {
		name: "code",
		description: "Writes a file",
		schema: z.object({ file: z.string() }),
	});
	new Worker(manager.client).task("agent", graphHandler(graph, { input: ({ context }) => context }));
	console.log(
		pending,
		log,
		interrupts[0]?.id,
		tool.name,
		(await manager.getQueueStatus()).running_count,
		await manager.get_task_timeline(),
	);
}
