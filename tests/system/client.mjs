// A client of Corder that knows nothing but the contract: plain NATS requests with a library that is not ours. Every
// request it sends on purpose is valid, every message it gets is held to the schemas, closed to undescribed members.
import assert from "node:assert/strict";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers as newHeaders } from "@nats-io/transport-node";
import Ajv2020 from "ajv/dist/2020.js";
import { compileSchemas, explainErrors } from "../contract/schemas.mjs";

const requests = compileSchemas(Ajv2020.default);
const replies = compileSchemas(Ajv2020.default, { closed: true });
const prefix = "corder.v1.";
const encoder = new TextEncoder();

const replySchemas = {
	"task.cancel": "task-command-reply",
	"task.retry": "task-command-reply",
	"task.approve": "task-command-reply",
	"task.reject": "task-command-reply",
	"task.update": "task-command-reply",
	"queue.pause": "queue-reply",
	"queue.resume": "queue-reply",
};

// "work.coding" -> "work", "task.get" -> "task-get".
export function schemaOfSubject(subject) {
	const [first, second] = subject.split(".");
	return first === "task" || first === "queue" ? `${first}-${second}` : first;
}

export function check(schema, message, where) {
	const validate = replies.get(schema) ?? requests.get(schema);
	assert.ok(validate, `no schema ${schema}`);
	if (!validate(message)) {
		const found = explainErrors(validate.errors);
		assert.fail(`${where}: not a ${schema}: ${found}\n${JSON.stringify(message).slice(0, 2000)}`);
	}
	return message;
}

function replySchema(subject, request) {
	if (subject === "submit" && request?.part !== undefined && request.seal === undefined) return "submit-part-reply";
	return replySchemas[subject] ?? `${schemaOfSubject(subject)}-reply`;
}

export class Refused extends Error {
	constructor(subject, { code, message, path, tasks }) {
		super(`${subject}: ${code} ${path ?? ""} ${message}`);
		Object.assign(this, { code, path, tasks });
	}
}

export class Client {
	static async open({ nats, natsOptions = {} }, options = {}) {
		const client = new Client();
		const again = { maxReconnectAttempts: -1, reconnectTimeWait: 50 };
		client.connection = await connect({ servers: nats, ...again, ...natsOptions, ...options });
		return client;
	}

	// What all instances of a service answer by the NATS services protocol: PING, INFO or STATS.
	async services(verb, name) {
		const found = [];
		const messages = await this.connection.requestMany(`$SRV.${verb}.${name}`, "", { strategy: "stall", maxWait: 2000, stall: 200 });
		for await (const message of messages) if (message.data.length > 0) found.push(message.json());
		return found;
	}

	async close() {
		await this.connection?.close();
	}

	// Raw bytes in, the reply as it came out: { body, headers }.
	async askBytes(subject, bytes, { timeout = 10000, traceparent } = {}) {
		const headers = newHeaders();
		if (traceparent) headers.set("traceparent", traceparent);
		const reply = await this.connection.request(prefix + subject, bytes, { timeout, headers });
		const body = reply.json();
		const failed = body.ok === false;
		const code = reply.headers?.get("Nats-Service-Error-Code") ?? "";
		assert.equal(code, failed ? body.error.code : "", "code in the header");
		assert.equal(Boolean(reply.headers?.get("Nats-Service-Error")), failed, "message in the header");
		return body;
	}

	// Whatever the reply is, held to its schema. For requests that are wrong on purpose, too.
	async ask(subject, request, options = {}) {
		const body = await this.askBytes(subject, encoder.encode(JSON.stringify(request)), options);
		return check(body.ok ? replySchema(subject, request) : "error-reply", body, subject);
	}

	// A valid request that has to be answered ok; a patient client takes "unavailable" for "again".
	ok(subject, request, options = {}) {
		return this.patient ? this.stubborn(subject, request, options) : this.okAtOnce(subject, request, options);
	}

	async okAtOnce(subject, request, options) {
		check(schemaOfSubject(subject), request, `request to ${subject}`);
		const reply = await this.ask(subject, request, options);
		if (!reply.ok) throw new Refused(subject, reply.error);
		return reply;
	}

