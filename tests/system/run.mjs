// Runs the system tests: starts one stack with two instances of every service, lets every *.test.mjs file use it, then
// the *.fault.mjs files, which break stacks of their own. `node run.mjs work settle` runs the files with these words in
// their names; PARTITIONS=3 in the environment gives every stack three. Ends with the counts of node's test runner.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Stack } from "./stack.mjs";

const folder = fileURLToPath(new URL(".", import.meta.url));
const words = process.argv.slice(2);
const wanted = (file) => words.length === 0 || words.some((word) => file.includes(word));
const files = (ending) => readdirSync(folder).filter((file) => file.endsWith(ending) && wanted(file));

async function runFiles(list, concurrency, env = process.env) {
	if (list.length === 0) return 0;
	const options = ["--test", "--test-reporter=tap", `--test-concurrency=${concurrency}`];
	const child = spawn(process.execPath, [...options, ...list], { cwd: folder, env, stdio: "inherit" });
	const [code] = await once(child, "exit");
	return code === 0 ? 0 : 1;
}

async function runShared(list) {
	if (list.length === 0) return 0;
	const stack = await new Stack({ instances: 2 }).start();
	const env = { ...process.env, CORDER_TEST_STACK: JSON.stringify(stack.addresses) };
	const failed = await runFiles(list, 2, env);
	const fallen = stack.fallen();
	for (const name of fallen) console.log(`not ok - ${name} has ended although nobody killed it\n0 passed, 1 failed`);
	if (failed || fallen.length > 0) console.log(stack.logTails(20).replace(/^/gm, "# "));
	await stack.stop();
	return failed || (fallen.length > 0 ? 1 : 0);
}

const shared = await runShared(files(".test.mjs"));
const faults = await runFiles(files(".fault.mjs"), 1);
process.exitCode = shared || faults;
