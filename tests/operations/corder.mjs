// The `corder` command on the stack that run.mjs started, and other programs, run to their ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const build = fileURLToPath(new URL("../../build/release/bin", import.meta.url));
export const program = join(process.env.CORDER_BIN ?? build, "corder");
export const stackFolder = () => process.env.TEST_STACK;

// Nothing of the caller's own installation.
export function environment() {
	const own = Object.entries(process.env).filter(([name]) => !/^(NATS|REDIS|DATABASE)_URL|^CORDER_|^TRACEPARENT/.test(name));
	return { ...Object.fromEntries(own), LC_ALL: "C.UTF-8", TERM: "dumb" };
}

// { code, out, err } of any program.
export async function run(name, words, { input = "", env = {} } = {}) {
	const child = spawn(name, words, { env: { ...environment(), ...env } });
	const found = { out: "", err: "" };
	child.stdout.on("data", (data) => (found.out += data));
	child.stderr.on("data", (data) => (found.err += data));
	child.stdin.on("error", () => {}); // it may end before it has read everything
	child.stdin.end(input);
	const timer = setTimeout(() => child.kill("SIGKILL"), 60000);
	found.code = (await once(child, "close"))[0];
	clearTimeout(timer);
	return found;
}

export const corder = (...words) => {
	const options = typeof words.at(-1) === "object" ? words.pop() : {};
	return run(program, [words[0], "--dir", stackFolder(), ...words.slice(1)], options);
};

// Where each process answers /metrics: [{ process, text }], scraped now.
export async function scrape() {
	const targets = JSON.parse(readFileSync(join(stackFolder(), "metrics.json"), "utf8"));
	const one = async ({ targets: [address], labels }) => {
		const response = await fetch(`http://${address}/metrics`);
		return { process: labels.process, status: response.status, type: response.headers.get("content-type"), text: await response.text() };
	};
	return Promise.all(targets.map(one));
}
