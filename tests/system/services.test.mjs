import assert from "node:assert/strict";
import { test } from "node:test";
import { useStack } from "./setup.mjs";
import { serviceNames } from "./stack.mjs";
import { until } from "./wait.mjs";

const stack = useStack();

const ask = (verb, name) => stack.client.services(verb, name);

for (const service of serviceNames) {
	test(`every instance of corder-${service} answers PING, INFO and STATS`, async () => {
		const name = `corder-${service}`;
		const pings = await ask("PING", name);
		assert.equal(pings.length, 2);
		assert.equal(new Set(pings.map(({ id }) => id)).size, 2, "each has its own id");
		for (const answer of pings) {
			assert.deepEqual([answer.type, answer.name], ["io.nats.micro.v1.ping_response", name]);
			assert.match(answer.version, /^\d+\.\d+\.\d+/);
		}
		const [info] = await ask("INFO", name);
		assert.equal(info.type, "io.nats.micro.v1.info_response");
		assert.ok(info.description.length > 0 && Array.isArray(info.endpoints));
		const [stats] = await ask("STATS", name);
		assert.equal(stats.type, "io.nats.micro.v1.stats_response");
		assert.ok(!Number.isNaN(Date.parse(stats.started)));
		for (const { num_requests, num_errors, processing_time } of stats.endpoints) {
			for (const value of [num_requests, num_errors, processing_time]) assert.ok(value >= 0);
		}
	});
}

test("STATS counts the requests of an endpoint", async () => {
	const total = async () => (await ask("STATS", "corder-monitor"))
		.flatMap(({ endpoints }) => endpoints)
		.filter(({ subject }) => subject.endsWith(".status"))
		.reduce((sum, { num_requests }) => sum + num_requests, 0);
	const before = await total();
	for (let i = 0; i < 5; i++) await stack.client.ok("status", {});
	await until("five more", async () => (await total()) >= before + 5);
});

test("Redis holds no key outside the partitions", async () => {
	const keys = (await stack.witness.redisCli("--scan")).split("\n").filter(Boolean);
	assert.ok(keys.length > 0);
	assert.deepEqual(keys.filter((key) => !/^\{p\d+\}:/.test(key)), []);
});

test("MySQL has set nothing aside as poison", async () => {
	assert.deepEqual(await stack.witness.sql("SELECT * FROM poison_events"), []);
});
