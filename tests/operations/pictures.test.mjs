import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "../system/wait.mjs";
import { corder, run } from "./corder.mjs";

const folder = mkdtempSync(join(tmpdir(), "corder-pictures-"));
after(() => rmSync(folder, { recursive: true, force: true }));

// Draws, checks that the picture stands alone and can be rendered, and returns the SVG.
async function draw(command, ...words) {
	const path = join(folder, `${command}.svg`), image = join(folder, `${command}.png`);
	const { code, err } = await corder(command, ...words, "--svg", path);
	assert.equal(code, 0, err);
	const svg = readFileSync(path, "utf8");
	assert.doesNotMatch(svg.replace('xmlns="http://www.w3.org/2000/svg"', ""), /https?:|url\(|<script|<image/);
	assert.match(svg, /@media \(prefers-color-scheme:dark\)/);
	const rendered = await run("rsvg-convert", [path, "-o", image]);
	assert.equal(rendered.code, 0, rendered.err);
	const png = readFileSync(image);
	assert.ok(png.length > 5000 && png.readUInt32BE(16) > 600, `${png.length} bytes, ${png.readUInt32BE(16)} wide`);
	return svg;
}

const listed = (project, count) =>
	until(`${count} tasks of ${project} are in MySQL`, async () => {
		const { out } = await corder("list", "--project", project, "--all", "--json");
		return out.split("\n").filter(Boolean).length >= count;
	});

test("the graph as a picture has a card for each task, in its shape and colour, and the critical path", async () => {
	await listed("shop", 19);
	const svg = await draw("graph", "--project", "shop", "--batch", "shop-1");
	assert.equal([...svg.matchAll(/<rect class="card/g)].length, 19);
	assert.match(svg, /class="card hot"/);
	assert.match(svg, /<path class="edge hot"/);
	assert.match(svg, /<title>test-mailer failed, testing/);
	for (const shape of ["f-completed", "l-failed", "l-skipped"]) assert.match(svg, new RegExp(`class="${shape}"`));
});

test("the timeline as a picture has a row for each task and a bar for each try", async () => {
	await listed("shop", 19);
	const svg = await draw("timeline", "--project", "shop", "--batch", "shop-1");
	const timeline = JSON.parse((await corder("timeline", "--project", "shop", "--batch", "shop-1", "--json")).out);
	const tries = timeline.tasks.flatMap(({ attempts }) => attempts);
	assert.equal([...svg.matchAll(/<title>try \d+ on op-1/g)].length, tries.length);
	assert.match(svg, /class="f-failed"/);
	assert.match(svg, /class="glow"/);
	assert.match(svg, /class="link"/);
});

test("the critical path ends with the task that ended last, and goes back through what each waited for", async () => {
	await listed("shop", 19);
	const { tasks } = JSON.parse((await corder("timeline", "--project", "shop", "--batch", "shop-1", "--json")).out);
	const { out } = await corder("timeline", "--project", "shop", "--batch", "shop-1");
	const lit = out.split("\n").filter((line) => / *◆/.test(line.slice(0, 40))).map((line) => line.split(/[ ◆]+/)[1]);
	const byId = new Map(tasks.map((task) => [task.task_id, task]));
	const ended = (id) => byId.get(id).finished_at;
	const latest = (ids) => ids.reduce((last, id) => (last && ended(last) >= ended(id) ? last : id), undefined);
	const expected = [];
	for (let id = latest([...byId.keys()]); id; id = latest(byId.get(id).dependencies.map(({ task_id }) => task_id))) expected.unshift(id);
	assert.deepEqual(lit.filter((id) => byId.has(id)), tasks.map(({ task_id }) => task_id).filter((id) => expected.includes(id)));
});

test("names that are markup stay text", async () => {
	const context = JSON.stringify({ task_id: "a-b", task_type: "odd", service_name: "<script>&\"" });
	await corder("submit", "-", "--project", "odd", { input: context });
	await listed("odd", 1);
	assert.match(await draw("graph", "--project", "odd"), /a-b/);
});

test("a picture of 3,000 tasks is drawn in seconds", async () => {
	const task = (i) => {
		const dependencies = i < 50 ? [] : [`t${i - 50 + ((i * 7) % 11)}`, `t${i - 37}`];
		return JSON.stringify({ task_id: `t${i}`, task_type: "mass", dependencies: [...new Set(dependencies)] });
	};
	const input = Array.from({ length: 3000 }, (_, i) => task(i)).join("\n");
	const submitted = await corder("submit", "-", "--project", "mass", { input });
	assert.equal(submitted.code, 0, submitted.err);
	await listed("mass", 3000);
	const began = Date.now();
	const { code, out } = await corder("graph", "--project", "mass", "--svg", "-");
	assert.equal(code, 0);
	assert.equal([...out.matchAll(/<rect class="card/g)].length, 3000);
	assert.ok(Date.now() - began < 15000, `${Date.now() - began} ms`);
});

test("a dry run foretells order, critical path and time in words", async () => {
	const task = (task_id, seconds, ...dependencies) => JSON.stringify({ task_id, task_type: "plan", estimated_duration: seconds, dependencies });
	const input = [task("design", 60), task("code", 120, "design"), task("docs", 90, "design"), task("release", 30, "code", "docs")].join("\n");
	const one = await corder("submit", "-", "--project", "plan", "--dry-run", "--workers", "1", { input });
	assert.match(one.out, /4 tasks would be accepted/);
	assert.match(one.out, /Expected: 5m00s with 1 worker, for 5m00s of work/);
	assert.match(one.out, /Critical path: 3m30s .*\n {2}design → code → release/);
	assert.match(one.out, /Order of starts:\n {2}design, code, docs, release/);
	const many = await corder("submit", "-", "--project", "plan", "--dry-run", { input });
	assert.match(many.out, /Expected: 3m30s with as many workers/);
	assert.equal((await corder("submit", "-", "--project", "plan", "--workers", "2", { input })).code, 64);
	assert.equal((await corder("get", "plan/design")).code, 2, "nothing was submitted");
});
