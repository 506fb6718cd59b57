// `corder top` in a real terminal: tmux gives it one, presses keys and reads the screen back.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { until } from "../system/wait.mjs";
import { corder, environment, program, run, stackFolder } from "./corder.mjs";

const socket = `corder-top-${process.pid}`;
const tmux = async (...words) => {
	const { code, out, err } = await run("tmux", ["-L", socket, "-f", "/dev/null", ...words], { env: { TERM: "xterm-256color" } });
	if (code !== 0) throw new Error(`tmux ${words[0]}: ${err}`);
	return out;
};
after(() => run("tmux", ["-L", socket, "kill-server"]));

let count = 0;
// A terminal of that size in which top runs; what stands in it before and after is the shell's.
async function open(width, height, { before = "", words = [], locale = "C.UTF-8" } = {}) {
	const name = `t${++count}`;
	const command = [program, "top", "--dir", stackFolder(), "--interval", "0.2", ...words].map((word) => `'${word}'`).join(" ");
	const line = `echo shell-before; ${before} LC_ALL=${locale} ${command}; echo ended-with-$?; stty -a | grep -oE -- '-?(icanon|echo) ' | tr -d '\\n'; exec sleep 300`;
	await tmux("new-session", "-d", "-s", name, "-x", `${width}`, "-y", `${height}`, line);
	const screen = async (...more) => (await tmux("capture-pane", "-p", "-t", name, ...more)).replace(/\n$/, "").split("\n");
	const shows = (what, pattern) => until(`${what}: ${pattern}`, async () => {
		const lines = await screen();
		if (!pattern.test(lines.join("\n"))) throw new Error(lines.join("\n"));
		return lines;
	});
	const press = (...keys) => tmux("send-keys", "-t", name, ...keys);
	const pid = async () => {
		const shell = (await tmux("display-message", "-p", "-t", name, "#{pane_pid}")).trim();
		return Number((await run("pgrep", ["-P", shell, "-x", "corder"])).out.trim());
	};
	return { name, screen, shows, press, pid };
}

// The shell's screen is back, its cursor and its line editing too.
async function isRestored(terminal, code) {
	const lines = await terminal.shows("the shell's screen is back", new RegExp(`ended-with-${code}[\\s\\S]*icanon`));
	assert.equal(lines[0], "shell-before");
	assert.match(lines.join("\n"), /(^|[^-])icanon (?=.*echo)/m);
	assert.doesNotMatch(lines.join("\n"), /-icanon|-echo /);
	const state = await tmux("display-message", "-p", "-t", terminal.name, "#{cursor_flag} #{alternate_on}");
	assert.equal(state.trim(), "1 0", "the cursor shows, the alternate screen is left");
}

test("at 80x24 it shows counts, rates, queues and health, and fits", async () => {
	await corder("submit", "--project", "topped", "--type", "waiting", "--type", "waiting");
	const terminal = await open(80, 24);
	const lines = await terminal.shows("the first answer", /live[\s\S]*waiting +1 /);
	assert.equal(lines.length, 24);
	assert.match(lines[0], /^corder {2}all projects {2}live .*[●*] (ok|degraded) +\d\d:\d\d:\d\d$/);
	for (const [i, status] of ["pending", "running", "blocked", "retry"].entries()) assert.match(lines[i + 1], new RegExp(`${status} +[█░]+ +[\\d,]+ .*/s`));
	assert.match(lines.join("\n"), /✔ [\d,]+ completed.*✘ [\d,]+ failed/);
	assert.match(lines.join("\n"), /TYPE +PENDING▼ +RUNNING +IN\/s +DONE\/s +FAIL\/s +OLDEST/);
	assert.match(lines.join("\n"), /waiting +1 +0 .* [\d.]+m?s/, "the age of the oldest");
	assert.match(lines[23], /q {2}quit .*help/);
	await terminal.press("q");
	await isRestored(terminal, 0);
});

test("what runs and what fails is told as it happens", async () => {
	const terminal = await open(100, 30);
	await terminal.shows("the first answer", /live/);
	const submitted = await corder("submit", "--project", "topped", "--type", "breaking", "--retries", "0", "--id", `b-${process.pid}`);
	assert.equal(submitted.code, 0, submitted.err);
	const worker = corder("work", "--type", "breaking", "--worker", "clumsy", "--once", "--exec", "sleep 1; echo it broke >&2; exit 3");
	await terminal.shows("the running task", new RegExp(`clumsy +topped/b-${process.pid} +breaking`));
	await terminal.shows("the failure", new RegExp(`topped/b-${process.pid} +breaking .*it broke`));
	assert.equal((await worker).code, 1);
	await terminal.shows("the worker without work", /clumsy +idle/);
	await terminal.shows("it in the rates", /failed +[0-9.]+\/s .*[▁-█]/);
	await terminal.press("q");
	await isRestored(terminal, 0);
});

