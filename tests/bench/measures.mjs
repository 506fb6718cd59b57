// The measures: what runs, on which kind of stack, and what is wanted of the figures.
import { join } from "node:path";
import { load, percentile } from "./load.mjs";
import { startCluster } from "./servers.mjs";
import { bin, longestCall, redis, redisBytes } from "./stack.mjs";

// A task's parents may be 10,000 here; otherwise every setting is at its default. What is waiting is weighed in a Redis that has held
// nothing before: a table that doubles meanwhile weighs what it can hold, and not what it holds.
const usual = { CORDER_MAX_DEPENDENCIES: "10000" };
export const stacks = {
	default: { settings: usual },
	whole: { settings: usual },
	waiting: { settings: usual },
	"waiting deps": { settings: usual },
	"no events": { settings: { ...usual, CORDER_EVENTS_MAX_AGE: "0" } },
};

export function bench(stack, measure, options, watch) {
	const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
	return load([join(bin, "corder-bench"), measure, ...words], { env: stack.env, ...watch });
}

// What is common to all: rates, CPU a task by process, latencies.
export function figuresOf(round) {
	const { figures, cpu_us, wall_s } = round, { tasks } = figures;
	const spread = (histogram, percents = [50, 90, 99, 99.9]) => histogram &&
		Object.fromEntries(percents.map((percent) => [`p${percent}`, percentile(histogram, percent)]));
	return {
		tasks, wall_s,
		...(figures.persisted_s ? { per_s: tasks / figures.persisted_s } : {}),
		...(figures.completed_s ? { completed_per_s: tasks / figures.completed_s } : {}),
		...(figures.submitted_s ? { submitted_per_s: tasks / figures.submitted_s } : {}),
		cpu_us_per_task: Object.values(cpu_us).reduce((sum, us) => sum + us, 0) / tasks,
		cpu: Object.fromEntries(Object.entries(cpu_us).map(([name, us]) => [name, us / tasks])),
		submit_ms: spread(figures.submit_us), work_ms: spread(figures.work_us), settle_ms: spread(figures.settle_us),
		start_ms: spread(figures.start_us),
	};
}

const crowd = (options) => ({
	async run(stack, scaled) {
		const round = await bench(stack, "crowd", scaled(options));
		return { round, ...figuresOf(round) };
	},
});

const latency = (measure, options) => ({
	async run(stack, scaled) {
		const round = await bench(stack, measure, scaled(options));
		const figures = figuresOf(round);
		return { round, ...figures, p50_ms: figures.start_ms.p50, p99_ms: figures.start_ms.p99 };
	},
});

const waiting = (options) => ({
	async run(stack, scaled) {
		const memory = () => redisBytes(stack.env.REDIS_URL), before = await memory();
		const round = await bench(stack, "fill", scaled(options), { onEnd: memory });
		return { round, ...figuresOf(round), bytes: (round.after - before) / round.figures.tasks };
	},
});

const fan = (options) => ({
	async run(stack, scaled) {
		await redis(stack.env.REDIS_URL, "config", "set", "slowlog-log-slower-than", "1000", "slowlog-max-len", "1000");
		await longestCall(stack.env.REDIS_URL);
		const round = await bench(stack, "crowd", scaled(options));
		return { round, ...figuresOf(round), longest_call_ms: await longestCall(stack.env.REDIS_URL) };
	},
});

// W1 behind a million tasks: as many are worked as come in, and the oldest go first.
const deep = (options) => ({
	async run(stack, scaled) {
		const type = `deep${process.hrtime.bigint()}`;
		await bench(stack, "fill", { ...scaled({ tasks: 1000000 }), type });
		const round = await bench(stack, "crowd", { ...scaled(options), type });
		return { round, ...figuresOf(round) };
	},
});

const services = ["ingest", "scheduler", "dispatcher", "persister", "monitor"];

// One graph in parts. Its stack is its own: what a service ever held is counted.
const whole = (options) => ({
	async run(stack, scaled) {
		const round = await bench(stack, "crowd", scaled(options)), { submitted_s, completed_s, persisted_s } = round.figures;
		const peak_mib = Math.max(...services.map((name) => round.peaks[name] ?? 0)) / 1048576;
		return { round, ...figuresOf(round), admitted_s: submitted_s, done_s: completed_s, persisted_s, peak_mib };
	},
});

