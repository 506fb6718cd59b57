// The process of workers: honest ones, slow ones that renew, late ones, ones that forget, settle twice or give back. The
// driver kills and pauses the whole process, too. Told over IPC when to be honest only.
import { setTimeout as pause } from "node:timers/promises";
import { Caller } from "./caller.mjs";
import { dice } from "./dice.mjs";
import { types } from "./graphs.mjs";
import { History } from "./history.mjs";

const { folder, seed, url, workerCount, most, generation } = JSON.parse(process.argv[2]);
const history = new History(folder, `workers-${process.pid}`);
const callers = [];
let calm = false;

const shownTasks = (tasks) =>
	tasks.map(({ project, task_id, attempt, lease, lease_until, priority, inputs, execution_context }) => ({
		project,
		task_id,
		attempt,
		lease,
		lease_until,
		priority,
		context: execution_context,
		inputs: Object.fromEntries(Object.entries(inputs ?? {}).map(([id, result]) => [id, result?.lease ?? null])),
	}));

class Worker {
	constructor(index, caller) {
		Object.assign(this, {
			caller,
			name: `w${index}-g${generation}`,
			random: dice(seed * 977 + index * 31 + generation),
		});
		Object.assign(this, { done: [], turns: 0, handling: 0 });
	}

	async run() {
		while (!this.caller.over) {
			if (this.handling > 2 * most) await pause(20);
			else await this.turn();
		}
	}

	async turn() {
		const { random, caller, name } = this;
		const done = this.done.splice(0, 100);
		const body = {
			worker: name,
			max: calm ? most : random.between(1, most),
			wait_ms: random.between(100, 900),
			done,
			lease_ms: random.chance(0.15) ? random.between(4000, 9000) : random.between(1200, 3500),
			request_id: `${name}-${this.turns++}`,
		};
		const shown = (reply) => ({ ...reply, tasks: shownTasks(reply.tasks) });
		const reply = await caller.insist(`work.${random.pick(types)}`, body, { timeout: body.wait_ms + 3500, shown });
		for (const task of reply?.ok ? reply.tasks : []) {
			this.handling++;
			this.handle(task, body.lease_ms).finally(() => this.handling--);
		}
	}

	item({ project, task_id, lease }, outcome) {
		const error = outcome === "failed" ? { message: "by chance", retryable: this.random.chance(0.7) } : undefined;
		return {
			project,
			task_id,
			lease,
			outcome,
			...(error ? { error } : {}),
			...(outcome === "completed" ? { result: { lease } } : {}),
		};
	}

	outcome() {
		return this.random.pick([
			"completed",
			"completed",
			"completed",
			"completed",
			"completed",
			"completed",
			"completed",
			"failed",
			"failed",
			"released",
		]);
	}

	async settle(task, item) {
		if (this.random.chance(0.4)) this.done.push(item);
		else await this.caller.insist(`settle.${task.task_type}`, { worker: this.name, done: [item] });
	}

	async handle(task, lease_ms) {
		if (calm) return this.settle(task, this.item(task, "completed"));
		const lot = this.random.next();
		if (lot < 0.04) return; // forgets it
		if (lot < 0.08) return this.slowly(task, lease_ms);
		if (lot < 0.1) await pause(lease_ms * 1.3); // too late, most often
		const item = this.item(task, this.outcome());
		await pause(this.random.below(30));
		await this.settle(task, item);
		if (lot < 0.14) await this.caller.insist(`settle.${task.task_type}`, { worker: this.name, done: [item] });
		if (lot > 0.98) await this.settle(task, this.item(task, this.outcome()));
	}

	async slowly(task, lease_ms) {
		const { project, task_id, lease, task_type } = task;
		const till = Date.now() + lease_ms * (0.5 + 2 * this.random.next());
		while (Date.now() < till && !calm) {
			await pause(lease_ms / 3);
			const body = { worker: this.name, leases: [{ project, task_id, lease }], lease_ms };
			const { reply } = await this.caller.once(`renew.${task_type}`, body, { timeout: lease_ms / 2 });
			if (reply?.ok && !reply.leases[0].ok) return;
			if (reply?.ok && reply.leases[0].cancel) break;
		}
		await this.settle(task, this.item(task, "completed"));
	}
}

for (let index = 0; index < workerCount; index++) {
	const caller = await Caller.open(history, `w${index}-g${generation}`, url);
	callers.push(caller);
	new Worker(index, caller).run();
}
process.on("message", ({ rest, over }) => {
	if (rest) calm = true;
	if (over) process.exit(0);
});
process.on("disconnect", () => process.exit(0));
process.send({ ready: true });
