// What the dashboard's tests play on: a stack with a token, tasks in every state, a browser. Every page that a test opens
// is watched for errors, for requests to other hosts and for what its policy forbids.
import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { Client } from "../system/client.mjs";
import { environment, freePort, startProcess } from "../system/servers.mjs";
import { binFolder, Stack } from "../system/stack.mjs";
import { until } from "../system/wait.mjs";
import { Witness } from "../system/witness.mjs";

export const token = "a-token-of-the-tests";

export function findBrowser() {
	const names = [process.env.CHROMIUM, ...["chromium", "chromium-browser", "google-chrome"]].filter(Boolean);
	const folders = environment.PATH.split(delimiter);
	const paths = names.flatMap((name) => (name.includes("/") ? [name] : folders.map((folder) => join(folder, name))));
	return paths.find((path) => {
		try {
			accessSync(path, constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

// A stack whose monitor comes back on the same port.
class DashboardStack extends Stack {
	async startService(name, index = 0) {
		if (name !== "monitor") return super.startService(name, index);
		this.port ??= await freePort();
		const env = { ...this.serviceEnvironment, CORDER_HTTP_PORT: `${this.port}`, CORDER_HTTP_TOKEN: token };
		const child = startProcess(
			join(binFolder, "corder-monitor"),
			[],
			join(this.folder, "logs", "monitor.log"),
			env,
		);
		this.services.monitor[index] = Object.assign(child, { httpPort: this.port });
		return child;
	}

	get address() {
		return `http://127.0.0.1:${this.port}`;
	}
}

export const stage = { problems: [], figures: [], contexts: new Set() };

export async function open() {
	const [browser, stack] = await Promise.all([
		chromium.launch({ executablePath: findBrowser(), args: ["--no-sandbox", "--disable-dev-shm-usage"] }),
		new DashboardStack().start(),
	]);
	const { addresses } = stack;
	const client = await Client.open(addresses);
	Object.assign(stage, { browser, stack, client, witness: new Witness(addresses), address: stack.address });
}

export async function close() {
	await stage.browser?.close();
	await stage.client?.close();
	await stage.stack?.stop();
	for (const figure of stage.figures) console.log(`# ${figure}`);
}

// What a failed test left open would see errors that later tests make on purpose.
export async function closePages() {
	for (const context of stage.contexts) await context.close();
	stage.contexts.clear();
}

// SQL says so in the end: the persister may be a moment behind.
export const sqlSays = (what, query, wanted) =>
	until(what, async () => Number(Object.values((await stage.witness.sql(query))[0])[0]) === wanted, { seconds: 30 });

function watch(page, { awaited = [] }) {
	const note = (text) => awaited.some((pattern) => pattern.test(text)) || stage.problems.push(text);
	page.on(
		"console",
		(message) => ["error", "warning"].includes(message.type()) && note(`console: ${message.text()}`),
	);
	page.on("pageerror", (error) => note(`page: ${error.message}`));
	page.on("request", (request) => {
		const { protocol, origin } = new URL(request.url());
		if (protocol !== "data:" && origin !== stage.address) note(`request to ${request.url()}`);
	});
}

// In the page: what breaks the policy, and when a text was first seen.
function eyes() {
	globalThis.violations = [];
	addEventListener("securitypolicyviolation", (event) =>
		globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
	);
	globalThis.whenSeen = (selector, text) =>
		new Promise((resolve) => {
			const found = () =>
				[...document.querySelectorAll(selector)].some((element) => element.textContent.includes(text));
			const look = () => found() && (observer.disconnect(), resolve(Date.now()));
			const observer = new MutationObserver(look);
			observer.observe(document.body, { childList: true, subtree: true, characterData: true });
			look();
		});
}

export async function openPage(path, { theme = "light", width = 1280, height = 900, awaited } = {}) {
	const context = await stage.browser.newContext({ viewport: { width, height }, colorScheme: theme });
	stage.contexts.add(context);
	const page = await context.newPage();
	watch(page, { awaited });
	await page.addInitScript(eyes);
	await page.goto(`${stage.address}/#${path}`);
	page.done = async () => {
		stage.problems.push(...(await page.evaluate(() => globalThis.violations)).map((what) => `policy: ${what}`));
		stage.contexts.delete(context);
		await context.close();
	};
	return page;
}

export const live = (page) =>
	page.waitForFunction(() => document.querySelector(".live")?.textContent === "live", null, { timeout: 15000 });

// The text of all that fits, as it stands there in the end.
export async function shows(page, selector, wanted) {
	const read = () =>
		page.$$eval(selector, (list) =>
			list.map((element) => (element.innerText ?? element.textContent).trim().replace(/\s+/g, " ")),
		);
	let last;
	try {
		await until(`${selector} shows ${wanted}`, async () => {
			last = await read();
			return wanted instanceof RegExp
				? wanted.test(last.join("\n"))
				: last.join("\n") === [wanted].flat().join("\n");
		});
	} catch (error) {
		assert.fail(`${error.message}; it shows ${JSON.stringify(last)}`);
	}
}