// How much a stack does when all of it is asked for: what an open loop's rate is a share of.
async function sustained(stack, options) {
	return figuresOf(await bench(stack, "crowd", options)).completed_per_s;
}

// The last of several rounds, discarded if any is.
const joined = (rounds) => ({ ...rounds.at(-1), ...(rounds.some(({ discarded }) => discarded) ? { discarded: rounds.find(({ discarded }) => discarded).discarded } : {}) });

// Latencies at shares of the sustained rate, each submit, task and settle counted from the time it was due.
const under = (options, shares, seconds) => ({
	async run(stack) {
		const most = await sustained(stack, options), rounds = [], at = {};
		for (const share of shares) {
			const round = await bench(stack, "open", { ...options, rate: Math.max(1, Math.round(most * share)), before_s: seconds });
			const { submit_ms, start_ms, settle_ms, cpu_us_per_task } = figuresOf(round);
			rounds.push(round);
			at[`${Math.round(100 * share)} %`] = { rate: most * share, submit_ms, start_ms, settle_ms, cpu_us_per_task, refused: round.figures.refused, why: round.figures.why };
		}
		return { round: joined(rounds), ...figuresOf(rounds.at(-1)), sustained_per_s: most, at };
	},
});

// Three times what it can do, then little: the second after the burst in which latency is what it was before.
const burst = (options, { before_s, burst_s, after_s }) => ({
	async run(stack) {
		const most = await sustained(stack, options), rate = Math.round(0.3 * most);
		const round = await bench(stack, "open", { ...options, rate, before_s, burst: Math.round(3 * most), burst_s, after_s });
		const p99 = round.figures.curve.map(([, , , starts]) => percentile(starts, 99));
		const usual = Math.max(...p99.slice(Math.floor(before_s / 2), before_s)), end = before_s + burst_s;
		const back = p99.findIndex((ms, second) => second >= end && ms <= 2 * usual);
		return { round, ...figuresOf(round), sustained_per_s: most, refused: round.figures.refused, why: round.figures.why, usual_p99_ms: usual,
			worst_p99_ms: Math.max(...p99.filter((ms) => ms !== undefined)), back_s: back >= 0 ? back - end : Infinity };
	},
});

const batches = { batch: 200, submits: 8, lease: 100, workers: 8 };
const singles = { batch: 1, submits: 64, lease: 1, workers: 64 };
const w1 = { tasks: 200000, ...batches };
const layered = { graph: "layered", tasks: 50000, width: 1000, degree: 3, ...batches };

