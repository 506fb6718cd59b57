// What every test file begins with: the stack to talk to, and names that no other test uses.
import { after, before } from "node:test";
import { joinStack } from "./stack.mjs";

// Filled before the first test: { client, witness, addresses }; prepare is run then, too.
export function useStack(prepare = async () => {}) {
	const stack = {};
	const join = async () => prepare(Object.assign(stack, await joinStack()));
	before(join, { timeout: 120000 });
	after(() => stack.close?.());
	return stack;
}

let counter = 0;
const run = Math.random().toString(36).slice(2, 8);

// A project of its own, and its task type (what Client.submit uses when a task names none).
export function fresh(word = "p") {
	const project = `${word}-${run}${process.pid}-${counter++}`;
	return { project, type: `${project}_t` };
}

export const ids = (tasks) => tasks.map(({ task_id }) => task_id);
export const range = (count) => Array.from({ length: count }, (_, index) => index);
