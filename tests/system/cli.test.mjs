import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Corder, lines } from "./corder.mjs";
import { fresh, range, useStack } from "./setup.mjs";
import { binFolder } from "./stack.mjs";
import { until } from "./wait.mjs";

const stack = useStack();
const corder = new Corder(stack);
after(() => corder.close());

// A file in the folder that commands run in.
function file(name, content) {
	const text = typeof content === "string" ? content : JSON.stringify(content);
	writeFileSync(join(corder.folder, name), text);
	return name;
}

const shell = (command) => ({ command });
const evaluate = 'eval "$CORDER_CONTEXT_COMMAND"';

// Submits one task of the project's type that runs a shell command.
async function submitShell(project, type, id, command, ...more) {
	const context = JSON.stringify(shell(command));
	const { code, err } = await corder.run("submit", "-p", project, "-t", type, "--id", id, "-c", context, ...more);
	assert.equal(code, 0, err);
}

// Whether a process has this word among its arguments.
const isRunning = (word) =>
	readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).some((name) => {
		try {
			return readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").includes(word);
		} catch {
			return false; // it has just ended
		}
	});

// The task as the command shows it; it asks again by itself while the history is on its way to MySQL.
const get = async (project, id) => (await corder.json("get", `${project}/${id}`)).reply.task;
const statusOf = async (project, id) => (await get(project, id)).status;
const becomes = (project, id, status) =>
	until(`${id} is ${status}`, async () => (await statusOf(project, id)) === status, { seconds: 30 });
// The list is read from MySQL, which follows.
const listed = (project, count) =>
	until(`${count} tasks are listed`, async () => {
		const found = lines((await corder.run("list", "-p", project, "-a", "--json")).out).map((line) => JSON.parse(line));
		return found.length === count && found;
	});

test("help names every command, and each command explains itself with an example", async () => {
	const { code, out } = await corder.run("help");
	assert.equal(code, 0);
	const names = [...out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name);
	const listed = "up submit work top status list get watch graph timeline explain events services cancel retry approve reject " +
		"update pause resume audit rebuild poison help version";
	assert.deepEqual(names, listed.split(" "));
	for (const name of names) {
		const help = await corder.run(name, "--help");
		assert.equal(help.code, 0, name);
		assert.match(help.out, new RegExp(`corder ${name}`), name);
		if (!["help", "version"].includes(name)) assert.match(help.out, /\nExamples\n/, name);
	}
});

test("a mistyped command or option gets a guess and exit code 64", async () => {
	const command = await corder.run("submitt");
	assert.equal(command.code, 64);
	assert.match(command.err, /did you mean 'submit'/);
	const option = await corder.run("list", "--projekt", "x");
	assert.equal(option.code, 64);
	assert.match(option.err, /did you mean --project/);
	assert.equal((await corder.run("status", "--window", "soon")).code, 64);
	assert.equal((await corder.run("get", "task-without-project")).code, 64);
	assert.equal((await corder.run()).code, 64);
});

test("without a server the exit code is 69 and the message says what to do", async () => {
	const { code, err } = await corder.run("status", "--nats", "nats://127.0.0.1:1", "--timeout", "0.5");
	assert.equal(code, 69);
	assert.match(err, /corder up/);
});

test("the nearest .corder/env above the current folder names the server", async () => {
	mkdirSync(join(corder.folder, "a/b"), { recursive: true });
	mkdirSync(join(corder.folder, ".corder"), { recursive: true });
	file(".corder/env", `NATS_URL=${stack.addresses.nats}\n`);
	const { code, err } = await corder.run("status", { env: { NATS_URL: "" }, cwd: join(corder.folder, "a/b") });
	assert.equal(code, 0, err);
});

