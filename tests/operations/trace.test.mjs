import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../system/wait.mjs";
import { corder } from "./corder.mjs";

const attribute = (span, name) => {
	const value = span.attributes.find(({ key }) => key === name)?.value;
	return value?.stringValue ?? Number(value?.intValue);
};

async function spansOf(...filters) {
	const { code, out, err } = await corder("events", "--since", "all", "--no-follow", "--otlp", "-", ...filters);
	assert.equal(code, 0, err);
	const requests = out.split("\n").filter(Boolean).map((line) => JSON.parse(line));
	return requests.flatMap(({ resourceSpans }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)));
}

async function eventsOf(...filters) {
	const { out } = await corder("events", "--since", "all", "--no-follow", "--json", ...filters);
	return out.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

const get = async (name) => JSON.parse((await corder("get", name, "--json")).out).task;
const final = new Set(["completed", "failed", "cancelled", "skipped"]);

test("the trace of the demo is whole: a span for each task and each try, every parent is there", async () => {
	const spans = await spansOf("--project", "shop", "--batch", "shop-1");
	const events = await eventsOf("--project", "shop", "--batch", "shop-1");
	const byId = new Map(spans.map((span) => [span.spanId, span]));
	assert.equal(byId.size, spans.length, "no id twice");
	assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1, "one trace");
	const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
	assert.deepEqual(roots.map(({ name }) => name), ["batch"]);
	for (const span of spans) {
		assert.match(span.traceId, /^[0-9a-f]{32}$/);
		assert.match(span.spanId, /^[0-9a-f]{16}$/);
		const parent = byId.get(span.parentSpanId);
		assert.ok(parent || span === roots[0], `${span.name} ${span.spanId} has its parent`);
		if (!parent) continue;
		assert.ok(BigInt(parent.startTimeUnixNano) <= BigInt(span.startTimeUnixNano), "it begins within its parent");
		assert.ok(BigInt(span.endTimeUnixNano) <= BigInt(parent.endTimeUnixNano), "and ends within it");
	}
	const ended = events.filter(({ status }) => final.has(status)).map(({ task_id }) => task_id);
	const tasks = spans.filter((span) => attribute(span, "corder.status"));
	assert.deepEqual(tasks.map((span) => attribute(span, "corder.task_id")).sort(), [...ended].sort());
	const begun = events.filter(({ status, previous }) => status === "running" && previous !== "running");
	const tries = spans.filter(({ name }) => name === "try").map((span) => `${attribute(span, "corder.task_id")} ${attribute(span, "corder.attempt")}`);
	assert.deepEqual(tries.sort(), begun.map(({ task_id, attempt }) => `${task_id} ${attempt}`).sort());
	const told = tasks.flatMap((span) => span.events.map(({ attributes }) => attributes[0].value.stringValue));
	assert.deepEqual(told.sort(), events.map(({ event_id }) => event_id).sort(), "every event stands in a span");
	for (const span of tasks) for (const { spanId } of span.links) assert.ok(byId.has(spanId), "links lead to tasks");
	assert.ok(spans.some(({ status }) => status.code === 2 && status.message), "a failure says why");
});

test("a worker's command is given the span of its very try", async () => {
	const spans = await spansOf("--project", "shop", "--batch", "shop-1");
	for (const id of ["code-auth", "test-search"]) {
		const result = await until(`${id} has its result`, async () => (await get(`shop/${id}`)).result);
		const [, trace, span] = result.split("-");
		const found = spans.find(({ spanId }) => spanId === span);
		assert.deepEqual([found.traceId, found.name, attribute(found, "corder.task_id")], [trace, "try", id]);
	}
});

test("a traceparent of the submitter goes on: through every event, to the spans, to the command", async () => {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736", parent = "00f067aa0ba902b7";
	const env = { TRACEPARENT: `00-${trace}-${parent}-01` };
	const submitted = await corder("submit", "--project", "traced", "--type", "traced", "--id", "one", { env });
	assert.equal(submitted.code, 0, submitted.err);
	await corder("work", "--type", "traced", "--once", "--exec", `printf '"%s"' "$TRACEPARENT"`);
	const spans = await until("its spans are there", async () => {
		const found = await spansOf("--project", "traced");
		return found.length === 3 && found;
	});
	assert.ok(spans.every(({ traceId }) => traceId === trace));
	const [one, task, batch] = ["try", "traced", "batch"].map((name) => spans.find((span) => span.name === name));
	assert.deepEqual([one.parentSpanId, task.parentSpanId, batch.parentSpanId], [task.spanId, batch.spanId, parent]);
	assert.equal((await until("the result", async () => (await get("traced/one")).result)), `00-${trace}-${one.spanId}-01`);
});
