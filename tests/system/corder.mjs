// The `corder` command as people and scripts use it: run to its end, or started and talked to.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment } from "./servers.mjs";
import { binFolder } from "./stack.mjs";
import { until } from "./wait.mjs";

export class Corder {
	// stack: what useStack() returns; its addresses are there once the tests run.
	constructor(stack) {
		this.stack = stack;
		this.folder = mkdtempSync(join(tmpdir(), "corder-cli-"));
		this.children = new Set();
	}

	get env() {
		const { nats, settings } = this.stack.addresses;
		return { ...environment, ...settings, NATS_URL: nats, LC_ALL: "C.UTF-8", TERM: "dumb" };
	}

	// A command that goes on: { child, out, err, seen, ended }.
	start(words, { input = "", env = {}, cwd = this.folder } = {}) {
		const child = spawn(join(binFolder, "corder"), words, { env: { ...this.env, ...env }, cwd });
		const run = { child, out: "", err: "" };
		child.stdout.on("data", (data) => (run.out += data));
		child.stderr.on("data", (data) => (run.err += data));
		child.stdin.on("error", () => {}); // it may end before it has read everything
		child.stdin.end(input);
		this.children.add(child);
		run.ended = once(child, "close").then(([code, signal]) => {
			this.children.delete(child);
			return code ?? signal;
		});
		run.seen = (text, options) => until(`'${text}' in the output of corder ${words[0]}`, () => (run.out + run.err).includes(text), options);
		return run;
	}

	// Runs to the end: { code, out, err }. A last word that is an object is for start().
	async run(...words) {
		const options = typeof words.at(-1) === "object" ? words.pop() : {};
		const run = this.start(words, options);
		const timer = setTimeout(() => run.child.kill("SIGKILL"), options.seconds * 1000 || 60000);
		const code = await run.ended;
		clearTimeout(timer);
		return { code, out: run.out, err: run.err };
	}

	// With --json, parsed; the exit code must be `code`.
	async json(...words) {
		const { code, out, err } = await this.run(...words, "--json");
		try {
			return { code, reply: JSON.parse(out) };
		} catch (error) {
			throw new Error(`corder ${words.join(" ")}: exit code ${code}, ${error.message}: ${out}${err}`);
		}
	}

	close() {
		for (const child of this.children) child.kill("SIGKILL");
		rmSync(this.folder, { recursive: true, force: true });
	}
}

export const lines = (text) => text.split("\n").filter((line) => line !== "");
