// Every page shows what MySQL says, and does what its buttons promise. The mariadb client is the witness.
import assert from "node:assert/strict";
import { test } from "node:test";
import { live, openPage, shows, sqlSays, stage, token } from "./stage.mjs";

const rows = (query) => stage.witness.sql(query);
const grouped = async (column, where = "1") =>
	Object.fromEntries(
		(await rows(`SELECT ${column} name, COUNT(*) n FROM tasks WHERE ${where} GROUP BY 1`)).map(({ name, n }) => [
			name,
			Number(n),
		]),
	);
// Those that only look share a page: another address is another hash.
let shared;
async function visit(path) {
	if (shared === undefined) {
		shared = await openPage(path, { awaited: [/404 \(Not Found\)/] });
		stage.contexts.delete(shared.context());
	}
	await shared.goto(`${stage.address}/#${path}`);
	return shared;
}
const plain = (value) => new Intl.NumberFormat("en-US").format(value);

test("overview: the counts of each status", async () => {
	const page = await visit("/");
	const counts = await grouped("status");
	for (const status of ["running", "pending", "retry", "blocked", "completed", "failed", "cancelled", "skipped"])
		await shows(page, `[data-count=${status}]`, plain(counts[status] ?? 0));
	await shows(page, ".verdict", /Degraded|Critical/);
	await shows(page, ".checks", /poison/);
	await shows(page, ".services", /ingest.*scheduler.*dispatcher|dispatcher.*ingest/s);
});

test("queues: what is ready and running of each type, and the pause", async () => {
	const page = await visit("/queues");
	for (const type of ["nobody", "coding", "step0"]) {
		const counts = await grouped("status", `task_type='${type}'`);
		const row = `tbody tr:has(a:text-is("${type}"))`;
		await page.waitForSelector(row);
		await until2(
			page,
			row,
			(cells) => cells[1] === plain(counts.pending ?? 0) && cells[3] === plain(counts.running ?? 0),
		);
	}
	await shows(page, ".pauses", /Paused: type review/);
});

async function until2(page, row, fits) {
	const cells = () => page.locator(row).locator("td").allInnerTexts();
	for (const deadline = Date.now() + 15000; ;) {
		const found = (await cells()).map((text) => text.trim());
		if (fits(found)) return;
		if (Date.now() > deadline) assert.fail(`${row} shows ${found.join(" | ")}`);
		await page.waitForTimeout(50);
	}
}

test("projects: each with its counts", async () => {
	const page = await visit("/projects");
	for (const project of ["shop", "survey"]) {
		const counts = await grouped("status", `project='${project}'`);
		const sum = Object.values(counts).reduce((all, n) => all + n, 0);
		const row = `tbody tr:has(a:text-is("${project}"))`;
		await until2(
			page,
			row,
			(cells) =>
				cells[2] === plain(sum) &&
				cells[6] === plain(counts.completed ?? 0) &&
				cells[7] === plain(counts.failed ?? 0),
		);
	}
});

test("tasks: newest first, filtered by the URL, page by page", async () => {
	const page = await visit("/tasks?project=shop&status=failed");
	const failed = await rows(
		"SELECT task_id FROM tasks WHERE project='shop' AND status='failed' ORDER BY number DESC",
	);
	await shows(
		page,
		"tbody .task-link",
		failed.map(({ task_id }) => task_id),
	);
	await page.getByRole("button", { name: "Clear" }).click();
	await page.getByLabel("Project").selectOption("survey");
	const newest = await rows("SELECT task_id FROM tasks WHERE project='survey' ORDER BY number DESC LIMIT 100");
	await shows(
		page,
		"tbody .task-link",
		newest.slice(0, 50).map(({ task_id }) => task_id),
	);
	assert.match(page.url(), /project=survey/);
	await page.getByRole("button", { name: "Older" }).click();
	await shows(
		page,
		"tbody .task-link",
		newest.slice(50).map(({ task_id }) => task_id),
	);
	await page.getByRole("button", { name: "Newer" }).click();
	await shows(
		page,
		"tbody .task-link",
		newest.slice(0, 50).map(({ task_id }) => task_id),
	);
});

test("tasks of a service: from a task to all of them, and back to all", async () => {
	const page = await visit("/task/shop/design");
	await page.locator(".facts").getByRole("link", { name: "checkout" }).click();
	await shows(page, "tbody .task-link", "design");
	await page.getByRole("button", { name: /service checkout/ }).click();
	await page.waitForFunction(() => document.querySelectorAll("tbody .task-link").length === 50);
});

test("task: its events, tries, error, edges, and why it waits", async () => {
	const page = await visit("/task/shop/design");
	const events = await rows(
		"SELECT status FROM task_events WHERE project='shop' AND task_id='design' ORDER BY version",
	);
	await shows(
		page,
		".happened .status",
		events.map(({ status }) => status),
	);
	await shows(page, ".payload", /"lines": 42/);
	await page.goto(`${stage.address}/#/task/shop/broken`);
	await shows(page, ".notice.bad", /task_error.*cannot open \/data\/(17|4)\.fits/);
	await shows(page, ".edges", /after\.broken/);
	await page.goto(`${stage.address}/#/task/shop/review`);
	await shows(page, ".reasons", /test|approv/i);
	await page.goto(`${stage.address}/#/task/shop/waits`);
	await shows(page, ".reasons", /no worker/i);
	await shows(page, ".score", /priority/);
	await page.goto(`${stage.address}/#/task/shop/none-such`);
	await shows(page, ".empty strong", "There is no such task");
});

