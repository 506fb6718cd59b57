// Live: a change is on the page under a second after it happened; a monitor that dies and comes back is survived; a
// hidden tab rests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../system/wait.mjs";
import { live, openPage, shows, sqlSays, stage } from "./stage.mjs";

const mostMs = 1000;

async function eventAt(taskId, status) {
	const query = `SELECT CAST(UNIX_TIMESTAMP(CONVERT_TZ(at, '+00:00', @@session.time_zone)) * 1000 AS UNSIGNED) ms FROM task_events
		WHERE project='live' AND task_id='${taskId}' AND status='${status}'`;
	return until(`the event of ${taskId}`, async () => Number((await stage.witness.sql(query))[0].ms));
}

async function latency(page, selector, text, taskId, status, act) {
	const seen = page.evaluate(([where, what]) => globalThis.whenSeen(where, what), [selector, text]);
	await act();
	const late = (await seen) - (await eventAt(taskId, status));
	stage.figures.push(`${taskId} became ${status}: on the page after ${late} ms`);
	assert.ok(late < mostMs, `it took ${late} ms, wanted under ${mostMs}`);
}

const completed = async () =>
	Number((await stage.witness.sql("SELECT COUNT(*) n FROM tasks WHERE project='live' AND status='completed'"))[0].n);

test("an event is in the live tail under a second after it happened", async () => {
	const page = await openPage("/events?project=live");
	await live(page);
	await shows(page, ".empty strong, tbody tr", /./);
	for (const id of ["one", "two", "three"]) {
		await latency(page, "tbody .task-link", id, id, "pending", () =>
			stage.client.submit("live", { task_id: id, task_type: "live" }),
		);
	}
	await page.done();
});

test("a task's page follows the task", async () => {
	const page = await openPage("/task/live/one");
	await live(page);
	await shows(page, ".big-status", "pending");
	let task;
	await latency(
		page,
		".big-status",
		"running",
		"one",
		"running",
		async () => (task = await stage.client.take("live")),
	);
	await latency(page, ".big-status", "completed", "one", "completed", () => stage.client.settle(task));
	await page.done();
});

test("a project's page follows its tasks", async () => {
	const before = await completed();
	const page = await openPage("/project/live");
	await live(page);
	await shows(page, ".progress p strong", `${before}`);
	const task = await stage.client.take("live");
	await page.waitForSelector(`.graph .node:has-text('${task.task_id}') .edge.is-running`);
	await latency(page, ".progress p strong", `${before + 1}`, task.task_id, "completed", () =>
		stage.client.settle(task),
	);
	await shows(page, ".chip:has(.is-completed)", `completed ${before + 1}`);
	await page.waitForSelector(`.graph .node:has-text('${task.task_id}') .edge.is-completed`);
	await page.done();
});

test("a try that begins and ends between two frames is told with its start", async () => {
	const page = await openPage("/events?project=quick");
	await live(page);
	const told = await page.evaluateHandle(
		() =>
			new Promise((listens) => {
				const seen = [];
				const source = new EventSource("api/v1/live?project=quick");
				const told = new Promise((resolve) => {
					source.addEventListener("tasks", (event) => {
						const { reset, tasks } = JSON.parse(event.data);
						if (reset) listens({ told });
						seen.push(...tasks.map(({ status, started_ms }) => ({ status, started_ms })));
						if (seen.some(({ status }) => status === "completed")) resolve(seen);
					});
				});
			}),
	);
	await stage.client.submit("quick", { task_id: "quick", task_type: "quick" });
	await stage.client.settle(await stage.client.take("quick"));
	const changes = await told.evaluate(({ told }) => told);
	const begun = changes.find(({ started_ms }) => started_ms !== null);
	assert.ok(begun, JSON.stringify(changes));
	const query =
		"SELECT COUNT(*) FROM task_events WHERE project='quick' AND status='running' AND ABS(UNIX_TIMESTAMP(CONVERT_TZ(at, '+00:00', @@session.time_zone)) * 1000 - ";
	await sqlSays("it began when MySQL says", `${query}${begun.started_ms}) < 2`, 1);
	await page.done();
});

test("a monitor that is killed and started again is survived without a reload", async () => {
	const awaited = [
		/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|Failed to load resource/,
	];
	const page = await openPage("/project/live", { awaited });
	await live(page);
	const before = await completed();
	await shows(page, ".progress p strong", `${before}`);
	await page.evaluate(() => (globalThis.mark = "the same page"));
	await stage.stack.killService("monitor");
	await shows(page, ".live", /reconnecting|stale for \d+ s/);
	await shows(page, ".live", /stale for \d+ s/);
	await shows(page, "[role=alert]", /does not answer/);
	await stage.client.settle(await stage.client.take("live"));
	await stage.client.submit("live", { task_id: "meanwhile", task_type: "live" });
	await stage.stack.startService("monitor");
	await live(page);
	await shows(page, ".progress p strong", `${before + 1}`);
	await shows(page, ".progress p", /of 4 tasks/);
	assert.equal(await completed(), before + 1);
	assert.equal(await page.evaluate(() => globalThis.mark), "the same page");
	await page.goto(`${stage.address}/#/`);
	const row = page.locator("tr", { has: page.getByText("grid", { exact: true }) });
	const [{ n }] = await stage.witness.sql("SELECT COUNT(*) n FROM tasks WHERE worker='grid' AND status='completed'");
	await row.getByText(n, { exact: true }).waitFor(); // what workers did before the monitor's death
	await page.done();
});

test("MySQL away is told on every page; what could not be read comes by itself when it is back", async () => {
	const awaited = [/503 \(Service Unavailable\)/];
	const page = await openPage("/queues", { awaited });
	await live(page);
	await shows(page, ".nav .mark", /degraded/);
	const { mariadb } = stage.stack;
	await mariadb.kill();
	await shows(page, ".notice.bad", /MySQL is not connected/);
	await shows(page, ".nav .mark", /critical/);
	await page.goto(`${stage.address}/#/tasks?project=live`);
	await shows(page, ".empty", /could not be read.*asked again by itself/);
	await mariadb.start();
	await shows(page, "tbody tr:last-child .task-link", "one");
	await shows(page, ".nav .mark", /degraded/);
	assert.equal(await page.locator(".notice.bad").count(), 0);
	await page.done();
});

test("a hidden tab closes its connection, and takes up again where it was", async () => {
	const page = await openPage("/events?project=live");
	await live(page);
	await page.waitForSelector("tbody .task-link"); // what was before has come: a late answer would tell of more
	const hide = (hidden) =>
		page.evaluate((value) => {
			Object.defineProperty(document, "hidden", { value, configurable: true });
			document.dispatchEvent(new Event("visibilitychange"));
		}, hidden);
	await hide(true);
	await shows(page, ".live", "resting");
	await stage.client.submit("live", { task_id: "unseen", task_type: "live" });
	await sqlSays("it is in MySQL", "SELECT COUNT(*) FROM tasks WHERE project='live' AND task_id='unseen'", 1);
	assert.equal(await page.locator("tbody .task-link", { hasText: "unseen" }).count(), 0);
	await hide(false);
	await live(page);
	await shows(page, "tbody tr:first-child .task-link", "unseen");
	await page.done();
});
