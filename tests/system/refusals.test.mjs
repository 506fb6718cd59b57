// Bad input, and what it gets: one reply with the right code and path, nothing changed, nothing killed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isReply, subjectsFolder } from "../contract/schemas.mjs";
import { check } from "./client.mjs";
import { fresh, range, useStack } from "./setup.mjs";

const stack = useStack();
const read = (path) => readFileSync(new URL(`examples/${path}`, subjectsFolder));
const wildcards = { work: "work.none", settle: "settle.none", renew: "renew.none" };

// "task-get" -> "task.get", "work" -> "work.none".
function subjectOf(schema) {
	return wildcards[schema] ?? schema.replace(/^(task|queue)-/, "$1.");
}

// Sends every example of a folder for one schema and returns what differs from the expectation.
async function differences(folder, schema) {
	const expected = JSON.parse(read(`${folder}/expected.json`));
	const files = Object.keys(expected).filter((file) => file.startsWith(`${schema}.`));
	const verdicts = await Promise.all(files.map(async (file) => {
		const reply = await stack.client.askBytes(subjectOf(schema), read(`${folder}/${file}`));
		check("error-reply", reply, file);
		const { code, path } = expected[file];
		const same = reply.error.code === code && (path === undefined || (reply.error.path ?? "") === path);
		return same ? "" : `${file}: ${JSON.stringify(reply.error)}, not ${JSON.stringify(expected[file])}`;
	}));
	return verdicts.filter(Boolean);
}

for (const folder of ["invalid", "invalid_bytes"]) {
	const schemas = new Set(Object.keys(JSON.parse(read(`${folder}/expected.json`))).map((file) => file.split(".")[0]));
	for (const schema of [...schemas].filter((name) => !isReply(name) && name !== "enqueue")) {
		test(`every example of ${folder} for ${schema} is refused with its code and path`, async () => {
			const before = await stack.client.ok("status", { project: "shop" });
			assert.deepEqual(await differences(folder, schema), []);
			const after = await stack.client.ok("status", { project: "shop" });
			for (const name of Object.keys(before).filter((key) => key.endsWith("_count"))) {
				assert.equal(after[name], before[name], name);
			}
		});
	}
}

async function refusal(subject, body) {
	const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
	const reply = await stack.client.askBytes(subject, bytes);
	check("error-reply", reply, subject);
	return reply.error;
}

test("a message of a megabyte is too large for every service", async () => {
	const execution_context = { x: "x".repeat(1040000) };
	const body = { project: "shop", task_type: "t", worker: "w", task_id: "a", execution_context };
	const reading = ["task.get", "task.list", "status", "timeline", "executable", "explain"];
	for (const subject of ["submit", "work.none", "settle.none", "renew.none", "task.cancel", "queue.pause", ...reading]) {
		assert.equal((await refusal(subject, body)).code, "too_large", subject);
	}
});

test("an execution_context of more than 256 KiB is too large, by its path", async () => {
	const execution_context = { x: "x".repeat(300000) };
	const error = await refusal("submit", { project: "shop", task_type: "t", execution_context });
	assert.deepEqual([error.code, error.path], ["too_large", "/execution_context"]);
});

test("10,000 dependencies and 10,001 tasks are over their limits", async () => {
	const dependencies = range(10000).map((n) => `d${n}`);
	const one = await refusal("submit", { project: "shop", task_type: "t", dependencies });
	assert.deepEqual([one.code, one.path], ["limit_exceeded", "/dependencies"]);
	const many = await refusal("submit", { project: "shop", tasks: range(10001).map(() => ({ task_type: "t" })) });
	assert.deepEqual([many.code, many.path], ["limit_exceeded", "/tasks"]);
});

test("deep nesting is over its limit and harms nobody", async () => {
	for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
		const deep = `${open.repeat(100000)}1${close.repeat(100000)}`.slice(0, 900000);
		const error = await refusal("submit", `{"project":"shop","task_type":"t","execution_context":{"a":${deep}}}`);
		assert.equal(error.code, "limit_exceeded");
	}
	assert.equal((await stack.client.ok("status", {})).ok, true);
});

test("a message of an unknown kind has nobody to take it, and the sender learns it at once", async () => {
	const unknown = ["nonsense", "task.frobnicate", "queue.stop", "work.one.two", "submit.now"];
	for (const subject of unknown) {
		const asked = stack.client.connection.request(`corder.v1.${subject}`, "{}", { timeout: 10000 });
		await assert.rejects(asked, /no responders/i, subject);
	}
});

test("whatever is wrong with a message, it gets one reply", async () => {
	const bodies = ["", "{", "[]", '{"project":"a b"}', '{"project":"shop","tasks":[]}', '{"project":"shop","done":[]}'];
	const subjects = ["submit", "work.none", "settle.none", "renew.none", "task.cancel", "task.get", "status", "queue.pause"];
	const options = { strategy: "stall", maxWait: 2000, stall: 300 };
	await Promise.all(subjects.flatMap((subject) => bodies.map(async (body) => {
		let replies = 0;
		for await (const reply of await stack.client.connection.requestMany(`corder.v1.${subject}`, body, options)) {
			assert.equal(typeof reply.json().ok, "boolean");
			replies++;
		}
		assert.equal(replies, 1, `${subject} ${body}`);
	})));
});

test("unknown members are ignored", async () => {
	const { project } = fresh();
	const reply = await stack.client.ok("submit", { project, task_type: "t", colour: "green", nested: { x: [1] } });
	assert.equal(reply.tasks[0].result, "accepted");
	assert.equal((await stack.client.ok("task.list", { project, colour: "green" })).ok, true);
});

test("a request without a reply subject is done and nothing is sent anywhere", async () => {
	const { project } = fresh();
	stack.client.connection.publish("corder.v1.submit", JSON.stringify({ project, task_id: "a", task_type: "t" }));
	stack.client.connection.publish("corder.v1.submit", "not json");
	const deadline = Date.now() + 10000;
	let reply = {};
	while (!reply.ok && Date.now() < deadline) reply = await stack.client.ask("task.get", { project, task_id: "a" });
	assert.equal(reply.task.status, "pending");
});

test("a batch with one refused task leaves nothing of the others", async () => {
	const { project } = fresh();
	const tasks = range(50).map((n) => ({ task_id: `n${n}`, task_type: "t", priority: n === 49 ? 0 : 5 }));
	const error = await stack.client.refused("submit", { project, tasks });
	assert.deepEqual([error.code, error.path], ["invalid_field", "/tasks/49/priority"]);
	assert.deepEqual((await stack.client.ok("task.list", { project })).tasks, []);
});
