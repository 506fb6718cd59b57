// The peers: installed into build/peers at the versions of peers/package.json and peers/requirements.txt, their servers started
// for a round, on a port and in a folder of their own.
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve, startRedis } from "./servers.mjs";
import { freePort } from "./stack.mjs";

const here = join(process.cwd(), "tests/bench/peers"), home = join(process.cwd(), "build/peers");

// Runs `install` unless that was done for this very list of packages.
function once(list, install) {
	const text = readFileSync(join(here, list), "utf8"), stamp = join(home, list);
	if (existsSync(stamp) && readFileSync(stamp, "utf8") === text) return;
	process.stderr.write(`installing ${list} of the peers …\n`);
	mkdirSync(home, { recursive: true });
	install();
	writeFileSync(stamp, text);
}

const run = (program, ...args) => execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });

export const installed = {
	npm: () => once("package.json", () => {
		const { dependencies } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
		const words = Object.entries(dependencies).map(([name, version]) => `${name}@${version}`);
		run("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--no-package-lock", "--prefix", home, ...words);
	}),
	python: () => once("requirements.txt", () => {
		run("python3", "-m", "venv", join(home, "venv"));
		run(join(home, "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", join(here, "requirements.txt"));
	}),
};

// Debian keeps Postgres' programs in a folder of its version.
function postgres(program) {
	const root = "/usr/lib/postgresql", version = existsSync(root) ? readdirSync(root).sort((a, b) => b - a)[0] : undefined;
	return version ? join(root, version, "bin", program) : program;
}

const servers = {
	async redis(folder, port) {
		return { env: { REDIS_URL: `redis://127.0.0.1:${port}` }, stop: await startRedis(folder, port) };
	},
	// Tasks are in a log on the disk, which is synced every 50 ms at most (its default).
	async beanstalkd(folder, port) {
		const stop = await serve(folder, port, ["beanstalkd", "-l", "127.0.0.1", "-p", String(port), "-b", folder]);
		return { env: { BEANSTALK_PORT: String(port) }, stop };
	},
	// Not as root, which it refuses. A commit waits for the disk, as it does for our MariaDB.
	async postgres(folder, port) {
		const data = join(folder, "data"), as = process.getuid() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
		mkdirSync(data);
		if (as.length > 0) for (const path of [folder, data]) chownSync(path, ...["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"]))));
		run(...as, postgres("initdb"), "-D", data, "-U", "bench", "--auth=trust", "--no-instructions");
		const stop = await serve(folder, port, [...as, postgres("postgres"), "-D", data, "-p", String(port), "-k", data, "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=256MB"]);
		return { env: { POSTGRES_URL: `postgres://bench@127.0.0.1:${port}/postgres` }, stop };
	},
	async none(folder) {
		return { env: {}, stop: async () => rmSync(folder, { recursive: true, force: true }) };
	},
};

// name -> how its harness is started, what it is installed by, its server.
const node = (file) => ["node", join(here, file)], python = (file) => [join(home, "venv/bin/python"), join(here, file)];
export const peers = {
	bullmq: { harness: node("bullmq.mjs"), install: "npm", server: "redis" },
	graphile: { harness: node("graphile.mjs"), install: "npm", server: "postgres" },
	beanstalkd: { harness: [join(process.cwd(), "build/release/bin/corder-bench-beanstalkd")], server: "beanstalkd" },
	celery: { harness: python("celery_peer.py"), install: "python", server: "redis" },
	rq: { harness: python("rq_peer.py"), install: "python", server: "redis" },
	dask: { harness: python("dask_peer.py"), install: "python", server: "none" },
};

export async function startPeer(name) {
	const { install, server } = peers[name];
	if (install) installed[install]();
	const folder = mkdtempSync(join(tmpdir(), "corder-peer."));
	const { env, stop } = await servers[server](folder, await freePort());
	return { env: { ...env, PEERS: home }, folder, stop };
}
