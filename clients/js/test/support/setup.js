// What a test file begins with: a client with a project of its own, closed at its end.
import { after } from "node:test";
import { connect } from "corder";

const run = Math.random().toString(36).slice(2, 8);
let counter = 0;

export const freshName = (word) => `${word}-${run}${process.pid}-${counter++}`;

const opened = [];
after(() => Promise.all(opened.map((client) => client.close())));

export async function freshClient(options = {}) {
	const client = await connect({ project: freshName("js"), ...options });
	opened.push(client);
	return client;
}

export function deferred() {
	const one = {};
	one.promise = new Promise((resolve, reject) => Object.assign(one, { resolve, reject }));
	return one;
}

export async function take(iterable, count) {
	const found = [];
	for await (const one of iterable) {
		found.push(one);
		if (found.length === count) break;
	}
	return found;
}
