// What the processes below this one cost, and whether something else used the machine meanwhile: all from /proc.
import { readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";

const TICK_US = 10000; // USER_HZ is 100 on every Linux
const read = (path) => { try { return readFileSync(path, "latin1"); } catch { return ""; } };

// What a process is called in the tables: a server or a service by its program, all else is the client's side.
const servers = ["nats-server", "redis-server", "mariadbd", "postgres", "beanstalkd", "gearmand", "slurmctld", "slurmd", "slurmdbd"];
const nameOf = (pid, comm) => {
	const program = basename(read(`/proc/${pid}/cmdline`).split("\0")[0].split(":")[0]) || comm;
	if (servers.includes(program)) return program;
	if (servers.includes(comm)) return comm;
	const service = /^corder-(ingest|scheduler|dispatcher|persister|monitor)$/.exec(program);
	return service ? service[1] : program === "corder" ? "supervisor" : "client";
};

function processes() {
	const all = new Map();
	for (const pid of readdirSync("/proc")) {
		if (!/^\d+$/.test(pid)) continue;
		const stat = read(`/proc/${pid}/stat`);
		const end = stat.lastIndexOf(")");
		if (end < 0) continue;
		const fields = stat.slice(end + 2).split(" ").map(Number);
		// utime, stime and those of children that have ended
		const us = (fields[11] + fields[12] + fields[13] + fields[14]) * TICK_US;
		all.set(Number(pid), { parent: fields[1], us, comm: stat.slice(stat.indexOf("(") + 1, end) });
	}
	return all;
}

function below(all, root) {
	const children = new Map();
	for (const [pid, { parent }] of all) children.set(parent, [...(children.get(parent) ?? []), pid]);
	const found = [];
	for (const rest = [root]; rest.length > 0;) {
		const pid = rest.pop();
		found.push(pid);
		rest.push(...(children.get(pid) ?? []));
	}
	return found;
}

// A moment: CPU by name in us, of the whole machine, and what the hypervisor took.
export function look() {
	const all = processes(), cpu = {};
	for (const pid of below(all, process.pid)) {
		const name = pid === process.pid ? "measuring" : nameOf(pid, all.get(pid).comm);
		cpu[name] = (cpu[name] ?? 0) + all.get(pid).us;
	}
	const [user, nice, system, , , irq, softirq, steal] = /^cpu +(.*)$/m.exec(read("/proc/stat"))[1].split(" ").map(Number);
	const cores = (read("/proc/stat").match(/^cpu\d+/gm) ?? []).length;
	return { at: performance.now(), cpu, cores, busy: (user + nice + system + irq + softirq) * TICK_US, steal: steal * TICK_US };
}

// What happened between two looks. Shares are of all the machine could have done in that time.
export function between(first, last) {
	const wall_us = (last.at - first.at) * 1000, room = wall_us * last.cores, cpu = {};
	let ours = 0;
	for (const [name, us] of Object.entries(last.cpu)) {
		const spent = Math.max(0, us - (first.cpu[name] ?? 0));
		ours += spent;
		if (name !== "measuring" && spent > 0) cpu[name] = spent;
	}
	return {
		wall_s: wall_us / 1e6, cpu_us: cpu, busy_share: (last.busy - first.busy) / room,
		foreign_share: Math.max(0, last.busy - first.busy - ours) / room, steal_share: (last.steal - first.steal) / room,
	};
}

// The most memory that each kind of process has held so far, in bytes (the largest of its instances).
export function peaks() {
	const all = processes(), most = {};
	for (const pid of below(all, process.pid)) {
		if (pid === process.pid) continue;
		const kib = Number(/^VmHWM:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
		const name = nameOf(pid, all.get(pid).comm);
		most[name] = Math.max(most[name] ?? 0, kib * 1024);
	}
	return most;
}

export function describe() {
	const cpu = /^model name\s*: (.*)$/m.exec(read("/proc/cpuinfo"))?.[1] ?? "unknown";
	const cores = (read("/proc/cpuinfo").match(/^processor/gm) ?? []).length;
	const kib = Number(/^MemTotal:\s+(\d+)/m.exec(read("/proc/meminfo"))?.[1] ?? 0);
	return { cpu, cores, memory_gib: Math.round(kib / 1048576), kernel: read("/proc/sys/kernel/osrelease").trim() };
}
