// graphile-worker: jobs as rows of Postgres, fetched in lots into a local queue, completed in batches; a completed job's row is
// deleted. No dependencies.
import { begin, end, histogram, inParallel, isWorker, now, payload, read, require, seconds, teller, workers } from "./peer.mjs";

const { Logger, makeWorkerUtils, run } = require("graphile-worker");
const { Pool } = require("pg");
const options = read({ tasks: 100000, batch: 1000, submits: 2, processes: 1, concurrency: 50, local: 500, rate: 100 });
const pgPool = new Pool({ connectionString: process.env.POSTGRES_URL, max: 12 });
const logger = new Logger(() => () => {});
const identifier = "noop";

function startRunner(task, local) {
	const worker = { concurrentJobs: options.concurrency, pollInterval: 500, completeJobBatchDelay: local ? 0 : -1, ...(local ? { localQueue: { size: options.local } } : {}) };
	return run({ pgPool, logger, taskList: { [identifier]: task }, noHandleSignals: true, preset: { worker } });
}

async function work() {
	const tell = teller();
	const runner = await startRunner(async () => {}, options.local > 0);
	runner.events.on("job:complete", tell);
}

async function independent(utils) {
	const crew = await workers(options.processes);
	const jobs = Array.from({ length: options.batch }, () => ({ identifier, payload }));
	begin();
	const all = crew.completed(options.tasks);
	await inParallel(options.tasks / options.batch, options.submits, () => utils.addJobs(jobs));
	const submitted_s = seconds();
	await all;
	end({ tasks: options.tasks, submitted_s, completed_s: seconds() });
	crew.stop();
}

async function idle(utils) {
	const starts = [];
	let sent, started;
	await startRunner(async () => { starts.push(now() - sent); started(); }, false);
	begin();
	for (let i = 0; i < options.tasks; i++) {
		const start = new Promise((resolve) => { started = resolve; });
		sent = now();
		await utils.addJob(identifier, payload);
		await start;
		await new Promise((resolve) => setTimeout(resolve, 1000 / options.rate));
	}
	end({ tasks: options.tasks, completed_s: seconds(), start_us: histogram(starts) });
}

if (isWorker) {
	await work();
} else {
	const utils = await makeWorkerUtils({ pgPool, logger });
	await utils.migrate();
	await pgPool.query("TRUNCATE graphile_worker._private_jobs");
	await { independent, idle }[options.measure](utils);
	process.exit(0);
}
