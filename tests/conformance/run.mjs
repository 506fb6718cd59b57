// Plays the conformance cases against one client: node run.mjs python [word…] starts a stack, the client's adapter, and
// the cases whose names have one of the words (all without). Ends with "N passed, N failed".
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Stack } from "../system/stack.mjs";
import { Adapter, commandFor } from "./adapter.mjs";
import { Play } from "./play.mjs";
import { Proxy } from "./proxy.mjs";

const folder = fileURLToPath(new URL("cases", import.meta.url));
const [language, ...words] = process.argv.slice(2);

function readCases() {
	const files = readdirSync(folder).filter((file) => file.endsWith(".json")).sort();
	const cases = files.flatMap((file) => {
		const topic = basename(file, ".json");
		return JSON.parse(readFileSync(join(folder, file), "utf8")).map((one) => ({ ...one, name: `${topic}: ${one.name}` }));
	});
	return cases.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
}

async function playAll(cases, adapter, stack, proxy) {
	const { client, version, skips = [] } = await adapter.ask("hello", {});
	console.log(`# ${client} ${version}, ${cases.length} cases`);
	const counts = { passed: 0, failed: 0 };
	for (const [index, one] of cases.entries()) {
		if (skips.includes(one.name)) {
			console.log(`skipped - ${one.name}: the ${client} client says that it cannot`);
			continue;
		}
		const started = Date.now();
		const problem = await new Play(one, index, adapter, stack, proxy).run();
		counts[problem ? "failed" : "passed"]++;
		console.log(`${problem ? "not ok" : "ok"} - ${one.name} (${Date.now() - started} ms)`);
		if (problem) console.log(`  ${problem.stack ?? problem}`.replace(/\n/g, "\n  "));
	}
	return counts;
}

const command = commandFor(language);
const cases = readCases();
const stack = await new Stack({ instances: 1, settings: { CORDER_LOG_LEVEL: "info" } }).start();
const proxy = await Proxy.open(stack.nats.port);
const adapter = new Adapter(command);
try {
	const { passed, failed } = await playAll(cases, adapter, stack, proxy);
	if (failed) console.log(stack.logTails(10).replace(/^/gm, "# "));
	console.log(`${passed} passed, ${failed} failed`);
	process.exitCode = failed || passed === 0 ? 1 : 0;
} finally {
	await adapter.close();
	proxy.close();
	await stack.stop();
}
