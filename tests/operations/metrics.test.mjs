import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "../system/wait.mjs";
import { corder, run, scrape } from "./corder.mjs";

const deploy = (name) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const samples = (text) => text.split("\n").filter((line) => line && !line.startsWith("#"));
const valueOf = (text, series) => Number(samples(text).find((line) => line.startsWith(`${series} `))?.split(" ").at(-1));

test("every process answers metrics that promtool has nothing against", async () => {
	const found = await scrape();
	const names = ["dispatcher-1", "dispatcher-2", "ingest", "monitor", "persister", "scheduler"];
	assert.deepEqual(found.map(({ process }) => process).sort(), names);
	for (const { process, status, type, text } of found) {
		assert.equal(status, 200);
		assert.match(type, /^text\/plain; version=0\.0\.4/);
		const { code, out, err } = await run("promtool", ["check", "metrics"], { input: text });
		assert.equal(code, 0, `${process}: ${out}${err}`);
		assert.match(text, /^corder_healthy\{service="[a-z]+"\} 1$/m);
		if (process !== "persister") assert.match(text, /^corder_request_duration_seconds_bucket\{.*endpoint="[a-z-]+",le="\+Inf"\} \d+$/m);
		assert.ok(valueOf(text, "process_resident_memory_bytes") > 1e6);
	}
});

test("what was done is counted, where it was done", async () => {
	const found = await scrape();
	const text = (process) => found.find((one) => one.process === process).text;
	assert.ok(valueOf(text("ingest"), "corder_ingest_submitted_total") >= 19);
	const leases = ["dispatcher-1", "dispatcher-2"].map((name) => valueOf(text(name), "corder_dispatcher_leases_total"));
	assert.ok(leases[0] + leases[1] >= 18, `leases: ${leases}`);
	assert.equal(valueOf(text("monitor"), 'corder_tasks{task_type="testing",status="failed"}'), 1);
	assert.ok(valueOf(text("monitor"), 'corder_task_wait_seconds_count{task_type="testing"}') >= 5);
});

test("a refusal and its code are counted", async () => {
	await corder("submit", "-", "--project", "shop", { input: '{"task_type":"x","dependencies":["nobody"]}' });
	const ingest = (await scrape()).find(({ process }) => process === "ingest").text;
	assert.ok(valueOf(ingest, 'corder_rejected_total{service="ingest",code="unknown_dependency"}') >= 1);
});

test("no label of any series holds the name of a task, a batch, a project or a process", async () => {
	const ids = /(code|test|review|commit)-(auth|search|ledger|mailer)|shop-1|"shop"|\bid="/;
	for (const { process, text } of await scrape()) assert.doesNotMatch(text, ids, process);
});

test("an autoscaler sees depth and age of a type that nobody works on", async () => {
	await corder("submit", "--project", "idle", "--type", "unattended");
	await until("the type is ready", async () => {
		const monitor = (await scrape()).find(({ process }) => process === "monitor").text;
		assert.equal(valueOf(monitor, 'corder_ready_tasks{task_type="unattended"}'), 1);
		assert.equal(valueOf(monitor, 'corder_tasks{task_type="unattended",status="pending"}'), 1);
		return valueOf(monitor, 'corder_oldest_ready_seconds{task_type="unattended"}') > 0.05;
	});
});

test("the rules are good, and every alert has its story", async () => {
	const checked = await run("promtool", ["check", "rules", deploy("prometheus/alerts.yml")]);
	assert.equal(checked.code, 0, checked.out + checked.err);
	const config = await run("promtool", ["check", "config", deploy("prometheus/prometheus.yml")]);
	assert.equal(config.code, 0, config.out + config.err);
	const told = await run("promtool", ["test", "rules", deploy("prometheus/alerts_test.yml")]);
	assert.equal(told.code, 0, told.out + told.err);
	const names = (text, pattern) => [...new Set([...text.matchAll(pattern)].map(([, name]) => name))].sort();
	const alerts = names(readFileSync(deploy("prometheus/alerts.yml"), "utf8"), /- alert: (\w+)/g);
	const stories = names(readFileSync(deploy("prometheus/alerts_test.yml"), "utf8"), /alertname: (\w+)/g);
	assert.deepEqual(stories, alerts);
});

// Metrics that an expression names: words with our prefix, without the parts of a histogram.
const named = (text) => [...text.matchAll(/\b(?:corder|process)_[a-z_]+\b(?!\s*=)/g)].map(([name]) => name);

test("every metric of the dashboard, the alerts and the autoscaler exists in a live scrape", async () => {
	const live = new Set((await scrape()).flatMap(({ text }) => samples(text).map((line) => line.split(/[{ ]/)[0])));
	const dashboard = JSON.parse(readFileSync(deploy("grafana/corder.json"), "utf8"));
	const panels = dashboard.panels.filter(({ type }) => type !== "row");
	const queries = dashboard.templating.list.map(({ definition }) => definition ?? "");
	const expressions = [...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)), ...queries];
	const rules = readFileSync(deploy("prometheus/alerts.yml"), "utf8");
	const scaler = readFileSync(deploy("kubernetes/autoscaled-workers.yaml"), "utf8");
	const wanted = new Set([...expressions.flatMap(named), ...named(rules), ...named(scaler)]);
	assert.ok(panels.length > 15 && wanted.size > 25, `${panels.length} panels, ${wanted.size} metrics`);
	assert.deepEqual([...wanted].filter((name) => !live.has(name)), []);
	const ids = panels.map(({ id }) => id);
	assert.equal(new Set(ids).size, ids.length);
	for (const { title, targets } of panels) assert.ok(title && targets.length > 0);
});

test("Prometheus itself can read every expression of the dashboard", async () => {
	const dashboard = JSON.parse(readFileSync(deploy("grafana/corder.json"), "utf8"));
	const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
	const plain = expressions.map((expr) => expr.replaceAll("$__rate_interval", "1m").replaceAll(/\$[a-z_]+/g, ".*"));
	const rules = plain.map((expr, i) => `      - record: r:${i}\n        expr: ${JSON.stringify(expr)}`).join("\n");
	const check = 'file=$(mktemp) && cat >"$file" && promtool check rules "$file"; code=$?; rm -f "$file"; exit "$code"';
	const { code, out, err } = await run("sh", ["-c", check], { input: `groups:\n  - name: g\n    rules:\n${rules}\n` });
	assert.equal(code, 0, out + err);
});
