// One round: a fresh stack, its load, the faults of one seed while it runs, then rest, and everything that is left written
// down in one folder. The checker reads that folder; nothing is judged here.
import { fork } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endProcess } from "../system/servers.mjs";
import { collect } from "./collect.mjs";
import { dice } from "./dice.mjs";
import { faults, lasting, targetsOf } from "./faults.mjs";
import { History, now } from "./history.mjs";
import { janitor } from "./janitor.mjs";
import { ChaosStack } from "./stack.mjs";

const settings = {
	CORDER_LEASE_MS: "3000",
	CORDER_KEEP_ENDED_S: "15",
	CORDER_LOG_KEEP_BLOCKS: "1000000000",
	CORDER_AUDIT_MS: "200",
	CORDER_STAGING_MAX_BYTES: "200000000",
	CORDER_ENQUEUE_MAX_BYTES: "100000000", // they are reserved on small disks
};
const program = (name) => fileURLToPath(new URL(name, import.meta.url));

// What a seed draws: which half of the kinds it leaves out, how hard and how often it hits.
export function draw(seed, { wanted, withDisks }) {
	const random = dice(seed);
	const usable = Object.keys(faults).filter((kind) => withDisks || !/^(disk|power)/.test(kind));
	const kinds = [...usable.filter((kind) => !faults[kind].onlyByName), ...lasting];
	const drawn = random.shuffled(kinds).slice(0, Math.ceil(kinds.length / 2));
	const chosen = wanted ?? drawn;
	return {
		seed,
		kinds: chosen.filter((kind) => usable.includes(kind)),
		wrongClocks: chosen.includes("wrong-clocks"),
		gapMs: random.pick([300, 800, 2000, 5000]),
		together: random.pick([1, 2, 3]),
		partitions: random.pick([1, 1, 3]),
		instances: 2,
	};
}

export class Round {
	constructor(folder, plan, options) {
		Object.assign(this, { folder, plan, options, injected: [], held: new Set(), known: 0, waiting: 0 });
		mkdirSync(folder, { recursive: true });
		writeFileSync(join(folder, "round.json"), JSON.stringify({ plan, options, settings }, null, 1));
		this.history = new History(folder, "driver");
		this.random = dice(plan.seed * 17 + 3);
		const env = {
			...settings,
			CORDER_PARTITIONS: `${plan.partitions}`,
			...(options.without ? { CORDER_TEST_WITHOUT: options.without } : {}),
		};
		this.stack = new ChaosStack(folder, { instances: plan.instances, settings: env, withDisks: options.withDisks });
	}

	async run() {
		const { stack, options } = this;
		stack.note = (what, more) => this.history.note("driver", what, more);
		try {
			await stack.start({ syncAlways: options.syncAlways });
			await this.startLoad();
			const watch = this.watch();
			await this.calmFor(1500);
			await this.breakThings(options.seconds * 1000);
			await this.settle();
			this.watching = false;
			await watch;
			await collect(stack, this.folder, this.plan.partitions);
		} finally {
			this.watching = false;
			for (const child of [stack.clients, stack.workers]) await endProcess(child, "SIGKILL");
			await stack.stop();
		}
	}

	// ------------------------------------------------------------------------------------------ load

	async startLoad() {
		const { stack, plan, folder } = this;
		let generation = 0;
		const common = { folder, seed: plan.seed };
		const skews = plan.wrongClocks ? [0, 3600000, -3600000, 5000] : [0];
		const { load: times } = this.options;
		const load = { clientCount: 2 + 2 * times, backlog: 250 * times, usual: 20 * times, largest: 600, skews };
		stack.clients = await this.startChild("clients.mjs", { ...common, url: stack.urlFor("clients", "nats"), ...load });
		stack.startWorkers = async () => {
			const words = { ...common, url: stack.urlFor("workers", "nats"), workerCount: 6, most: 8 * times, generation: generation++ };
			stack.workers = await this.startChild("workers.mjs", words);
		};
		stack.endWorkers = () => endProcess(stack.workers, "SIGKILL");
		stack.clients.on("message", (message) => Object.assign(this, message));
		await stack.startWorkers();
	}