test("a file of the environment that says nothing is refused, not passed over", async () => {
	const empty = file("empty", "");
	for (const env of [{ NATS_URL_FILE: "nowhere" }, { NATS_URL_FILE: empty }, { CORDER_PREFIX_FILE: "nowhere" }]) {
		const [path] = Object.values(env);
		const { code, err } = await corder.run("status", { env: { NATS_URL: "", CORDER_PREFIX: "", ...env } });
		assert.equal(code, 64, err);
		assert.ok(err.includes(path), err);
	}
});

test("output that cannot be written is exit code 1 with a word about it", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "one", "true");
	for (const words of ["--version", "help", "status", "list --json", `work -t ${type} --once --exec true`]) {
		const { status, stderr } = spawnSync("sh", ["-c", `"${binFolder}/corder" ${words} >/dev/full`], { env: corder.env, timeout: 60000 });
		assert.equal(status, 1, `${words}: ${stderr}`);
		assert.match(`${stderr}`, /output could not be written/);
	}
});

test("a list longer than a page is one document", async () => {
	const { project, type } = fresh();
	const tasks = range(1060).map((n) => ({ task_id: `t${n}`, task_type: type }));
	assert.equal((await corder.run("submit", file("pages.json", { project, tasks }))).code, 0);
	await listed(project, 1060);
	const { reply } = await corder.json("list", "-p", project, "-n", "1050");
	assert.equal(reply.tasks.length, 1050);
	const rest = await corder.json("list", "-p", project, "--after", reply.next);
	assert.deepEqual([rest.reply.ok, rest.reply.tasks.length, rest.reply.next], [true, 10, null]);
	const endless = await corder.run("submit", "-p", project, "-t", type, "--task-timeout", "0");
	assert.equal(endless.code, 64);
});

test("a batch, a list, JSON lines, a folder and stdin are submitted alike", async () => {
	const { project, type } = fresh();
	const task = (task_id) => ({ task_id, task_type: type });
	file("batch.json", { project, batch_id: "b1", tasks: [task("a1"), task("a2")] });
	file("lines.txt", `${JSON.stringify(task("l1"))}\n\n${JSON.stringify(task("l2"))}\n`);
	mkdirSync(join(corder.folder, "folder"), { recursive: true });
	file("folder/1.json", [task("f1")]);
	file("folder/2.jsonl", `${JSON.stringify(task("f2"))}\n${JSON.stringify(task("f3"))}\n`);
	file("folder/notes.txt", "no task");
	assert.equal((await corder.json("submit", "batch.json")).reply.batch_id, "b1");
	assert.equal((await corder.json("submit", "lines.txt", "-p", project)).reply.tasks.length, 2);
	assert.equal((await corder.json("submit", "folder", "-p", project)).reply.tasks.length, 3);
	const piped = await corder.run("submit", "-", "-p", project, { input: JSON.stringify(task("s1")) });
	assert.equal(piped.code, 0, piped.err);
	assert.deepEqual((await listed(project, 8)).map(({ task_id }) => task_id).sort(), ["a1", "a2", "f1", "f2", "f3", "l1", "l2", "s1"]);
});

test("a wrong file sends nothing and names the place; a refusal names code and path", async () => {
	const { project, type } = fresh();
	const broken = await corder.run("submit", file("broken.json", '{"task_type":"x",}'), "-p", project);
	assert.equal(broken.code, 64);
	assert.match(broken.err, /broken\.json/);
	assert.equal((await corder.run("submit", "no-such-file.json", "-p", project)).code, 64);
	const bad = await corder.run("submit", file("bad.json", { tasks: [{ task_type: type }, { task_type: "a b" }] }), "-p", project);
	assert.equal(bad.code, 2);
	assert.match(bad.err, /invalid_field at \/tasks\/1\/task_type/);
	const loop = [{ task_id: "x", task_type: type, dependencies: ["y"] }, { task_id: "y", task_type: type, dependencies: ["x"] }];
	const cycle = await corder.run("submit", file("cycle.json", loop), "-p", project);
	assert.equal(cycle.code, 2);
	assert.match(cycle.err, /x → y → x|y → x → y/);
	assert.equal((await corder.json("list", "-p", project)).reply.tasks.length, 0);
});

