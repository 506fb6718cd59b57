// For everybody, and for nobody else: accessible in both themes and on a phone, no errors, no other host, nothing inline.
import assert from "node:assert/strict";
import { test } from "node:test";
import axe from "axe-core";
import { live, openPage, stage } from "./stage.mjs";

const paths = [
	"/",
	"/queues",
	"/projects",
	"/project/shop",
	"/project/survey",
	"/tasks",
	"/task/shop/design",
	"/task/shop/review",
	"/failures",
	"/events",
	"/poison",
	"/nowhere",
];

async function settled(page) {
	await live(page);
	await page.waitForFunction(() => !document.querySelector(".bones"), null, { timeout: 15000 });
}

async function audit(page, where, rules) {
	const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
	const { violations } = await page.evaluate((chosen) => globalThis.axe.run(document, chosen), options);
	const found = violations.flatMap(({ id, help, nodes }) =>
		nodes.slice(0, 3).map((node) => `${id}: ${help}: ${node.html.slice(0, 140)} ${node.any[0]?.message ?? ""}`),
	);
	assert.deepEqual(found, [], where);
}

test("every page is accessible, light and dark", async () => {
	const page = await openPage("/");
	await page.evaluate(axe.source);
	for (const path of paths) {
		await page.goto(`${stage.address}/#${path}`);
		await settled(page);
		await audit(page, `${path}, light`);
		await page.emulateMedia({ colorScheme: "dark" });
		await audit(page, `${path}, dark`, ["color-contrast"]); // the theme changes nothing else
		await page.emulateMedia({ colorScheme: "light" });
	}
	await page.keyboard.press("?");
	await page.waitForSelector("dialog");
	await audit(page, "the list of keys");
	await page.done();
});

test("nothing runs over the edge of a phone", async () => {
	const page = await openPage("/", { width: 360, height: 740 });
	for (const path of paths) {
		await page.goto(`${stage.address}/#${path}`);
		await settled(page);
		const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
		assert.ok(over <= 0, `${path} is ${over} pixels too wide`);
		const current = page.locator(".nav [aria-current]");
		if ((await current.count()) === 0) continue;
		const { x, width } = await current.boundingBox();
		assert.ok(x >= 0 && x + width <= 360, `${path} does not show where it is`);
	}
	await page.done();
});

test("between phone and desk no name is squeezed to a column of letters", async () => {
	const page = await openPage("/queues", { width: 820, height: 1100 });
	await settled(page);
	const link = page.getByRole("link", { name: "breaking" });
	const { width } = await link.boundingBox();
	assert.ok(width > 40, `"breaking" is ${width} pixels wide`);
	await page.done();
});

test("the policy that comes with the page allows nothing inline and no other host", async () => {
	const response = await fetch(`${stage.address}/`);
	const policy = response.headers.get("content-security-policy");
	assert.match(policy, /default-src 'none'/);
	assert.doesNotMatch(policy, /unsafe|\*|https?:/);
	assert.equal(response.headers.get("x-content-type-options"), "nosniff");
	const html = await response.text();
	assert.doesNotMatch(html, /<style|style=|<script>|https?:\/\//);
});

test("no page had an error, broke the policy or asked another host", () => {
	assert.deepEqual(stage.problems, []);
});
