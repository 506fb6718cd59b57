// deploy/nats.conf: Corder runs with a user for each role, and each may do what it needs and nothing else. TLS, NKEYs.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { nkeyAuthenticator } from "@nats-io/transport-node";
import { createUser } from "@nats-io/nkeys";
import { Client } from "./client.mjs";
import { Corder } from "./corder.mjs";
import { NatsWithRoles, RawNats, optionsOf, passwordOf, roles } from "./roles.mjs";
import { Stack, binFolder, serviceNames } from "./stack.mjs";
import { environment } from "./servers.mjs";
import { until } from "./wait.mjs";

let stack;
before(async () => {
	stack = await new Stack({ Nats: NatsWithRoles }).start();
}, { timeout: 120000 });
after(() => stack?.stop());

async function open(t, user) {
	const client = await Client.open(stack.addresses, optionsOf(user));
	t.after(() => client.close());
	return client;
}

test("everything works, and no service asks for what it may not do", { timeout: 120000 }, async (t) => {
	const [people, worker, shop] = [await open(t, "corder"), await open(t, "worker-coding"), await open(t, "client-shop")];
	const events = shop.listen("event.shop.>", "event");
	await people.submitBatch("shop", [
		{ task_id: "a", task_type: "coding" },
		{ task_id: "b", task_type: "coding", dependencies: ["a"] },
	]);
	const part = (number) => ({
		project: "large",
		batch_id: "parts",
		part: number,
		tasks: Array.from({ length: 400 }, (_, i) => ({ task_id: `${number}.${i}`, task_type: "other" })),
	});
	for (const number of [1, 2]) await people.ok("submit", part(number));
	await people.ok("submit", { project: "large", batch_id: "parts", seal: 2 });
	for (const id of ["a", "b"]) {
		const task = await worker.take("coding");
		assert.equal(task.task_id, id);
		await worker.ok("renew.coding", { worker: "w1", leases: [{ ...pick(task), progress: { part: 0.5 } }] });
		assert.ok((await worker.settle(task)).ok);
	}
	// The verdict of what was enqueued is an event, even when nothing else of the stream may be seen.
	shop.connection.publish("corder.v1.enqueue.shop", JSON.stringify({ task_id: "queued", task_type: "coding" }));
	shop.connection.publish("corder.v1.enqueue.shop", JSON.stringify({ project: "other", task_id: "smuggled", task_type: "coding" }));
	await until("all events are heard", () => events.list.length >= 8, { seconds: 30 });
	const told = events.list.map(({ body }) => `${body.task_id} ${body.status}`);
	assert.ok(told.includes("queued pending") && told.includes(" rejected"), told.join(", ")); // without its id: it is not of this project
	assert.deepEqual(events.problems, []);
	await people.ok("queue.pause", { task_type: "other" });
	await people.ok("task.cancel", { project: "large", batch_id: "parts", reason: "enough" });
	await until("MySQL knows", async () => (await people.get("shop", "b")).status === "completed");
	const corder = new Corder({ addresses: { ...stack.addresses, nats: stack.nats.urlOf("corder") } });
	for (const words of [["status"], ["services"], ["events", "--since", "all", "--no-follow"], ["list", "--project", "shop"]]) {
		const { code, err } = await corder.run(...words);
		assert.equal(code, 0, `corder ${words.join(" ")}: ${err} ${stack.nats.violations()}`);
	}
	assert.deepEqual(stack.nats.violations(), []);
});

const pick = ({ project, task_id, lease }) => ({ project, task_id, lease });

// What nobody of them may, beside what only others may.
const allowed = {
	"worker-coding": ["work.coding", "settle.coding", "renew.coding"],
	"client-shop": ["enqueue.shop"],
	reader: ["task.get", "task.list", "status", "timeline", "executable", "explain"],
	corder: ["submit", "enqueue.shop", "work.coding", "work.review", "settle.coding", "task.get", "task.cancel", "queue.pause", "status"],
	ingest: ["internal.admit.0", "internal.reject.0", "internal.part.a.1", "internal.slice.a.1"],
	scheduler: ["internal.log.0", "internal.mark.0", "internal.hurry.0", "internal.ready.coding", "event.shop.coding.pending"],
	dispatcher: ["internal.log.0", "internal.prove.0", "internal.hurry.0", "internal.ready.coding", "progress.shop.coding"],
	persister: ["internal.persisted.0"],
	monitor: ["task.cancel", "task.get", "queue.pause", "internal.hurry.0"],
};
const subjects = [...new Set([...Object.values(allowed).flat(), "task.approve", "work.review", "enqueue.other", "event.other.x.y", "internal.ready.x", "internal.logged.0.e.1.i.b"])];
const patterns = {
	scheduler: /^internal\.(log|mark|ready|hurry)\.|^event\./,
	dispatcher: /^internal\.(log|prove|ready|hurry)\.|^progress\./,
	monitor: /^(task|queue)\.|^internal\.hurry\./,
	corder: /^(submit|status|timeline|executable|explain)$|^(enqueue|work|settle|renew|task|queue)\./,
};
const may = (role, subject) => (patterns[role] ? patterns[role].test(subject) : allowed[role].includes(subject));

