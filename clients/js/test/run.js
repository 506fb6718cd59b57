// Starts a stack and runs the *.test.js files on it; words are parts of file names. `npm test` runs all.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startStack } from "./support/stack.js";

const folder = fileURLToPath(new URL(".", import.meta.url));
const words = process.argv.slice(2);
const wanted = (file) => file.endsWith(".test.js") && (words.length === 0 || words.some((word) => file.includes(word)));

const stack = await startStack();
try {
	const files = readdirSync(folder).filter(wanted).sort();
	const env = { ...process.env, ...stack.env, CORDER_TEST_UP: `${stack.pid}` };
	const options = ["--test", "--test-reporter=tap", "--test-concurrency=2"];
	const child = spawn(process.execPath, [...options, ...files], { cwd: folder, env, stdio: "inherit" });
	const [code] = await once(child, "exit");
	process.exitCode = code === 0 ? 0 : 1;
} finally {
	await stack.stop();
}
