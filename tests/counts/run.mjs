#!/usr/bin/env node
// How many instructions the pure cores and codecs take, held to the figures of limits.json: a guard against what makes them much
// dearer without a word. Only our own functions count (not libc, nor what another compiler makes of memcpy), and the margin
// covers compilers; a machine's speed and load change nothing.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const MARGIN = 1.4;
const program = "build/release/tests/counts/counts";
const limits = JSON.parse(readFileSync(new URL("limits.json", import.meta.url), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "corder-counts."));

// Sums the costs of the lines that stand in functions of our program. After "calls=" comes what the callee took: not ours.
function own(file) {
	const objects = new Map();
	let sum = 0, ours = false, skip = false;
	for (const line of readFileSync(file, "utf8").split("\n")) {
		const object = /^ob=\((\d+)\)(?: (.*))?$/.exec(line);
		if (object) {
			if (object[2]) objects.set(object[1], basename(object[2]) === basename(program));
			ours = objects.get(object[1]) ?? false;
		} else if (line.startsWith("cob=")) {
			const [, id, name] = /^cob=\((\d+)\)(?: (.*))?$/.exec(line);
			if (name) objects.set(id, basename(name) === basename(program));
		} else if (line.startsWith("calls=")) {
			skip = true;
		} else if (/^[+*-]?\d* ?\d+$/.test(line) && /^[+*\d-]/.test(line)) {
			if (!skip && ours) sum += Number(line.split(" ")[1]);
			skip = false;
		}
	}
	return sum;
}

function count(part) {
	const out = join(folder, part);
	const times = execFileSync("valgrind", ["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=part_*", `--callgrind-out-file=${out}`,
		program, part], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
	return Math.round(own(out) / Number(times));
}

let passed = 0, failed = 0;
try {
	for (const [part, { instructions, of }] of Object.entries(limits)) {
		const counted = count(part), ok = counted > 0 && counted <= MARGIN * instructions;
		ok ? passed++ : failed++;
		console.log(`${ok ? "ok    " : "FAILED"}  ${part.padEnd(10)} ${String(counted).padStart(6)} instructions ${of}, ${instructions} when it was set`);
		if (!ok && counted > 0) console.log(`        more than ${MARGIN} times as many: find out why (callgrind_annotate), or set tests/counts/limits.json and say why`);
		if (ok && counted * MARGIN < instructions) console.log(`        far fewer: set tests/counts/limits.json to it`);
	}
} finally {
	rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
