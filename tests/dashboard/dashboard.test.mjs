// The dashboard in a real browser on a real stack. One file, for all of it plays on one stage; the topics are beside it.
import { after, afterEach, before, test } from "node:test";
import { seed } from "./seed.mjs";
import { close, closePages, findBrowser, open } from "./stage.mjs";

if (findBrowser()) {
	before(
		async () => {
			await open();
			await seed();
		},
		{ timeout: 120000 },
	);
	afterEach(closePages);
	after(close);
	await import("./pages.mjs");
	await import("./plans.mjs");
	await import("./live.mjs");
	await import("./trust.mjs");
} else {
	test(
		"the dashboard in a browser",
		{ skip: "no Chromium here: apt-get install chromium, or name one in CHROMIUM" },
		() => {},
	);
}
