// A stack of Corder of its own, in a folder that goes with it.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";

export const bin = join(process.cwd(), "build/release/bin");
const START_LIMIT_MS = 120000, OUTBOX_LIMIT_MS = 20000;

export const freePort = () => new Promise((resolve) => {
	const server = createServer().listen(0, "127.0.0.1", () => { const { port } = server.address(); server.close(() => resolve(port)); });
});

export async function startStack({ settings = {}, scale = {} } = {}) {
	const folder = mkdtempSync(join(tmpdir(), "corder-bench."));
	const env = { ...process.env, ...settings };
	for (const name of ["NATS_URL", "REDIS_URL", "DATABASE_URL"]) {
		if (!(name in settings)) delete env[name];
		delete env[`${name}_FILE`];
	}
	const scaled = Object.entries(scale).map(([name, count]) => `${name}=${count}`).join(",");
	const up = spawn(join(bin, "corder"), ["up", "--dir", join(folder, "stack"), "--http", String(await freePort()), ...(scaled ? ["--scale", scaled] : [])],
		{ env, stdio: ["ignore", "pipe", "pipe"] });
	let said = "";
	for (const stream of [up.stdout, up.stderr]) stream.on("data", (data) => { said = (said + data).slice(-4000); });
	const ended = new Promise((resolve) => up.on("close", resolve));
	const stop = async () => {
		up.kill("SIGTERM");
		await ended;
		rmSync(folder, { recursive: true, force: true });
	};
	const file = join(folder, "stack/env");
	for (const until = Date.now() + START_LIMIT_MS; !existsSync(file); await wait(50)) {
		if (up.exitCode === null && Date.now() < until) continue;
		await stop();
		throw new Error(`the stack did not start:\n${said}`);
	}
	const urls = Object.fromEntries([...readFileSync(file, "utf8").matchAll(/^(\w+)='?(.*?)'?$/gm)].map(([, name, value]) => [name, value]));
	return { env: { ...settings, ...urls }, folder, stop };
}

export async function redis(url, ...words) {
	const { hostname, port, password } = new URL(url);
	const { stdout } = await promisify(execFile)("redis-cli", ["-h", hostname, "-p", port, ...words],
		{ env: { ...process.env, ...(password ? { REDISCLI_AUTH: decodeURIComponent(password) } : {}) }, maxBuffer: 1 << 28 });
	return stdout;
}

// Without what only waits to be told to MySQL: of that Redis is rid a moment later.
export async function redisBytes(url) {
	const outboxes = (await redis(url, "--scan", "--pattern", "{p*}:ob")).split("\n").filter(Boolean);
	const waiting = async () => (await Promise.all(outboxes.map((key) => redis(url, "xlen", key)))).some((length) => Number(length) > 0);
	for (const until = Date.now() + OUTBOX_LIMIT_MS; await waiting(); await wait(50))
		if (Date.now() > until) throw new Error("the outbox does not become empty");
	return Number(/^used_memory:(\d+)/m.exec(await redis(url, "info", "memory"))[1]);
}

// The longest call since the last question, in ms; 0: none took a millisecond.
export async function longestCall(url) {
	const log = JSON.parse(await redis(url, "--json", "slowlog", "get", "1000"));
	await redis(url, "slowlog", "reset");
	return Math.max(0, ...log.map((entry) => entry[2] / 1000));
}