test("a dry run changes nothing, whether the option or the file asks for it", async () => {
	const { project, type } = fresh();
	assert.equal((await corder.run("submit", "-p", project, "-t", type, "--dry-run")).code, 0);
	assert.equal((await corder.run("submit", file("dry.json", { project, dry_run: true, tasks: [{ task_type: type }] }))).code, 0);
	assert.equal((await corder.json("list", "-p", project)).reply.tasks.length, 0);
});

test("a graph too large for a message goes in parts and is admitted as one batch", async () => {
	const { project, type } = fresh();
	const tasks = range(12000).map((n) => ({ task_id: `t${n}`, task_type: type, dependencies: n < 100 ? [] : [`t${n - 100}`] }));
	file("large.json", { project, batch_id: "large", tasks });
	const { code, reply } = await corder.json("submit", "large.json");
	assert.equal(code, 0);
	assert.equal(reply.task_count, 12000);
	await listed(project, 12000);
});

test("a workflow in WfFormat becomes tasks with scaled durations", async () => {
	const { project } = fresh();
	const specification = {
		tasks: [
			{ id: "align_ID0001", name: "align_ID0001", parents: [], children: ["merge_ID0002"] },
			{ id: "merge_ID0002", name: "merge_ID0002", parents: ["align_ID0001"], children: [] },
		],
	};
	const execution = { tasks: [{ id: "align_ID0001", runtimeInSeconds: 20 }, { id: "merge_ID0002", runtimeInSeconds: 1 }] };
	file("wf.json", { name: "wf", schemaVersion: "1.5", workflow: { specification, execution } });
	const { code, out, err } = await corder.run("submit", "-p", project, "--wfformat", "wf.json", "--time-scale", "0.01");
	assert.equal(code, 0, err);
	assert.match(out, /--type align,merge/);
	const align = await get(project, "align_ID0001");
	assert.equal(align.task_type, "align");
	assert.equal(align.estimated_duration, 0.2);
	assert.deepEqual(align.execution_context, { command: "sleep 0.200000", runtime_s: 20 });
	assert.equal((await get(project, "merge_ID0002")).dependencies[0].task_id, "align_ID0001");
});

test("a worker hands the context on, and stdout comes back as the result", async () => {
	const { project, type } = fresh();
	const context = { text: "ä b", "odd-name": 7, flag: true, none: null, deep: { a: 1 } };
	await stack.client.submit(project, { task_id: "first", task_type: type, execution_context: context, service_name: "cart" });
	await stack.client.submit(project, { task_id: "second", task_type: type, dependencies: ["first"] });
	const program = file("work.sh", [
		'if [ "$CORDER_TASK_ID" = second ]; then cat "$CORDER_INPUTS"; exit; fi',
		'printf \'{"stdin":%s,"env":"%s|%s|%s|%s|%s|%s|%s|%s"}\' "$(cat)" "$CORDER_CONTEXT_TEXT" "$CORDER_CONTEXT_ODD_NAME" \\',
		'"$CORDER_CONTEXT_FLAG" "$CORDER_CONTEXT_NONE" "${CORDER_CONTEXT_DEEP-unset}" "$CORDER_SERVICE_NAME" "$CORDER_ATTEMPT" "$CORDER_TASK_TYPE"',
	].join("\n"));
	const { code, err } = await corder.run("work", "-t", type, "--until-idle", "--idle-s", "1", "--", "sh", program);
	assert.equal(code, 0, err);
	const first = (await get(project, "first")).result;
	assert.deepEqual(first, { stdin: context, env: `ä b|7|true||unset|cart|1|${type}` });
	assert.deepEqual((await get(project, "second")).result, { first });
});

