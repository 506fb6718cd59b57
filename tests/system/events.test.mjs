import assert from "node:assert/strict";
import { test } from "node:test";
import { fresh, range, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const soon = { initial_ms: 1, factor: 1, max_ms: 1 };

async function liveAndDie() {
	const { project, type } = fresh();
	const heard = stack.client.listen(`event.${project}.>`, "event");
	await stack.client.connection.flush();
	const tasks = [{ task_id: "a", retry_backoff: soon }, { task_id: "b", dependencies: ["a"] }];
	await stack.client.submitBatch(project, tasks);
	await stack.client.settle(await stack.client.take(type), "failed", { error: { message: "once" } });
	await stack.client.settle(await stack.client.take(type), "completed", { result: { n: 1 } });
	await stack.client.settle(await stack.client.take(type), "failed", { error: { message: "never", retryable: false } });
	await until("the last event", () => heard.list.some(({ body }) => body.status === "failed"));
	heard.stop();
	assert.deepEqual(heard.problems, []);
	return { project, type, heard };
}

test("live events tell every move of a task in order and without gaps", async () => {
	const { project, type, heard } = await liveAndDie();
	const of = (id) => heard.list.filter(({ body }) => body.task_id === id);
	const statuses = (id) => of(id).map(({ body }) => body.status);
	assert.deepEqual(statuses("a"), ["pending", "running", "retry", "pending", "running", "completed"]);
	assert.deepEqual(statuses("b"), ["blocked", "pending", "running", "failed"]);
	for (const id of ["a", "b"]) {
		assert.deepEqual(of(id).map(({ body }) => body.version), range(of(id).length).map((n) => n + 1));
		const before = of(id).map(({ body }) => body.previous);
		assert.deepEqual(before, [null, ...statuses(id).slice(0, -1)]);
	}
	const seqs = heard.list.map(({ body }) => body.seq);
	assert.deepEqual(seqs, [...seqs].sort((x, y) => x - y), "in order of the partition");
	for (const { subject, body } of heard.list) assert.equal(subject, `corder.v1.event.${project}.${type}.${body.status}`);
});

test("events carry what happened: worker, result, error, the whole task on the first", async () => {
	const { heard } = await liveAndDie();
	const find = (id, status) => heard.list.find(({ body }) => body.task_id === id && body.status === status).body;
	assert.equal(find("a", "running").worker, "w1");
	assert.deepEqual(find("a", "completed").result, { n: 1 });
	assert.deepEqual(find("a", "retry").error, { code: "task_error", message: "once" });
	assert.equal(find("b", "failed").error.message, "never");
	assert.deepEqual(find("b", "blocked").task.dependencies.map(({ task_id }) => task_id), ["a"]);
	assert.deepEqual(find("b", "blocked").waits_for, ["dependency"]);
});

test("events have CloudEvents headers in binary mode", async () => {
	const { project, heard } = await liveAndDie();
	for (const { body, headers } of heard.list) {
		assert.equal(headers.get("ce-id"), body.event_id);
		assert.equal(headers.get("Nats-Msg-Id"), body.event_id);
		assert.equal(headers.get("ce-specversion"), "1.0");
		assert.equal(headers.get("ce-type"), `corder.task.${body.status}`);
		assert.ok(headers.get("ce-source").includes(project));
		assert.equal(headers.get("ce-time"), body.at);
	}
	assert.equal(new Set(heard.list.map(({ body }) => body.event_id)).size, heard.list.length);
});

test("the stream CORDER_EVENTS replays what was live", async () => {
	const { project, heard } = await liveAndDie();
	const replayed = await until("all are in the stream", async () => {
		const events = await stack.client.replay(`event.${project}.>`);
		return events.length >= heard.list.length && events;
	});
	assert.deepEqual(replayed.map(({ body }) => body), heard.list.map(({ body }) => body));
	const failed = await stack.client.replay(`event.${project}.*.failed`);
	assert.deepEqual(failed.map(({ body }) => body.task_id), ["b"]);
});

test("the events of MySQL are the events of the bus", async () => {
	const { project, heard } = await liveAndDie();
	await stack.witness.ended(project, 2);
	const rows = await stack.witness.events(project);
	const brief = ({ event_id, seq, task_id, status, version }) => [event_id, `${seq}`, task_id, status, `${version}`];
	assert.deepEqual(rows.map(brief), heard.list.map(({ body }) => brief(body)));
	assert.deepEqual(await stack.witness.problems(project), []);
});
