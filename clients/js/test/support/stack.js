// A whole stack of its own by `corder up`, in a temporary folder. CORDER_BIN says where the programs are.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.js";

export const root = fileURLToPath(new URL("../../../../", import.meta.url));
export const bin = process.env.CORDER_BIN ?? join(root, "build/release/bin");

export async function startStack() {
	const folder = mkdtempSync(join(tmpdir(), "corder-js-"));
	const log = openSync(join(folder, "up.log"), "a");
	const child = spawn(join(bin, "corder"), ["up", "--dir", join(folder, "stack")], { stdio: ["ignore", log, log] });
	process.once("exit", () => child.kill("SIGTERM"));
	const stop = async () => {
		if (child.exitCode === null && child.signalCode === null) {
			child.kill("SIGTERM");
			await once(child, "exit");
		}
		rmSync(folder, { recursive: true, force: true });
	};
	try {
		const env = await until("the stack", () => {
			if (child.exitCode !== null) throw new Error(readFileSync(join(folder, "up.log"), "utf8"));
			const lines = readFileSync(join(folder, "stack/env"), "utf8").matchAll(/^(\w+)=(.*)$/gm);
			const found = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
			return found.CORDER_HTTP && found;
		});
		return { env, pid: child.pid, folder, stop };
	} catch (error) {
		await stop();
		throw error;
	}
}
