// What MySQL reads of our SQL: a proxy before MariaDB takes the sign from the comments that MariaDB alone runs, so that they
// are comments, spoils what MariaDB alone knows outside of them, and greets without what MySQL has not. Migrations, also one
// that broke off, and the writing of rows must do with that.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, test } from "node:test";
import { Client } from "./client.mjs";
import { MariaServer } from "./servers.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";
import { Witness } from "./witness.mjs";

const changes = [
	["/*M!", "/*  "],
	["ADD COLUMN IF NOT", "ADD COLUMN IF N_T"],
	["ENGINE=Aria", "ENGINE=None"],
	["SET STATEMENT", "SET STATEMEN_"],
];

function spoil(bytes) {
	for (const [from, to] of changes) {
		for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at)) bytes.write(to, at);
	}
	return bytes;
}

// The server's first packet: behind its version, an id, 8 bytes of salt and a zero come its capabilities. The lowest bit says
// that it is a MySQL; MariaDB's own capabilities, array binding among them, are the four bytes from the 15th on.
function greet(bytes) {
	const at = bytes.indexOf(0, 5) + 1 + 4 + 8 + 1;
	bytes[at] |= 1;
	bytes.fill(0, at + 14, at + 18);
	return bytes;
}

class PlainMaria extends MariaServer {
	async start() {
		await super.start();
		this.proxy = createServer((near) => this.join(near, connect(this.port, "127.0.0.1"))).listen(0, "127.0.0.1");
		await once(this.proxy, "listening");
	}

	join(near, far) {
		near.on("data", (bytes) => far.write(spoil(bytes)));
		far.once("data", greet);
		far.on("data", (bytes) => near.write(bytes));
		for (const [one, other] of [[near, far], [far, near]]) {
			one.on("error", () => other.destroy());
			one.on("close", () => other.destroy());
		}
	}

	get url() {
		return super.url.replace(/:\d+\//, `:${this.proxy?.address().port ?? this.port}/`);
	}

	async kill(signal) {
		await super.kill(signal);
		this.proxy?.close();
	}
}

let stack;
after(() => stack?.stop());

test("without what MariaDB alone reads, tables are made, finished and written", { timeout: 120000 }, async (t) => {
	stack = await new Stack({ Maria: PlainMaria }).start();
	const client = await Client.open(stack.addresses);
	const witness = new Witness(stack.addresses);
	t.after(() => client.close());
	const migrations = async () => (await witness.sql("SELECT COUNT(*) n FROM schema_migrations"))[0].n;
	const wanted = await migrations();
	await stack.killService("persister");
	await witness.sql("DELETE FROM schema_migrations WHERE name LIKE '0004%'; ALTER TABLE tasks DROP COLUMN retry_backoff");
	await stack.startService("persister");
	await until("the migration is finished", async () => (await migrations()) === wanted);
	const { project, type } = fresh();
	await client.submitBatch(project, range(300).map((i) => ({ task_id: `t${i}` })));
	for (let i = 0; i < 5; i++) await client.settle(await client.take(type), "completed");
	const counts = "COUNT(*) n, SUM(status='completed') completed, COUNT(retry_backoff) spelled";
	await until("all are written", async () => {
		const [{ n, completed, spelled }] = await witness.sql(`SELECT ${counts} FROM tasks WHERE project='${project}'`);
		return n === "300" && completed === "5" && spelled === "300";
	});
	assert.equal((await client.ok("task.list", { project, status: "completed" })).tasks.length, 5);
	assert.equal(stack.fallen().join(), "");
});