test("failures: like with like, and all of a group retried at once", async () => {
	const page = await openPage("/failures?project=shop");
	await shows(page, ".failure .much", "2");
	await shows(page, ".failure .error-line", /cannot open \/data\/(17|4)\.fits/);
	await page.getByRole("button", { name: "Retry all" }).click();
	await page.getByLabel("Token").last().fill("not the right one at all");
	await page.getByRole("button", { name: "Use it" }).click();
	await shows(page, "dialog [role=alert]", /not the token/);
	await page.locator("#token").fill(token);
	await page.getByRole("button", { name: "Use it" }).click();
	await page.locator("dialog").getByRole("button", { name: "Retry 2 tasks" }).click();
	await shows(page, ".toast", /started over/);
	await sqlSays("none is failed any more", "SELECT COUNT(*) FROM tasks WHERE project='shop' AND status='failed'", 0);
	await shows(page, ".empty strong", "No failed task is here");
	assert.equal(await page.evaluate(() => localStorage.length), 0, "the token is not kept beyond the tab");
	await page.done();
});

test("a task is cancelled, another approved, a queue paused and resumed, after being asked", async () => {
	const page = await openPage("/task/shop/waits");
	await page.getByRole("button", { name: "Token" }).click();
	await page.locator("#token").fill(token);
	await page.getByRole("button", { name: "Use it" }).click();
	await page.getByRole("button", { name: "Cancel", exact: true }).click();
	await page.locator("dialog").getByRole("button", { name: "Not now" }).click();
	await page.getByRole("button", { name: "Cancel", exact: true }).click();
	await page.locator("dialog").getByRole("button", { name: "Cancel the task" }).click();
	await shows(page, ".big-status", "cancelled");
	await sqlSays(
		"MySQL says so",
		"SELECT COUNT(*) FROM tasks WHERE project='shop' AND task_id='waits' AND status='cancelled'",
		1,
	);
	await page.goto(`${stage.address}/#/task/shop/review`);
	await page.getByRole("button", { name: "Approve" }).click();
	await page.locator("dialog").getByRole("button", { name: "Approve" }).click();
	await sqlSays(
		"it is approved",
		"SELECT COUNT(*) FROM tasks WHERE project='shop' AND task_id='review' AND waits_for NOT LIKE '%approval%'",
		1,
	);
	await page.goto(`${stage.address}/#/queues`);
	await page.locator(".pauses").getByRole("button", { name: "Resume" }).click();
	await page.locator("dialog").getByRole("button", { name: "Resume" }).click();
	await sqlSays("nothing is paused", "SELECT COUNT(*) FROM queue_pauses", 0);
	await page.waitForSelector(".pauses", { state: "detached" });
	await page.done();
});

test("events: the newest, and older ones page by page", async () => {
	const page = await visit("/events?project=shop");
	await live(page);
	const events = await rows(
		"SELECT task_id, status FROM task_events WHERE project='shop' AND number IS NOT NULL ORDER BY seq DESC LIMIT 20",
	);
	await shows(
		page,
		"tbody tr:nth-child(-n+20) .task-link",
		events.map(({ task_id }) => task_id),
	);
	await page.goto(`${stage.address}/#/events?project=survey&status=failed`);
	const failed = await rows(
		"SELECT task_id FROM task_events WHERE project='survey' AND status='failed' ORDER BY seq DESC",
	);
	await shows(
		page,
		"tbody .task-link",
		failed.map(({ task_id }) => task_id),
	);
});

test("poison: the event that was set aside, as text", async () => {
	const page = await visit("/poison");
	await shows(page, ".failure .error-line", "Data too long for column 'worker'");
	await page.getByText("what it is").click();
	await shows(page, ".payload", "raw <b>bytes</b>");
	await page.done();
});

test("the keyboard goes everywhere", async () => {
	const page = await openPage("/");
	await live(page);
	await page.keyboard.press("?");
	await shows(page, "dialog h2", "Keyboard");
	await page.keyboard.press("Escape");
	await page.waitForSelector("dialog", { state: "detached" });
	for (const [keys, title] of [
		["gq", "Queues"],
		["gt", "Tasks"],
		["gp", "Projects"],
		["gf", "Failures"],
		["ge", "Events"],
		["gx", "Poison"],
	]) {
		for (const key of keys) await page.keyboard.press(key);
		await shows(page, "h1", title);
	}
	await page.keyboard.press("g");
	await page.keyboard.press("t");
	await page.waitForSelector("tbody [data-row]");
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	const focused = await page.evaluate(() => document.activeElement.getAttribute("title"));
	await page.keyboard.press("Enter");
	await shows(page, "h1", focused);
	await page.keyboard.press("d");
	assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
	await page.done();
});
