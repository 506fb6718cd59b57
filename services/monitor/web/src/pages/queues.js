// Each task type: how much waits, at which priority, how fast it goes, who works on it; pause and resume.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { count, duration, ms, rate } from "../format.js";
import { link, route, setQuery } from "../router.js";
import { queues, session, useLive } from "../state/live.js";
import { confirm } from "../ui/actions.js";
import { now } from "../ui/clock.js";
import { Bones, Count, Empty, Segments } from "../ui/parts.js";
import { Icon } from "../ui/icons.js";

const spans = ["15m", "1h", "24h"];

// How much is ready at each priority, 1 to 10, as bars.
function Depths({ priorities }) {
	const by = new Map(priorities.map(({ priority, ready }) => [Math.min(10, Math.max(1, priority)), ready]));
	const most = Math.max(1, ...by.values());
	const text = priorities
		.filter(({ ready }) => ready > 0)
		.map(({ priority, ready }) => `${ready} at ${priority}`)
		.join(", ");
	if (!text) return null;
	return html`<svg class="depths" viewBox="0 0 60 18" role="img" aria-label="ready by priority: ${text || "none"}">
		<title>${text || "none ready"}</title>
		${Array.from({ length: 10 }, (_, index) => {
			const tall = by.get(index + 1) ? Math.max(2, (by.get(index + 1) / most) * 17) : 1;
			return html`<rect x=${index * 6} y=${18 - tall} width="4" height=${tall} rx="0.6" class=${by.get(index + 1) ? "is-pending" : "is-nothing"} />`;
		})}
	</svg>`;
}

const namesOf = ({ task_type, project }) =>
	[task_type && `type ${task_type}`, project && `project ${project}`].filter(Boolean).join(" of ");
const targetOf = ({ task_type, project }) => ({ ...(task_type && { task_type }), ...(project && { project }) });

function pauseOf(target, paused) {
	const names = namesOf(target);
	return paused
		? {
				action: "resume",
				title: `Resume ${names}?`,
				text: "Its ready tasks are handed out again.",
				verb: "Resume",
				done: `${names} goes on`,
			}
		: {
				action: "pause",
				title: `Pause ${names}?`,
				text: "No more of its tasks are handed out; those that run go on.",
				verb: "Pause",
				done: `${names} is paused`,
			};
}

export function PauseButton({ target, paused, small = true }) {
	if (session.value.read_only) return null;
	const word = paused ? "Resume" : "Pause";
	return html`<button class="button ${small ? "small ghost" : ""}" aria-label=${small ? `${word} ${namesOf(target)}` : undefined} onClick=${() => confirm({ ...pauseOf(target, paused), bodies: [target] })}>
		<${Icon} name=${paused ? "play" : "pause"} /><span class=${small ? "narrow-off" : ""}>${word}</span>
	</button>`;
}

function Priorities({ queue }) {
	if (queue.priorities.length === 0)
		return html`<tr class="inner"><td colspan="12" class="quiet">Nothing is ready, and nothing has started in a day.</td></tr>`;
	return html`<tr class="inner">
		<td colspan="12">
			<table>
				<thead><tr><th>priority</th><th class="numeric">ready</th>${spans.map(
					(name) => html`<th class="numeric">started ${name}</th>
					<th class="numeric">wait p50</th><th class="numeric">p95</th>`,
				)}</tr></thead>
				<tbody>
					${queue.priorities.map(
						({ priority, ready, wait }) =>
							html`<tr><td>${priority}</td><td class="numeric"><${Count} value=${ready} /></td>
								${spans.map(
									(name) => html`<td class="numeric"><${Count} value=${wait[name].count} /></td>
								<td class="numeric">${duration(wait[name].p50_s)}</td><td class="numeric">${duration(wait[name].p95_s)}</td>`,
								)}</tr>`,
					)}
				</tbody>
			</table>
		</td>
	</tr>`;
}

