// Waiting without sleeping for luck: a condition is asked again until it holds, or its deadline has passed.
import { setTimeout as pause } from "node:timers/promises";

export async function until(what, condition, { seconds = 120, everyMs = 20 } = {}) {
	const deadline = Date.now() + seconds * 1000;
	for (let last = ""; ; ) {
		try {
			const found = await condition();
			if (found) return found;
		} catch (error) {
			last = `: ${error.message}`;
		}
		if (Date.now() > deadline) throw new Error(`${what} did not happen within ${seconds} s${last}`);
		await pause(everyMs);
	}
}
