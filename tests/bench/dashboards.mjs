#!/usr/bin/env node
// Many open dashboards on one monitor: how late frames come, and what it costs. Needs a running stack (CORDER_HTTP of its
// env file); run something that makes work beside it.
//   tests/bench/dashboards.mjs [--streams N] [--seconds N] [--pid PID of corder-monitor]
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";

const option = (name, initial) => {
	const at = process.argv.indexOf(name);
	return at < 0 ? initial : Number(process.argv[at + 1]);
};
const streams = option("--streams", 500), seconds = option("--seconds", 20), pid = option("--pid", 0);
const url = `${process.env.CORDER_HTTP}/api/v1/live`;

let bytes = 0, frames = 0, refused = 0, lost = 0, open = 0;
const parsed = 10;
let measuring = false;
const lateMs = [];

// Only some streams are read word by word: the readers share the machine with what is measured.
function listen(i) {
	const ask = request(url, { agent: false }, (reply) => {
		if (reply.statusCode !== 200) {
			refused++;
			return;
		}
		open++;
		let rest = "";
		reply.on("close", () => lost++);
		if (i >= parsed) {
			reply.on("data", (chunk) => (bytes += measuring ? chunk.length : 0));
			return;
		}
		reply.setEncoding("utf8");
		reply.on("data", (text) => {
			const now = Date.now();
			bytes += measuring ? text.length : 0;
			rest += text;
			for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
				const at = /^event: (?:overview|queues|services)\ndata: {"at":"([^"]+)"/m.exec(rest.slice(0, end));
				if (!measuring || !at) continue;
				frames++;
				lateMs.push(now - Date.parse(at[1]));
			}
		});
	});
	ask.on("error", () => refused++);
	ask.end();
}

function used() {
	if (pid === 0) return { cpuS: 0, rssMb: 0 };
	const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
	return { cpuS: (Number(fields[11]) + Number(fields[12])) / 100, rssMb: (Number(fields[21]) * 4096) / 1e6 };
}

for (let i = 0; i < streams; i++) listen(i);
await wait(3000);
const before = used(), began = Date.now(), own = process.cpuUsage();
measuring = true;
await wait(seconds * 1000);
measuring = false;
const after = used(), { user, system } = process.cpuUsage(own), tookS = (Date.now() - began) / 1000;
lateMs.sort((a, b) => a - b);
const late = (share) => lateMs[Math.min(lateMs.length - 1, Math.floor(lateMs.length * share))] ?? 0;
console.log(`${open} streams open, ${refused} refused, ${lost} lost`);
console.log(`${(frames / Math.min(parsed, streams) / tookS).toFixed(1)} frames a second each, ${(bytes / tookS / 1e6).toFixed(1)} MB/s in all`);
console.log(`from made to read: p50 ${late(0.5)} ms, p99 ${late(0.99)} ms, most ${late(1)} ms`);
console.log(`reading all of it: ${((user + system) / 1e4 / tookS).toFixed(0)} % of a core`);
if (pid) console.log(`the monitor: ${(100 * (after.cpuS - before.cpuS) / tookS).toFixed(0)} % of a core, ${after.rssMb.toFixed(0)} MB`);
process.exit(0);