const refused = (heard) => /Permissions Violation/i.test(heard);
const publish = (raw, subject) => raw.say(`PUB ${subject} 2`, "{}");

for (const role of roles) {
	test(`${role} publishes where it has to, and nowhere else`, { timeout: 30000 }, async (t) => {
		const raw = await RawNats.open(stack.nats.port, { user: role, pass: passwordOf(role) });
		t.after(() => raw.close());
		for (const subject of subjects) {
			// What would do something is not said by those who may.
			if (may(role, subject) && /internal|event/.test(subject)) continue;
			assert.equal(!refused(await publish(raw, `corder.v1.${subject}`)), may(role, subject), `${role} ${subject}`);
		}
		const never = ["$JS.API.STREAM.DELETE.CORDER_LOG_1x", "$JS.API.ACCOUNT.PURGE.x", "$JS.API.SERVER.REMOVE", "$SYS.REQ.SERVER.PING", "other.v1.submit"];
		for (const subject of never)
			assert.ok(refused(await publish(raw, subject)), `${role} ${subject}`);
		const streams = ["$JS.API.STREAM.PURGE.CORDER_EVENTS", "$JS.API.STREAM.MSG.DELETE.CORDER_LOG_0", "$JS.ACK.CORDER_ENQUEUE.ingest.1.1.1.1.1"];
		for (const subject of streams)
			if (!(role === "persister" && /PURGE/.test(subject)) && !(role === "ingest" && /ENQUEUE/.test(subject)))
				assert.ok(refused(await publish(raw, subject)), `${role} ${subject}`);
	});

	test(`${role} reads its own answers, and nobody else's`, { timeout: 30000 }, async (t) => {
		const raw = await RawNats.open(stack.nats.port, { user: role, pass: passwordOf(role) });
		t.after(() => raw.close());
		const subscribe = async (subject) => !refused(await raw.say(`SUB ${subject} ${subjects.length}`));
		assert.equal(await subscribe(`_INBOX.${role}.a.b`), true);
		for (const subject of [">", "_INBOX.>", "_INBOX.*.x", "corder.>", "corder.v1.internal.>", "$JS.>", "$JS.API.>"])
			assert.equal(await subscribe(subject), false, `${role} ${subject}`);
		for (const other of roles) if (other !== role) assert.equal(await subscribe(`_INBOX.${other}.>`), false, `${role} ${other}`);
		const serves = { ingest: "submit", dispatcher: "work.*", scheduler: "task.*", monitor: "status" };
		for (const [service, subject] of Object.entries(serves))
			assert.equal(await subscribe(`corder.v1.${subject}`), service === role, `${role} serves ${subject}`);
		const hears = ["corder", "reader", "monitor"].includes(role);
		assert.equal(await subscribe("corder.v1.event.*.*.*"), hears);
		assert.equal(await subscribe("corder.v1.event.shop.>"), ["corder", "reader", "client-shop"].includes(role));
	});
}

test("nobody gets in without a password", async () => {
	const raw = await RawNats.open(stack.nats.port, { user: "corder", pass: "guess" });
	assert.match(raw.heard, /Authorization Violation/);
	raw.close();
});

