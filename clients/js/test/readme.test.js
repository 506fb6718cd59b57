// The programs of the READMEs, run as they stand: what follows as text is what they print.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const package_ = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(package_, "test", ".readme-")); // inside the package, where its own name is known
after(() => rmSync(folder, { recursive: true, force: true }));

for (const page of ["README.md", "langgraph/README.md"]) {
	const text = readFileSync(join(package_, page), "utf8");
	const programs = [...text.matchAll(/```js\n([^]*?)```(?:\n\n```text\n([^]*?)```)?/g)];
	const titleOf = (index) =>
		text
			.slice(0, index)
			.match(/^## .*/gm)
			.at(-1)
			.slice(3);
	assert.ok(programs.length > 1, page);
	for (const { 1: program, 2: output, index } of programs) {
		test(`${page}: ${titleOf(index)}`, async () => {
			const file = join(folder, `${page.replace("/", "-")}-${index}.mjs`);
			writeFileSync(file, program);
			const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 240000 });
			if (output !== undefined) assert.equal(stdout, output);
		});
	}
}
