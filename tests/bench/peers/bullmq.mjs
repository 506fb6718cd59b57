// BullMQ: jobs of a queue in Redis; trees of jobs (flows), whose parent waits for its children. Completed jobs are removed,
// which is its fastest way: no history is kept.
import { begin, end, histogram, inParallel, isWorker, now, payload, read, require, seconds, teller, workers } from "./peer.mjs";

const { Queue, Worker, FlowProducer } = require("bullmq");
const options = read({ tasks: 200000, width: 4, batch: 500, submits: 4, processes: 1, concurrency: 50, rate: 100 });
const { hostname: host, port } = new URL(process.env.REDIS_URL);
const connection = { host, port: Number(port) };
const name = "bench";
const opts = { removeOnComplete: true, removeOnFail: true };

const startWorker = (process, concurrency = options.concurrency) =>
	new Worker(name, process, { connection, concurrency, removeOnComplete: { count: 0 } });

async function work() {
	const worker = startWorker(async () => ({}));
	await worker.waitUntilReady();
	const tell = teller();
	worker.on("completed", tell);
}

// Submits with send(), which is called until all is sent, while the worker processes work.
async function crowd(send, count) {
	const crew = await workers(options.processes);
	begin();
	const all = crew.completed(options.tasks);
	await inParallel(count, options.submits, send);
	const submitted_s = seconds();
	await all;
	end({ tasks: options.tasks, submitted_s, completed_s: seconds() });
	crew.stop();
}

async function independent(queue) {
	const jobs = Array.from({ length: options.batch }, () => ({ name, data: payload, opts }));
	await crowd(() => queue.addBulk(jobs), options.tasks / options.batch);
}

// Trees of one parent and `width` children.
async function trees() {
	const flows = new FlowProducer({ connection }), job = { name, queueName: name, data: payload, opts };
	const tree = { ...job, children: Array.from({ length: options.width }, () => job) };
	const each = Math.max(1, Math.floor(options.batch / (options.width + 1)));
	const forest = Array.from({ length: each }, () => tree);
	await crowd(() => flows.addBulk(forest), options.tasks / (options.width + 1) / each);
}

// From the end of a job's function to the start of its parent's, which waits for nothing else.
async function chain() {
	let tree = { name, queueName: name, data: payload, opts };
	for (let i = 1; i < options.tasks; i++) tree = { name, queueName: name, data: payload, opts, children: [tree] };
	await new FlowProducer({ connection }).add(tree);
	const hops = [];
	let ended;
	begin();
	await new Promise((resolve) => {
		const worker = startWorker(async () => {
			if (ended !== undefined) hops.push(now() - ended);
			ended = now();
		}, 1);
		worker.on("completed", () => hops.length === options.tasks - 1 && resolve());
	});
	end({ tasks: options.tasks, completed_s: seconds(), start_us: histogram(hops) });
}

async function idle(queue) {
	const starts = [];
	let sent, started;
	const worker = startWorker(async () => { starts.push(now() - sent); started(); }, 1);
	await worker.waitUntilReady();
	await new Promise((resolve) => setTimeout(resolve, 500));
	begin();
	for (let i = 0; i < options.tasks; i++) {
		const start = new Promise((resolve) => { started = resolve; });
		sent = now();
		await queue.add(name, payload, opts);
		await start;
		await new Promise((resolve) => setTimeout(resolve, 1000 / options.rate));
	}
	end({ tasks: options.tasks, completed_s: seconds(), start_us: histogram(starts) });
}

async function fill(queue) {
	const jobs = Array.from({ length: options.batch }, () => ({ name, data: payload, opts }));
	begin();
	await inParallel(options.tasks / options.batch, options.submits, () => queue.addBulk(jobs));
	await new Promise((resolve) => setTimeout(resolve, 50)); // the parent looks at Redis' memory after this line
	end({ tasks: options.tasks, submitted_s: seconds() });
}

if (isWorker) {
	await work();
} else {
	const queue = new Queue(name, { connection });
	await queue.obliterate({ force: true });
	await { independent, trees, chain, idle, fill }[options.measure](queue);
	process.exit(0);
}
