// A stream of events that NATS makes late, while tasks already come and end: a proxy between the scheduler and NATS renames
// the request that makes it, so that nobody answers.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { Client } from "./client.mjs";
import { NatsServer } from "./servers.mjs";
import { fresh, range } from "./setup.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./wait.mjs";

const asked = Buffer.from("STREAM.CREATE.CORDER_EVENTS");
const unheard = Buffer.from("STREAM.CREATX.CORDER_EVENTS");

class LateNats extends NatsServer {
	hidden = true;
	hiddenCount = 0;

	async start() {
		await super.start();
		this.proxy = createServer((near) => this.join(near, connect(this.port, "127.0.0.1"))).listen(0, "127.0.0.1");
		await once(this.proxy, "listening");
	}

	join(near, far) {
		near.on("data", (bytes) => far.write(this.hidden ? this.hide(bytes) : bytes));
		far.on("data", (bytes) => near.write(bytes));
		for (const [one, other] of [[near, far], [far, near]]) {
			one.on("error", () => other.destroy());
			one.on("close", () => other.destroy());
		}
	}

	hide(bytes) {
		const at = bytes.indexOf(asked);
		if (at < 0) return bytes;
		this.hiddenCount++;
		unheard.copy(bytes, at);
		return bytes;
	}

	urlOf(name) {
		return name === "scheduler" ? `nats://127.0.0.1:${this.proxy.address().port}` : this.url;
	}

	async kill(signal) {
		await super.kill(signal);
		this.proxy?.close();
	}
}

let stack;
after(() => stack?.stop());

test("a stream of events that is made late has every event from the first on, in order", { timeout: 120000 }, async (t) => {
	stack = await new Stack({ Nats: LateNats }).start();
	const client = await Client.open(stack.addresses);
	t.after(() => client.close());
	const { project, type } = fresh();
	const heard = client.listen(`event.${project}.>`, "event");
	let count = 0;
	const runOne = async () => {
		await client.submit(project, { task_id: `t${count++}` });
		return client.settle(await client.take(type), "completed");
	};
	for (let i = 0; i < 50; i++) await runOne(); // 150 blocks: work does not wait for the stream
	assert.ok(stack.nats.hiddenCount > 0, "it was asked for");
	stack.nats.hidden = false;
	const { streams } = await jetstreamManager(client.connection);
	// Goes on while it is made: no event may come before those that waited.
	await until("the stream is there", () => runOne().then(() => streams.info("CORDER_EVENTS")));
	for (let i = 0; i < 20; i++) await runOne();
	const wanted = range(count).flatMap((i) => ["pending", "running", "completed"].map((status) => `t${i} ${status}`)).sort();
	const brief = ({ body }) => `${body.task_id} ${body.status}`;
	const replayed = await until("all are in the stream", async () => {
		const events = await client.replay(`event.${project}.>`);
		return events.length >= 3 * count && events;
	});
	for (const list of [replayed, heard.list]) {
		assert.deepEqual(list.map(brief).sort(), wanted);
		const seqs = list.map(({ body }) => body.seq);
		assert.deepEqual(seqs, [...seqs].sort((x, y) => x - y));
	}
});
