// Servers for a round, each on a free port and in a folder that goes with it: what the peers need, and a cluster for ours.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort, startStack } from "./stack.mjs";

const answers = (port) => new Promise((resolve) => {
	const socket = connect(port, "127.0.0.1", () => { socket.end(); resolve(true); });
	socket.on("error", () => resolve(false));
});

// Starts a server that answers on `port`; it ends with stop().
export async function serve(folder, port, [program, ...args], env = {}) {
	const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
	let said = "";
	child.stderr.on("data", (data) => { said = (said + data).slice(-2000); });
	child.on("error", (error) => { said = error.message; });
	const ended = new Promise((resolve) => child.on("close", resolve));
	for (const until = Date.now() + 60000; !(await answers(port)); await wait(50))
		if (child.exitCode !== null || child.pid === undefined || Date.now() > until) throw new Error(`${program} did not start: ${said}`);
	return async () => { child.kill("SIGTERM"); await ended; rmSync(folder, { recursive: true, force: true }); };
}

// With the settings that `corder up` gives to its own.
export function startRedis(folder, port) {
	const args = ["--bind", "127.0.0.1", "--port", port, "--dir", folder, "--appendonly", "yes", "--appendfsync", "everysec",
		"--save", "", "--auto-aof-rewrite-min-size", "1gb", "--auto-aof-rewrite-percentage", "200", "--rdbcompression", "no"].map(String);
	return serve(folder, port, ["redis-server", ...args]);
}

async function startNats(folder, index, ports, routes) {
	const args = ["-n", `n${index}`, "-a", "127.0.0.1", "-p", String(ports[index]), "-js", "-sd", folder];
	const cluster = routes.length < 2 ? [] : ["--cluster_name", "bench", "--cluster", routes[index], "--routes", routes.join(",")];
	return serve(folder, ports[index], ["nats-server", ...args, ...cluster], { GOGC: "400" });
}

// A stack on so many NATS servers, every stream on all of them, and so many Redis, a partition each.
export async function startCluster({ nats, redis, settings }) {
	const folder = mkdtempSync(join(tmpdir(), "corder-cluster.")), stops = [];
	const stop = async () => { for (const one of stops.reverse()) await one(); rmSync(folder, { recursive: true, force: true }); };
	const room = (name) => { const path = join(folder, name); mkdirSync(path); return path; };
	const ports = async (count) => { const list = []; while (list.length < count) list.push(await freePort()); return list; };
	try {
		const natsPorts = await ports(nats), redisPorts = await ports(redis);
		const routes = (await ports(nats)).map((port) => `nats://127.0.0.1:${port}`);
		for (let i = 0; i < nats; i++) stops.push(await startNats(room(`nats-${i}`), i, natsPorts, routes));
		for (let i = 0; i < redis; i++) stops.push(await startRedis(room(`redis-${i}`), redisPorts[i]));
		const url = (scheme) => (port) => `${scheme}://127.0.0.1:${port}`;
		const stack = await startStack({ settings: { ...settings, NATS_URL: natsPorts.map(url("nats")).join(","),
			REDIS_URL: redisPorts.map(url("redis")).join(","), CORDER_PARTITIONS: String(redis), CORDER_STREAM_REPLICAS: String(nats) } });
		stops.push(stack.stop);
		return { ...stack, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}