function Queue({ queue, span, pauses }) {
	const [open, setOpen] = useState(false);
	const { task_type, counts, workers } = queue;
	const oldest = ms(queue.oldest_ready_at);
	const paused = pauses.some((pause) => pause.task_type === task_type && !pause.project);
	const rates = queue.rates[span];
	const wait = queue.wait[span];
	return html`<tr>
			<td class="folding">
				<button class="fold" aria-expanded=${String(open)} aria-label="priorities of ${task_type}" onClick=${() => setOpen(!open)}>${open ? "▾" : "▸"}</button>
				<a class="task-link" data-row href=${link("tasks", { task_type })}>${task_type}</a>${queue.paused && html` <span class="mark">paused</span>`}
			</td>
			<td class="numeric"><${Count} value=${queue.ready} /></td>
			<td class="mid-off"><${Depths} priorities=${queue.priorities} /></td>
			<td class="numeric"><${Count} value=${counts.running} /></td>
			<td class="numeric narrow-off"><${Count} value=${counts.blocked + counts.retry} /></td>
			<td class="numeric">${workers.waiting === 0 && workers.running === 0 && queue.ready > 0 ? html`<span class="is-warn">none</span>` : html`<${Count} value=${workers.waiting} />`}</td>
			<td class="numeric">${oldest ? duration((now.value - oldest) / 1000) : html`<span class="zero">–</span>`}</td>
			<td class="numeric mid-off">${rate(rates.in)}</td>
			<td class="numeric mid-off">${rate(rates.completed)}</td>
			<td class="numeric narrow-off">${duration(wait.p50_s)}</td>
			<td class="numeric narrow-off">${duration(wait.p95_s)}</td>
			<td class="tight"><${PauseButton} target=${{ task_type }} paused=${paused} /></td>
		</tr>
		${open && html`<${Priorities} queue=${queue} />`}`;
}

const head = [
	["ready", "numeric"],
	["by priority", "mid-off"],
	["running", "numeric"],
	["blocked, retry", "numeric narrow-off"],
	["workers free", "numeric"],
	["oldest", "numeric"],
	["in / s", "numeric mid-off"],
	["done / s", "numeric mid-off"],
	["wait p50", "numeric narrow-off"],
	["wait p95", "numeric narrow-off"],
];

// Those with work first; names keep their order, so that rows do not jump.
const hasWork = ({ counts }) => counts.pending + counts.running + counts.retry + counts.blocked > 0;
const byWork = (a, b) => hasWork(b) - hasWork(a) || a.task_type.localeCompare(b.task_type);

function Table({ state, span }) {
	return html`<div class="scroll-x" tabindex="0" role="group" aria-label="Queues"><table>
		<thead>
			<tr><th>type</th>${head.map(([name, kind]) => html`<th class=${kind}>${name}</th>`)}<th><span class="unseen">actions</span></th></tr>
		</thead>
		<tbody>${[...state.queues].sort(byWork).map((queue) => html`<${Queue} key=${queue.task_type} queue=${queue} span=${span} pauses=${state.pauses} />`)}</tbody>
	</table></div>`;
}

const Pauses = ({ pauses }) =>
	pauses.length > 0 &&
	html`<div class="notice warn">
		<${Icon} name="pause" />
		<span class="pauses">
			${pauses.map(
				(pause) =>
					html`<span>Paused: ${namesOf(pause)}</span> <${PauseButton} target=${targetOf(pause)} paused small=${false} />`,
			)}
		</span>
	</div>`;

export function Queues() {
	useLive();
	const state = queues.value;
	const span = spans.includes(route.value.query.window) ? route.value.query.window : "15m";
	return html`<div class="page-head">
			<h1 tabindex="-1">Queues</h1>
			<span class="quiet">${state && `${count(state.queues.reduce((sum, queue) => sum + queue.ready, 0))} ready in ${state.queues.length} types`}</span>
			<span class="spread" />
			<${Segments} label="Window of rates and waits" options=${spans.map((name) => [name, name])} value=${span} choose=${(window) => setQuery({ window: window === "15m" ? null : window })} />
		</div>
		${state && html`<${Pauses} pauses=${state.pauses} />`}
		<div class="sheet">
			${!state && html`<${Bones} />`}
			${state && state.queues.length === 0 && html`<${Empty} title="No task type yet" command="corder submit --project first --type shell">A type shows here with its first task.<//>`}
			${state && state.queues.length > 0 && html`<${Table} state=${state} span=${span} />`}
		</div>`;
}
