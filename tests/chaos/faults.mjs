// Every kind of fault: what it may hit, how it is done, and how it is healed. A fault is { hits(stack): targets or [],
// hold: [least, most] ms, do(stack, target, random): heal }. Two faults never hit the same target at once.
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { environment } from "../system/servers.mjs";
import { serviceNames } from "../system/stack.mjs";
import { janitor } from "./janitor.mjs";
import { serverNames } from "./stack.mjs";

const redisCli = (stack, ...words) =>
	execFileSync("redis-cli", ["-p", stack.redis.port, ...words], { env: environment });
const sqlAsRoot = (stack, sql) =>
	execFileSync("mariadb", ["--no-defaults", `--socket=${stack.mariadb.folder}/s.sock`, "-uroot", "-e", sql], {
		env: environment,
		stdio: "pipe",
	});

async function endServer(stack, name) {
	stack.down.add(name);
	await stack[name].kill("SIGKILL");
}

async function startServer(stack, name) {
	if (!stack.isRunning(name)) await stack[name].start();
	stack.down.delete(name);
}

const killServer = (name, hold) => ({
	hold,
	hits: () => [name],
	async do(stack) {
		await endServer(stack, name);
		return () => startServer(stack, name);
	},
});

const pauseProcess = (hits, hold) => ({
	hold,
	hits,
	async do(stack, target) {
		const child = stack.processOf(target);
		child.kill("SIGSTOP");
		return async () => child.kill("SIGCONT");
	},
});

const inFolder = (folder, wanted) =>
	readdirSync(folder)
		.filter((file) => wanted.test(file))
		.map((file) => join(folder, file));

// The newest part of the append-only file ends in the middle of something.
function cutAof(stack, random) {
	const [file] = inFolder(join(stack.redis.folder, "appendonlydir"), /\.incr\.aof$/)
		.sort()
		.slice(-1);
	if (!file) return;
	const { size } = statSync(file);
	truncateSync(
		file,
		Math.max(0, size - 1 - random.below(Math.max(1, Math.floor(size * (random.chance(0.3) ? 0.9 : 0.05))))),
	);
}

const emptyRedis = (change) => ({
	hold: [0, 1500],
	hits: () => ["redis"],
	async do(stack, _, random) {
		await endServer(stack, "redis");
		change(stack, random);
		return () => startServer(stack, "redis");
	},
});

const diskFull = (name) => ({
	hold: [2000, 6000],
	hits: (stack) => (stack.disks ? [name] : []),
	async do(stack) {
		stack.disks.fill(name);
		return async () => {
			stack.disks.free(name);
			if (name === "nats") await endServer(stack, name); // it does not come back by itself
			await startServer(stack, name);
		};
	},
});

// How far a server's data has come: events in Redis, in the database, blocks in the log.
const measures = {
	redis: async (stack) => Number(redisCli(stack, "--raw", "HGET", "{p0}:m", "seq").toString()),
	mariadb: async (stack) =>
		Number(sqlAsRoot(stack, "SELECT seq FROM corder.log_position WHERE partition_id=0").toString().split("\n")[1] ?? 0),
	nats: (stack) => janitor(stack, async (manager) => (await manager.streams.info("CORDER_LOG_0")).state.last_seq),
};
const measure = async (stack, name) => measures[name](stack).catch(() => null);

// names: cut at the very same moment. What was lost is noted: what was there just before, and what came back.
const powerCut = (...names) => ({
	hold: [0, 1000],
	hits: (stack) => (stack.disks ? [names.join("+")] : []),
	async do(stack) {
		const before = await Promise.all(names.map((name) => measure(stack, name)));
		names.forEach((name) => stack[name].child.kill("SIGSTOP"));
		names.forEach((name) => stack.disks.copy(name));
		await Promise.all(names.map((name) => endServer(stack, name)));
		for (const name of names) {
			stack.disks.swap(name);
			stack.disks.free(name); // what had filled the disk a moment ago may be back
		}
		return async () => {
			await Promise.all(names.map((name) => stack[name].start()));
			const after = await Promise.all(names.map((name) => measure(stack, name)));
			names.forEach((name, i) => stack.note("loss", { server: name, before: before[i], after: after[i] }));
			names.forEach((name) => stack.down.delete(name));
		};
	},
});

const partitionsOf = (stack) =>
	Array.from({ length: Number(stack.settings.CORDER_PARTITIONS) }, (_, partition) => partition);
