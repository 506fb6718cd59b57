// A stack made to be broken: the servers of tests/system on disks of their own where possible, several instances of each
// service, and a proxy between every instance and every server, and between the clients and NATS.
import { fork } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MariaServer, NatsServer, RedisServer, endProcess, environment, freePort } from "../system/servers.mjs";
import { isAlive, startProcess } from "../system/servers.mjs";
import { binFolder, serviceNames } from "../system/stack.mjs";
import { Disks } from "./disks.mjs";

export const serverNames = ["nats", "redis", "mariadb"];
const variables = { nats: "NATS_URL", redis: "REDIS_URL", mariadb: "DATABASE_URL" };
const servers = { nats: NatsServer, redis: RedisServer, mariadb: MariaServer };

export class ChaosStack {
	constructor(folder, { instances, settings, withDisks }) {
		Object.assign(this, { folder, instances, settings, services: {}, links: [], ports: new Map(), down: new Set() });
		mkdirSync(join(folder, "logs"), { recursive: true });
		this.disks = withDisks ? new Disks(folder) : null;
	}

	get serviceIds() {
		return serviceNames.flatMap((name) => Array.from({ length: this.instances }, (_, index) => `${name}-${index}`));
	}

	async start({ syncAlways = false } = {}) {
		for (const name of serverNames) {
			this.disks?.make(name);
			this[name] = new servers[name](this.folder);
		}
		if (syncAlways) this.disks?.syncAlways("nats");
		await Promise.all(serverNames.map((name) => this[name].start()));
		await this.startProxies();
		await Promise.all(this.serviceIds.map((id) => this.startService(id)));
	}

	async startProxies() {
		const made = [];
		const nears = [...this.serviceIds, "clients", "workers"];
		for (const near of nears) {
			for (const far of near.includes("-") ? serverNames : ["nats"]) {
				made.push({ name: `${near}>${far}`, target: this[far].port });
			}
		}
		this.proxy = fork(fileURLToPath(new URL("proxy.mjs", import.meta.url)), { stdio: "inherit" });
		const listening = once(this.proxy, "message");
		this.proxy.send({ links: made });
		const [{ ports }] = await listening;
		this.ports = new Map(ports);
		this.links = [...this.ports.keys()];
		this.proxy.on("message", ({ commit }) => commit && this.onCommit?.(commit));
	}

	setLinks(names, to) {
		if (this.proxy.connected) this.proxy.send({ names, to });
	}

	// The URL of a server as this process of ours reaches it: through its own proxy.
	urlFor(near, far) {
		const url = new URL(this[far].url);
		url.port = this.ports.get(`${near}>${far}`);
		return url.href;
	}

	async startService(id) {
		if (isAlive(this.services[id])) return;
		const env = { ...environment, ...this.settings };
		for (const far of serverNames) env[variables[far]] = this.urlFor(id, far);
		if (id.startsWith("monitor")) env.CORDER_HTTP_PORT = `${((this.httpPort ??= {})[id] ??= await freePort())}`;
		const log = join(this.folder, "logs", `${id}.log`);
		this.services[id] = startProcess(join(binFolder, `corder-${id.split("-")[0]}`), [], log, env);
		this.down.delete(id);
	}

	async killService(id, signal = "SIGKILL") {
		this.down.add(id);
		await endProcess(this.services[id], signal);
	}

	// A service or a server, by name.
	processOf(name) {
		return serverNames.includes(name) ? this[name].child : this.services[name];
	}

	isRunning(name) {
		return isAlive(this.processOf(name));
	}

	// Services that ended although nobody killed them: "name (code)".
	fallen() {
		const gone = this.serviceIds.filter((id) => !this.down.has(id) && !isAlive(this.services[id]));
		return gone.map((id) => `${id} (${this.services[id].signalCode ?? this.services[id].exitCode})`);
	}

	// Out of its disk, which goes.
	keepLog(name) {
		const log = join(this.folder, name, "log");
		if (existsSync(log)) copyFileSync(log, join(this.folder, "logs", `${name}.log`));
	}

	async stop() {
		const all = Object.values(this.services);
		for (const child of all) if (isAlive(child)) child.kill("SIGCONT");
		await Promise.all(all.map((child) => endProcess(child, "SIGTERM")));
		await Promise.all(serverNames.map((name) => this[name]?.kill("SIGKILL")));
		if (this.proxy?.connected) this.proxy.disconnect();
		for (const name of serverNames) this.keepLog(name);
		this.disks?.close();
	}
}
