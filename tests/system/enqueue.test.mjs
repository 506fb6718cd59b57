import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();

// Publishes to enqueue.<project> and returns the first event of the project that has this status.
async function verdict(project, request, status) {
	const heard = stack.client.listen(`event.${project}.>`, "event");
	try {
		const ack = await stack.client.publish(`enqueue.${project}`, request);
		assert.equal(ack.stream, "CORDER_ENQUEUE");
		const found = () => heard.list.find(({ body }) => body.status === status);
		const event = await until(`an event ${status} of ${project}`, found);
		assert.deepEqual(heard.problems, []);
		return event;
	} finally {
		heard.stop();
	}
}

test("an enqueued task is acknowledged by the stream and its verdict is an event", async () => {
	const { project, type } = fresh();
	const { body, subject } = await verdict(project, { task_type: type, task_id: "a", priority: 9 }, "pending");
	assert.equal(subject, `corder.v1.event.${project}.${type}.pending`);
	assert.deepEqual([body.task_id, body.previous, body.version, body.task.priority], ["a", null, 1, 9]);
	assert.equal((await stack.client.take(type)).task_id, "a");
});

test("an enqueued batch is admitted whole", async () => {
	const { project, type } = fresh();
	const tasks = [{ task_id: "b", task_type: type, dependencies: ["a"] }, { task_id: "a", task_type: type }];
	await verdict(project, { batch_id: "g", tasks }, "blocked");
	await until("both tasks", async () => (await stack.client.statusOf(project, "a")) === "pending");
	assert.equal(await stack.client.statusOf(project, "b"), "blocked");
});

test("an enqueued message that is wrong becomes a rejected event with code and path", async () => {
	const { project, type } = fresh();
	const { body } = await verdict(project, { task_id: "a", task_type: type, priority: 11 }, "rejected");
	assert.deepEqual([body.error.code, body.error.path, body.version], ["invalid_field", "/priority", 0]);
	assert.equal((await stack.client.refused("task.get", { project, task_id: "a" })).code, "not_found");
});

test("an unknown dependency of an enqueued task becomes a rejected event", async () => {
	const { project, type } = fresh();
	const { body } = await verdict(project, { task_id: "a", task_type: type, dependencies: ["nobody"] }, "rejected");
	assert.equal(body.error.code, "unknown_dependency");
	assert.equal(body.task_id, "a");
});

test("an enqueued task that comes before what it depends on waits for it a while", async () => {
	const { project, type } = fresh();
	const early = verdict(project, { task_id: "b", task_type: type, dependencies: ["a"] }, "blocked");
	await verdict(project, { task_id: "a", task_type: type }, "pending");
	assert.equal((await early).body.task_id, "b");
});

// The bytes that part the records of the log, in a name that a refusal points to.
test("a refusal whose path holds control characters is written down, and so is what comes behind it", async () => {
	const { project, type } = fresh();
	const names = ["\\u001c", "\\u001d", "\\u001e", "\\u001f"];
	const wrong = names.map((name) => `"execution_context":{"${name}":1e999}`);
	const twice = names.map((name) => `"a${name}":1,"a${name}":2`);
	for (const members of [...wrong, ...twice]) {
		const text = `{"task_type":"${type}",${members}}`;
		await stack.client.publishBytes(`enqueue.${project}`, new TextEncoder().encode(text));
	}
	const tasks = await stack.client.ok("submit", { project, task_type: type, ack: "archived" });
	assert.equal(tasks.ok, true);
	const written = async () => (await stack.witness.events(project)).filter(({ status }) => status === "rejected");
	const rejected = await until("eight refusals in the database", async () => (await written()).length === 8 && written());
	const told = rejected.map(({ error_code, detail }) => `${error_code} ${detail}`).sort();
	assert.deepEqual(told, [...names.map(() => "bad_json /a?"), ...names.map(() => "invalid_field /execution_context/?")]);
});

test("an enqueued project that is not the subject's becomes a rejected event", async () => {
	const { project, type } = fresh();
	const { body } = await verdict(project, { project: "other", task_type: type }, "rejected");
	assert.deepEqual([body.error.code, body.error.path, body.project], ["invalid_field", "/project", project]);
});

test("enqueued bytes that are no JSON become a rejected event and block nothing behind them", async () => {
	const { project, type } = fresh();
	const heard = stack.client.listen(`event.${project}.>`, "event");
	await stack.client.publishBytes(`enqueue.${project}`, Uint8Array.of(0xff, 0xfe, 0));
	await stack.client.publish(`enqueue.${project}`, { task_type: type, task_id: "behind" });
	await until("the refusal", () => heard.list.find(({ body }) => body.error?.code === "bad_json"));
	await until("the task behind it", () => heard.list.find(({ body }) => body.task_id === "behind"));
	heard.stop();
	assert.deepEqual(heard.problems, []);
});

test("the same task enqueued twice runs once", async () => {
	const { project, type } = fresh();
	const request = { task_type: type, task_id: "a" };
	await verdict(project, request, "pending");
	await stack.client.publish(`enqueue.${project}`, request);
	await verdict(project, { task_type: type, task_id: "b" }, "pending");
	const { tasks } = await stack.client.work(type, { max: 10 });
	assert.deepEqual(tasks.map(({ task_id }) => task_id), ["a", "b"]);
	assert.deepEqual((await stack.client.work(type, { wait_ms: 0 })).tasks, []);
});