const redisMeta = (stack, partition, name) => Number(redisCli(stack, "--raw", "HGET", `{p${partition}}:m`, name).toString());
const redisSeq = (stack, partition) => redisMeta(stack, partition, "seq");
const redisMark = (stack, partition) => redisMeta(stack, partition, "mark");

// The seq of the log's last event; 0 when it is empty.
async function logSeq(manager, partition) {
	const { state } = await manager.streams.info(`CORDER_LOG_${partition}`);
	if (state.messages === 0) return 0;
	const { data } = await manager.streams.getMessage(`CORDER_LOG_${partition}`, { seq: state.last_seq });
	return Number(Buffer.from(data).toString("latin1").split("\x1c").at(-1).split("\x1f")[3]);
}

async function untilSeqs(stack, what, isThere) {
	const deadline = Date.now() + 20000;
	const all = () =>
		janitor(stack, async (manager) =>
			(await Promise.all(partitionsOf(stack).map(async (p) => isThere(p, await logSeq(manager, p))))).every(Boolean),
		);
	while (!(await all().catch(() => false))) {
		if (Date.now() > deadline) throw new Error(`${what} within 20 s`);
		await pause(200);
	}
}

// NATS loses minutes of the log, which Redis and the database put back. Redis has to have it then, and is left alone until it
// is back: two stores lost at once leave what the third has, and nobody promises more.
const cutNats = powerCut("nats");
const powerCutNats = {
	...cutNats,
	hits: (stack) => (stack.disks ? ["nats+redis"] : []),
	async do(stack) {
		// By its marks, which say what it knows to be in the log: its own numbers may be of another branch.
		const wanted = new Map();
		await untilSeqs(stack, "Redis did not come up to the log", (p, seq) => {
			if (!wanted.has(p)) wanted.set(p, seq);
			return redisMark(stack, p) >= wanted.get(p) && redisCli(stack, "HGET", `{p${p}}:m`, "epoch").length > 5;
		});
		const had = partitionsOf(stack).map((p) => redisSeq(stack, p));
		const heal = await cutNats.do(stack);
		return async () => {
			await heal();
			await untilSeqs(stack, "the log did not come up to Redis", (p, seq) => seq >= had[p]);
		};
	},
};

const links = (hold, to) => ({
	hold,
	hits: (stack) => ["links"].filter(() => stack.links.length > 0),
	async do(stack, _, random) {
		const far = random.pick([...serverNames, ""]);
		const names = stack.links.filter((name) => name.endsWith(far) && random.chance(far ? 0.6 : 0.25));
		stack.setLinks(names, to(random));
		return async () => stack.setLinks(names, { mode: "open", reset: random.chance(0.5) });
	},
});

// The server dies, or the connection, at the moment a COMMIT passes.
const atCommit = (act) => ({
	hold: [1500, 3000],
	hits: () => ["mariadb"],
	async do(stack) {
		const names = stack.links.filter((name) => name.startsWith("persister") && name.endsWith("mariadb"));
		const seen = new Promise((resolve) => {
			stack.onCommit = resolve;
		});
		stack.setLinks(names, { mode: "open", armed: true });
		const timer = new Promise((resolve) => setTimeout(resolve, 3000));
		const name = await Promise.race([seen, timer]);
		await act(stack, name ?? names[0]);
		return async () => {
			stack.setLinks(names, { mode: "open" });
			await startServer(stack, "mariadb");
		};
	},
});

async function consumersGone(stack) {
	await janitor(stack, async (manager) => {
		for await (const stream of manager.streams.list()) {
			for await (const { name } of manager.consumers.list(stream.config.name)) {
				await manager.consumers.delete(stream.config.name, name);
			}
		}
	});
	return async () => {};
}

// The log takes no more. Services put the limit back when they look, so it is set again all the time. (A limit below what is
// there would make JetStream drop the oldest: so there is room for what comes between the look and the update.)
async function streamFull(stack) {
	let over = false;
	const limit = async (manager) => {
		for (const name of await manager.streams.names().next()) {
			if (!name.startsWith("CORDER_LOG_")) continue;
			const { state, config } = await manager.streams.info(name);
			if (config.max_bytes <= 0 || over)
				await manager.streams.update(name, { max_bytes: over ? -1 : state.bytes + 3000000 });
		}
	};
	const keep = async () => {
		while (!over) await janitor(stack, limit).catch(() => {});
	};
	const kept = keep();
	return async () => {
		over = true;
		await kept;
		await janitor(stack, limit);
	};
}

async function rollingRestart(stack, service) {
	for (const id of stack.serviceIds.filter((each) => each.startsWith(service))) {
		await stack.killService(id, "SIGTERM");
		await stack.startService(id);
	}
	return async () => {};
}

