// Repeatable randomness (mulberry32): the same seed throws the same numbers.
export function dice(seed) {
	let state = seed | 0;
	const next = () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
	};
	const below = (most) => Math.floor(next() * most);
	const between = (least, most) => least + below(most - least + 1);
	const pick = (list) => list[below(list.length)];
	const shuffled = (list) => {
		const mixed = [...list];
		for (let i = mixed.length - 1; i > 0; i--) {
			const j = below(i + 1);
			[mixed[i], mixed[j]] = [mixed[j], mixed[i]];
		}
		return mixed;
	};
	return { next, below, between, pick, shuffled, chance: (part) => next() < part };
}
