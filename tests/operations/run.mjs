// What an operator uses, on one stack of `corder up`: metrics, alerts, dashboard, `corder top` in a terminal, pictures,
// spans. Starts the stack, lets a graph of work run through it, then runs every *.test.mjs here (or those named).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../system/wait.mjs";
import { corder, environment, program } from "./corder.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "corder-operations-"));
const stack = join(folder, "stack");
process.env.TEST_STACK = stack;
const words = process.argv.slice(2);

// The graph of the demo: one try of search fails, mailer never passes. Each task's result is its try's traceparent.
async function work() {
	const command = `case $CORDER_TASK_ID/$CORDER_ATTEMPT in test-search/1) exit 7 ;; test-mailer/*) exit 8 ;; esac
		printf '"%s"' "$TRACEPARENT"`;
	const graph = fileURLToPath(new URL("../../demo/graph.jsonl", import.meta.url));
	const submitted = await corder("submit", graph, "--project", "shop", "--batch", "shop-1");
	if (submitted.code !== 0) throw new Error(submitted.err);
	const types = "coding,testing,review,commit";
	const done = await corder("work", "--type", types, "--concurrency", "4", "--worker", "op-1", "--until-idle", "--exec", command);
	if (done.code !== 0) throw new Error(done.err);
}

const log = openSync(join(folder, "up.log"), "w");
const up = spawn(program, ["up", "--dir", stack, "--scale", "dispatcher=2"], { env: environment(), stdio: ["ignore", log, log] });
let failed = 1;
try {
	await until("the stack is up", () => up.exitCode !== null || existsSync(join(stack, "env")), { seconds: 90 });
	if (up.exitCode !== null) throw new Error(readFileSync(join(folder, "up.log"), "utf8"));
	await work();
	const files = readdirSync(here).filter((file) => file.endsWith(".test.mjs"));
	const wanted = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
	const options = ["--test", "--test-reporter=tap", "--test-concurrency=2"];
	const tests = spawn(process.execPath, [...options, ...wanted], { cwd: here, stdio: "inherit" });
	failed = (await once(tests, "exit"))[0];
} finally {
	up.kill("SIGTERM");
	if (up.exitCode === null) await once(up, "exit");
	rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
