// The package as others get it: its declarations, its version, and an installation into an empty folder.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as corder from "corder";
import * as langgraph from "corder/langgraph";

const folder = fileURLToPath(new URL("..", import.meta.url));
const read = (file) => readFileSync(join(folder, file), "utf8");
const description = JSON.parse(read("package.json"));

test("the version is the project's", () => {
	const [, version] = /CORDER_VERSION "([^"]+)"/.exec(read("../../shared/base/version.h"));
	assert.equal(description.version, version);
});

test("what is declared is there, and what is there is declared", () => {
	const declared = (file) =>
		[...read(file).matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
	assert.deepEqual(declared("index.d.ts").sort(), Object.keys(corder).sort());
	assert.deepEqual(declared("langgraph/index.d.ts").sort(), Object.keys(langgraph).sort());
});

test("the pages install from the folder: the package named corder at npm is another one", () => {
	for (const page of ["README.md", "langgraph/README.md"]) {
		const [, words] = /^npm install ([^#\n]*)/m.exec(read(page));
		// Without --install-links, npm makes a link to the folder, and what it needs is not found from there.
		assert.match(words, /^--install-links path\/to\/corder\/clients\/js\s/, page);
		assert.ok(!words.split(/\s+/).includes("corder"), page);
	}
});

test("a program that uses all of it compiles under strict", () => {
	const compiler = join(folder, "node_modules/typescript/bin/tsc");
	execFileSync(process.execPath, [compiler, "-p", join(folder, "test/types/tsconfig.json")], { stdio: "pipe" });
});

test("the code is laid out", () => {
	const prettier = join(folder, "node_modules/prettier/bin/prettier.cjs");
	const what = ["src", "langgraph", "test", "index.d.ts", "../../tests/conformance/adapters/js.mjs"];
	const words = ["--config", "package.json", "--log-level=warn", "--check", ...what];
	execFileSync(process.execPath, [prettier, ...words], { cwd: folder, stdio: "pipe" });
});

test("packed and installed into an empty folder it works, with the NATS libraries and nothing else", () => {
	const empty = mkdtempSync(join(tmpdir(), "corder-pack-"));
	try {
		const npm = (...words) =>
			execFileSync("npm", words, { cwd: empty, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
		const [{ filename, files }] = JSON.parse(
			npm("pack", folder, "--json", "--pack-destination", empty, "--loglevel=error"),
		);
		assert.ok(
			files.every(({ path }) => !path.startsWith("test/") && !path.startsWith(".")),
			"only what users need",
		);
		writeFileSync(join(empty, "package.json"), '{ "private": true, "type": "module" }');
		npm("install", join(empty, filename), "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error");
		const installed = Object.keys(JSON.parse(readFileSync(join(empty, "node_modules/.package-lock.json"))).packages);
		assert.ok(
			installed.every((name) => /^node_modules\/(corder|@nats-io\/.*|tweetnacl)$/.test(name)),
			`${installed}`,
		);
		const program =
			'import { connect } from "corder"; const c = await connect(); console.log((await c.status()).queue_health.status); await c.close();';
		writeFileSync(join(empty, "program.js"), program);
		assert.match(
			execFileSync(process.execPath, ["program.js"], { cwd: empty, encoding: "utf8" }),
			/^(ok|degraded|critical)\n$/,
		);
	} finally {
		rmSync(empty, { recursive: true, force: true });
	}
});