// id, the stack it runs on, what is measured, and the wanted: [figure, at least or at most, value, unit].
export const measures = [
	{ id: "W1", stack: "no events", what: "200,000 independent tasks, in batches, CORDER_EVENTS_MAX_AGE=0", ...crowd(w1),
		wanted: [["per_s", ">=", 25000, "/s"], ["per_s", ">=", 2, "of W1 bullmq"], ["cpu_us_per_task", "<=", 75, "us"]] },
	{ id: "W1", key: "W1 events", stack: "default", what: "the same, with CORDER_EVENTS kept (the default)", ...crowd(w1),
		wanted: [["per_s", ">=", 20000, "/s"], ["cpu_us_per_task", "<=", 95, "us"]] },
	{ id: "W1s", stack: "default", what: "the same, submitted alone by 64 clients, worked one by one by 64 workers",
		...crowd({ tasks: 200000, ...singles }), wanted: [["per_s", ">=", 8000, "/s"]] },
	{ id: "W2", stack: "default", what: "layered graph, 50 x 1,000, 3 dependencies a task", ...crowd(layered),
		wanted: [["per_s", ">=", 20000, "/s"], ["per_s", ">=", 2.5, "of W2 bullmq"], ["per_s", ">=", 15, "of W2 dask"], ["per_s", ">=", 15, "of W2 rq"]] },
	{ id: "W3", stack: "default", what: "a hop of a chain of 1,000, idle", ...latency("chain", { tasks: 1000 }),
		wanted: [["p50_ms", "<=", 0.45, "ms"], ["p99_ms", "<=", 1.5, "ms"]] },
	{ id: "W4", stack: "default", what: "one task at a time, 100/s: submit to start", ...latency("idle", { tasks: 500, rate: 100 }),
		wanted: [["p50_ms", "<=", 1, "ms"], ["p50_ms", "<=", 1, "of W4 bullmq"], ["p99_ms", "<=", 3, "ms"]] },
	{ id: "W5", stack: "waiting", what: "Redis memory a waiting task, 100,000 waiting", ...waiting({ tasks: 100000, ...batches }),
		wanted: [["bytes", "<=", 600, "B"]] },
	{ id: "W5", key: "W5 deps", stack: "waiting deps", what: "the same, with 3 dependencies", ...waiting({ ...layered, tasks: 100000 }),
		wanted: [["bytes", "<=", 700, "B"]] },
	{ id: "W6", key: "W6 in", stack: "default", what: "10,000 children, then 1 parent, five times",
		...fan({ ...batches, graph: "fan-in", width: 10000, tasks: 50005 }),
		wanted: [["per_s", ">=", 20000, "/s"], ["longest_call_ms", "<=", 10, "ms"]] },
	{ id: "W6", key: "W6 out", stack: "default", what: "1 parent, then 10,000 children, five times",
		...fan({ ...batches, graph: "fan-out", width: 10000, tasks: 50005 }),
		wanted: [["per_s", ">=", 20000, "/s"], ["longest_call_ms", "<=", 10, "ms"]] },
	{ id: "W7", stack: "whole", slow: true, what: "one graph of 1,000,000 tasks, 3 dependencies each, in parts: admitted whole, run to its end",
		...whole({ ...layered, tasks: 1000000, width: 10000, batch: 1000, whole: 1 }),
		wanted: [["admitted_s", "<=", 30, "s"], ["done_s", "<=", 90, "s"], ["peak_mib", "<=", 1024, "MiB"]] },
	{ id: "W8", stack: "no events", what: "W1 with 1,000,000 tasks waiting before it", ...deep(w1), slow: true,
		wanted: [["per_s", ">=", 0.85, "of W1"]] },
	{ id: "W10", stack: "default", slow: true, what: "10 s at 3 times the sustained rate, then drain (batches of 20)",
		...burst({ tasks: 40000, batch: 20, submits: 16, lease: 20, workers: 16 }, { before_s: 10, burst_s: 10, after_s: 80 }),
		wanted: [["refused", "<=", 0, "tasks"], ["back_s", "<=", 60, "s"]] },
	{ id: "load", stack: "default", slow: true, what: "latencies at 25, 50, 75, 90 % of the sustained rate, submitted and worked one by one, open loop",
		...under({ ...singles, tasks: 20000 }, [0.25, 0.5, 0.75, 0.9], 10), wanted: [] },
];

for (const [partitions, dispatchers] of [[1, 1], [2, 1], [4, 1], [1, 2], [1, 4]]) {
	const stack = `p${partitions} d${dispatchers}`;
	stacks[stack] = { settings: { ...usual, CORDER_PARTITIONS: String(partitions) }, scale: { dispatcher: dispatchers } };
	measures.push({ id: "W9", key: `W9 ${stack}`, stack, slow: true, what: `W1 with events: ${partitions} partitions, ${dispatchers} dispatchers`,
		...crowd({ ...w1, tasks: 100000, projects: 32 }),
		wanted: stack === "p1 d1" ? [] : [["cpu_us_per_task", "<=", 1.15, "of W9 p1 d1"]] });
}
for (const [nats, redis] of [[1, 4], [3, 4]]) {
	const stack = `n${nats} r${redis}`;
	stacks[stack] = { start: () => startCluster({ nats, redis, settings: usual }) };
	measures.push({ id: "W9", key: `W9 ${stack}`, stack, slow: true, what: `W1 with events: ${nats} NATS (replicas ${nats}), ${redis} Redis with a partition each`,
		...crowd({ ...w1, tasks: 100000, projects: 32 }), wanted: [] });
}
for (const measure of measures) measure.key ??= measure.id;