	// One that has to be refused: returns the error.
	async refused(subject, request, options = {}) {
		const reply = await this.ask(subject, request, options);
		assert.equal(reply.ok, false, `${subject} should have been refused: ${JSON.stringify(reply).slice(0, 500)}`);
		return reply.error;
	}

	// "unavailable" and no answer say nothing about the outcome: repeat with the same ids, as the contract asks.
	async stubborn(subject, request, { seconds = 60, timeout = 5000 } = {}) {
		const deadline = Date.now() + seconds * 1000;
		for (;;) {
			try {
				return await this.okAtOnce(subject, request, { timeout });
			} catch (error) {
				const unknown = error instanceof Refused ? error.code === "unavailable" : error.code !== "ERR_ASSERTION";
				if (!unknown || Date.now() > deadline || this.connection.isClosed()) throw error;
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
		}
	}

	submit(project, task, options = {}) {
		return this.ok("submit", { project, task_type: `${project}_t`, ...task }, options);
	}

	submitBatch(project, tasks, more = {}) {
		const typed = tasks.map((task) => ({ task_type: `${project}_t`, ...task }));
		return this.ok("submit", { project, tasks: typed, ...more });
	}

	async work(type, request = {}) {
		const { wait_ms = 5000 } = request;
		const reply = await this.ok(`work.${type}`, { worker: "w1", wait_ms, ...request }, { timeout: wait_ms + 10000 });
		reply.tasks.forEach((task) => assert.equal(task.task_type, type));
		return reply;
	}

	// One task of this type, or a failure.
	async take(type, request = {}) {
		const { tasks } = await this.work(type, { max: 1, ...request });
		assert.equal(tasks.length, 1, `a task of ${type}`);
		return tasks[0];
	}

	// Settles one task and returns its verdict.
	async settle(task, outcome = "completed", more = {}) {
		const { project, task_id, lease, task_type } = task;
		const item = { project, task_id, lease, outcome, ...more };
		const { done } = await this.ok(`settle.${task_type}`, { worker: "w1", done: [item] });
		assert.equal(done.length, 1);
		assert.equal(done[0].task_id, task_id);
		return done[0];
	}

	async get(project, task_id) {
		return (await this.ok("task.get", { project, task_id })).task;
	}

	async statusOf(project, task_id) {
		return (await this.get(project, task_id)).status;
	}

	// Instances of a service, by the NATS services protocol.
	async servicesNamed(name) {
		const found = [];
		const options = { strategy: "stall", maxWait: 1000, stall: 100 };
		try {
			for await (const message of await this.connection.requestMany(`$SRV.INFO.${name}`, "", options)) {
				if (message.data.length > 0) found.push(message.json());
			}
		} catch (error) {
			if (!/no responders/i.test(`${error.name} ${error.message}`)) throw error;
		}
		return found;
	}

	// Live messages below a subject, each held to its schema: { list, stop }.
	listen(subject, schema) {
		const heard = { list: [], problems: [] };
		const subscription = this.connection.subscribe(prefix + subject, {
			callback: (_, message) => {
				const { subject: on, headers } = message;
				try {
					heard.list.push({ body: check(schema, message.json(), on), subject: on, headers });
				} catch (error) {
					heard.problems.push(error);
				}
			},
		});
		heard.stop = () => subscription.unsubscribe();
		return heard;
	}

	// Into a stream; the promise is its ack.
	publishBytes(subject, bytes) {
		return jetstream(this.connection).publish(prefix + subject, bytes);
	}

	publish(subject, request) {
		return this.publishBytes(subject, encoder.encode(JSON.stringify(request)));
	}

	// All that CORDER_EVENTS holds for a subject filter, read by an ordered consumer.
	async replay(filter, { from } = {}) {
		const subject = prefix + filter;
		const consumer = await jetstream(this.connection).consumers.get("CORDER_EVENTS", {
			filter_subjects: subject,
			...(from ? { opt_start_seq: from } : {}),
		});
		let left = (await consumer.info()).num_pending;
		const events = [];
		while (left > 0) {
			const message = await consumer.next({ expires: 5000 });
			if (!message) break;
			const { subject: on, headers, seq } = message;
			events.push({ body: check("event", message.json(), on), subject: on, headers, seq });
			left = message.info.pending;
		}
		return events;
	}

	async streams() {
		const manager = await jetstreamManager(this.connection);
		return manager.streams.list().next();
	}
}
