// The state of a graph that gives work to Corder: six keys, and the channel behind the four collections.
import { Annotation, BaseChannel } from "@langchain/langgraph";
import { collections } from "./records.js";
import { emptyMemory, logReducer, mergeMemory, reduceCollection } from "./reducers.js";

const left = Symbol("what is elsewhere now");
const overwrite = "__overwrite__";

// A channel that holds the tasks of one collection, by id. Its updates: a list of records, or tasks by id.
export class TaskCollection extends BaseChannel {
	lc_graph_name = "CorderTaskCollection";

	constructor(collection) {
		super();
		if (!collections.includes(collection))
			throw new RangeError(`there is no collection ${collection}: ${collections.join(", ")}`);
		this.collection = collection;
		this.memory = emptyMemory();
	}

	fromCheckpoint(checkpoint) {
		const channel = new TaskCollection(this.collection);
		if (checkpoint?.tasks && checkpoint.left)
			channel.memory = { tasks: { ...checkpoint.tasks }, left: { ...checkpoint.left } };
		return channel;
	}

	checkpoint() {
		return this.memory;
	}

	// With what left as a hidden member: a graph around this one learns it from there.
	get() {
		return Object.defineProperty({ ...this.memory.tasks }, left, { value: this.memory.left });
	}

	isAvailable() {
		return true;
	}

	update(values) {
		for (const value of values) this.memory = this.#with(value);
		return values.length > 0;
	}

	#with(value) {
		if (value !== null && typeof value === "object" && overwrite in value) {
			this.memory = emptyMemory();
			return this.#with(value[overwrite]);
		}
		if (Array.isArray(value)) return reduceCollection(this.collection, this.memory, value);
		const other = { tasks: { ...value }, left: value?.[left] ?? {} };
		return mergeMemory(this.collection, this.memory, other);
	}

	equals(other) {
		return other instanceof TaskCollection && other.collection === this.collection;
	}
}

// The six keys as LangGraph wants them, to spread into a state of your own:
// Annotation.Root({ ...corderState(), plan: Annotation() })
export function corderState({ logLimit } = {}) {
	return {
		// Where the work is: { project, batch_id, prefix }. The live object is in the graph's context.
		task_queue_manager: Annotation({ reducer: (before, now) => ({ ...before, ...now }), default: () => ({}) }),
		pending_tasks: () => new TaskCollection("pending"),
		running_tasks: () => new TaskCollection("running"),
		completed_tasks: () => new TaskCollection("completed"),
		failed_tasks: () => new TaskCollection("failed"),
		task_execution_log: Annotation({ reducer: logReducer(logLimit), default: () => [] }),
	};
}

export const CodingAgentState = Annotation.Root(corderState());
