// What a node waits for, as the value of its interrupt: plain data, which any program can read and act on.

export const WAIT = "corder.wait";

// position: up to where the stream of events was looked at, where that is known.
export function waitValue(manager, { batch_id, task_ids, count }, position) {
	const { project, client } = manager;
	return {
		type: WAIT,
		project,
		prefix: client.prefix,
		batch_id: batch_id ?? null,
		task_ids,
		count,
		position: position ?? null,
	};
}

// false when an interrupt is somebody else's: a question for a human, say.
export const isWait = (value) => value?.type === WAIT && Array.isArray(value.task_ids);

// Whether so many ended tasks end the wait. More than there are cannot be waited for: then all are enough.
export function enough(count, finished, total) {
	const wanted = count === "all" ? total : count === "any" ? 1 : count;
	return finished >= Math.min(wanted, total);
}

export function checkCount(count) {
	if (count === "all" || count === "any" || (Number.isInteger(count) && count > 0)) return count;
	throw new RangeError(`count is "all", "any", or a whole number from 1 on, not ${JSON.stringify(count)}`);
}
