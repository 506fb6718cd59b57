// The monitor over HTTP: the same answers as over NATS, held to the same schemas.
import assert from "node:assert/strict";
import { test } from "node:test";
import { check } from "./client.mjs";
import { fresh, useStack } from "./setup.mjs";
import { until } from "./wait.mjs";

const names = fresh("web");
const stack = useStack(async ({ client, witness }) => {
	const { project, type } = names;
	const tasks = [{ task_id: "a" }, { task_id: "b", dependencies: ["a"], hold: true }, { task_id: "c" }];
	await client.submitBatch(project, tasks, { batch_id: "g" });
	await client.settle(await client.take(type), "completed", { result: { text: "<b>&\"ä" } });
	await witness.ended(project, 1);
});

async function get(path, base = stack.addresses.http[0]) {
	const response = await fetch(base + path);
	const text = await response.text();
	const isJson = (response.headers.get("content-type") ?? "").includes("json");
	return { status: response.status, text, body: isJson ? JSON.parse(text) : null, headers: response.headers };
}

test("every instance is alive and ready", async () => {
	for (const base of stack.addresses.http) {
		assert.equal((await get("/livez", base)).status, 200);
		await until("it is ready", async () => (await get("/readyz", base)).status === 200);
	}
});

test("a method that is none of ours is told so", async () => {
	for (const method of ["PUT", "DELETE", "PATCH"]) {
		const response = await fetch(`${stack.addresses.http[0]}/api/v1/status`, { method });
		assert.equal(response.status, 405);
		assert.equal((await response.json()).error.code, "wrong_method");
	}
});

test("HTTP answers what NATS answers", async () => {
	const { project } = names;
	const pairs = [
		[`/api/v1/tasks/${project}/a`, "task.get", { project, task_id: "a" }, "task-get-reply"],
		[`/api/v1/tasks?project=${project}&limit=2`, "task.list", { project, limit: 2 }, "task-list-reply"],
		[`/api/v1/tasks?project=${project}&status=blocked`, "task.list", { project, status: "blocked" }, "task-list-reply"],
		[`/api/v1/timeline?project=${project}&batch_id=g`, "timeline", { project, batch_id: "g" }, "timeline-reply"],
		[`/api/v1/tasks/${project}/b/explain`, "explain", { project, task_id: "b" }, "explain-reply"],
	];
	for (const [path, subject, request, schema] of pairs) {
		const { status, body } = await get(path);
		assert.equal(status, 200, path);
		assert.deepEqual(check(schema, body, path), await stack.client.ok(subject, request), path);
	}
});

test("status and executable answer over HTTP, in their schemas", async () => {
	const { project, type } = names;
	const status = check("status-reply", (await get(`/api/v1/status?project=${project}`)).body, "status");
	assert.deepEqual([status.completed_count, status.blocked_count + status.pending_count], [1, 2]);
	const path = `/api/v1/executable?task_type=${type}&limit=5`;
	check("executable-reply", (await get(path)).body, path);
});

test("bad questions over HTTP get the code and path, and a status that fits", async () => {
	const cases = [
		["/api/v1/tasks/none-such/x", 404, "not_found"],
		["/api/v1/tasks?status=odd", 400, "invalid_field"],
		["/api/v1/tasks?limit=0", 400, "invalid_field"],
		["/api/v1/timeline", 400, "invalid_field"],
	];
	for (const [path, status, code] of cases) {
		const reply = await get(path);
		assert.deepEqual([reply.status, check("error-reply", reply.body, path).error.code], [status, code], path);
	}
});

test("metrics are in the text format of Prometheus and count the tasks", async () => {
	const { status, text } = await get("/metrics");
	assert.equal(status, 200);
	const line = /^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? [-+0-9.eEInfNa]+)$/;
	const odd = text.split("\n").filter((each) => each !== "" && !line.test(each));
	assert.deepEqual(odd, []);
	assert.match(text, /^corder_/m);
});