	async startChild(name, words) {
		const log = join(this.folder, "logs", `${name}.log`);
		const child = fork(program(name), [JSON.stringify(words)], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
		for (const output of [child.stdout, child.stderr]) output.on("data", (bytes) => appendFileSync(log, bytes));
		await Promise.race([
			once(child, "message"),
			once(child, "exit").then(() => Promise.reject(new Error(`${name} ended`))),
		]);
		return child;
	}

	// ------------------------------------------------------------------------------------------ faults

	async breakThings(ms) {
		const end = now() + ms;
		const under = new Set();
		while (now() < end) {
			if (under.size < this.plan.together && this.plan.kinds.length > 0) {
				const one = this.inject().finally(() => under.delete(one));
				under.add(one);
			}
			await this.calmFor(this.random.between(this.plan.gapMs / 2, this.plan.gapMs * 2));
		}
		await Promise.all(under);
	}

	async inject() {
		const { stack, random } = this;
		const kind = random.pick(this.plan.kinds);
		const fault = faults[kind];
		const targets = fault.hits(stack).filter((target) => this.isFree(target));
		if (targets.length === 0) return;
		const target = random.pick(targets);
		const names = targetsOf(target);
		names.forEach((name) => this.held.add(name));
		const note = { kind, target, from: now() };
		try {
			const heal = await fault.do(stack, target, random);
			await pause(random.between(...((this.options.seconds >= 60 && fault.longHold) || fault.hold)));
			await heal();
			note.till = now();
		} catch (error) {
			note.problem = String(error.message).slice(0, 200);
		} finally {
			names.forEach((name) => this.held.delete(name));
			this.injected.push(note);
			this.history.note("driver", "fault", note);
		}
	}

	isFree(target) {
		const clash = (name) =>
			this.held.has(name) || [...this.held].some((held) => held.startsWith(`${name}-`) || name.startsWith(`${held}-`));
		return !targetsOf(target).some(clash);
	}

	// ------------------------------------------------------------------------------------------ rest

	// Everything is healed; the load comes to an end, and what is left behind has time to go.
	async settle() {
		const { stack } = this;
		for (const name of ["nats", "redis", "mariadb"]) if (!stack.isRunning(name)) await stack[name].start();
		for (const id of stack.serviceIds) await stack.startService(id);
		stack.setLinks(stack.links, { mode: "open", reset: true });
		this.history.note("driver", "healed");
		const began = now();
		stack.clients.send({ rest: true });
		stack.workers.send({ rest: true });
		while (!this.quiet && now() - began < this.options.patienceMs) await pause(100);
		this.history.note("driver", this.quiet ? "quiet" : "never quiet", { ms: now() - began });
		if (this.quiet) await Promise.all([pause(this.options.dustMs), this.untilTaken()]);
		this.history.note("driver", "end", { fallen: stack.fallen() });
	}

	// What was enqueued is taken up; after a restart of NATS that can take a while.
	async untilTaken() {
		const left = (manager) => manager.streams.info("CORDER_ENQUEUE").then(({ state }) => state.messages);
		const deadline = now() + 40000;
		while (now() < deadline && (await janitor(this.stack, left).catch(() => 1)) > 0) await pause(500);
	}

	async calmFor(ms) {
		await pause(ms);
		const fallen = this.stack.fallen().filter((name) => ![...this.held].some((held) => name.startsWith(held)));
		for (const name of fallen) {
			this.history.note("driver", "fallen", { name });
			await this.stack.startService(name.split(" ")[0]);
		}
	}

	// What the auditor says, all along.
	async watch() {
		this.watching = true;
		while (this.watching) {
			for (const [id, port] of Object.entries(this.stack.httpPort ?? {})) {
				const text = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(900) }).then(
					(r) => r.text(),
					() => "",
				);
				const found = /^corder_auditor_violations(?:\{[^}]*\})? (\S+)/m.exec(text);
				if (found) this.history.note(id, "auditor", { violations: Number(found[1]) });
			}
			await pause(700);
		}
	}
}
