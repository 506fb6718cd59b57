// From time to pixels and back, and where the ticks of an axis stand.
const steps = [
	1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5,
	108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5,
];

export class Scale {
	constructor(from, to, left, right) {
		Object.assign(this, { from, to, left, right });
		this.perMs = (right - left) / Math.max(1, to - from);
	}

	x(at) {
		return this.left + (at - this.from) * this.perMs;
	}

	at(x) {
		return this.from + (x - this.left) / this.perMs;
	}

	step(least) {
		return steps.find((step) => step * this.perMs >= least) ?? steps.at(-1);
	}

	// Ticks at round times of the day here, `least` pixels apart at least.
	ticks(least) {
		const step = this.step(least);
		const zone = new Date(this.from).getTimezoneOffset() * 60000;
		const found = [];
		for (let at = Math.ceil((this.from - zone) / step) * step + zone; at <= this.to; at += step) found.push(at);
		return { step, ticks: found };
	}
}

const two = (value, width = 2) => String(value).padStart(width, "0");

export function tickText(at, step) {
	const date = new Date(at);
	const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
	if (step >= 864e5) return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
	if (step >= 6e4) return minutes;
	if (step >= 1e3) return `${minutes}:${two(date.getSeconds())}`;
	return `${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}
