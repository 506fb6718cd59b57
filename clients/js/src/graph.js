// A graph by names: each task has a name in the graph, edges name tasks, ids are the names behind a prefix.
import { newId } from "./names.js";

// A name, a node, or { task, when }: the edge as the contract writes it.
function edge(graph, dependency) {
	if (typeof dependency === "string") return graph.get(dependency).task_id;
	if (dependency instanceof Node) return dependency.task_id;
	const { task, when, ...rest } = dependency;
	const node = task instanceof Node ? task : graph.get(task);
	return { task_id: node.task_id, ...(when ? { when } : {}), ...rest };
}

// A task of a graph.
class Node {
	constructor(graph, name, task) {
		Object.assign(this, { graph, name, task, edges: [] });
	}

	get task_id() {
		return this.task.task_id;
	}

	// This one runs after those.
	after(...dependencies) {
		this.edges.push(...dependencies.flat());
		return this;
	}

	// The other tasks run after this one; returns the last of them, so that chains read in order.
	before(...dependents) {
		const list = dependents.flat();
		for (const dependent of list) (dependent instanceof Node ? dependent : this.graph.get(dependent)).after(this);
		return list.at(-1);
	}

	toJSON() {
		const { dependencies = [], ...task } = this.task;
		const all = [...dependencies, ...this.edges.map((one) => edge(this.graph, one))];
		return all.length > 0 ? { ...task, dependencies: all } : task;
	}
}

// An edge that holds when the task has failed; or ended, however it did.
export const failed = (task) => ({ task, when: "failed" });
export const finished = (task) => ({ task, when: "finished" });

export class Graph {
	#nodes = new Map();

	// prefix stands before each name, for ids that are unique in the project; e.g. "release-7.".
	constructor({ project, batch_id = newId(), prefix = "" } = {}) {
		Object.assign(this, { project, batch_id, prefix });
	}

	// after: names or nodes; names may be added later. All other fields are the task's.
	add(name, task_type, { after = [], ...fields } = {}) {
		if (this.#nodes.has(name)) throw new RangeError(`the graph has a task ${name} already`);
		const node = new Node(this, name, { task_id: `${this.prefix}${name}`, task_type, ...fields });
		this.#nodes.set(name, node.after(...[after].flat()));
		return node;
	}

	get(name) {
		const node = this.#nodes.get(name);
		if (!node) throw new RangeError(`the graph has no task ${name}; ids of other tasks go into "dependencies"`);
		return node;
	}

	get size() {
		return this.#nodes.size;
	}

	// As submit() sends them, in the order in which they were added.
	get tasks() {
		return [...this.#nodes.values()].map((node) => node.toJSON());
	}

	[Symbol.iterator]() {
		return this.#nodes.values();
	}
}
