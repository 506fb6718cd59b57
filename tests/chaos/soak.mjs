// A steady load for a long time, and the memory of every process meanwhile: it has to stay flat. Prints a line a sample, and
// ends with 1 when something grew.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { environment } from "../system/servers.mjs";
import { Stack, serviceNames } from "../system/stack.mjs";
import { connect } from "./nats.mjs";

const text = { type: "string" };
const options = {
	minutes: { ...text, default: "30" },
	rate: { ...text, default: "200" },
	every: { ...text, default: "60" },
	csv: text,
	help: { type: "boolean", default: false },
};
const { values } = parseArgs({ options });
if (values.help) {
	console.log(`tests/chaos/soak: a steady load, and the memory of every process

  --minutes N   how long (30)
  --rate N      tasks a second (200)
  --every N     seconds between samples (60)
  --csv FILE    the samples`);
	process.exit(0);
}
const [minutes, rate, every] = [Number(values.minutes), Number(values.rate), Number(values.every)];
const settings = { CORDER_KEEP_ENDED_S: "60", CORDER_LOG_KEEP_BLOCKS: "1000", CORDER_EVENTS_MAX_AGE: "300" };
const batchSize = 20;
const encoder = new TextEncoder();

let over = false;
let submitted = 0;
let ended = 0;

async function ask(connection, subject, body) {
	while (!over) {
		try {
			const message = await connection.request(`corder.v1.${subject}`, encoder.encode(JSON.stringify(body)), { timeout: 20000 });
			const reply = message.json();
			if (reply.ok) return reply;
			if (reply.error.code !== "unavailable") throw new Error(`${subject}: ${JSON.stringify(reply.error)}`);
		} catch (error) {
			if (/^(submit|work)/.test(error.message)) throw error;
		}
		await pause(100);
	}
	return null;
}

// At its rate, whatever the answers take; each batch is a chain of four steps, five wide.
async function submit(connection, began) {
	for (let number = 0; !over; number++) {
		const tasks = Array.from({ length: batchSize }, (_, i) => ({
			task_id: `b${number}.${i}`,
			task_type: "soak",
			execution_context: { text: "x".repeat(200) },
			dependencies: i >= 5 ? [`b${number}.${i - 5}`] : [],
		}));
		if (await ask(connection, "submit", { project: "soak", tasks })) submitted += batchSize;
		const ahead = began + ((number + 1) * batchSize * 1000) / rate - performance.now();
		if (ahead > 0) await pause(ahead);
	}
}

async function work(connection, name) {
	for (let done = []; !over; ) {
		const reply = await ask(connection, "work.soak", { worker: name, max: 20, wait_ms: 2000, done });
		if (!reply) return;
		ended += reply.done.filter(({ ok }) => ok).length;
		done = reply.tasks.map(({ project, task_id, lease }) => ({ project, task_id, lease, outcome: "completed", result: { ok: true } }));
	}
}

const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

function sample(stack) {
	const info = execFileSync("redis-cli", ["-p", stack.redis.port, "INFO", "memory"], { env: environment, encoding: "utf8" });
	const found = Object.fromEntries(serviceNames.map((name) => [name, resident(stack.services[name][0].pid)]));
	found["redis-data"] = Number(/used_memory:(\d+)/.exec(info)[1]) / 2 ** 20;
	for (const name of ["redis", "nats", "mariadb"]) found[name] = resident(stack[name].child.pid);
	return found;
}

const mean = (list) => list.reduce((sum, each) => sum + each, 0) / list.length;

// The first sixth warms up: caches fill, what has ended stays for a while. Then the last third may not lie above the second sixth
// by more than a tenth and 4 MB. nats-server and MariaDB are shown, and not judged: they cache as they like.
function verdict(samples) {
	let grown = 0;
	const part = (from, to) => samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to));
	for (const name of [...serviceNames, "redis-data", "redis"]) {
		const [early, late] = [part(1 / 6, 1 / 3), part(2 / 3, 1)].map((list) => mean(list.map((each) => each[name])));
		const flat = late <= early * 1.1 + 4;
		if (!flat) grown++;
		console.log(`${flat ? "ok" : "not ok"} - ${name}: ${early.toFixed(1)} MB early, ${late.toFixed(1)} MB late`);
	}
	return grown;
}

const stack = await new Stack({ settings }).start();
const connection = await connect({ servers: stack.nats.url, maxReconnectAttempts: -1 });
const began = performance.now();
const loops = [submit(connection, began), work(connection, "w1"), work(connection, "w2")];
const failed = Promise.all(loops).then(() => null, (error) => error);
const samples = [];
let problem = null;
console.log("minute  submitted  ended  MB of each");
while (!problem && performance.now() - began < minutes * 60000) {
	problem = await Promise.race([failed, pause(every * 1000).then(() => null)]);
	const found = sample(stack);
	samples.push(found);
	const minute = ((performance.now() - began) / 60000).toFixed(1);
	console.log(`${minute.padStart(6)} ${submitted} ${ended}  ${Object.entries(found).map(([name, mb]) => `${name} ${mb.toFixed(1)}`).join("  ")}`);
	if (values.csv) writeFileSync(values.csv, `${[Object.keys(found), ...samples.map(Object.values)].map((row) => row.map((v) => (v.toFixed ? v.toFixed(2) : v)).join(",")).join("\n")}\n`);
}
over = true;
const fallen = stack.fallen();
await Promise.all(loops).catch((error) => (problem = error));
await connection.close();
await stack.stop();
const grown = verdict(samples);
if (problem || fallen.length > 0) console.log(`not ok - ${problem?.stack ?? fallen}`);
console.log(`${submitted} tasks submitted, ${ended} ended\n${7 - grown} passed, ${grown + (problem || fallen.length > 0 ? 1 : 0)} failed`);
process.exit(grown > 0 || problem || fallen.length > 0 ? 1 : 0);
