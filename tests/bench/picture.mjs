// One picture of the results: CPU a task by process, latencies, graphs against the least time there can be, a burst.
//   node tests/bench/picture.mjs FILE.json… > picture.svg     (files of --json; a later one wins)
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { percentile } from "./load.mjs";
import { show } from "./report.mjs";

const WIDE = 940, LEFT = 210, colours = {
	client: "#8d99ae", ingest: "#2a9d8f", scheduler: "#1d6f8a", dispatcher: "#52b788", persister: "#74c69d", monitor: "#b7e4c7",
	"redis-server": "#d1495b", "nats-server": "#edae49", mariadbd: "#6d597a", postgres: "#6d597a", beanstalkd: "#d1495b", supervisor: "#999",
};
const escape = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const text = (x, y, what, { anchor = "start", size = 12, weight = 400, fill = "#333" } = {}) =>
	`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}" fill="${fill}">${escape(what)}</text>`;
const box = (x, y, w, h, fill, title = "") => `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(0, w).toFixed(1)}" height="${h}" fill="${fill}"><title>${escape(title)}</title></rect>`;

const names = { bullmq: "BullMQ", graphile: "graphile-worker", beanstalkd: "beanstalkd", celery: "Celery", rq: "RQ", dask: "Dask" };
const nameOf = (key) => {
	const peer = key.split(" ").at(-1);
	return names[peer] ?? (key.endsWith("events") ? "Corder, events kept" : "Corder");
};

// Bars of microseconds in colours by process; what is longer than the panel is cut off and says how long it is.
function bars(results, keys, title, most) {
	const out = [text(20, 22, title, { size: 15, weight: 600 })], scale = (WIDE - LEFT - 90) / most;
	let y = 36;
	for (const key of keys.filter((one) => results[one]?.summary.cpu)) {
		const { cpu, cpu_us_per_task: all } = results[key].summary;
		let x = LEFT;
		out.push(text(LEFT - 8, y + 13, nameOf(key), { anchor: "end", weight: nameOf(key).startsWith("Corder") ? 600 : 400 }));
		for (const name of Object.keys(colours).filter((one) => cpu[one])) {
			const w = Math.min(cpu[name].median * scale, LEFT + most * scale - x);
			out.push(box(x, y, w, 17, colours[name], `${name}: ${show(cpu[name].median)} us`));
			x += w;
		}
		out.push(text(x + 6, y + 13, `${show(all.median)} us${all.median > most ? " →" : ""}`));
		y += 23;
	}
	return { height: y + 4, body: out.join("\n") };
}

const legend = () => {
	const shown = Object.entries(colours).filter(([name]) => !["postgres", "beanstalkd", "supervisor"].includes(name));
	const words = { "redis-server": "Redis, beanstalkd", mariadbd: "MariaDB, Postgres", "nats-server": "NATS", client: "clients and workers" };
	let x = 20;
	return { height: 26, body: shown.map(([name, colour]) => {
		const word = words[name] ?? name, at = x;
		x += 24 + word.length * 6.6;
		return box(at, 4, 11, 11, colour) + text(at + 15, 14, word, { size: 11 });
	}).join("\n") };
};

// A dot at p50, a line to p99; the scale is logarithmic.
function latencies(results, rows, title) {
	const out = [text(20, 22, title, { size: 15, weight: 600 })], low = 0.05, high = 500;
	const at = (ms) => LEFT + (Math.log(Math.min(high, Math.max(low, ms)) / low) / Math.log(high / low)) * (WIDE - LEFT - 90);
	let y = 40;
	const shown = rows.filter(([key]) => results[key]?.summary.p50_ms);
	for (const ms of [0.1, 1, 10, 100]) out.push(`<line x1="${at(ms)}" x2="${at(ms)}" y1="32" y2="${36 + shown.length * 20}" stroke="#ddd"/>`, text(at(ms), 50 + shown.length * 20, `${ms} ms`, { anchor: "middle", size: 10 }));
	for (const [key, label] of shown) {
		const { p50_ms, p99_ms } = results[key].summary, colour = label.startsWith("Corder") ? "#1d6f8a" : "#8d99ae";
		out.push(text(LEFT - 8, y + 9, label, { anchor: "end", weight: label.startsWith("Corder") ? 600 : 400 }),
			`<line x1="${at(p50_ms.median).toFixed(1)}" x2="${at(p99_ms.median).toFixed(1)}" y1="${y + 5}" y2="${y + 5}" stroke="${colour}" stroke-width="4"/>`,
			`<circle cx="${at(p50_ms.median).toFixed(1)}" cy="${y + 5}" r="5" fill="${colour}"/>`,
			text(at(p99_ms.median) + 10, y + 9, `${show(p50_ms.median)}, ${show(p99_ms.median)}`, { size: 11 }));
		y += 20;
	}
	return { height: y + 24, body: out.join("\n") };
}

