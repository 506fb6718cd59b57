// A graph that is killed at a named point: CRASH says where. Run again on the same store and thread, it goes on.
// Prints the results when it has ended. node crashing.js <store> <thread> <block|interrupt>
import { Annotation, START, Send, StateGraph } from "@langchain/langgraph";
import { connect } from "corder";
import { TaskQueueManager, corderState, drive, submitAndWaitNode, submitNode, waitNode } from "corder/langgraph";
import { openSaver } from "./sqlite.js";

const die = (point) => process.env.CRASH === point && process.kill(process.pid, "SIGKILL");

const list = () => Annotation({ reducer: (a, b) => [...a, ...b], default: () => [] });
export const State = Annotation.Root({
	...corderState(),
	services: Annotation(),
	service: Annotation(),
	results: list(),
});
const collect = (ended) => ({ results: ended.map(({ result }) => result) });

// Two tasks in order, then one a service side by side: submitted here, waited for there, and both in one node.
export function build(task_type, how) {
	return new StateGraph(State)
		.addNode(
			"submit",
			submitNode(() => [
				{ task_id: "plan", task_type },
				{ task_id: "check", task_type, dependencies: ["plan"] },
			]),
		)
		.addNode("wait", waitNode({ how, collect }))
		.addNode(
			"code",
			submitAndWaitNode(({ service }) => ({ task_id: service, task_type, service_name: service }), { how, collect }),
		)
		.addEdge(START, "submit")
		.addEdge("submit", "wait")
		.addConditionalEdges("wait", ({ services }) => services.map((service) => new Send("code", { service })), ["code"]);
}

// Dies before or after the Nth submission that Corder answers, or while it waits.
function crashAround(client) {
	const { submit, wait } = client;
	let count = 0;
	client.submit = async (...all) => {
		const number = ++count;
		die(`before-submit-${number}`);
		const answer = await submit.apply(client, all);
		die(`after-submit-${number}`);
		return answer;
	};
	client.wait = (...all) => {
		if (process.env.CRASH === "while-waiting") setTimeout(die, 300, "while-waiting");
		return wait.apply(client, all);
	};
}

async function main(store, thread_id, how) {
	const client = await connect();
	crashAround(client);
	const manager = new TaskQueueManager(client);
	const checkpointer = openSaver(store);
	const graph = build(process.env.TASK_TYPE, how).compile({ checkpointer });
	const config = {
		configurable: { thread_id },
		context: { task_queue_manager: manager },
		durability: process.env.DURABILITY ?? "sync",
	};
	const begun = (await graph.getState(config)).next.length > 0;
	const { values } = await drive(graph, begun ? null : { services: ["a", "b", "c"] }, config, { manager });
	console.log(JSON.stringify(values.results));
	checkpointer.close();
	await client.close();
}

if (process.argv[1]?.endsWith("crashing.js")) await main(...process.argv.slice(2));
