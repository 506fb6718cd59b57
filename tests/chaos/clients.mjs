// The process of clients: they submit graphs, command, and repeat; an observer writes down every event it hears. Told over
// IPC when to come to rest, and when bus messages are to come twice and late.
import { setTimeout as pause } from "node:timers/promises";
import { Caller } from "./caller.mjs";
import { dice } from "./dice.mjs";
import { randomGraph, types } from "./graphs.mjs";
import { History } from "./history.mjs";
import { jetstream } from "./nats.mjs";

const { folder, seed, url, clientCount, backlog, usual, largest, skews } = JSON.parse(process.argv[2]);
const history = new History(folder, `clients-${process.pid}`);
const projects = ["p1", "p2", "p3"];
const accepted = new Map(projects.map((project) => [project, []]));
const held = [];
const callers = [];
let calm = false;
let waiting = 0; // tasks that are not over, as the monitor says
let serial = 0;

function remember(project, tasks) {
	const list = accepted.get(project);
	list.push(...tasks.map(({ task_id }) => task_id));
	if (list.length > 20000) list.splice(0, 10000);
	held.push(...tasks.filter(({ hold }) => hold).map(({ task_id }) => ({ project, task_id })));
}

class Client {
	constructor(index, caller) {
		Object.assign(this, { index, caller, random: dice(seed * 131 + index), skewMs: skews[index % skews.length] });
		this.coming = [];
	}

	graph(project, count, shape) {
		const { random, index, skewMs } = this;
		const list = accepted.get(project);
		const earlier = [list.slice(-200), list].map((from) => random.pick(from)).filter(Boolean);
		const promised = random.chance(0.1) ? `c${index}.later${serial++}.0` : undefined;
		if (promised) this.coming.push({ project, prefix: promised.slice(0, -2) });
		return randomGraph(random, { prefix: `c${index}.b${serial++}`, count, earlier, coming: promised, skewMs, shape });
	}

	async submitGraph(project) {
		const tasks = this.graph(project, this.random.between(2, usual));
		const body = { project, batch_id: `batch${serial++}.${this.index}`, tasks };
		const reply = await this.caller.insist("submit", body);
		if (!reply?.ok) return;
		remember(project, tasks);
		if (this.random.chance(0.1)) await this.caller.insist("submit", body); // the very same again
		if (this.random.chance(0.05)) await this.conflict(project, tasks[0]);
	}

	// A known id with another body: refused, and nothing changes.
	conflict(project, { task_id, task_type }) {
		const body = { project, task_id, task_type, priority: 1, execution_context: { other: true }, max_retries: 9 };
		return this.caller.insist("submit", body);
	}

	async submitLate() {
		const { project, prefix } = this.coming.shift() ?? {};
		if (!project || this.random.chance(0.3)) return;
		const tasks = randomGraph(this.random, { prefix, count: 1, earlier: [], shape: "single" });
		if ((await this.caller.insist("submit", { project, tasks }))?.ok) remember(project, tasks);
	}

	// Refused whole, for one of its tasks hangs on what nobody knows.
	async submitWrong(project) {
		const tasks = this.graph(project, 4, "chain");
		tasks[2].dependencies.push({ task_id: "nobody-knows-this", when: "completed" });
		await this.caller.insist("submit", { project, tasks });
	}

	async submitLarge(project) {
		const tasks = this.graph(
			project,
			this.random.between(260, largest),
			this.random.pick(["layers", "wild", "fanOut"]),
		);
		const batch_id = `large${serial++}.${this.index}`;
		const size = Math.ceil(tasks.length / this.random.between(2, 4));
		let part = 0;
		for (let at = 0; at < tasks.length; at += size) {
			const body = { project, batch_id, part: ++part, tasks: tasks.slice(at, at + size) };
			if (!(await this.caller.insist("submit", body))?.ok) return;
		}
		const reply = await this.caller.insist("submit", { project, batch_id, seal: part }, { timeout: 15000 });
		if (reply?.ok) remember(project, tasks);
	}

	// Into the stream: stored once it is acknowledged, whatever sleeps.
	async enqueue(project) {
		const [task] = this.graph(project, 1, "single");
		delete task.hold;
		const bytes = new TextEncoder().encode(JSON.stringify(task));
		const note = (what, more) => history.note(this.caller.who, what, { project, ...more });
		note("enqueue", { task });
		while (!this.caller.over) {
			try {
				await jetstream(this.caller.connection).publish(`corder.v1.enqueue.${project}`, bytes, { timeout: 3000 });
				note("stored", { task_id: task.task_id });
				return;
			} catch {
				await pause(100);
			}
		}
	}

	async command(project) {
		const { random } = this;
		const list = accepted.get(project);
		if (list.length === 0) return;
		const name = random.pick(["cancel", "retry", "update", "update", "approve", "reject", "pause"]);
		if (name === "pause") return this.pauseAWhile(project);
		const task_ids = [random.pick(list.slice(-300))];
		if (name === "approve" || name === "reject") {
			const one = held.length > 0 ? random.pick(held) : null;
			if (one) await this.caller.insist(`task.${name}`, { project: one.project, task_ids: [one.task_id] });
			return;
		}
		const more =
			name === "update" ? { priority: random.between(1, 10) } : name === "retry" ? { cascade: random.chance(0.5) } : {};
		await this.caller.insist(`task.${name}`, { project, task_ids, ...more });
	}