test("the exit code decides: a failure is retried, the no-retry code is final, text is a result too", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "text", 'echo "plain text${CORDER_LAST_ERROR+, and an error}"');
	await submitShell(project, type, "again", '[ "$CORDER_ATTEMPT" -gt 1 ] || { echo first try fails >&2; exit 3; }; echo "before: ${CORDER_LAST_ERROR}"');
	await submitShell(project, type, "final", "echo hopeless >&2; exit 65");
	await corder.run("work", "-t", type, "-c", "3", "--until-idle", "--idle-s", "3", "--exec", evaluate);
	assert.deepEqual((await get(project, "text")).result, { output: "plain text" });
	const again = await get(project, "again");
	assert.deepEqual([again.status, again.attempt], ["completed", 2]);
	assert.match(again.result.output, /^before: .*exit code 3: first try fails/);
	assert.match(again.attempts[0].error.message, /exit code 3: first try fails/);
	const final = await get(project, "final");
	assert.deepEqual([final.status, final.attempt], ["failed", 1]);
	assert.match(final.error.message, /exit code 65: hopeless/);
});

test("--no-retry-code names another code that is final, and 65 is one like any other then", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "final", "exit 9");
	await submitShell(project, type, "again", '[ "$CORDER_ATTEMPT" -gt 1 ] || exit 65');
	await corder.run("work", "-t", type, "-c", "2", "--no-retry-code", "9", "--until-idle", "--idle-s", "3", "--exec", evaluate);
	const read = await Promise.all(["final", "again"].map((id) => get(project, id)));
	assert.deepEqual(read.map(({ status, attempt }) => [status, attempt]), [["failed", 1], ["completed", 2]]);
});

test("a cancelled task's command is ended with all it has started", async () => {
	const { project, type } = fresh();
	const mark = `31${process.pid}.5`;
	await submitShell(project, type, "long", `sleep ${mark} & echo started >&2; sleep ${mark}`);
	const worker = corder.start(["work", "-t", type, "--once", "-v", "--exec", evaluate]);
	await worker.seen("started");
	assert.equal((await corder.run("cancel", `${project}/long`, "--reason", "enough")).code, 0);
	assert.equal(await worker.ended, 1, worker.err);
	assert.equal(await statusOf(project, "long"), "cancelled");
	await until("nothing of the group is left", () => !isRunning(mark));
});

test("a try that runs longer than its timeout is ended with all it has started, and says timeout", async () => {
	const { project, type } = fresh();
	const mark = `32${process.pid}.5`;
	await submitShell(project, type, "slow", `sleep ${mark} & sleep ${mark}`, "--task-timeout", "0.5", "--retries", "0");
	const { code, out } = await corder.run("work", "-t", type, "--once", "--exec", evaluate, { seconds: 30 });
	assert.equal(code, 1);
	assert.match(out, /longer than its timeout/);
	await until("nothing of the group is left", () => !isRunning(mark));
	await becomes(project, "slow", "failed");
	const { error } = await until("its error is told", async () => (await get(project, "slow")).error && get(project, "slow"));
	assert.equal(error.code, "timeout");
});

test("TERM lets a running task finish; a second one gives it back without costing a try", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "finishes", "echo started >&2; sleep 1; echo done");
	const patient = corder.start(["work", "-t", type, "-v", "--exec", evaluate]);
	await patient.seen("started");
	patient.child.kill("SIGTERM");
	assert.equal(await patient.ended, 0);
	assert.equal(await statusOf(project, "finishes"), "completed");
	await submitShell(project, type, "returns", "echo started >&2; sleep 60");
	const hasty = corder.start(["work", "-t", type, "-v", "--exec", evaluate]);
	await hasty.seen("started");
	hasty.child.kill("SIGTERM");
	await hasty.seen("once more");
	hasty.child.kill("SIGTERM");
	assert.equal(await hasty.ended, 0);
	const task = await get(project, "returns");
	assert.deepEqual([task.status, task.retry_count], ["pending", 0]);
});

