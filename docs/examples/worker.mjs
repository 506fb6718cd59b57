// A worker in Node: npm install @nats-io/transport-node; NATS_URL=… node worker.mjs
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";

const nc = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222", maxReconnectAttempts: -1 });
let done = [];
for (;;) {
	const ask = { worker: "node-1", max: 1, wait_ms: 10000, done };
	let reply;
	try {
		reply = (await nc.request("corder.v1.work.hello", JSON.stringify(ask), { timeout: 20000 })).json();
		if (!reply.ok) throw new Error(reply.error.message);
	} catch (problem) {
		console.error("again:", problem.message); // no answer says nothing: the same settles go again
		await pause(1000);
		continue;
	}
	done = reply.tasks.map(({ project, task_id, lease, execution_context: { name = "world" } }) => {
		return { project, task_id, lease, outcome: "completed", result: { said: `hello ${name}` } };
	});
}
