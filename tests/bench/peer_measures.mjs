// What the peers do of the measures, each with the options that a sweep on two cores found best (docs/performance.md).
import { load } from "./load.mjs";
import { figuresOf } from "./measures.mjs";
import { peers, startPeer } from "./peers.mjs";
import { redisBytes } from "./stack.mjs";

const words = (options) => Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);

// A peer keeps no history: done is when its last worker has said so.
const runPeer = (peer, measure, options) => async (stack, scaled) => {
	const memory = measure === "fill" && stack.env.REDIS_URL ? () => redisBytes(stack.env.REDIS_URL) : undefined;
	const round = await load([...peers[peer].harness, measure, ...words(scaled(options))], { env: stack.env, onBegin: memory, onEnd: memory });
	round.figures.persisted_s ??= round.figures.completed_s;
	const figures = figuresOf(round);
	return {
		round, ...figures, ...(figures.start_ms ? { p50_ms: figures.start_ms.p50, p99_ms: figures.start_ms.p99 } : {}),
		...(memory ? { bytes: (round.after - round.before) / round.figures.tasks } : {}),
	};
};

// The peer, the measure of ours that it stands beside, its harness' word for it.
const rows = [
	["bullmq", "W1", "independent", { tasks: 100000 }, "independent jobs, addBulk of 500, removed when completed"],
	["bullmq", "W2", "trees", { tasks: 50000 }, "trees of 1 + 4 jobs (it has no graphs)"],
	["bullmq", "W3", "chain", { tasks: 1000 }, "a hop from a job to its parent"],
	["bullmq", "W4", "idle", { tasks: 500, rate: 100 }, "submit to start, one at a time"],
	["bullmq", "W5", "fill", { tasks: 100000 }, "Redis memory a waiting job"],
	["bullmq", "W6 in", "trees", { tasks: 50005, width: 10000, batch: 10001 }, "10,000 jobs, then their parent, five times"],
	["graphile", "W1", "independent", { tasks: 100000 }, "independent jobs, addJobs of 1,000, local queue of 500"],
	["graphile", "W4", "idle", { tasks: 300, rate: 100 }, "submit to start, one at a time, no local queue"],
	["beanstalkd", "W1", "crowd", { tasks: 200000 }, "independent jobs, 100 commands written at once, with its log on the disk"],
	["beanstalkd", "W4", "idle", { tasks: 500, rate: 100 }, "submit to start, one at a time"],
	["celery", "W1", "independent", { tasks: 10000 }, "independent tasks, late acks, no results"],
	["celery", "W2", "layered", { tasks: 5000, width: 1000 }, "layers of 1,000 as chords: a barrier a layer"],
	["celery", "W3", "chain", { tasks: 300 }, "a hop of its chains"],
	["celery", "W4", "idle", { tasks: 200, rate: 100 }, "submit to start, one at a time"],
	["celery", "W5", "fill", { tasks: 20000 }, "Redis memory a waiting task"],
	["celery", "W6 in", "fan_in", { tasks: 10000 }, "10,000 tasks, then a callback"],
	["rq", "W1", "independent", { tasks: 5000 }, "independent jobs, enqueue_many of 500, no results"],
	["rq", "W2", "layered", { tasks: 3000, width: 1000 }, "layered graph, 3 dependencies a job"],
	["rq", "W3", "chain", { tasks: 300 }, "a hop"],
	["rq", "W4", "idle", { tasks: 200, rate: 100 }, "submit to start, one at a time"],
	["rq", "W5", "fill", { tasks: 20000 }, "Redis memory a waiting job"],
	["rq", "W6 in", "fan_in", { tasks: 10001 }, "10,000 jobs, then one that waits for all"],
	["dask", "W1", "independent", { tasks: 10000 }, "independent tasks, in memory"],
	["dask", "W2", "layered", { tasks: 5000, width: 1000 }, "layered graph, 3 dependencies a task"],
	["dask", "W3", "chain", { tasks: 300 }, "a hop"],
	["dask", "W4", "idle", { tasks: 200, rate: 100 }, "submit to start, one at a time"],
	["dask", "W6 in", "fan_in", { tasks: 10001 }, "10,000 tasks, then one that waits for all"],
];

export const peerStacks = Object.fromEntries(Object.keys(peers).map((name) => [`peer ${name}`, { start: () => startPeer(name) }]));
export const peerMeasures = rows.map(([peer, beside, measure, options, what]) =>
	({ beside, peer, key: `${beside} ${peer}`, stack: `peer ${peer}`, what, run: runPeer(peer, measure, options),
		shown: { W3: ["p50_ms", "p99_ms"], W4: ["p50_ms", "p99_ms"], W5: ["bytes"] }[beside] ?? ["per_s", "cpu_us_per_task"] }));
