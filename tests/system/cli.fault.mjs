// What the command line promises when things break under it: a worker keeps its task, a follower misses nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Corder, lines } from "./corder.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";

const running = {};
const corder = new Corder(running);
before(async () => {
	running.stack = await new Stack().start();
	running.addresses = running.stack.addresses;
}, { timeout: 120000 });
after(async () => {
	corder.close();
	await running.stack?.stop();
});

const submit = async (project, type, id, command) => {
	const words = ["submit", "-p", project, "-t", type, "--id", id, "-c", JSON.stringify({ command }), "--timeout", "30"];
	const { code, err } = await corder.run(...words);
	assert.equal(code, 0, err);
};

for (const name of ["dispatcher", "nats"]) {
	test(`a worker settles its task although the ${name} was killed and came back meanwhile`, { timeout: 90000 }, async () => {
		const { project, type } = fresh(name);
		await submit(project, type, "long", "echo started >&2; sleep 3; echo done");
		const worker = corder.start(["work", "-t", type, "--once", "-v", "--exec", 'eval "$CORDER_CONTEXT_COMMAND"']);
		await worker.seen("started");
		if (name === "nats") {
			await running.stack.nats.kill();
			await running.stack.nats.start();
		} else {
			await running.stack.restartService("dispatcher");
		}
		assert.equal(await worker.ended, 0, worker.err);
		const { reply } = await corder.json("get", `${project}/long`, "--timeout", "30");
		assert.deepEqual([reply.task.status, reply.task.attempt, reply.task.result], ["completed", 1, { output: "done" }]);
	});
}

test("a worker whose dispatcher takes no such result fails that task alone, and works on", { timeout: 90000 }, async () => {
	const { project, type } = fresh("big");
	const { stack } = running;
	const restart = async (more) => {
		await stack.killService("dispatcher");
		await stack.startService("dispatcher", 0, more);
	};
	await restart({ CORDER_MAX_REQUEST_BYTES: "2000" });
	await submit(project, type, "big", "head -c 5000 /dev/zero | tr '\\0' x");
	await submit(project, type, "small", "echo '[1]'");
	const words = ["work", "-t", type, "--until-idle", "--idle-s", "1", "--exec", 'eval "$CORDER_CONTEXT_COMMAND"'];
	const { code, err } = await corder.run(...words);
	await restart();
	assert.equal(code, 0, err);
	const get = async (id) => (await corder.json("get", `${project}/${id}`, "--timeout", "30")).reply.task;
	const [big, small] = [await get("big"), await get("small")];
	assert.deepEqual([big.status, big.attempt, small.status], ["failed", 1, "completed"]);
	assert.match(big.error.message, /bytes/);
});

test("events --since has no gap and no repeat after NATS was killed and came back", { timeout: 90000 }, async () => {
	const { project, type } = fresh("gap");
	const follow = corder.start(["events", "-p", project, "--since", "1h", "--json"]);
	for (const n of range(5)) await submit(project, type, `t${n}`, "true");
	await follow.seen('"t4"');
	await running.stack.nats.kill();
	await running.stack.nats.start();
	for (const n of range(10).slice(5)) await submit(project, type, `t${n}`, "true");
	await follow.seen('"t9"', { seconds: 30 });
	follow.child.kill("SIGINT");
	assert.equal(await follow.ended, 130, follow.err);
	assert.deepEqual(lines(follow.out).map((line) => JSON.parse(line).task_id), range(10).map((n) => `t${n}`));
});

test("submit works through a time without any service, and --enqueue needs none", { timeout: 90000 }, async () => {
	const { project, type } = fresh("patient");
	const { stack } = running;
	await stack.killService("ingest");
	const stored = await corder.run("submit", "-p", project, "-t", type, "--id", "stored", "--enqueue");
	assert.equal(stored.code, 0, stored.err);
	const patient = corder.start(["submit", "-p", project, "-t", type, "--id", "patient"]);
	const hurried = await corder.run("submit", "-p", project, "-t", type, "--timeout", "0.2", "--nats", "nats://127.0.0.1:1");
	assert.equal(hurried.code, 69);
	await stack.startService("ingest");
	assert.equal(await patient.ended, 0, patient.err);
	const known = async (id) => (await corder.run("get", `${project}/${id}`, "--timeout", "30")).code === 0;
	for (const id of ["patient", "stored"]) await until(`${id} is known`, () => known(id), { seconds: 30 });
});
