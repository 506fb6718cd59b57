// nats-server with the users of deploy/nats.conf, and a client that speaks its protocol byte by byte.
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NatsServer } from "./servers.mjs";

const conf = fileURLToPath(new URL("../../deploy/nats.conf", import.meta.url));
export const roles = [
	"ingest",
	"scheduler",
	"dispatcher",
	"persister",
	"monitor",
	"corder",
	"worker-coding",
	"client-shop",
	"reader",
];
export const passwordOf = (user) => `secret-of-${user}`;
export const optionsOf = (user) => ({ user, pass: passwordOf(user), inboxPrefix: `_INBOX.${user}` });

export class NatsWithRoles extends NatsServer {
	prepare() {
		const [etc, secrets] = [join(this.folder, "etc"), join(this.folder, "run", "secrets")];
		for (const folder of [etc, secrets]) mkdirSync(folder, { recursive: true });
		this.conf = join(etc, "nats.conf");
		// As it ships, but for the places that belong to the machine.
		const text = readFileSync(conf, "utf8")
			.replace('"0.0.0.0:4222"', `"127.0.0.1:${this.port}"`)
			.replace(/^http: .*$/m, "")
			.replace('"/data"', `"${this.folder}"`);
		writeFileSync(this.conf, text);
		const line = (user) => `${user.toUpperCase().replace("-", "_")}_PASSWORD: "${passwordOf(user)}"\n`;
		writeFileSync(join(secrets, "nats_passwords"), roles.map(line).join(""));
		this.more?.();
	}

	// Without what the expression finds behind its first group.
	rewrite(expression) {
		const text = readFileSync(this.conf, "utf8"), changed = text.replace(expression, "$1");
		if (changed === text) throw new Error(`nothing to rewrite: ${expression}`);
		writeFileSync(this.conf, changed);
	}

	command() {
		return ["nats-server", "-c", this.conf];
	}

	urlOf(user) {
		return `nats://${user}:${passwordOf(user)}@127.0.0.1:${this.port}`;
	}

	// The tests themselves are the operator.
	get natsOptions() {
		return optionsOf("corder");
	}

	// Lines of its log that tell of what somebody may not do, as "user subject".
	violations() {
		const lines = readFileSync(join(this.folder, "log"), "utf8").split("\n");
		return lines.filter((line) => /Violation/.test(line)).map((line) => line.replace(/^.*Violation - /, ""));
	}
}

// Says lines and hears what the server answers, until it has worked off all of them.
export class RawNats {
	static async open(port, { user, pass } = {}) {
		const raw = new RawNats();
		Object.assign(raw, { socket: connect(port, "127.0.0.1"), heard: "" });
		raw.socket.on("data", (bytes) => (raw.heard += bytes.toString("latin1")));
		raw.socket.on("error", () => {});
		await once(raw.socket, "connect");
		await raw.say(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, headers: true, no_responders: true, user, pass })}`);
		return raw;
	}

	async say(...lines) {
		this.heard = "";
		this.socket.write(`${lines.join("\r\n")}\r\nPING\r\n`, "latin1");
		while (!/PONG\r\n/.test(this.heard) && !this.socket.destroyed) {
			await Promise.race([once(this.socket, "data"), once(this.socket, "close")]).catch(() => {});
		}
		if (this.socket.destroyed && !/-ERR/.test(this.heard)) throw new Error("nats-server has closed the connection");
		return this.heard;
	}

	close() {
		this.socket.destroy();
	}
}
