// A whole stack as processes: three servers, five services in any number of instances. Tests share one that run.mjs has
// started (CORDER_TEST_STACK says where), or start their own when they mean to break it.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "./client.mjs";
import { MariaServer, NatsServer, RedisServer } from "./servers.mjs";
import { endProcess, environment, freePort, isAlive, startProcess } from "./servers.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const buildFolder = fileURLToPath(new URL("../../build/release/bin", import.meta.url));
export const binFolder = process.env.CORDER_BIN ?? buildFolder;
export const serviceNames = ["ingest", "scheduler", "dispatcher", "persister", "monitor"];

export class Stack {
	constructor({ instances = 1, settings = {}, Nats = NatsServer, Maria = MariaServer } = {}) {
		this.folder = mkdtempSync(join(tmpdir(), "corder-system-"));
		const { PARTITIONS } = process.env;
		this.settings = PARTITIONS ? { CORDER_PARTITIONS: PARTITIONS, ...settings } : settings;
		this.instances = instances;
		this.nats = new Nats(this.folder);
		this.redis = new RedisServer(this.folder);
		this.mariadb = new Maria(this.folder);
		this.services = Object.fromEntries(serviceNames.map((name) => [name, []]));
	}

	async start() {
		await Promise.all([this.nats.start(), this.redis.start(), this.mariadb.start()]);
		mkdirSync(join(this.folder, "logs"));
		for (const name of serviceNames) {
			for (let index = 0; index < this.instances; index++) await this.startService(name, index);
		}
		await this.ready();
		return this;
	}

	// Also what a client needs to know, as plain data.
	get addresses() {
		const { folder, settings } = this;
		const http = this.services.monitor.filter(Boolean).map(({ httpPort }) => `http://127.0.0.1:${httpPort}`);
		const { natsOptions } = this.nats;
		return { folder, settings, http, natsOptions, nats: this.nats.url, redis: this.redis.url, database: this.mariadb.url };
	}

	get serviceEnvironment() {
		const { nats, redis, database } = this.addresses;
		return { ...environment, ...this.settings, NATS_URL: nats, REDIS_URL: redis, DATABASE_URL: database };
	}

	async startService(name, index = 0, more = {}) {
		const env = { ...this.serviceEnvironment, ...more };
		if (this.nats.urlOf) env.NATS_URL = this.nats.urlOf(name);
		if (name === "monitor") env.CORDER_HTTP_PORT = `${await freePort()}`;
		const log = join(this.folder, "logs", `${name}-${index}.log`);
		const child = startProcess(join(binFolder, `corder-${name}`), [], log, env);
		child.httpPort = env.CORDER_HTTP_PORT;
		this.services[name][index] = child;
		return child;
	}

	async killService(name, index = 0, signal = "SIGKILL") {
		await endProcess(this.services[name][index], signal);
	}

	async restartService(name, index = 0, signal = "SIGKILL") {
		await this.killService(name, index, signal);
		await this.startService(name, index);
	}

	// Services that have ended although nobody killed them.
	fallen() {
		const named = ([name, list]) => list.map((child, index) => ({ name: `${name}-${index}`, child }));
		const gone = Object.entries(this.services).flatMap(named).filter(({ child }) => !isAlive(child));
		return gone.map(({ name, child }) => `${name} (${child.signalCode ?? child.exitCode})`);
	}

	// Every service answers the NATS services protocol, all instances of it.
	async ready() {
		const client = await Client.open(this.addresses);
		try {
			for (const name of serviceNames) {
				const wanted = this.services[name].filter(isAlive).length;
				const answered = async () => (await client.servicesNamed(`corder-${name}`)).length >= wanted;
				await until(`${wanted} corder-${name} answering`, answered, { seconds: 30 });
			}
			await until("status is answered", async () => (await client.ask("status", {})).ok, { seconds: 30 });
		} catch (error) {
			throw new Error(`${error.message}\n${this.logTails()}`);
		} finally {
			await client.close();
		}
	}

	logTails(lines = 8) {
		const logs = join(this.folder, "logs");
		return readdirSync(logs)
			.map((file) => `${file}:\n${readFileSync(join(logs, file), "utf8").split("\n").slice(-lines).join("\n")}`)
			.join("\n");
	}

	// KEEP_STACK in the environment keeps the folder, for a look at its logs.
	async stop({ keep = "KEEP_STACK" in process.env } = {}) {
		const children = Object.values(this.services).flat();
		await Promise.all(children.map((child) => endProcess(child, "SIGTERM")));
		await Promise.all([this.nats, this.redis, this.mariadb].map((server) => server.kill("SIGTERM")));
		if (!keep) rmSync(this.folder, { recursive: true, force: true });
	}
}

// The shared stack of run.mjs, or one of this file's own: { client, witness, addresses, close }.
export async function joinStack() {
	const given = process.env.CORDER_TEST_STACK;
	const own = given ? null : await new Stack({ instances: 2 }).start();
	const addresses = given ? JSON.parse(given) : own.addresses;
	const client = await Client.open(addresses);
	const close = async () => {
		await client.close();
		await own?.stop();
	};
	return { client, witness: new Witness(addresses), addresses, close };
}