test("a worker whose terminal has gone gives its task back at once, however often that is said", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "returns", "echo started >&2; sleep 60");
	const worker = corder.start(["work", "-t", type, "-v", "--exec", evaluate]);
	await worker.seen("started");
	for (let i = 0; i < 3; i++) worker.child.kill("SIGHUP");
	assert.equal(await worker.ended, 0, worker.err);
	const task = await get(project, "returns");
	assert.deepEqual([task.status, task.retry_count], ["pending", 0]);
});

test("a result may be nested as deep as a message can carry it; deeper, it is text", async () => {
	const { project, type } = fresh();
	const nested = (depth) => "[".repeat(depth) + "]".repeat(depth);
	for (const depth of [61, 62, 64]) await submitShell(project, type, `d${depth}`, `echo '${nested(depth)}'`);
	const { code, err } = await corder.run("work", "-t", type, "--until-idle", "--idle-s", "0.5", "--exec", evaluate);
	assert.equal(code, 0, err);
	assert.deepEqual((await get(project, "d61")).result, JSON.parse(nested(61)));
	for (const depth of [62, 64]) assert.deepEqual((await get(project, `d${depth}`)).result, { output: nested(depth) });
});

test("leases are renewed while a command runs longer than them", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "longer", "sleep 3; echo kept");
	const { code, err } = await corder.run("work", "-t", type, "--once", "--lease-ms", "1000", "--exec", evaluate);
	assert.equal(code, 0, err);
	const task = await get(project, "longer");
	assert.deepEqual([task.status, task.attempt], ["completed", 1]);
});

test("submit --wait ends when all have, and exit code 1 says that not all completed", async () => {
	const { project, type } = fresh();
	const good = corder.start(["submit", "-p", project, "-t", type, "-c", JSON.stringify(shell("true")), "--wait"]);
	const bad = corder.start(["submit", "-p", project, "-t", type, "-c", JSON.stringify(shell("exit 65")), "--wait", "--enqueue"]);
	await Promise.all([good.seen("accepted"), bad.seen("stored")]);
	await corder.run("work", "-t", type, "--until-idle", "--idle-s", "1", "--exec", evaluate);
	assert.equal(await good.ended, 0, good.err);
	assert.equal(await bad.ended, 1, bad.err);
	const refused = await corder.run("submit", "-p", project, "-t", type, "--after", "nobody", "--wait", "--enqueue");
	assert.equal(refused.code, 2);
	assert.match(refused.err, /unknown_dependency/);
});

test("submit --wait of what was there before ends, whichever way it is sent", { timeout: 120000 }, async () => {
	const { project, type } = fresh();
	const tasks = range(3).map((n) => ({ task_id: `q${n}`, task_type: type, execution_context: shell("true") }));
	file("twice.json", { project, tasks });
	const many = range(10100).map((n) => ({ task_id: `m${n}`, task_type: `${type}2` }));
	file("many.json", { project, tasks: many });
	assert.equal((await corder.run("submit", "twice.json")).code, 0);
	assert.equal((await corder.run("submit", "many.json")).code, 0);
	assert.equal((await corder.run("cancel", "-p", project, "--batch", (await get(project, "m0")).batch_id)).code, 0);
	const enqueued = corder.start(["submit", "twice.json", "--enqueue", "--wait"]);
	const direct = corder.start(["submit", "twice.json", "--wait"]);
	await corder.run("work", "-t", type, "--until-idle", "--idle-s", "1", "--exec", evaluate);
	assert.equal(await direct.ended, 0, direct.err);
	assert.equal(await enqueued.ended, 0, enqueued.err);
	assert.match(enqueued.out, /3 completed/);
	const parts = await corder.run("submit", "many.json", "--wait");
	assert.equal(parts.code, 1, parts.err);
	assert.match(parts.out, /10100 tasks accepted, or there already/);
	assert.match(parts.out, /10,?100 cancelled/);
});