// Per cent above the least time there can be, a mark for each order.
function orders(results, title) {
	const marks = { score: ["#8d99ae", "score"], fifo: ["#edae49", "first in, first out"], critical_path: ["#1d6f8a", "critical_path"] };
	const keys = Object.keys(results).filter((key) => key.startsWith("W11 "));
	const graphs = [...new Set(keys.map((key) => key.split(" ").slice(1, 3).join(" ")))];
	const out = [text(20, 22, title, { size: 15, weight: 600 })], most = 80, at = (share) => LEFT + (Math.min(most, Math.max(0, 100 * share)) / most) * (WIDE - LEFT - 90);
	Object.values(marks).forEach(([colour, word], i) => out.push(`<circle cx="${LEFT + 6 + i * 150}" cy="38" r="5" fill="${colour}"/>`, text(LEFT + 16 + i * 150, 42, word, { size: 11 })));
	let y = 54;
	for (const graph of graphs) {
		out.push(text(LEFT - 8, y + 9, graph.replace(" w", ", workers: "), { anchor: "end", size: 11 }), `<line x1="${LEFT}" x2="${WIDE - 90}" y1="${y + 5}" y2="${y + 5}" stroke="#eee"/>`);
		for (const [order, [colour]] of Object.entries(marks)) {
			const over = results[`W11 ${graph} ${order}`]?.summary.over?.median;
			if (over !== undefined) out.push(`<circle cx="${at(over).toFixed(1)}" cy="${y + 5}" r="5" fill="${colour}" fill-opacity="0.85"><title>${order}: ${(100 * over).toFixed(1)} %</title></circle>`);
		}
		y += 17;
	}
	for (const share of [0, 0.2, 0.4, 0.6, 0.8]) out.push(text(at(share), y + 12, `+${100 * share} %`, { anchor: "middle", size: 10 }));
	return { height: graphs.length > 0 ? y + 24 : 0, body: graphs.length > 0 ? out.join("\n") : "" };
}

// Tasks a second submitted and settled, and p99 from submit to start, second by second.
function burst(records, title) {
	const curve = records.filter(({ measure, curve: rows }) => measure === "W10" && rows).at(-1)?.curve;
	if (!curve) return { height: 0, body: "" };
	const high = 150, wide = WIDE - LEFT - 90, most = Math.max(...curve.map(([submitted, , settled]) => Math.max(submitted, settled)));
	const x = (second) => LEFT + (second / (curve.length - 1)) * wide, y = (value, top) => 40 + high - (value / top) * high;
	const line = (values, top, colour) => `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${values.map((value, i) => `${x(i).toFixed(1)},${y(value, top).toFixed(1)}`).join(" ")}"/>`;
	const late = curve.map(([, , , starts]) => (percentile(starts, 99) ?? 0) / 1000), worst = Math.max(...late);
	return { height: high + 76, body: [text(20, 22, title, { size: 15, weight: 600 }),
		line(curve.map(([submitted]) => submitted), most, "#edae49"), line(curve.map(([, , settled]) => settled), most, "#1d6f8a"), line(late, worst, "#d1495b"),
		text(LEFT - 8, 48, `${show(most)}/s`, { anchor: "end" }), text(LEFT - 8, 64, "submitted", { anchor: "end", fill: "#c98a1b" }), text(LEFT - 8, 80, "settled", { anchor: "end", fill: "#1d6f8a" }),
		text(WIDE - 84, 48, `${show(worst)} s`, { fill: "#d1495b" }), text(WIDE - 84, 64, "p99 of submit", { size: 10, fill: "#d1495b" }), text(WIDE - 84, 76, "to start", { size: 10, fill: "#d1495b" }),
		`<line x1="${LEFT}" x2="${LEFT + wide}" y1="${40 + high}" y2="${40 + high}" stroke="#999"/>`, text(LEFT, high + 56, "0 s", { size: 10 }), text(LEFT + wide, high + 56, `${curve.length - 1} s`, { anchor: "end", size: 10 })].join("\n") };
}

export function picture({ results, records }) {
	const beside = (id) => [id, `${id} events`, ...Object.keys(names).map((name) => `${id} ${name}`)];
	const lines = (id, word) => [[id, `Corder, ${word}`], ...Object.entries(names).map(([key, name]) => [`${id} ${key}`, name])];
	const panels = [bars(results, beside("W1"), "Independent tasks: CPU a task, all processes, clients and servers", 250), legend(),
		bars(results, beside("W2"), "Graphs, 3 dependencies a task (BullMQ: trees of 1 + 4; Celery: barriers): CPU a task", 600),
		latencies(results, lines("W3", "a hop"), "From the end of a task to the start of the next, idle: p50 to p99"),
		latencies(results, lines("W4", "idle"), "From submit to start, one at a time: p50 to p99"),
		orders(results, "Real workflows: time above max(longest path, work / workers)"), burst(records, "A burst of three times the sustained rate, then drain")];
	let y = 8;
	const body = panels.filter(({ height }) => height > 0).map((panel) => { const at = y; y += panel.height + 10; return `<g transform="translate(0 ${at})">\n${panel.body}\n</g>`; });
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDE} ${Math.ceil(y)}" width="${WIDE}" font-family="system-ui, sans-serif">\n` +
		`<rect width="100%" height="100%" fill="#fff"/>\n${body.join("\n")}\n</svg>\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const files = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
	process.stdout.write(picture({ results: Object.assign({}, ...files.map(({ results }) => results)), records: files.flatMap(({ records }) => records) }));
}
