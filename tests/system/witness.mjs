// What redis-cli and the mariadb client see: witnesses that share no code with Corder. And the fold of a task's events,
// written once more, to hold the table `tasks` to it.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { environment } from "./servers.mjs";
import { until } from "./wait.mjs";

const run = promisify(execFile);
const finals = ["completed", "failed", "cancelled", "skipped"];

export class Witness {
	constructor({ redis, database, folder }) {
		Object.assign(this, { redis: new URL(redis), database: new URL(database), folder });
	}

	async redisCli(...words) {
		const { stdout } = await run("redis-cli", ["-p", this.redis.port, "--raw", ...words], { env: environment });
		return stdout.trim();
	}

	// Rows as objects; NULL is null.
	async sql(query) {
		const server = ["-h127.0.0.1", `-P${this.database.port}`, "-ucorder", "-psecret"];
		const words = ["--no-defaults", "--default-character-set=utf8mb4", ...server, "--xml", "corder", "-e", query];
		const { stdout } = await run("mariadb", words, { env: environment, maxBuffer: 2 ** 30 });
		return [...stdout.matchAll(/<row>([\s\S]*?)<\/row>/g)].map(([, row]) => fieldsOf(row));
	}

	// Waits until the tables have this many tasks of the project in a final status.
	async ended(project, count, options = {}) {
		const query = `SELECT COUNT(*) n FROM tasks WHERE project='${project}' AND status IN ('${finals.join("','")}')`;
		const enough = async () => Number((await this.sql(query))[0].n) >= count;
		await until(`${count} ended tasks of ${project} in MySQL`, enough, { seconds: 30, everyMs: 100, ...options });
	}

	async rows(project) {
		return this.sql(`SELECT * FROM tasks WHERE project='${project}' ORDER BY partition_id, number`);
	}

	async events(project) {
		return this.sql(`SELECT * FROM task_events WHERE project='${project}' ORDER BY partition_id, seq`);
	}

	// Problems in what MySQL says of a project: gaps in versions, tasks that are not the fold of their events, tasks that
	// ended more than once. An empty list is what tests want.
	async problems(project) {
		const ofTasks = (await this.events(project)).filter(({ number, status }) => number !== null && status !== "rejected");
		const byTask = groupBy(ofTasks, (event) => event.task_id);
		const found = [];
		const rows = await this.rows(project);
		for (const row of rows) found.push(...compare(row, byTask.get(row.task_id) ?? []));
		for (const task of byTask.keys()) {
			if (!rows.some((row) => row.task_id === task)) found.push(`${task}: events without a row`);
		}
		return found;
	}
}

function groupBy(items, keyOf) {
	const groups = new Map();
	for (const item of items) {
		const key = keyOf(item);
		if (!groups.has(key)) groups.set(key, []);
		groups.get(key).push(item);
	}
	return groups;
}

const entities = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"' };

function fieldsOf(row) {
	const fields = row.matchAll(/<field name="([^"]+)"(?: xsi:nil="true" \/>|>([\s\S]*?)<\/field>)/g);
	const text = (value) => value.replace(/&(lt|gt|amp|quot);/g, (entity) => entities[entity]);
	return Object.fromEntries([...fields].map(([, name, value]) => [name, value === undefined ? null : text(value)]));
}

// The fold: what a task's row has to say after its events, in the order of their versions.
export function fold(events) {
	const task = { attempt: "0" };
	for (const event of events) {
		task.status = event.status;
		task.version = event.version;
		task.updated_at = event.at;
		task.created_at ??= event.at;
		task.attempt = event.attempt ?? task.attempt;
		if (event.status === "running" && event.previous !== "running") {
			task.started_at = event.at;
			task.worker = event.worker;
		}
		task.finished_at = finals.includes(event.status) ? event.at : null;
		task.because = event.because;
	}
	return task;
}

function compare(row, events) {
	const problems = [];
	const versions = events.map(({ version }) => Number(version));
	if (versions.some((version, index) => version !== index + 1)) problems.push(`${row.task_id}: versions ${versions}`);
	if (events.length === 0) return [...problems, `${row.task_id}: a row without events`];
	events.forEach((event, index) => {
		const before = index === 0 ? null : events[index - 1].status;
		const { version, previous } = event;
		if (previous !== before) problems.push(`${row.task_id}: version ${version} comes after ${previous}`);
		if (finals.includes(before) && event.reason !== "retried" && !/retr/.test(event.reason ?? "")) {
			problems.push(`${row.task_id}: went on after ${before} (${event.reason})`);
		}
	});
	const folded = fold(events);
	for (const name of ["status", "version", "attempt", "created_at", "updated_at", "finished_at", "worker", "because"]) {
		const [found, wanted] = [row[name], folded[name] ?? null];
		if (found !== wanted) problems.push(`${row.task_id}: ${name} is ${found}, its events say ${wanted}`);
	}
	return problems;
}
