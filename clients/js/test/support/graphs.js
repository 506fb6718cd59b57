// What tests of graphs begin with.
import { Worker } from "corder";
import { TaskQueueManager } from "corder/langgraph";
import { freshClient, freshName } from "./setup.js";

// The tasks of the graph in crashing.js, and what its worker makes of them.
export const names = ["plan", "check", "a", "b", "c"];
export const did = (list) => list.map((name) => ({ did: name }));

// A project, a thread, a type of task, and a worker for it (started when asked for) that counts what it ran.
export async function prepare() {
	const client = await freshClient();
	const manager = new TaskQueueManager(client);
	const task_type = freshName("t");
	const ran = [];
	const worker = new Worker(client).task(task_type, ({ task_id }) => {
		const name = task_id.split(":")[0];
		ran.push(name);
		return { did: name };
	});
	const count = async () =>
		(await client.status()).completed_count +
		(await client.status()).pending_count +
		(await client.status()).blocked_count;
	const config = { configurable: { thread_id: freshName("thread") }, context: { task_queue_manager: manager } };
	return { client, manager, task_type, ran, worker, count, config };
}
