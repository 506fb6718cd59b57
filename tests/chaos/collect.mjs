// After a round has come to rest: the log, the event stream, the tables, Redis and JetStream's own lists, as lines of JSON.
import { execFileSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { environment } from "../system/servers.mjs";
import { janitor } from "./janitor.mjs";
import { jetstream } from "./nats.mjs";

const lines = (list) => list.map((each) => `${JSON.stringify(each)}\n`).join("");

// ---------------------------------------------------------------------------------------------- JetStream

// shown(message): what is written of it.
async function dumpStream(connection, manager, stream, file, shown) {
	writeFileSync(file, "");
	const { state } = await manager.streams.info(stream);
	if (state.messages === 0) return;
	let list = [];
	const write = () => {
		appendFileSync(file, lines(list));
		list = [];
	};
	const consumer = await jetstream(connection).consumers.get(stream);
	let left = state.messages;
	const messages = await consumer.consume({ max_messages: 5000 });
	for await (const message of messages) {
		if (list.push(shown(message)) >= 2000) write();
		if (--left === 0) break;
	}
	write();
	await messages.close();
}

async function collectStreams(stack, folder, partitions) {
	await janitor(stack, async (manager, connection) => {
		const streams = [];
		for await (const { config, state } of manager.streams.list()) {
			const consumers = [];
			for await (const { name, num_pending, num_ack_pending } of manager.consumers.list(config.name)) {
				consumers.push({ name, num_pending, num_ack_pending });
			}
			streams.push({ name: config.name, messages: state.messages, consumers });
		}
		writeFileSync(join(folder, "streams.json"), JSON.stringify(streams, null, 1));
		for (let partition = 0; partition < partitions; partition++) {
			const block = ({ seq, data }) => ({ seq, body: Buffer.from(data).toString("utf8") });
			await dumpStream(
				connection,
				manager,
				`CORDER_LOG_${partition}`,
				join(folder, `log-${partition}.jsonl`),
				block,
			);
		}
		const event = (message) => {
			const { task: _task, result: _result, ...shown } = message.json();
			return { at_seq: message.seq, ...shown };
		};
		await dumpStream(connection, manager, "CORDER_EVENTS", join(folder, "events.jsonl"), event);
	});
}

// ---------------------------------------------------------------------------------------------- MariaDB

const tables = {
	log_position: "partition_id, seq, entry_id",
	tasks: "*",
	task_events: `partition_id, seq, event_id, number, project, task_id, version, batch_id, task_type, status, previous, attempt,
		at, worker, reason, error_code, because, detail`,
	task_dependencies: "*",
	task_attempts: "partition_id, number, attempt, worker, started_at, finished_at, outcome, error_code",
	batches: "*",
	queue_pauses: "*",
	poison_events: "partition_id, seq, reason",
};
const orders = { task_events: "partition_id, seq", tasks: "partition_id, number" };

function collectTables(stack, folder) {
	for (const [table, columns] of Object.entries(tables)) {
		const order = orders[table] ? ` ORDER BY ${orders[table]}` : "";
		const words = [
			"--no-defaults",
			`--socket=${stack.mariadb.folder}/s.sock`,
			"-uroot",
			"--batch",
			"--quick",
			"--default-character-set=utf8mb4",
		];
		const sql = `SELECT ${columns} FROM ${table}${order}`;
		const options = { env: environment, maxBuffer: 2 ** 31 - 1, encoding: "utf8" };
		writeFileSync(
			join(folder, `table-${table}.tsv`),
			execFileSync("mariadb", [...words, "corder", "-e", sql], options),
		);
	}
}

// ---------------------------------------------------------------------------------------------- Redis

// Just enough of its protocol: replies as strings of bytes (latin1), numbers, null and lists.
class Resp {
	constructor(port) {
		Object.assign(this, { socket: connectSocket(port, "127.0.0.1"), data: Buffer.alloc(0), wanted: null });
		this.socket.on("data", (bytes) => {
			this.data = Buffer.concat([this.data, bytes]);
			this.wanted?.();
		});
	}

	async ask(...words) {
		const text = words.map((word) => `$${Buffer.byteLength(word, "latin1")}\r\n${word}\r\n`).join("");
		this.socket.write(Buffer.from(`*${words.length}\r\n${text}`, "latin1"));
		for (;;) {
			const found = this.parse(0);
			if (found) {
				this.data = this.data.subarray(found.end);
				return found.value;
			}
			await new Promise((resolve) => {
				this.wanted = resolve;
			});
		}
	}

	parse(at) {
		const stop = this.data.indexOf("\r\n", at);
		if (stop < 0) return null;
		const head = this.data.toString("latin1", at + 1, stop);
		const kind = String.fromCharCode(this.data[at]);
		const end = stop + 2;
		if (kind === "+" || kind === "-") return { value: head, end };
		if (kind === ":") return { value: Number(head), end };
		const length = Number(head);
		if (length < 0) return { value: null, end };
		if (kind === "$") {
			if (this.data.length < end + length + 2) return null;
			return { value: this.data.toString("latin1", end, end + length), end: end + length + 2 };
		}
		return this.parseList(length, end);
	}

	parseList(length, from) {
		const value = [];
		let end = from;
		for (let i = 0; i < length; i++) {
			const item = this.parse(end);
			if (!item) return null;
			value.push(item.value);
			end = item.end;
		}
		return { value, end };
	}
}

const readers = {
	string: (key) => ["GET", key],
	hash: (key) => ["HGETALL", key],
	zset: (key) => ["ZRANGE", key, "0", "-1", "WITHSCORES"],
	list: (key) => ["LRANGE", key, "0", "-1"],
	set: (key) => ["SMEMBERS", key],
	stream: (key) => ["XRANGE", key, "-", "+"],
};

async function collectRedis(stack, folder) {
	const redis = new Resp(stack.redis.port);
	await once(redis.socket, "connect");
	await redis.ask("CLIENT", "PAUSE", "120000", "WRITE"); // else what leaves meanwhile is seen in part
	const dump = [];
	let cursor = "0";
	do {
		const [next, keys] = await redis.ask("SCAN", cursor, "COUNT", "1000");
		for (const key of keys) {
			const type = await redis.ask("TYPE", key);
			if (type === "none") continue;
			dump.push({ key, type, ttl: await redis.ask("PTTL", key), value: await redis.ask(...readers[type](key)) });
		}
		cursor = next;
	} while (cursor !== "0");
	await redis.ask("CLIENT", "UNPAUSE");
	redis.socket.destroy();
	writeFileSync(join(folder, "redis.jsonl"), lines(dump));
}

export async function collect(stack, folder, partitions) {
	await collectStreams(stack, folder, partitions);
	collectTables(stack, folder);
	await collectRedis(stack, folder);
}
