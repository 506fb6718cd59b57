// Waiting that an AbortSignal can end.
import { setTimeout as sleep } from "node:timers/promises";

// As timers/promises, but it rejects with the signal's own reason.
export async function pause(ms, signal) {
	signal?.throwIfAborted();
	try {
		await sleep(ms, undefined, { signal });
	} catch (error) {
		throw signal?.aborted ? signal.reason : error;
	}
}

// The promise, or the signal's reason as soon as it is aborted.
export function abortable(promise, signal) {
	if (!signal) return promise;
	signal.throwIfAborted();
	return new Promise((resolve, reject) => {
		const onAbort = () => reject(signal.reason);
		signal.addEventListener("abort", onAbort, { once: true });
		promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
	});
}

// 50 ms, doubling to 1 s, with jitter.
export function backoffMs(attempt) {
	return Math.min(1000, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}
