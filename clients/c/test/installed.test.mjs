// libcorder as its users have it: installed under a prefix of its own, found by pkg-config, with the README's programs built
// against it and run on a stack.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Stack } from "../../../tests/system/stack.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../..", import.meta.url));
const header = readFileSync(join(root, "clients/c/corder.h"), "utf8");
const readme = readFileSync(join(root, "clients/c/README.md"), "utf8");
const blocks = [...readme.matchAll(/```c\n(.*?)```(?:\n\n```text\n(.*?)```)?/gs)].map(([, program, output]) => ({ program, output }));
const functions = [...header.matchAll(/^CORDER_API [^(]*?\*?(corder_\w+)\(/gm)].map(([, name]) => name);

let folder, prefix, environment, stack;

before(async () => {
	folder = mkdtempSync(join(tmpdir(), "corder-c-"));
	prefix = join(folder, "usr");
	await run("cmake", ["--install", "build/release", "--prefix", prefix], { cwd: root });
	const { stdout } = await run("find", [prefix, "-name", "libcorder.pc"]);
	const pkgconfig = stdout.trim().replace(/\/libcorder\.pc$/, "");
	environment = { ...process.env, PKG_CONFIG_PATH: pkgconfig, LD_LIBRARY_PATH: join(pkgconfig, "..") };
	stack = await new Stack({ instances: 1 }).start();
	Object.assign(environment, { NATS_URL: stack.nats.url });
});

after(async () => {
	await stack?.stop();
	rmSync(folder, { recursive: true, force: true });
});

async function build(name, program, ...more) {
	const { stdout } = await run("pkg-config", ["--cflags", "--libs", "libcorder"], { env: environment });
	writeFileSync(join(folder, `${name}.c`), program);
	const strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", ...more];
	await run("cc", [...strict, `${name}.c`, "-o", name, ...stdout.trim().split(/\s+/)], { cwd: folder, env: environment });
	return join(folder, name);
}

test("pkg-config knows it, by the version of everything here", async () => {
	const { stdout } = await run("pkg-config", ["--modversion", "libcorder"], { env: environment });
	const version = readFileSync(join(root, "shared/base/version.h"), "utf8").match(/"(.*)"/)[1];
	assert.equal(stdout.trim(), version);
});

test("the library shows its interface and nothing else", async () => {
	const { stdout } = await run("nm", ["-D", "--defined-only", "--format=posix", join(environment.LD_LIBRARY_PATH, "libcorder.so")]);
	const shown = stdout.trim().split("\n").map((line) => line.split(" ")[0]);
	assert.ok(functions.length > 40, `${functions.length} functions`);
	assert.deepEqual(shown.sort(), functions.sort());
});

test("the manual page names every call, and nroff has nothing to say about it", async (context) => {
	const page = join(prefix, "share/man/man3/corder.3");
	const text = readFileSync(page, "utf8");
	assert.deepEqual(functions.filter((name) => !text.includes(name)), []);
	try {
		const { stderr } = await run("man", ["--warnings", "-l", page], { env: { ...process.env, MANPAGER: "cat" } });
		assert.equal(stderr, "");
	} catch (error) {
		if (error.code !== "ENOENT") throw error;
		context.skip("there is no man");
	}
});

test("the header is fine in C++ too", async (context) => {
	writeFileSync(join(folder, "header.cc"), '#include <corder.h>\nint main() { return corder_version()[0] == 0; }\n');
	const { stdout } = await run("pkg-config", ["--cflags", "--libs", "libcorder"], { env: environment });
	try {
		await run("c++", ["-Wall", "-Werror", "header.cc", "-o", "header", ...stdout.trim().split(/\s+/)], { cwd: folder, env: environment });
	} catch (error) {
		if (error.code !== "ENOENT") throw error;
		context.skip("there is no C++ compiler");
		return;
	}
	await run(join(folder, "header"), { env: environment });
});

test("the README's programs do what it says", async () => {
	assert.equal(blocks.length, 3);
	const [worker, submit, events] = await Promise.all(blocks.map(({ program }, index) => build(`readme${index}`, program)));
	const working = spawn(worker, { env: environment, stdio: ["ignore", "pipe", "inherit"] });
	let said = "";
	working.stdout.on("data", (bytes) => (said += bytes));
	try {
		assert.equal((await run(submit, { env: environment, timeout: 60000 })).stdout, blocks[1].output);
		assert.equal((await run(events, { env: environment, timeout: 60000 })).stdout, blocks[2].output);
	} finally {
		working.kill("SIGTERM");
	}
	const [code] = await once(working, "exit");
	assert.equal(code, 0);
	assert.equal(said, 'greet, try 1, with {"name": "Ada"}\nagain, try 1, with {}\n');
});

test("an example of a refusal: it is told by code, path and message", async () => {
	const program = blocks[1].program.replace('"hello\\"', '"no spaces\\"');
	const refused = await build("refused", program);
	await assert.rejects(run(refused, { env: environment, timeout: 60000 }), ({ code, stderr }) => {
		assert.equal(code, 1);
		assert.match(stderr, /^invalid_field: /);
		return true;
	});
});
