// Runs the system tests with services and command built with sanitizers, and fails when one of their processes said anything:
// `node sanitizers.mjs asan|tsan [words of files…]`. Each process writes its report to a file of its own, so that one that was
// asked to stop, or whose output nobody reads, counts as well. Run by ./dev test asan and ./dev test tsan.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [preset, ...words] = process.argv.slice(2);
if (!["asan", "tsan"].includes(preset)) {
	console.error("usage: node sanitizers.mjs asan|tsan [words of files…]");
	process.exit(64);
}
const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
const reports = join(root, "build", "test-logs", preset);
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

const to = `log_path=${join(reports, "report")}:log_exe_name=1`;
const env = {
	...process.env,
	CORDER_BIN: join(root, "build", preset, "bin"),
	ASAN_OPTIONS: `${to}:detect_leaks=1`,
	UBSAN_OPTIONS: `${to}:print_stacktrace=1`,
	LSAN_OPTIONS: `suppressions=${join(here, "leaks.supp")}:print_suppressions=0`,
	TSAN_OPTIONS: `${to}:suppressions=${join(here, "races.supp")}:second_deadlock_stack=1`,
};
// ThreadSanitizer does not start where the kernel spreads addresses wider than it knows.
const command = preset === "tsan" ? ["setarch", "-R", process.execPath] : [process.execPath];
const child = spawn(command[0], [...command.slice(1), join(here, "run.mjs"), ...words], { env, stdio: "inherit" });
const [code] = await once(child, "exit");

// What a report is about: its first line of substance, and the first frame of ours.
function brief(text) {
	const what = text.split("\n").find((line) => /ERROR: |WARNING: |runtime error/.test(line)) ?? text.split("\n")[0];
	const where = text.split("\n").find((line) => /^ *#\d+ .*\/(services|shared|clients)\//.test(line)) ?? "no frame of ours";
	return `${what.replace(/^=+\d+=+/, "").trim()} | ${where.trim()}`;
}

const found = readdirSync(reports).map((file) => ({ file, text: readFileSync(join(reports, file), "utf8") }));
for (const { file, text } of found) console.log(`not ok - ${file}: ${brief(text)}`);
console.log(`\nreports of ${preset}: ${found.length}, in ${reports}`);
console.log(`${found.length === 0 ? 1 : 0} passed, ${found.length} failed`);
process.exitCode = code === 0 && found.length === 0 ? 0 : 1;
