// Builds the dashboard: one script, one style sheet, one page, in $OUT or dist/. Names of assets carry a hash of the
// content, so that they may be cached for ever. Fails when the whole grows beyond its budget.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const budgetBytes = 80 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.env.OUT ?? join(here, "dist"));
const assets = join(out, "assets");

rmSync(out, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });
const built = await build({
	absWorkingDir: here,
	entryPoints: { app: "src/main.js", style: "src/style/index.css" },
	entryNames: "[name]-[hash]",
	outdir: assets,
	bundle: true,
	minify: true,
	format: "esm",
	target: "es2022",
	legalComments: "none",
	metafile: true,
	logLevel: "warning",
});

const names = Object.keys(built.metafile.outputs).map((path) => basename(path));
const named = (start, end) => names.find((name) => name.startsWith(start) && name.endsWith(end));
const page = readFileSync(join(here, "src/index.html"), "utf8")
	.replace("app.js", `assets/${named("app-", ".js")}`)
	.replace("style.css", `assets/${named("style-", ".css")}`);
writeFileSync(join(out, "index.html"), page);
writeFileSync(join(out, "favicon.svg"), readFileSync(join(here, "src/favicon.svg")));

let total = 0;
for (const folder of [out, assets]) {
	for (const entry of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())) {
		const path = join(folder, entry.name);
		const packedBytes = gzipSync(readFileSync(path), { level: 9 }).length;
		total += packedBytes;
		console.log(`${(packedBytes / 1024).toFixed(1).padStart(7)} kB  ${entry.name}`);
	}
}
console.log(`${(total / 1024).toFixed(1).padStart(7)} kB  in all, gzip; ${budgetBytes / 1024} kB are allowed`);
if (total > budgetBytes) process.exitCode = 1;
