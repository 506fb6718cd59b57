// A client under test: a process that reads a request a line and writes an answer a line. README.md has the protocol.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

// PYTHON_WITH_CORDER names the interpreter that has the package installed.
const commands = {
	python: () => [process.env.PYTHON_WITH_CORDER ?? path("../../build/python/bin/python"), path("adapters/python.py")],
	js: () => [process.execPath, path("adapters/js.mjs")],
	c: () => [process.env.C_ADAPTER ?? path("../../build/release/bin/conformance-c")],
};

export function commandFor(language) {
	if (!commands[language]) throw new Error(`which client? One of: ${Object.keys(commands).join(", ")}`);
	const command = commands[language]();
	for (const file of command) if (!existsSync(file)) throw new Error(`${file} is not there`);
	return command;
}

// What the client answered with, instead of a value: { kind, code, … }.
export class ClientError extends Error {
	constructor(what, error) {
		super(`${what}: ${JSON.stringify(error).slice(0, 1000)}`);
		this.error = error;
	}
}

export class Adapter {
	constructor([program, ...words]) {
		this.child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
		this.ended = once(this.child, "exit");
		this.waiting = new Map();
		this.next = 1;
		createInterface({ input: this.child.stdout }).on("line", (line) => this.#take(line));
		this.child.once("exit", (code, signal) => this.#failAll(new Error(`the adapter has ended: ${signal ?? code}`)));
		this.child.stdin.on("error", () => {}); // told by exit
	}

	#take(line) {
		const { id, ok, value, error } = JSON.parse(line);
		const asked = this.waiting.get(id);
		if (!asked) return;
		this.waiting.delete(id);
		clearTimeout(asked.timer);
		if (ok) asked.resolve(value ?? {});
		else asked.reject(new ClientError(asked.what, error));
	}

	#failAll(error) {
		for (const { reject, timer } of this.waiting.values()) {
			clearTimeout(timer);
			reject(error);
		}
		this.waiting.clear();
	}

	ask(what, arguments_, seconds = 240) {
		const id = this.next++;
		this.child.stdin.write(`${JSON.stringify({ id, do: what, with: arguments_ })}\n`);
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.waiting.delete(id);
				reject(new Error(`${what} was not answered within ${seconds} s: ${JSON.stringify(arguments_)}`));
			}, seconds * 1000);
			this.waiting.set(id, { what, resolve, reject, timer });
		});
	}

	async close() {
		this.child.stdin.end();
		const timer = setTimeout(() => this.child.kill("SIGKILL"), 30000);
		await this.ended;
		clearTimeout(timer);
	}
}
