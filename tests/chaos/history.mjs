// What one process saw, as lines of JSON: written at once, so that a kill -9 loses nothing that was seen before it.
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";

// Milliseconds since 1970, never backwards within a process.
export const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000) / 1000;

export class History {
	constructor(folder, name) {
		this.file = openSync(join(folder, `history-${name}.jsonl`), "a");
	}

	note(who, what, more = {}) {
		writeSync(this.file, `${JSON.stringify({ t: now(), who, what, ...more })}\n`);
	}
}
