// From rounds to medians, and the table that is shown.
const median = (list) => {
	const sorted = [...list].sort((a, b) => a - b), half = sorted.length >> 1;
	return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

const isNumber = (value) => typeof value === "number" && !Number.isNaN(value);

// Median, least and most of every figure, in the shape of the figures.
export function summary(list) {
	const names = new Set(list.flatMap((figures) => Object.keys(figures ?? {})));
	const result = {};
	for (const name of names) {
		const values = list.map((figures) => figures?.[name]).filter((value) => value !== undefined);
		const numbers = values.filter(isNumber);
		if (numbers.length > 0) result[name] = { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) };
		else if (typeof values[0] === "object" && !Array.isArray(values[0]) && values[0] !== null) result[name] = summary(values);
	}
	return result;
}

const digits = (value) => (value >= 100 ? 0 : value >= 10 ? 1 : 2);
export const show = (value) => (value === Infinity ? "never" : isNumber(value) ? value.toLocaleString("en", { maximumFractionDigits: digits(Math.abs(value)) }) : "-");
const range = (figure) => (figure === undefined ? "-" : figure.min === figure.max ? show(figure.median) : `${show(figure.median)} (${show(figure.min)} to ${show(figure.max)})`);

export function verdicts(measure, results) {
	return (measure.wanted ?? []).map(([name, sign, value, unit]) => {
		const figure = results[measure.key]?.summary[name]?.median;
		const other = /^of (.*)$/.exec(unit)?.[1];
		const base = other === undefined ? 1 : results[other]?.summary[name]?.median;
		const limit = base === undefined ? undefined : value * base;
		const ok = figure === undefined || limit === undefined ? undefined : sign === ">=" ? figure >= limit : figure <= limit;
		return { name, sign, value, unit, figure, limit, ok };
	});
}

const columns = (rows) => {
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	return rows.map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")).join("\n");
};

const title = { per_s: "done (ours: the last row is in MySQL)", cpu_us_per_task: "CPU a task", p50_ms: "p50", p99_ms: "p99", bytes: "memory a task", longest_call_ms: "longest call of Redis",
	admitted_s: "admitted", done_s: "run to its end", peak_mib: "most memory of a service", back_s: "latency is back after", refused: "refused" };
const word = (ok) => (ok === undefined ? "not measured" : ok ? "yes" : "NO");

export function table(measures, results) {
	const rows = [["", "", "figure", "wanted", "reached"]];
	for (const measure of measures) {
		const result = results[measure.key];
		if (result === undefined) continue;
		const all = verdicts(measure, results).filter(({ ok, unit }) => ok !== undefined || !unit.startsWith("of "));
		const names = measure.shown ?? (all.length === 0 ? ["per_s", "cpu_us_per_task"] : []);
		for (const verdict of [...all, ...names.map((name) => ({ name }))]) {
			const { name, sign, value, unit, ok } = verdict;
			rows.push([measure.key, title[name] ?? name, range(result.summary[name]), sign ? `${sign} ${show(value)} ${unit}` : "", sign ? word(ok) : ""]);
		}
	}
	return columns(rows);
}

const order = ["client", "ingest", "scheduler", "dispatcher", "persister", "monitor", "redis-server", "nats-server", "mariadbd", "supervisor"];

// CPU microseconds a task by process.
export function cpuTable(measures, results) {
	const shown = measures.filter((measure) => results[measure.key]?.summary.cpu);
	const names = new Set(shown.flatMap((measure) => Object.keys(results[measure.key].summary.cpu)));
	const all = [...order.filter((name) => names.has(name)), ...[...names].filter((name) => !order.includes(name))];
	const rows = [["", "", ...all, "all"]];
	for (const measure of shown) {
		const { cpu, cpu_us_per_task: sum } = results[measure.key].summary;
		rows.push([measure.key, "", ...all.map((name) => show(cpu[name]?.median)), show(sum.median)]);
	}
	return columns(rows);
}

const latencies = [["submit_ms", "submit"], ["work_ms", "work"], ["settle_ms", "settle"], ["start_ms", "start"]];

export function latencyTable(measures, results) {
	const rows = [["", "", "p50 ms", "p90", "p99", "p99.9"]];
	for (const measure of measures)
		for (const [share, figures] of Object.entries(results[measure.key]?.summary.at ?? { "": results[measure.key]?.summary }))
			for (const [name, what] of latencies) {
				const spread = figures?.[name];
				if (spread) rows.push([`${measure.key} ${share}`, what, ...["p50", "p90", "p99", "p99.9"].map((one) => show(spread[one]?.median))]);
			}
	return columns(rows);
}

// W11: per cent above the least time there can be, by graph and order; the last row is the median of the graphs.
export function orderTable(measures, results) {
	const shown = measures.filter(({ id, key }) => id === "W11" && results[key]);
	if (shown.length === 0) return "";
	const orders = [...new Set(shown.map(({ order }) => order))], graphs = [...new Set(shown.map(({ workflow, workers }) => `${workflow} w${workers}`))];
	const over = (graph, order) => results[`W11 ${graph} ${order}`]?.summary.over?.median;
	const percent = (value) => (value === undefined ? "-" : `${(100 * value).toFixed(1)} %`);
	const plan = (graph) => shown.find(({ workflow, workers }) => `${workflow} w${workers}` === graph).plan;
	const rows = [["graph", "", ...orders, "if nothing took time"],
		...graphs.map((graph) => [graph, "", ...orders.map((order) => percent(over(graph, order))), percent(plan(graph))])];
	const middle = (list) => percent(median(list.filter((value) => value !== undefined)));
	rows.push(["median", "wanted: 5 %", ...orders.map((order) => middle(graphs.map((graph) => over(graph, order)))), middle(graphs.map(plan))]);
	return `\nAbove the least time there can be: max(longest path, work / workers)\n${columns(rows)}\n`;
}
