// Starts a stack and runs the *.test.js files on it, then the *.fault.js files, which break it; words are parts of file names.
// `npm test` runs all.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startStack } from "./support/stack.js";

const folder = fileURLToPath(new URL(".", import.meta.url));
const words = process.argv.slice(2);
const wanted = (file) => words.length === 0 || words.some((word) => file.includes(word));
const files = (ending) =>
	readdirSync(folder)
		.filter((file) => file.endsWith(ending) && wanted(file))
		.sort();

async function runFiles(list, concurrency, env) {
	if (list.length === 0) return 0;
	const options = ["--test", "--test-reporter=tap", "--test-timeout=600000", `--test-concurrency=${concurrency}`];
	const child = spawn(process.execPath, [...options, ...list], { cwd: folder, env, stdio: "inherit" });
	const [code] = await once(child, "exit");
	return code === 0 ? 0 : 1;
}

const stack = await startStack();
try {
	const env = { ...process.env, ...stack.env, CORDER_TEST_UP: `${stack.pid}` };
	const tests = await runFiles(files(".test.js"), 2, env);
	const faults = await runFiles(files(".fault.js"), 1, env);
	process.exitCode = tests || faults;
} finally {
	await stack.stop();
}
