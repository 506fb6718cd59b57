// The sum over all rounds: a table for people, JSON for others.
const added = [
	"tasks",
	"accepted",
	"enqueued",
	"in_part",
	"events",
	"leases",
	"ranked",
	"requests",
	"unanswered",
	"deliveries",
	"settled_ok",
	"settled_stale",
	"heard",
	"auditor_asked",
];

export class Totals {
	constructor({ wanted, withDisks }) {
		Object.assign(this, {
			wanted,
			withDisks,
			rounds: 0,
			failed: 0,
			figures: {},
			kinds: {},
			violations: [],
			losses: [],
			seeds: [],
			problems: [],
		});
		this.started = Date.now();
	}

	get faultCount() {
		return Object.values(this.kinds).reduce((sum, { count }) => sum + count, 0);
	}

	add(verdict, problem) {
		this.rounds++;
		if (problem || !verdict || verdict.violations.length > 0) this.failed++;
		if (problem) this.problems.push(problem);
		if (!verdict) return;
		this.seeds.push(verdict.seed);
		for (const name of added) this.figures[name] = (this.figures[name] ?? 0) + (verdict.figures[name] ?? 0);
		this.losses.push(...(verdict.losses ?? []));
		for (const violation of verdict.violations) this.violations.push({ seed: verdict.seed, ...violation });
		for (const [kind, { count, measured, longest_ms, problems }] of Object.entries(verdict.faults)) {
			const entry = (this.kinds[kind] ??= { count: 0, measured: 0, longest_ms: null, problems: 0 });
			entry.count += count;
			entry.measured += measured;
			entry.problems += problems;
			if (longest_ms !== null) entry.longest_ms = Math.max(entry.longest_ms ?? 0, longest_ms);
		}
	}

	line() {
		return `${this.rounds} rounds, ${this.figures.tasks ?? 0} tasks, ${this.faultCount} faults, ${this.violations.length} kinds of violations`;
	}

	summary() {
		const seconds = Math.round((Date.now() - this.started) / 1000);
		const { rounds, failed, seeds, figures, violations, losses, problems } = this;
		return {
			rounds,
			failed,
			seconds,
			seeds,
			faults_in_all: this.faultCount,
			figures,
			faults: this.kinds,
			losses,
			violations,
			problems,
		};
	}

	print() {
		const row = (name, count, longest) =>
			console.log(`${name.padEnd(28)}${String(count).padStart(8)}${longest.padStart(22)}`);
		console.log("");
		row("fault", "times", "longest recovery");
		for (const kind of Object.keys(this.kinds).sort()) {
			const { count, longest_ms } = this.kinds[kind];
			row(kind, count, longest_ms === null ? "-" : `${(longest_ms / 1000).toFixed(1)} s`);
		}
		for (const { server, before, after } of this.losses)
			console.log(`power cut of ${server}: had come to ${before}, came back at ${after}`);
		const { tasks = 0, events = 0, requests = 0, leases = 0 } = this.figures;
		console.log(
			`\n${this.rounds} rounds, ${this.faultCount} faults, ${tasks} tasks, ${events} events, ${leases} leases, ${requests} requests`,
		);
		const count = this.violations.reduce((sum, each) => sum + each.count, 0);
		console.log(`${count} violations\n${this.rounds - this.failed} passed, ${this.failed} failed`);
	}
}