test("no service can be made to speak in its own name by a forged reply subject", { timeout: 30000 }, async (t) => {
	const raw = await RawNats.open(stack.nats.port, { user: "monitor", pass: passwordOf("monitor") });
	const people = await RawNats.open(stack.nats.port, { user: "corder", pass: passwordOf("corder") });
	t.after(() => [raw, people].forEach((each) => each.close()));
	const ofScheduler = () => stack.nats.violations().filter((line) => line.includes('"scheduler"'));
	const before = ofScheduler();
	await raw.say("SUB corder.v1.internal.mark.* 1");
	const ask = '{"project":"shop","task_ids":["nobody"]}';
	for (const reply of ["corder.v1.internal.mark.0", "corder.v1.event.shop.coding.completed", "$JS.API.STREAM.DELETE.CORDER_LOG_0"])
		await people.say(`PUB corder.v1.task.cancel ${reply} ${ask.length}`, ask);
	const answer = await (await open(t, "corder")).ok("task.cancel", JSON.parse(ask));
	assert.equal(answer.tasks[0].ok, false);
	assert.doesNotMatch(await raw.say(), /MSG corder[^\r]*\r\n\{/); // a mark is no JSON
	assert.deepEqual(ofScheduler(), before);
});

// ------------------------------------------------------------------------------------------------ secrets

const canary = "canary-7f3a";

// Every place where the outside could see what a process knows.
function shown(program, env) {
	const run = (word) => spawnSync(join(binFolder, program), [word], { env, encoding: "utf8", timeout: 20000 });
	return ["--print-config", "--check"].map(run).map(({ stdout, stderr }) => stdout + stderr).join("");
}

test("secrets are in no log, no list of processes, no --print-config", { timeout: 60000 }, () => {
	const secrets = [...roles.map(passwordOf), "corder:secret@"];
	for (const name of serviceNames) {
		const { pid } = stack.services[name][0];
		const log = readFileSync(join(stack.folder, "logs", `${name}-0.log`), "utf8");
		const words = readFileSync(`/proc/${pid}/cmdline`, "latin1");
		for (const secret of secrets) assert.ok(!(log + words).includes(secret), `${name} shows ${secret}`);
		// Right ones, wrong ones, and what is no URL at all.
		const urls = {
			good: { NATS_URL: stack.nats.urlOf(name), CORDER_HTTP_TOKEN: canary },
			wrong: { NATS_URL: `nats://x:${canary}@127.0.0.1:${stack.nats.port}`, REDIS_URL: `redis://:${canary}@127.0.0.1:${stack.redis.port}`,
				DATABASE_URL: `mysql://corder:${canary}@127.0.0.1:${stack.mariadb.port}/corder` },
			broken: { NATS_URL: `nats://x:${canary}%zz@h:0`, REDIS_URL: `redis:/${canary}@h`, DATABASE_URL: `mysql://u:${canary},x@h:port/` },
		};
		for (const [kind, env] of Object.entries(urls)) {
			const text = shown(`corder-${name}`, { ...environment, ...stack.serviceEnvironment, ...env });
			assert.ok(text.length > 100, text);
			for (const secret of [...secrets, canary]) assert.ok(!text.includes(secret), `${name} with ${kind} ones shows ${secret}: ${text}`);
		}
	}
});

// ------------------------------------------------------------------------------------------------ TLS, NKEYs

const openssl = (folder, ...words) => execFileSync("openssl", words, { cwd: folder, stdio: "pipe" });

class NatsInTheOpen extends NatsWithRoles {
	more() {
		const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
		openssl(this.folder, ...request, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem");
		this.user = createUser();
		const tls = `tls { cert_file: "${this.folder}/cert.pem", key_file: "${this.folder}/key.pem" }`;
		const text = readFileSync(this.conf, "utf8")
			.replace(/^# tls \{.*$/m, tls)
			.replace(/^\t\t# (\{ nkey: )"U[A-Z0-9]*"/m, `\t\t$1"${this.user.getPublicKey()}"`);
		writeFileSync(this.conf, text);
	}
}

test("over TLS, with a password or an NKEY, and not without", { timeout: 60000 }, async (t) => {
	const nats = new NatsInTheOpen(join(stack.folder, "open"));
	await nats.start();
	t.after(() => nats.kill());
	const certificate = join(nats.folder, "cert.pem");
	const servers = `tls://localhost:${nats.port}`;
	const tls = { caFile: certificate };
	const options = { maxReconnectAttempts: 0, reconnect: false, inboxPrefix: "_INBOX.worker-coding", tls };
	const authenticator = nkeyAuthenticator(nats.user.getSeed());
	const worker = await Client.open({ nats: servers }, { ...options, authenticator });
	await assert.rejects(worker.connection.request("corder.v1.work.review", "{}", { timeout: 500 }), /permission|violation/i);
	await worker.close();
	await assert.rejects(Client.open({ nats: servers }, { ...options, authenticator: nkeyAuthenticator(createUser().getSeed()) }));
	const env = { ...environment, ...stack.serviceEnvironment, NATS_URL: nats.urlOf("scheduler").replace("nats:", "tls:") };
	const check = (more) => execFileSync(join(binFolder, "corder-scheduler"), ["--check"], { env: { ...env, ...more }, encoding: "utf8", stdio: "pipe" });
	assert.match(check({ SSL_CERT_FILE: certificate }), /nats/i);
	assert.throws(() => check({})); // nobody it knows has signed that
});

