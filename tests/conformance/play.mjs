// One case at play: its steps in order, on a project of its own, through a fresh connection of the client.
import assert from "node:assert/strict";
import { Client } from "../system/client.mjs";
import { serviceNames } from "../system/stack.mjs";
import { until as untilTrue } from "../system/wait.mjs";
import { ClientError } from "./adapter.mjs";
import { match } from "./match.mjs";

const run = Math.random().toString(36).slice(2, 7);
const encoder = new TextEncoder();
const until = (what, condition) => untilTrue(what, condition, { seconds: 120 });

// "/tasks/0/status" of a value.
const pointed = (value, pointer) => pointer.split("/").slice(1).reduce((inner, name) => inner?.[name], value);

export class Play {
	constructor(one, index, adapter, stack, proxy) {
		Object.assign(this, { one, adapter, stack, proxy });
		const project = `c${index}-${run}`;
		this.saved = { project, type: `${project}_t`, type2: `${project}_u` };
		this.running = new Map();
		this.heard = new Map();
		this.broken = false;
	}

	// Returns what went wrong, if anything did.
	async run() {
		let step = {};
		try {
			this.driver = await Client.open(this.stack.addresses);
			await this.adapter.ask("connect", { url: this.proxy.url, project: this.saved.project, ...this.one.connect });
			for (step of this.one.steps) await this.#play(step);
			return null;
		} catch (error) {
			error.message = `${error.message}\nat step ${JSON.stringify(step)}`;
			return error;
		} finally {
			await this.#leave();
		}
	}

	async #leave() {
		if (this.proxy.deaf) this.proxy.hear();
		if (this.broken) await this.#mend();
		await this.adapter.ask("close", {}).catch(() => {});
		await this.driver?.close();
	}

	// The next case finds everything at its place, even when this one stopped half-way.
	async #mend() {
		for (const server of ["nats", "redis", "mariadb"]) {
			if (this.stack[server].child.exitCode !== null || this.stack[server].child.signalCode !== null) {
				await this.stack[server].start();
			}
		}
		for (const fallen of this.stack.fallen()) await this.stack.startService(fallen.split("-")[0]);
		await this.stack.ready();
	}

	// "$name" is a saved value, "…${name}…" has it inside.
	#filled(value) {
		if (typeof value === "string") {
			if (/^\$\w+$/.test(value) && value.slice(1) in this.saved) return this.saved[value.slice(1)];
			return value.replace(/\$\{(\w+)\}/g, (_, name) => this.saved[name]);
		}
		if (Array.isArray(value)) return value.map((one) => this.#filled(one));
		if (value === null || typeof value !== "object") return value;
		return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.#filled(one)]));
	}

	async #play(step) {
		const filled = this.#filled({ ...step, save: undefined });
		if (filled.join) return this.#judge(await this.#joined(filled.join), filled, step);
		const outcome = filled.driver ? this.#drive(filled) : this.adapter.ask(filled.do, { project: this.saved.project, ...filled.with });
		const settled = outcome.then((value) => ({ value }), (error) => ({ error }));
		if (filled.background) this.running.set(filled.background, settled);
		else this.#judge(await settled, filled, step);
	}

	#joined(label) {
		const settled = this.running.get(label);
		assert.ok(settled, `nothing runs in the background as ${label}`);
		this.running.delete(label);
		return settled;
	}

	#judge({ value, error }, { expect, error: expected }, { save = {} }) {
		if (expected) {
			assert.ok(error instanceof ClientError, `an error was expected, this came: ${error ?? JSON.stringify(value)}`);
			match(error.error, expected);
			return;
		}
		if (error) throw error;
		if (expect !== undefined) match(value, expect);
		for (const [name, pointer] of Object.entries(save)) this.saved[name] = pointed(value, pointer);
	}

	#drive(step) {
		const does = {
			raw: () => this.#raw(step),
			until: () => this.#until(step),
			listen: async () => this.heard.set(step.name, this.driver.listen(step.subject, step.schema ?? "event")),
			heard: () => this.#heard(step),
			republish: () => this.#republish(step),
			forge: () => this.#republish(step),
			drop: async () => this.proxy.drop(),
			deafen: async () => this.proxy.deafen(),
			mute: async () => this.proxy.mute(),
			hear: async () => this.proxy.hear(),
			stop: () => this.#stop(step.what),
			start: () => this.#start(step.what),
			restart: async () => {
				await this.#stop(step.what);
				await this.#start(step.what);
			},
		}[step.driver];
		assert.ok(does, `the driver cannot ${step.driver}`);
		return does();
	}

	// A request of the driver's own, by nobody's client.
	async #raw({ subject, body }) {
		const reply = await this.driver.askBytes(subject, encoder.encode(JSON.stringify(body)), { timeout: 20000 });
		return reply;
	}

	// The same, again and again until the reply is as expected.
	#until(step) {
		return until(`${step.subject} as expected`, async () => {
			const reply = await this.#raw(step);
			match(reply, step.expect);
			return reply;
		});
	}

	#heard({ name, expect }) {
		return until(`messages of ${name}`, () => {
			const list = this.heard.get(name).list.map(({ body }) => body);
			match(list, expect);
			return list;
		});
	}

	// An event once more, as after a failure of the service that published it.
	async #republish({ event }) {
		const { position: _, ...body } = event;
		const subject = `event.${body.project}.${body.task_type}.${body.status}`;
		await this.driver.publish(subject, body);
	}

	async #stop(what) {
		this.broken = true;
		if (what === "services") await Promise.all(serviceNames.map((name) => this.stack.killService(name)));
		else if (serviceNames.includes(what)) await this.stack.killService(what);
		else await this.stack[what].kill();
	}

	async #start(what) {
		if (what === "services") for (const name of serviceNames) await this.stack.startService(name);
		else if (serviceNames.includes(what)) await this.stack.startService(what);
		else await this.stack[what].start();
	}
}
