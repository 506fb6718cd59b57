// Is all well, how much is there, how fast does it go, who does what now.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { read } from "../api.js";
import { Chart } from "../ui/chart.js";
import { compact, count, duration, ms, plural, rate, shorten } from "../format.js";
import { link, route, setQuery, taskLink } from "../router.js";
import { overview, queues, services, useChange, useLive } from "../state/live.js";
import { useSource } from "../state/source.js";
import { statuses } from "../status.js";
import { now } from "../ui/clock.js";
import { Age, Bones, Count, Empty, Glyph, Loaded, Segments, Sheet, Typed } from "../ui/parts.js";

const windows = {
	"15m": { window_s: 900, step_s: 10 },
	"1h": { window_s: 3600, step_s: 30 },
	"24h": { window_s: 86400, step_s: 600 },
};

const Counts = ({ counts }) =>
	html`<ul class="counts sheet" aria-label="Tasks by status">
		${statuses.map(
			(status) =>
				html`<li>
					<a href=${link("tasks", { status })}><span class="label"><${Glyph} status=${status} />${status}</span><b class=${counts[status] ? "" : "zero"} data-count=${status}>${compact(counts[status])}</b></a></li>`,
		)}
	</ul>`;

const Figure = ({ name, value, note }) =>
	html`<div><dt>${name}</dt><dd>${value}${note && html`<small>${note}</small>`}</dd></div>`;

function Figures({ state }) {
	const { rates, wait, run } = state;
	const oldest = ms(state.oldest_ready_at);
	return html`<dl class="figures sheet" aria-label="Rates and waits of the last five minutes">
		<${Figure} name="in / s" value=${rate(rates.in)} />
		<${Figure} name="out / s" value=${rate(rates.out)} />
		<${Figure} name="wait p50" value=${duration(wait.p50_s)} />
		<${Figure} name="wait p95" value=${duration(wait.p95_s)} />
		<${Figure} name="run p50" value=${duration(run.p50_s)} />
		<${Figure}
			name="oldest waiting"
			value=${oldest ? duration((now.value - oldest) / 1000) : "none"}
			note=${state.oldest_ready_type && html`<a href=${link("tasks", { status: "pending", task_type: state.oldest_ready_type })}>${state.oldest_ready_type}</a>`}
		/>
		<${Figure} name="tries that fail" value=${state.error_rate == null ? "–" : `${(state.error_rate * 100).toFixed(state.error_rate < 0.1 ? 1 : 0)} %`} />
	</dl>`;
}

const words = {
	ok: ["completed", "All is well", "is-good"],
	degraded: ["retry", "Degraded", "is-warn"],
	critical: ["failed", "Critical", "is-bad"],
};
const worst = { critical: 0, degraded: 1, ok: 2 };

export function Health({ health }) {
	const [all, setAll] = useState(false);
	const [status, text, colour] = words[health.status];
	const bad = health.checks.filter((check) => check.status !== "ok");
	const shown = (all ? [...health.checks] : bad).sort((a, b) => worst[a.status] - worst[b.status]);
	const fine = health.checks.length - bad.length;
	const more = html`<button class="button small" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${all ? "Fewer" : "All checks"}</button>`;
	return html`<${Sheet} title="Health" tools=${more}>
		<p class="verdict ${colour}"><${Glyph} status=${status} />${text}<span class="quiet">${plural(fine, "check")} fine</span></p>
		<ul class="checks">
			${shown.map(
				(check) =>
					html`<li>
						<${Glyph} status=${words[check.status][0]} />
						<div><strong>${check.name.replaceAll("_", " ")}</strong> <span><${Typed} text=${check.message} /></span>${check.status !== "ok" && check.advice && html`<p class="quiet"><${Typed} text=${check.advice} /></p>`}</div>
					</li>`,
			)}
		</ul>
	<//>`;
}

function perSecond(series) {
	const at = series.in.map((_, index) => series.from_ms / 1000 + index * series.step_s);
	const scaled = (values) => values.map((value) => value / series.step_s);
	return [at, scaled(series.in), scaled(series.completed), scaled(series.failed)];
}

const flows = [
	{ name: "in", colour: "pending" },
	{ name: "completed", colour: "completed", fill: true },
	{ name: "failed", colour: "failed", dash: [4, 3] },
];
const waits = [{ name: "mean wait", colour: "running", fill: true }];

function Flow() {
	const chosen = windows[route.value.query.window] ? route.value.query.window : "15m";
	const source = useSource((signal) => read("series", windows[chosen], signal), [chosen]);
	useChange(overview.value, source.refresh, Math.max(2000, windows[chosen].step_s * 500));
	const tools = html`<${Segments}
		label="Window of the charts"
		options=${Object.keys(windows).map((name) => [name, name])}
		value=${chosen}
		choose=${(window) => setQuery({ window: window === "15m" ? null : window })}
	/>`;
	return html`<${Sheet} title="Tasks a second" tools=${tools}>
		<${Loaded} source=${source}>${(series) => {
			const data = perSecond(series);
			return html`<${Chart} label="Tasks in, completed and failed a second" data=${data} series=${flows} height=${168} />
				<h2 class="sheet-sub">Wait for a worker</h2>
				<${Chart} label="Mean seconds from ready to started" data=${[data[0], series.mean_wait_s.map((value, at) => (series.started[at] > 0 ? value : null))]} series=${waits} height=${112} format=${duration} />`;
		}}<//>
	<//>`;
}

