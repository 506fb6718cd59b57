// Does the checker bite? Each guard of the protocol is switched off in a test build, and rounds are run until the checker
// finds something. Prints how many seeds it took and what was found first; ends with 1 when a guard was not missed.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const losses = "redis-flushall,redis-empty-folder,redis-aof-cut,pause-nats,kill-nats,links-slow";
const services = "kill-service,pause-service,links-cut,links-slow,kill-redis,redis-flushall";
export const guards = {
	"accept-after-log": losses,
	"lease-after-log": losses,
	"settle-after-log": losses,
	"mark-by-id": losses,
	"notice-behind": losses,
	rebuild: losses,
	"append-by-position": "pause-service,redis-flushall,links-slow",
	"append-behind-own": "pause-service,redis-flushall,links-slow",
	predecessor: losses,
	"position-compare": services,
	"trim-after-database": "power-cut-nats,mariadb-away,redis-flushall",
	"fill-events": "kill-service,kill-nats,links-cut",
	"settle-token": services,
	"unique-token": services,
	"submit-idempotent": services,
	"dependency-count": "none",
	"key-limit": "none",
	rank: "none",
	"lease-expiry": "none",
	"retry-whole": "redis-flushall",
};
const most = Number(process.env.SEEDS ?? 4);
const chosen = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "corder-teeth-"));

// guard: null for none.
function round(guard, seed, kinds) {
	const json = join(folder, "summary.json");
	const words = [
		"--seed",
		`${seed}`,
		"--seconds",
		"20",
		"--round",
		"20",
		"--patience",
		"20",
		"--dust",
		"0",
		"--faults",
		kinds,
		...(guard ? ["--without", guard] : []),
	];
	const program = fileURLToPath(new URL("run.mjs", import.meta.url));
	try {
		execFileSync(
			process.execPath,
			["--no-warnings", program, ...words, "--dir", folder, "--json", json],
			{ stdio: "pipe", timeout: 240000 },
		);
	} catch (error) {
		if (error.status !== 1) throw error;
	}
	const { violations, problems } = JSON.parse(readFileSync(json, "utf8"));
	return violations.map(({ what, count }) => `${what} (${count})`).join("; ") || problems[0]?.split("\n")[0] || null;
}

// What is found with all guards in place would be found without any of them, and say nothing about them.
const sound = round(null, 100, losses);
if (sound) {
	console.error(`a round fails with all guards in place: ${sound}`);
	process.exit(1);
}

const found = [];
for (const guard of chosen.length > 0 ? chosen : Object.keys(guards)) {
	let symptom = null;
	let seeds = 0;
	while (!symptom && seeds < most) {
		symptom = round(guard, 100 + ++seeds, guards[guard]);
	}
	found.push({ guard, seeds, symptom });
	console.log(
		`${symptom ? "found " : "MISSED"}  ${guard.padEnd(22)} ${String(seeds).padStart(2)} seeds  ${symptom?.slice(0, 180) ?? ""}`,
	);
}
rmSync(folder, { recursive: true, force: true });
if (process.env.JSON_FILE) writeFileSync(process.env.JSON_FILE, JSON.stringify(found, null, "\t"));
const bitten = found.filter(({ symptom }) => symptom).length;
console.log(`${bitten} passed, ${found.length - bitten} failed`);
process.exitCode = bitten === found.length ? 0 : 1;
