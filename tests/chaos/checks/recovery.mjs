// How long after each fault was healed the first submit and the first settle were answered ok that were asked after it. Only
// where no other fault was there meanwhile: `measured` says how often.
export function recovery(run) {
	const submits = [];
	const settles = [];
	const asked = new Map();
	for (const note of run.history) {
		if (note.what === "ask") asked.set(`${note.process}:${note.id}`, note);
		if (note.what !== "answer" || !note.reply.ok) continue;
		const ask = asked.get(`${note.process}:${note.id}`);
		if (!ask) continue;
		if (ask.subject === "submit") submits.push({ asked: ask.t, t: note.t });
		if (note.reply.done?.some(({ ok }) => ok)) settles.push({ asked: ask.t, t: note.t });
	}
	const healed = run.history.find(({ what }) => what === "healed")?.t ?? Infinity;
	const longest = {};
	for (const fault of run.faults) {
		const { kind, till, problem } = fault;
		const entry = (longest[kind] ??= { count: 0, measured: 0, longest_ms: null, problems: 0 });
		entry.count++;
		if (problem) entry.problems++;
		if (!till || till > healed - 3000) continue; // nobody submits any more
		const first = (list) => list.reduce((least, { asked: at, t }) => (at >= till && t < least ? t : least), Infinity);
		const took = Math.max(first(submits), first(settles)) - till;
		const alone = run.faults.every(
			(other) => other === fault || (other.till ?? Infinity) < till - 200 || other.from > till + took,
		);
		if (!Number.isFinite(took) || !alone) continue;
		entry.measured++;
		entry.longest_ms = Math.max(entry.longest_ms ?? 0, Math.round(took));
	}
	return longest;
}