test("a line that a command writes to stderr is progress: a message, or an object as it is", async () => {
	const { project, type } = fresh();
	const heard = stack.client.listen(`progress.${project}.${type}`, "progress");
	await submitShell(project, type, "one", `echo half way >&2; sleep 1.5; echo '{"part":0.7}' >&2; sleep 1.5`);
	const { code, err } = await corder.run("work", "-t", type, "--once", "--exec", evaluate);
	assert.equal(code, 0, err);
	await until("the progress", () => heard.list.length > 1);
	heard.stop();
	assert.deepEqual(heard.list.map(({ body }) => body.progress), [{ message: "half way" }, { part: 0.7 }]);
	assert.deepEqual(heard.problems, []);
});

test("watch --until-done tells plain lines when piped", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "one", "echo half way >&2; sleep 0.5");
	await submitShell(project, type, "two", "true", "--after", "one");
	const watch = corder.start(["watch", "-p", project, "--until-done"]);
	await corder.run("work", "-t", type, "--until-idle", "--idle-s", "1", "--exec", evaluate);
	assert.equal(await watch.ended, 0, watch.err);
	assert.match(watch.out, /✔ completed\s+two/);
	assert.match(watch.out, /2 completed\n$/);
});

test("watch --until-done counts every task of a batch that was submitted a moment ago", async () => {
	const { project, type } = fresh();
	const tasks = range(40).map((n) => ({ task_id: `t${n}`, task_type: n % 2 ? type : `${type}2`, execution_context: shell("true") }));
	const worker = corder.start(["work", "-t", `${type},${type}2`, "-c", "4", "--exec", evaluate]);
	assert.equal((await corder.run("submit", file("watched.json", { project, batch_id: "w", tasks }))).code, 0);
	const watch = await corder.run("watch", "-p", project, "-b", "w", "--until-done", "--json");
	assert.equal(watch.code, 0, watch.err);
	assert.equal(JSON.parse(lines(watch.out).at(-1)).counts.completed, 40);
	worker.child.kill("SIGTERM");
	await worker.ended;
});

test("hold, approve, reject, pause, resume, update, retry and explain do what they say", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "held", "true", "--hold");
	await submitShell(project, type, "unwanted", "true", "--hold");
	assert.match((await corder.run("explain", `${project}/held`)).out, /hold/);
	await submitShell(project, type, "then", "true", "--after", "held");
	const told = async () => (await corder.run("explain", `${project}/then`)).out;
	await until("the chain is told", async () => /up the chain\s+· held is blocked: it waits for approval\s+expected +unknown: /.test(await told()));
	assert.equal((await corder.run("approve", "held", "-p", project)).code, 0);
	assert.equal((await corder.run("reject", `${project}/unwanted`, "--reason", "no")).code, 0);
	assert.equal(await statusOf(project, "unwanted"), "cancelled");
	assert.equal((await corder.run("update", `${project}/held`, "--priority", "9")).code, 0);
	assert.equal((await get(project, "held")).priority, 9);
	assert.equal((await corder.run("pause", "-t", type)).code, 0);
	assert.match((await corder.run("explain", `${project}/held`)).out, /paused/);
	assert.equal((await corder.run("resume", "-t", type)).code, 0);
	assert.equal((await corder.run("retry", `${project}/unwanted`)).code, 0);
	const wrong = await corder.run("approve", `${project}/nobody`, `${project}/held`);
	assert.equal(wrong.code, 2);
	assert.match(wrong.out, /not_found/);
});

