// The three servers as private processes on free loopback ports in a folder of their own, made to be killed and started
// again on the same ports and data.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { until } from "./wait.mjs";

const searchPath = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
export const environment = { ...process.env, PATH: searchPath };
const asRoot = process.getuid() === 0 ? ["--user=root"] : [];

export async function freePort(port = 0) {
	const server = createServer().listen(port, "127.0.0.1");
	await once(server, "listening");
	({ port } = server.address());
	server.close();
	await once(server, "close");
	return port;
}

// One that is still free when it is used much later: below those that others are given.
export async function quietPort() {
	for (;;) {
		const port = await freePort(20000 + Math.floor(Math.random() * 10000)).catch(() => 0);
		if (port > 0) return port;
	}
}

// A child process with its output in a file; killed when the test process ends, however it ends.
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

export function startProcess(program, words, logFile, env = environment) {
	const log = openSync(logFile, "a");
	const child = spawn(program, words, { stdio: ["ignore", log, log], env });
	closeSync(log);
	children.add(child);
	child.once("exit", () => children.delete(child));
	child.once("error", () => children.delete(child));
	return child;
}

export const isAlive = (child) => child && child.exitCode === null && child.signalCode === null;

export async function endProcess(child, signal) {
	if (!isAlive(child)) return;
	const ended = once(child, "exit");
	child.kill(signal);
	await ended;
}

function talks(port, hello) {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1", () => hello && socket.write(hello));
		const finish = (answer) => {
			socket.destroy();
			resolve(answer);
		};
		socket.setTimeout(1000, () => finish(false));
		socket.once("data", (data) => finish(!data.toString().startsWith("-")));
		socket.once("error", () => finish(false));
		socket.once("close", () => finish(false));
	});
}

class Server {
	constructor(name, folder, hello) {
		Object.assign(this, { name, folder: join(folder, name), hello });
		mkdirSync(this.folder, { recursive: true });
	}

	async start() {
		this.port ??= await freePort();
		this.prepare?.();
		const [program, ...words] = this.command();
		this.child = startProcess(program, words, join(this.folder, "log"));
		const answers = async () => (await talks(this.port, this.hello)) || (isAlive(this.child) ? false : "ended");
		if ((await until(`${this.name} answers`, answers, { seconds: 60 })) === "ended") throw new Error(`${this.name} ended while starting`);
	}

	async kill(signal = "SIGKILL") {
		await endProcess(this.child, signal);
	}
}

export class NatsServer extends Server {
	constructor(folder) {
		super("nats", folder, "PING\r\n");
	}

	command() {
		return ["nats-server", "-js", "-a", "127.0.0.1", "-p", `${this.port}`, "-sd", this.folder];
	}

	get url() {
		return `nats://127.0.0.1:${this.port}`;
	}
}

export class RedisServer extends Server {
	constructor(folder) {
		super("redis", folder, "PING\r\n");
	}

	command() {
		const words = ["--port", this.port, "--bind", "127.0.0.1", "--dir", this.folder, "--save", "", "--daemonize", "no"];
		return ["redis-server", ...words.map(String), "--appendonly", "yes", "--maxmemory-policy", "noeviction"];
	}

	// After a power cut, or on a disk that was full, Redis may refuse its own file, and says what to do. That is done.
	async start() {
		await super.start().catch(async (error) => {
			if (!readFileSync(join(this.folder, "log"), "utf8").slice(-2000).includes("redis-check-aof --fix")) throw error;
			const manifest = join(this.folder, "appendonlydir", "appendonly.aof.manifest");
			execFileSync("redis-check-aof", ["--fix", manifest], { input: "y\n", stdio: "pipe" });
			await super.start();
		});
	}

	get url() {
		return `redis://127.0.0.1:${this.port}`;
	}
}

export class MariaServer extends Server {
	constructor(folder) {
		super("mariadb", folder, "");
	}

	get folders() {
		return [`--datadir=${this.folder}/data`, `--tmpdir=${this.folder}/tmp`];
	}

	prepare() {
		if (this.prepared) return;
		mkdirSync(join(this.folder, "tmp")); // several at once in one temporary folder trip over each other's tables
		const words = ["--no-defaults", "--force", ...this.folders, "--auth-root-authentication-method=normal", "--skip-test-db"];
		execFileSync("mariadb-install-db", [...words, ...asRoot], { env: environment, stdio: "pipe" });
		const sql = ["CREATE DATABASE IF NOT EXISTS corder", "CREATE USER IF NOT EXISTS corder@'%' IDENTIFIED BY 'secret'"];
		sql.push("GRANT ALL ON corder.* TO corder@'%'", "DELETE FROM mysql.global_priv WHERE User=''", "FLUSH PRIVILEGES");
		writeFileSync(join(this.folder, "init.sql"), `${sql.join(";\n")};\n`);
		this.prepared = true;
	}

	command() {
		const words = [...this.folders, `--socket=${this.folder}/s.sock`, `--port=${this.port}`];
		const quick = ["--performance-schema=OFF", "--skip-name-resolve", "--innodb-buffer-pool-size=128M"];
		const start = ["--bind-address=127.0.0.1", `--init-file=${this.folder}/init.sql`, "--skip-log-bin"];
		return ["mariadbd", "--no-defaults", ...words, ...quick, ...start, ...asRoot];
	}

	get url() {
		return `mysql://corder:secret@127.0.0.1:${this.port}/corder`;
	}
}
