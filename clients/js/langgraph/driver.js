// Runs a graph whose nodes wait by interrupt: resumes each wait by its interrupt's id when its tasks have ended. May
// die and be run again at any moment; what it knows is in the checkpoints and in Corder.
import { Command } from "@langchain/langgraph";
import { NoAnswer, Unavailable } from "../src/errors.js";
import { backoffMs, pause } from "../src/pause.js";
import { openInterrupts } from "./position.js";
import { isWait } from "./waits.js";

// Nobody waits for an answer of this, so it outlasts any outage.
async function finishedOf(client, { project, task_ids, count }, signal) {
	for (let attempt = 0; ; attempt++) {
		try {
			return [...(await client.wait(task_ids, { project, count, signal })).keys()];
		} catch (error) {
			if (!(error instanceof NoAnswer || error instanceof Unavailable) || client.nats.isClosed()) throw error;
		}
		await pause(backoffMs(attempt), signal);
	}
}

// Those of the waits that are over, when at least one is: a resume value by interrupt id.
async function someOver(client, waits, signal) {
	const over = {};
	const rest = new AbortController();
	const both = signal ? AbortSignal.any([signal, rest.signal]) : rest.signal;
	const waiting = waits.map(async ({ id, value }) => {
		over[id] = { finished: await finishedOf(client, value, both) };
	});
	try {
		await Promise.race(waiting);
	} finally {
		rest.abort();
		await Promise.allSettled(waiting);
	}
	return over;
}

// Runs the graph with an input, or without one where its thread stands: in a new process, after a crash, again and
// again. Resolves when the graph has ended, or waits for somebody else only: { values, interrupts (those others), next
// }.
//
// config: as for invoke, with thread_id and the context that the nodes need. run(input): instead of graph.invoke(input,
// config).
export async function drive(graph, input, config, { manager, run = (what) => graph.invoke(what, config) }) {
	const { signal } = config;
	let next = input ?? null;
	let resumed = next === null;
	for (;;) {
		signal?.throwIfAborted();
		if (!resumed) await run(next);
		const state = await graph.getState(config);
		const interrupts = await openInterrupts(graph, state);
		const waits = interrupts.filter(({ value }) => isWait(value));
		if (waits.length > 0) {
			next = new Command({ resume: await someOver(manager.client, waits, signal) });
		} else if (resumed && state.next.length > 0 && interrupts.length === 0) {
			next = null; // it was interrupted by a crash: go on with the step
		} else {
			return { values: state.values, interrupts, next: state.next };
		}
		resumed = false;
	}
}