async function killAll(stack, ids) {
	await Promise.all(ids.map((id) => stack.killService(id)));
	return () => Promise.all(ids.map((id) => stack.startService(id)));
}

const allOf = (stack, service) => stack.serviceIds.filter((id) => id.startsWith(service));

export const faults = {
	"kill-service": { hold: [0, 2000], hits: (stack) => stack.serviceIds, do: (stack, id) => killAll(stack, [id]) },
	"kill-all-of-a-service": {
		hold: [0, 2500],
		hits: () => serviceNames,
		do: (stack, name) => killAll(stack, allOf(stack, name)),
	},
	"pause-service": pauseProcess((stack) => stack.serviceIds, [300, 6000]),
	"rolling-restart": { hold: [0, 300], hits: () => serviceNames, do: rollingRestart },
	"kill-nats": killServer("nats", [0, 3000]),
	"kill-redis": killServer("redis", [0, 3000]),
	"kill-mariadb": killServer("mariadb", [0, 3000]),
	"mariadb-away": { ...killServer("mariadb", [5000, 15000]), longHold: [5000, 60000] },
	"pause-nats": pauseProcess(() => ["nats"], [300, 5000]),
	"pause-redis": pauseProcess(() => ["redis"], [300, 5000]),
	"pause-mariadb": pauseProcess(() => ["mariadb"], [300, 5000]),
	"kill-servers": {
		hold: [0, 1500],
		hits: () => ["nats+redis+mariadb"],
		async do(stack) {
			await Promise.all(serverNames.map((name) => endServer(stack, name)));
			return () => Promise.all(serverNames.map((name) => startServer(stack, name)));
		},
	},
	"redis-flushall": {
		hold: [0, 100],
		hits: () => ["redis"],
		async do(stack) {
			redisCli(stack, "FLUSHALL");
			return async () => {};
		},
	},
	"redis-empty-folder": emptyRedis((stack) =>
		rmSync(join(stack.redis.folder, "appendonlydir"), { recursive: true, force: true }),
	),
	"redis-aof-cut": emptyRedis(cutAof),
	"mariadb-read-only": {
		hold: [1000, 5000],
		hits: () => ["mariadb"],
		async do(stack) {
			sqlAsRoot(stack, "SET GLOBAL read_only=1");
			return async () => sqlAsRoot(stack, "SET GLOBAL read_only=0");
		},
	},
	"mariadb-killed-in-commit": atCommit((stack) => endServer(stack, "mariadb")),
	"mariadb-cut-in-commit": atCommit(async (stack, name) => stack.setLinks([name], { mode: "cut" })),
	"links-cut": links([200, 3000], () => ({ mode: "cut" })),
	"links-slow": links([1000, 5000], (random) => ({ mode: "open", delayMs: random.between(20, 400) })),
	"links-half-open": links([1000, 6000], (random) => ({ mode: "freeze", way: random.pick(["both", "up", "down"]) })),
	"disk-full-nats": diskFull("nats"),
	"disk-full-redis": diskFull("redis"),
	"disk-full-mariadb": diskFull("mariadb"),
	"power-cut-nats": powerCutNats,
	"power-cut-redis": powerCut("redis"),
	"power-cut-mariadb": powerCut("mariadb"),
	"stream-full": { hold: [4000, 9000], hits: () => ["nats"], do: streamFull },
	"consumers-deleted": { hold: [0, 100], hits: () => ["nats"], do: consumersGone },
	duplicates: {
		hold: [3000, 8000],
		hits: () => ["bus"],
		async do(stack) {
			stack.clients.send({ duplicates: true });
			return async () => stack.clients.connected && stack.clients.send({ duplicates: false });
		},
	},
	"kill-workers": {
		hold: [0, 2500],
		hits: () => ["workers"],
		async do(stack) {
			await stack.endWorkers();
			return () => stack.startWorkers();
		},
	},
	"pause-workers": {
		hold: [1000, 6000],
		hits: () => ["workers"],
		async do(stack) {
			stack.workers.kill("SIGSTOP");
			return async () => stack.workers.kill("SIGCONT");
		},
	},
	// The whole machine loses power: nobody promises this for the default settings; it is measured, when asked for by name.
	"power-cut-all": { ...powerCut(...serverNames), onlyByName: true },
};

// Things that last for a whole run: they are drawn at its start.
export const lasting = ["wrong-clocks"];

export const targetsOf = (target) => target.split("+");