	async pauseAWhile(project) {
		const body = this.random.pick([
			{ project },
			{ task_type: this.random.pick(types) },
			{ project, task_type: types[0] },
		]);
		await this.caller.insist("queue.pause", body);
		await pause(this.random.between(50, 800));
		await this.caller.insist("queue.resume", body);
	}

	async turn() {
		const { random } = this;
		const project = random.pick(projects);
		const lot = random.next();
		if (lot < 0.1) await this.command(project);
		else if (lot < 0.13) await this.submitWrong(project);
		else if (lot < 0.16) await this.submitLate();
		else if (lot < 0.22) await this.enqueue(project);
		else if (lot < 0.235) await this.submitLarge(project);
		else await this.submitGraph(project);
	}

	async run() {
		while (!calm) {
			if (waiting > backlog) await pause(50);
			else await this.turn();
		}
	}
}

// ---------------------------------------------------------------------------------------------- looking on

async function watchCounts(caller) {
	while (!caller.over) {
		const { reply } = await caller.once("status", {}, { timeout: 2000, shown: briefly });
		if (reply?.ok) waiting = reply.pending_count + reply.running_count + (reply.retry_count ?? 0);
		process.send({ waiting, known: [...accepted.values()].reduce((sum, list) => sum + list.length, 0) });
		await pause(300);
	}
}

const briefly = ({ pending_count, running_count, retry_count, blocked_count, queue_health }) => ({
	pending_count,
	running_count,
	retry_count,
	blocked_count,
	queue_health: queue_health?.status ?? queue_health,
});

function observe(caller) {
	caller.connection.subscribe("corder.v1.event.>", {
		callback: (error, message) => {
			if (error) return;
			const { event_id, partition, seq, project, task_id, version, status } = message.json();
			history.note(caller.who, "event", { event_id, partition, seq, project, task_id, version, status });
		},
	});
}

// Messages between services come again, late and in another order.
let echoing = null;
function echo(caller, random) {
	const subjects = [
		"internal.mark.>",
		"internal.logged.>",
		"internal.ready.>",
		"internal.persisted.>",
		"internal.admit.>",
		"submit",
		"settle.>",
		"work.>",
	];
	const seen = new Set();
	const again = (_, { subject, data, reply, headers }) => {
		const key = `${subject} ${Buffer.from(data).toString("latin1")}`;
		if (seen.delete(key) || random.chance(0.6)) return;
		setTimeout(() => {
			seen.add(key);
			if (!caller.connection.isClosed()) caller.connection.publish(subject, data, { reply, headers });
		}, random.below(700));
	};
	echoing = subjects.map((subject) => caller.connection.subscribe(`corder.v1.${subject}`, { callback: again }));
}

// ---------------------------------------------------------------------------------------------- coming to rest

async function rest(caller) {
	for (const task_type of [undefined, ...types]) {
		for (const project of [undefined, ...projects]) {
			if (task_type || project) await caller.insist("queue.resume", { task_type, project });
		}
	}
	for (let at = 0; at < held.length; at += 100) {
		for (const project of projects) {
			const task_ids = held
				.slice(at, at + 100)
				.filter((one) => one.project === project)
				.map(({ task_id }) => task_id);
			if (task_ids.length > 0) await caller.insist("task.approve", { project, task_ids });
		}
	}
	for (let quiet = 0; quiet < 4 && !caller.over; await pause(250)) {
		const reply = await caller.insist("status", {}, { shown: briefly });
		const moving = reply ? reply.pending_count + reply.running_count + (reply.retry_count ?? 0) : 1;
		quiet = moving === 0 ? quiet + 1 : 0;
	}
	if (!caller.over) process.send({ quiet: true });
}

const open = async (who) => {
	const caller = await Caller.open(history, who, url);
	callers.push(caller);
	return caller;
};

const watcher = await open("watcher");
const clients = [];
for (let index = 0; index < clientCount; index++) clients.push(new Client(index, await open(`client${index}`)));
observe(await open("observer"));
const echoer = await open("echo");
watchCounts(watcher);
const loops = clients.map((client) => client.run());

process.on("message", async ({ rest: wanted, over, duplicates }) => {
	if (duplicates === true && !echoing) echo(echoer, dice(seed * 7 + 1));
	if (duplicates === false && echoing) {
		echoing.forEach((subscription) => subscription.unsubscribe());
		echoing = null;
	}
	if (wanted) {
		calm = true;
		await Promise.all(loops);
		await rest(watcher);
	}
	if (over) {
		callers.forEach((caller) => (caller.over = true));
		process.exit(0);
	}
});
process.on("disconnect", () => process.exit(0));
process.send({ ready: true });