test("it sorts, filters, chooses a project, freezes and helps", async () => {
	for (const type of ["aaa", "bbb", "bbb"]) await corder("submit", "--project", "sorted", "--type", type);
	const terminal = await open(80, 24, { words: ["--project", "sorted"] });
	const order = async (pattern) => terminal.shows("the order of queues", pattern);
	await order(/sorted {2}live[\s\S]*bbb +2[\s\S]*aaa +1/);
	await terminal.press("r");
	await order(/PENDING▲[\s\S]*aaa +1[\s\S]*bbb +2/);
	await terminal.press("r", "S");
	await order(/TYPE▼[\s\S]*aaa +1[\s\S]*bbb +2/);
	await terminal.press("/", "b", "b");
	await terminal.shows("the question", /Show what holds: bb/);
	await terminal.press("Enter");
	assert.doesNotMatch((await order(/\/bb[\s\S]*bbb +2/)).join("\n"), /aaa/);
	await terminal.press("Escape");
	await order(/aaa +1/);
	await terminal.press("?");
	await terminal.shows("the help", /pause or resume the selected type/);
	await terminal.press("x", "P", "C-u", "Enter");
	await terminal.shows("all projects", /all projects {2}live[\s\S]*waiting/);
	await terminal.press("Space");
	await terminal.shows("that it is frozen", /frozen/);
	await terminal.press("Space", "P");
	await terminal.press("no such name!", "Enter");
	await terminal.shows("a refusal", /is no project name/);
	await terminal.press("C-c");
	await isRestored(terminal, 130);
});

test("a pause is asked for before it is done, shown, and undone the same way", async () => {
	await corder("submit", "--project", "paused", "--type", "brake");
	const terminal = await open(80, 24, { words: ["--project", "paused"] });
	await terminal.shows("the queue", /brake +1/);
	await terminal.press("p");
	await terminal.shows("the question", /Pause brake in paused\?.*y\/n/);
	await terminal.press("n");
	assert.doesNotMatch((await terminal.shows("no change", /q {2}quit/)).join("\n"), /brake .*paused/);
	await terminal.press("p", "y");
	await terminal.shows("the pause", /brake +1 .* paused/);
	const { queues } = JSON.parse((await corder("status", "--project", "paused", "--json")).out);
	assert.deepEqual(queues.map(({ task_type, paused }) => [task_type, paused]), [["brake", true]]);
	await terminal.press("p");
	await terminal.shows("the other question", /Resume brake in paused\?/);
	await terminal.press("y");
	await terminal.shows("the end of the pause", /Resumed: brake/);
	await terminal.press("q");
	await isRestored(terminal, 0);
});

test("it follows the size of its terminal, from tiny to wide", async () => {
	const terminal = await open(160, 45);
	await terminal.shows("the wide picture", /live/);
	for (const [width, height] of [[200, 50], [30, 6], [80, 24]]) {
		await tmux("resize-window", "-t", terminal.name, "-x", `${width}`, "-y", `${height}`);
		const lines = await until(`a picture of ${width}x${height}`, async () => {
			const found = await terminal.screen();
			return found.length <= height && found[0].length >= Math.min(width, 40) - 12 && found;
		});
		assert.ok(lines.every((line) => [...line].length <= width));
	}
	await terminal.press("q");
	await isRestored(terminal, 0);
});

test("whatever ends it, the terminal is given back", async () => {
	for (const [signal, code] of [["SIGTERM", 130], ["SIGHUP", 129], ["SIGQUIT", 131], ["SIGSEGV", 139]]) {
		const terminal = await open(80, 24, { before: "ulimit -c 0;" });
		await terminal.shows("the picture", /live/);
		process.kill(await terminal.pid(), signal);
		await isRestored(terminal, code);
	}
});

test("without colours and without Unicode it says the same", async () => {
	const terminal = await open(80, 24, { before: "NO_COLOR=1", locale: "C" });
	await terminal.shows("the picture", /live[\s\S]*>TYPE/);
	const lines = await terminal.screen("-e");
	assert.doesNotMatch(lines.join("\n"), /\x1b\[[0-9;]*[1-9][0-9;]*m/);
	assert.match(lines.join("\n"), /^[\x20-\x7e\n\x1b]*$/);
	await terminal.press("q");
	await isRestored(terminal, 0);
});

test("programs get one JSON object, or one a line, and never an escape", async () => {
	const { code, out } = await corder("top", "--once", "--json", "--interval", "0.3");
	assert.equal(code, 0);
	const told = JSON.parse(out);
	assert.ok(told.completed_count > 0 && told.health.status);
	assert.deepEqual(Object.keys(told.rates), ["in", "started", "done", "failed"]);
	assert.ok(told.queues.some(({ task_type, oldest_ready_s }) => task_type === "unattended" || oldest_ready_s > 0));
	const once = await corder("top", "--once", "--interval", "0.3");
	assert.equal(once.code, 0);
	assert.doesNotMatch(once.out, /\x1b/);
	assert.match(once.out, /pending[\s\S]*TYPE/);
	const lines = await run("sh", ["-c", `'${program}' top --dir '${stackFolder()}' --json --interval 0.2 | head -n 2`]);
	assert.deepEqual(lines.out.trim().split("\n").map((line) => typeof JSON.parse(line).pending_count), ["number", "number"]);
	const piped = await corder("top");
	assert.equal(piped.code, 64);
	assert.match(piped.err, /needs a terminal.*--once/);
});

test("a monitor that does not answer is told, and the last picture stays", async () => {
	const terminal = await open(80, 24, { words: ["--nats", "nats://127.0.0.1:9"] });
	await terminal.shows("what is wrong", /no NATS server answers[\s\S]*ended-with-69/);
	assert.ok(environment().TERM);
});
