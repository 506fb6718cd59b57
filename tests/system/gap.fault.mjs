// A monitor that is cut off from NATS while tasks end: it must not go on showing them as running. A proxy between the monitor
// and NATS is closed and opened again; everybody else goes on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, test } from "node:test";
import { Client } from "./client.mjs";
import { NatsServer } from "./servers.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";

class CutNats extends NatsServer {
	open = true;
	pairs = new Set();

	async start() {
		await super.start();
		this.proxy = createServer((near) => this.join(near)).listen(0, "127.0.0.1");
		await once(this.proxy, "listening");
	}

	join(near) {
		if (!this.open) return near.destroy();
		const far = connect(this.port, "127.0.0.1");
		this.pairs.add(near);
		near.pipe(far).pipe(near);
		near.on("error", () => far.destroy());
		far.on("error", () => near.destroy());
		near.on("close", () => far.destroy() && this.pairs.delete(near));
		far.on("close", () => near.destroy());
	}

	cut() {
		this.open = false;
		for (const near of this.pairs) near.destroy();
	}

	urlOf(name) {
		return name === "monitor" ? `nats://127.0.0.1:${this.proxy.address().port}` : this.url;
	}

	async kill(signal) {
		this.cut();
		this.proxy?.close();
		await super.kill(signal);
	}
}

let stack;
after(() => stack?.stop());

test("what ended while a monitor heard nothing does not run, and what began does", { timeout: 120000 }, async (t) => {
	stack = await new Stack({ Nats: CutNats }).start();
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	const { project, type } = fresh();
	const running = async () => {
		const reply = await fetch(`${stack.addresses.http[0]}/api/v1/services`);
		const { workers } = await reply.json();
		return workers.flatMap((worker) => worker.running.map(({ task_id }) => task_id)).sort().join(" ");
	};
	const ready = async () => (await fetch(`${stack.addresses.http[0]}/readyz`)).status;
	await client.submitBatch(project, range(3).map((i) => ({ task_id: `t${i}` })));
	const leased = [];
	for (let i = 0; i < 3; i++) leased.push(await client.take(type));
	await until("all three are seen to run", async () => (await running()) === "t0 t1 t2");
	stack.nats.cut();
	await until("the monitor is cut off", async () => (await ready()) === 503);
	for (const task of leased.slice(0, 2)) await client.settle(task, "completed");
	await client.submit(project, { task_id: "later" });
	await client.take(type);
	assert.equal(await running(), "t0 t1 t2", "nobody told it");
	stack.nats.open = true;
	await until("what runs is seen anew", async () => (await running()) === "later t2");
	await client.settle(leased[2], "completed");
	await until("events are heard again", async () => (await running()) === "later");
});
