// A tool for agents: a call becomes a task (or several), the result what the tasks returned.
import { ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { Command } from "@langchain/langgraph";
import { managerOf } from "./manager.js";
import { waited } from "./nodes.js";
import { updates } from "./reducers.js";
import { checkCount } from "./waits.js";

// What the model reads: by the name that each task has in its submission.
function answer(task_ids, ended) {
	const found = new Map(ended.map((record) => [record.task_id, record]));
	const told = Object.entries(task_ids).map(([name, task_id]) => {
		const { status = "unfinished", result, error } = found.get(task_id) ?? {};
		return [
			name,
			{ task_id, status, ...(result !== undefined ? { result } : {}), ...(error ? { error: error.message } : {}) },
		];
	});
	return JSON.stringify(told.length === 1 ? told[0][1] : Object.fromEntries(told));
}

// build(input, config) returns the task or tasks. how, count, timeoutMs: as for waitNode; wait: false answers at once
// with the ids. update: true also tells the graph's state (it has to have Corder's keys, and messages).
export function corderTool(
	build,
	{ name, description, schema, wait = true, how = "block", count = "all", timeoutMs, update = false },
) {
	checkCount(count);
	const call = async (input, config) => {
		const manager = managerOf(config);
		const tool_call_id = config.toolCall?.id ?? "";
		const batch = await manager.submit_task_batch(await build(input, config), { key: tool_call_id, config });
		const what = { task_ids: Object.values(batch.task_ids), batch_id: batch.batch_id };
		const seen = wait
			? await waited(manager, what, { count, how, timeoutMs }, { log: [], config })
			: { records: [], events: [], ended: [] };
		const content = answer(batch.task_ids, seen.ended);
		if (!update) return content;
		const changes = updates([...batch.records, ...seen.records], seen.events);
		const messages = [new ToolMessage({ content, tool_call_id, name })];
		return new Command({ update: { task_queue_manager: manager.reference(batch.batch_id), ...changes, messages } });
	};
	return tool(call, { name, description, schema });
}