test("top shows a terminal that is narrow what fits, and --json ends with who reads it", async () => {
	const narrow = await corder.run("top", "--once", "-i", "0.1", { env: { COLUMNS: "20" }, seconds: 20 });
	assert.equal(narrow.code, 0, narrow.err);
	assert.match(narrow.out, /pending/);
	const none = await corder.run("top", "--json", "-i", "0", { seconds: 20 });
	assert.equal(none.code, 64);
	const live = corder.start(["top", "--json", "-i", "0.1"]);
	await live.seen("\n");
	live.child.kill("SIGTERM");
	assert.equal(await live.ended, 130, live.err);
});

test("list, get, status, timeline and graph show a project", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "root", "true");
	await submitShell(project, type, "leaf", "exit 65", "--after", "root");
	await submitShell(project, type, "beyond", "true", "--after", "leaf");
	await corder.run("work", "-t", type, "--until-idle", "--idle-s", "1", "--exec", evaluate);
	await becomes(project, "beyond", "skipped");
	await until("the list has followed", async () => (await listed(project, 3)).every(({ finished_at }) => finished_at));
	const list = (await corder.run("list", "-p", project)).out;
	assert.match(list, /leaf .*✘ failed .*exit code 65/);
	assert.match(list, /beyond .*because of leaf/);
	assert.match((await corder.run("get", `${project}/beyond`)).out, /because of\s+leaf/);
	const status = (await corder.json("status", "-p", project)).reply;
	assert.deepEqual([status.completed_count, status.failed_count, status.skipped_count], [1, 1, 1]);
	assert.match((await corder.run("status", "-p", project)).out, /completed\s+1/);
	assert.match((await corder.run("status", "-p", project, "-t", type)).out, new RegExp(`type ${type}[^]*completed +1`));
	assert.match((await corder.run("status", "-t", `no-${type}`)).out, /completed +0/);
	const graph = (await corder.run("graph", "-p", project)).out;
	assert.match(graph, /✔ root.*\n└── ✘ leaf.*\n {4}└── ⤼ beyond/);
	assert.match((await corder.run("graph", "-p", project, "--dot")).out, /"root" -> "leaf";/);
	const timeline = (await corder.run("timeline", "-p", project)).out;
	assert.match(timeline, /✔ root .*█/);
	assert.match(timeline, /✘ leaf .*▓/);
	assert.doesNotMatch(list + graph + timeline, /\x1b/, "no colour in a pipe");
});

test("events --since replays in order and then follows without a gap", async () => {
	const { project, type } = fresh();
	await submitShell(project, type, "before", "true");
	const follow = corder.start(["events", "-p", project, "--since", "all", "--json"]);
	await follow.seen('"before"');
	for (const n of range(20)) await submitShell(project, type, `during-${n}`, "true");
	await follow.seen('"during-19"');
	follow.child.kill("SIGINT");
	assert.equal(await follow.ended, 130);
	const events = lines(follow.out).map((line) => JSON.parse(line));
	assert.deepEqual(events.map(({ task_id }) => task_id), ["before", ...range(20).map((n) => `during-${n}`)]);
	const middle = events[10];
	const bySeq = await corder.run("events", "-p", project, "--since", `${middle.seq}`, "--no-follow", "--json");
	assert.equal(lines(bySeq.out).length, 11);
	const byTime = await corder.run("events", "-p", project, "--since", middle.at, "--no-follow", "--json");
	assert.equal(JSON.parse(lines(byTime.out)[0]).task_id, middle.task_id);
	const limited = await corder.run("events", "-p", project, "--since", "1h", "-n", "3");
	assert.equal(lines(limited.out).length, 3);
});

test("services lists every instance, and --check is content", async () => {
	const { code, out, err } = await corder.run("services", "--check");
	assert.equal(code, 0, err);
	for (const name of ["ingest", "scheduler", "dispatcher", "persister", "monitor"])
		assert.match(out, new RegExp(`corder-${name} .* ok`));
	const { reply } = await corder.json("services", "--name", "ingest");
	assert.ok(reply.services.every(({ name }) => name === "corder-ingest"));
});
