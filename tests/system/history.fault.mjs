// Redis is lost over a long history: hundreds of thousands of tasks have ended, with gaps where others were deleted. Few are still
// wanted, and no statement of the rebuild looks at all of them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "./client.mjs";
import { fresh } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const ended = 300000;
const mostRows = 100000; // of those a statement may look at
let stack;
let client;
let slowLog;
before(async () => {
	stack = new Stack({ settings: { CORDER_PARTITIONS: "1" } });
	slowLog = join(stack.folder, "slow.log");
	const command = stack.mariadb.command.bind(stack.mariadb);
	const logged = ["--slow-query-log=1", `--slow-query-log-file=${slowLog}`, "--long-query-time=0", `--min-examined-row-limit=${mostRows}`];
	stack.mariadb.command = () => [...command(), ...logged];
	await stack.start();
	client = await Client.open(stack.addresses);
	client.patient = true;
}, { timeout: 120000 });
after(async () => {
	await client?.close();
	await stack?.stop();
});

test("a rebuild looks at a long history a part at a time", { timeout: 240000 }, async (t) => {
	const { project, type } = fresh("history");
	const witness = new Witness(stack.addresses);
	await client.submitBatch(project, [{ task_id: "a" }, { task_id: "b", dependencies: ["a"] }, { task_id: "c" }]);
	await until("they are in MySQL", async () => Number((await witness.sql(`SELECT COUNT(*) n FROM tasks WHERE project='${project}'`))[0].n) === 3);
	const columns = "partition_id,number,project,task_id,task_type,status,version,last_seq,attempt,retry_count,priority,updated_at,finished_at";
	const row = (number) => `0,${number},'old',CONCAT('t',seq),'old','completed',3,${number},1,0,5,NOW(6),NOW(6)`;
	const add = (number, from, to) => witness.sql(`INSERT INTO tasks(${columns}) SELECT ${row(number)} FROM seq_${from}_to_${to}`);
	await add("1000000+seq", 1, ended); // close together: a range is full of them
	await add("1000000000000*(seq-400000)", 400001, 400010); // and far apart
	await witness.redisCli("FLUSHALL");
	const began = performance.now();
	const count = async (name) => witness.redisCli("HGET", "{p0}:c", name);
	await until("Redis has the ended ones counted", async () => (await witness.redisCli("HGET", "{p0}:m", "epoch")) !== "" && (await count("old/old/c")) !== "", { seconds: 120 });
	t.diagnostic(`rebuilt after ${Math.round(performance.now() - began)} ms`);
	assert.deepEqual([await count("old/old/c"), await count(`${project}/${type}/p`), await count(`${project}/${type}/b`)], [`${ended + 10}`, "2", "1"]);
	const looked = readFileSync(slowLog, "utf8").split(/^# User@Host/m).filter((entry) => /FROM tasks/.test(entry) && !/INSERT/.test(entry));
	assert.deepEqual(looked.map((entry) => entry.slice(0, 2000)), []);
	for (const id of ["a", "c", "b"]) {
		const task = await client.take(type);
		assert.equal(task.task_id, id);
		assert.equal((await client.settle(task)).ok, true);
	}
});
