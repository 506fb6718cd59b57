// The client: every request of the contract as a method, and the things made of several: wait, events, submissions.
// What exists in the contract is spelled as it is there; what is ours (patienceMs, onEvent) is spelled as JavaScript
// does.
import { readFileSync } from "node:fs";
import { Connection, setConnection } from "./connection.js";
import { CorderError } from "./errors.js";
import { Events } from "./events.js";
import { checkToken } from "./names.js";
import { enqueue, submit } from "./submit.js";
import { result, wait } from "./wait.js";

const LIST_PAGE = 1000;

// Options of ours, taken out of what is sent.
function part({ signal, patienceMs, ...body }) {
	return [body, { signal, ...(patienceMs !== undefined ? { patienceMs } : {}) }];
}

// "id", ["id", …] or { batch_id }: as a command names its tasks.
function named(tasks) {
	if (typeof tasks === "string") return { task_id: tasks };
	if (Array.isArray(tasks)) return { task_ids: tasks };
	return { batch_id: tasks?.batch_id };
}

export class Client {
	#connection;

	constructor(connection, project) {
		this.#connection = connection;
		setConnection(this, connection);
		this.project = project;
	}

	// The NATS connection underneath, for whatever is not here.
	get nats() {
		return this.#connection.nats;
	}

	get prefix() {
		return this.#connection.prefix;
	}

	async close() {
		await this.#connection.close();
	}

	async [Symbol.asyncDispose]() {
		await this.close();
	}

	// A request as it stands in the contract, without prefix, e.g. request("task.get", {…}): the reply, or a refusal
	// thrown.
	request(subject, body, options) {
		return this.#connection.request(subject, body, options);
	}

	submit(tasks, options = {}) {
		return submit(this.#connection, tasks, options, this.project);
	}

	enqueue(tasks, options = {}) {
		return enqueue(this.#connection, tasks, options, this.project);
	}

	async get(task_id, options = {}) {
		const [more, ours] = part(options);
		return (await this.request("task.get", { project: this.project, ...clean(more), task_id }, ours)).task;
	}

	// All that match, newest first, page by page; `limit` ends it.
	async *list(options = {}) {
		const [{ limit = Infinity, ...filters }, ours] = part(options);
		let left = limit;
		for (let after = null; left > 0; ) {
			const body = {
				project: this.project,
				...clean(filters),
				limit: Math.min(left, LIST_PAGE),
				...(after ? { after } : {}),
			};
			if (body.project === "*") delete body.project;
			const { tasks, next } = await this.request("task.list", body, ours);
			yield* tasks;
			left -= tasks.length;
			if (!next) return;
			after = next;
		}
	}

	wait(tasks, options = {}) {
		return wait(this, tasks, options);
	}

	result(task_id, options = {}) {
		return result(this, task_id, options);
	}

	events(options = {}) {
		return new Events(this.#connection, options, this.project);
	}

	// What workers tell of their running tasks, as it comes; nothing keeps it.
	async *progress({ project = this.project, task_type = "*", task_ids, signal } = {}) {
		const token = (value, what) => (value === "*" ? value : checkToken(value, what));
		const relative = `progress.${token(project, "project")}.${token(task_type, "task_type")}`;
		const ids = task_ids && new Set(task_ids);
		const subscription = this.nats.subscribe(this.#connection.subject(relative));
		const stop = () => subscription.unsubscribe();
		signal?.addEventListener("abort", stop, { once: true });
		try {
			signal?.throwIfAborted();
			for await (const message of subscription) {
				const told = message.json();
				if (!ids || ids.has(told.task_id)) yield told;
			}
			signal?.throwIfAborted();
		} finally {
			stop();
			signal?.removeEventListener("abort", stop);
		}
	}

	async status(options = {}) {
		return this.#ask("status", options);
	}

	async timeline(options = {}) {
		return this.#ask("timeline", options);
	}

	async executable(options = {}) {
		return (await this.#ask("executable", options)).tasks;
	}

	async explain(task_id, options = {}) {
		return this.#ask("explain", { ...options, task_id });
	}

	cancel(tasks, options) {
		return this.#command("task.cancel", tasks, options);
	}

	retry(tasks, options) {
		return this.#command("task.retry", tasks, options);
	}

	approve(tasks, options) {
		return this.#command("task.approve", tasks, options);
	}

	reject(tasks, options) {
		return this.#command("task.reject", tasks, options);
	}

	update(tasks, options) {
		return this.#command("task.update", tasks, options);
	}

	async pause(options = {}) {
		const [body, ours] = part(options);
		await this.request("queue.pause", clean(body), ours);
	}

	async resume(options = {}) {
		const [body, ours] = part(options);
		await this.request("queue.resume", clean(body), ours);
	}

	// Running services, as they answer the NATS services protocol.
	async services({ waitMs = 500 } = {}) {
		const found = [];
		const options = { strategy: "stall", maxWait: waitMs, stall: waitMs / 2 };
		for await (const message of await this.nats.requestMany("$SRV.PING", "", options)) {
			const one = message.data.length > 0 ? message.json() : {};
			if (one.name?.startsWith("corder-")) found.push(one);
		}
		return found;
	}

	// Without ok; project "*" is all of them.
	async #ask(subject, options) {
		const [body, ours] = part(options);
		const full = { project: this.project, ...clean(body) };
		if (full.project === "*") delete full.project;
		const { ok, ...reply } = await this.request(subject, full, ours);
		return reply;
	}

	async #command(subject, tasks, options = {}) {
		const [body, ours] = part(options);
		return (await this.request(subject, { project: this.project, ...clean(body), ...named(tasks) }, ours)).tasks;
	}
}

// Without members that are undefined, so that they do not hide a default.
function clean(body) {
	return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

// From the environment, or from the file that <name>_FILE names.
function setting(name) {
	const { [name]: value, [`${name}_FILE`]: path } = process.env;
	if (value || !path) return value || undefined;
	try {
		return readFileSync(path, "utf8").trim() || undefined;
	} catch (error) {
		throw new CorderError(`${name}_FILE: cannot read ${path}: ${error.message}`, { cause: error });
	}
}

// servers: NATS_URL, or the local one. project: CORDER_PROJECT, used where a call names none. prefix: CORDER_PREFIX.
// Each may stand in a file, as NATS_URL_FILE and so on.
export async function connect(options = {}) {
	const { servers = setting("NATS_URL") ?? "nats://127.0.0.1:4222", project = setting("CORDER_PROJECT") } = options;
	const { prefix = setting("CORDER_PREFIX") ?? "corder", patienceMs = 30000, signal, nats } = options;
	return new Client(await Connection.open({ servers, prefix, patienceMs, signal, nats }), project);
}
