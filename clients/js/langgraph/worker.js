// The other side: a LangGraph graph as the handler of a task type. The context is its input, its values make the
// result; each task is a thread, so that a second try goes on where the first one was.
import { cleaned } from "../src/content.js";
import { TaskFailed } from "../src/errors.js";
import { drive } from "./driver.js";

const MESSAGE_CHARS = 4000;

const asMessage = (text) => ({ message: cleaned(text, MESSAGE_CHARS) });

function asProgress([mode, chunk]) {
	if (mode === "custom")
		return chunk !== null && typeof chunk === "object" && !Array.isArray(chunk) ? chunk : asMessage(String(chunk));
	const nodes = Object.keys(chunk).filter((name) => !name.startsWith("__"));
	return nodes.length > 0 ? { node: nodes.at(-1) } : undefined;
}

// Progress is only for looking at and fails no task: what is too large is told as the beginning of its text, what has
// none is left out.
function tell(job, [mode, chunk]) {
	for (const make of [() => asProgress([mode, chunk]), () => asMessage(JSON.stringify(chunk))]) {
		try {
			const progress = make();
			if (progress) job.progress(progress);
			return;
		} catch {}
	}
}

// For worker.task(type, graphHandler(graph)).
//
// input(job), output(values, job): by default the context and the values. thread(job): the thread's id. config,
// context: given to every run. manager: needed when the graph's own nodes wait by interrupt.
export function graphHandler(graph, options = {}) {
	const {
		input = (job) => job.context,
		output = (values) => values,
		thread = threadOf,
		config = {},
		context,
		manager,
	} = options;
	return async (job) => {
		const configurable = { ...config.configurable, thread_id: thread(job) };
		const whole = { ...config, configurable, signal: job.signal, context: context ?? manager };
		const run = async (what) => {
			for await (const chunk of await graph.stream(what, { ...whole, streamMode: ["updates", "custom"] }))
				tell(job, chunk);
			job.signal.throwIfAborted();
		};
		if (!graph.checkpointer) return output(await graph.invoke(await input(job), whole), job);
		const known = await graph.getState(whole);
		const begun = known.config.configurable?.checkpoint_id !== undefined;
		const { values, interrupts } = await drive(graph, begun ? null : await input(job), whole, { manager, run });
		if (interrupts.length === 0) return output(values, job);
		const text = JSON.stringify(interrupts[0].value);
		throw new TaskFailed(`the graph waits for an answer that a worker has not: ${text}`, { retryable: false });
	};
}

const threadOf = ({ project, task_id }) => `corder:${project}:${task_id}`;