function QueueTable() {
	const state = queues.value;
	if (!state) return html`<${Sheet} title="Queues"><${Bones} rows=${4} /><//>`;
	const busy = state.queues.filter(({ ready, counts }) => ready + counts.running > 0);
	const rows = busy.sort((a, b) => b.ready - a.ready || b.counts.running - a.counts.running).slice(0, 8);
	const note = busy.length > rows.length ? `${rows.length} busiest of ${busy.length}` : "";
	return html`<${Sheet} title="Queues" note=${note} tools=${html`<a href=${link("queues")}>All</a>`}>
		${
			rows.length === 0
				? html`<${Empty} title="Nothing waits or runs" command=${state.queues.length === 0 && "corder submit --project first --type shell"} />`
				: html`<div class="scroll-x" tabindex="0" role="group" aria-label="Queues"><table>
					<thead><tr><th>type</th><th class="numeric">ready</th><th class="numeric">running</th><th class="numeric narrow-off">workers free</th>
						<th class="numeric">wait p95</th></tr></thead>
					<tbody>
						${rows.map(
							(queue) =>
								html`<tr key=${queue.task_type}>
									<td><a class="task-link" data-row title=${queue.task_type} href=${link("tasks", { task_type: queue.task_type })}>${shorten(queue.task_type, 20)}</a>${queue.paused && html` <span class="mark">paused</span>`}</td>
									<td class="numeric"><${Count} value=${queue.ready} /></td>
									<td class="numeric"><${Count} value=${queue.counts.running} /></td>
									<td class="numeric narrow-off"><${Count} value=${queue.workers.waiting} /></td>
									<td class="numeric">${duration(queue.wait["15m"].p95_s)}</td>
								</tr>`,
						)}
					</tbody>
				</table></div>`
		}
	<//>`;
}

function Workers() {
	const state = services.value;
	if (!state) return html`<${Sheet} title="Workers"><${Bones} rows=${4} /><//>`;
	const rows = state.workers.slice(0, 10);
	const note = state.worker_count > rows.length ? `${rows.length} of ${count(state.worker_count)}` : "";
	return html`<${Sheet} title="Workers" note=${note}>
		${
			rows.length === 0
				? html`<${Empty} title="No worker was seen lately" command="corder work --type shell --exec 'echo done'">A worker shows here with its first task.<//>`
				: html`<div class="scroll-x" tabindex="0" role="group" aria-label="Workers"><table>
					<thead><tr><th>worker</th><th>does now</th><th class="numeric narrow-off">done</th><th class="numeric narrow-off">failed</th></tr></thead>
					<tbody>${rows.map((worker) => html`<${Worker} key=${worker.worker} worker=${worker} />`)}</tbody>
				</table></div>`
		}
	<//>`;
}

function Worker({ worker }) {
	const [first] = worker.running;
	const more = worker.running_count > 1 ? `, and ${worker.running_count - 1} more` : "";
	return html`<tr>
		<td class="tight">${worker.worker}</td>
		<td class="wide all">
			${
				first
					? html`<span class="status">
							<${Glyph} status="running" />
							<a class="task-link" href=${taskLink(first)} title=${first.task_id}>${shorten(first.task_id, 40)}</a>
						</span>${" "}
						<span class="second">${duration((now.value - ms(first.started_at)) / 1000)}${more}</span>`
					: html`<span class="second">idle, last seen <${Age} at=${ms(worker.last_at)} /></span>`
			}
		</td>
		<td class="numeric narrow-off"><${Count} value=${worker.completed} /></td>
		<td class="numeric narrow-off"><${Count} value=${worker.failed} /></td>
	</tr>`;
}

function Services() {
	const state = services.value;
	if (!state) return html`<${Sheet} title="Services"><${Bones} rows=${4} /><//>`;
	return html`<${Sheet} title="Services">
		<ul class="services">
			${state.missing.map((name) => html`<li><${Glyph} status="failed" /><strong>${name}</strong><span class="is-bad">none answers</span></li>`)}
			${state.services.map(
				({ service, id, ok, reason, started_at }) =>
					html`<li key=${id}><${Glyph} status=${ok ? "completed" : "failed"} /><strong>${service}</strong>
						<span class="quiet">${ok ? html`up ${duration((now.value - ms(started_at)) / 1000)}` : reason}</span></li>`,
			)}
		</ul>
	<//>`;
}

export function Overview() {
	useLive();
	const state = overview.value;
	return html`<h1 class="unseen" tabindex="-1">Overview</h1>
		${state ? html`<${Counts} counts=${state.counts} /><${Figures} state=${state} />` : html`<div class="sheet gap"><${Bones} rows=${3} /></div>`}
		<div class="columns">
			<div class="column"><${Flow} /><${Workers} /></div>
			<div class="column side first">
				${state ? html`<${Health} health=${state.health} />` : html`<${Sheet} title="Health"><${Bones} rows=${3} /><//>`}
				<${QueueTable} /><${Services} />
			</div>
		</div>`;
}
