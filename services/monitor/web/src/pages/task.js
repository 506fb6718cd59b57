// One task: why it waits or what became of it, its tries, events, edges, payload, and what may be done about it.
import { html } from "htm/preact";
import { read, taskPath } from "../api.js";
import { duration, ms, stamp } from "../format.js";
import { link } from "../router.js";
import { queues, session, useChange, useLive } from "../state/live.js";
import { useSource } from "../state/source.js";
import { ended } from "../status.js";
import { confirm } from "../ui/actions.js";
import { now } from "../ui/clock.js";
import { Age, Broken, Bones, Empty, Glyph, Loaded, Sheet, Status } from "../ui/parts.js";
import { Explain } from "./explain.js";

const verbs = {
	cancel: {
		when: (task) => !ended.has(task.status),
		verb: "Cancel the task",
		label: "Cancel",
		done: "cancelled",
		danger: true,
		text: "It ends as cancelled; its worker hears of it if it runs. Tasks that need it are skipped.",
	},
	retry: {
		when: (task) => ["failed", "cancelled", "skipped"].includes(task.status),
		verb: "Retry",
		label: "Retry",
		done: "started over",
		text: "It starts over with all its tries, and takes along what was skipped because of it.",
		body: { cascade: true },
	},
	approve: {
		when: (task) => task.waits_for?.includes("approval"),
		verb: "Approve",
		label: "Approve",
		done: "approved",
		text: "It may run as soon as nothing else holds it.",
	},
	reject: {
		when: (task) => task.waits_for?.includes("approval"),
		verb: "Reject",
		label: "Reject",
		done: "rejected",
		danger: true,
		text: "It ends as cancelled.",
	},
};

function Actions({ task, after }) {
	if (session.value.read_only) return null;
	const { project, task_id } = task;
	return Object.entries(verbs)
		.filter(([, { when }]) => when(task))
		.map(([action, { label, body, ...rest }]) => {
			const ask = () =>
				confirm({
					...rest,
					title: `${label} ${task_id}?`,
					action,
					bodies: [{ project, task_id, ...body }],
					after,
				});
			return html`<button class="button ${rest.danger ? "danger" : action === "approve" ? "main" : ""}" onClick=${ask}>${label}</button>`;
		});
}

const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

const Facts = ({ task }) =>
	html`<${Sheet} title="Task" flush=${false}>
		<dl class="facts">
			<${Fact} name="project"><a href=${link("project", task.project)}>${task.project}</a><//>
			<${Fact} name="batch"><a class="mono" href=${link("project", task.project, { batch_id: task.batch_id })}>${task.batch_id}</a><//>
			<${Fact} name="type"><a href=${link("tasks", { task_type: task.task_type })}>${task.task_type}</a><//>
			${task.service_name && html`<${Fact} name="service"><a href=${link("tasks", { service_name: task.service_name })}>${task.service_name}</a><//>`}
			<${Fact} name="priority">${task.priority}<//>
			<${Fact} name="tries">${task.attempt} of ${task.max_retries + 1}<//>
			${task.worker && html`<${Fact} name="worker"><span class="mono">${task.worker}</span><//>`}
			<${Fact} name="created">${stamp(ms(task.created_at))}<//>
			${task.ready_at && html`<${Fact} name="ready">${stamp(ms(task.ready_at))}<//>`}
			${task.started_at && html`<${Fact} name="started">${stamp(ms(task.started_at))}<//>`}
			${task.finished_at && html`<${Fact} name="finished">${stamp(ms(task.finished_at))}<//>`}
			${task.actual_duration != null && html`<${Fact} name="ran">${duration(task.actual_duration)}<//>`}
			${task.estimated_duration != null && html`<${Fact} name="estimated">${duration(task.estimated_duration)}<//>`}
			${task.timeout != null && html`<${Fact} name="timeout">${duration(task.timeout)}<//>`}
			${task.concurrency_key && html`<${Fact} name="key"><span class="mono">${task.concurrency_key}</span> (${task.concurrency_limit} at once)<//>`}
			${task.not_before && html`<${Fact} name="not before">${stamp(ms(task.not_before))}<//>`}
			${task.because && html`<${Fact} name="because of"><a href=${link("task", task.project, task.because)}>${task.because}</a><//>`}
		</dl>
	<//>`;

const outcomeStatus = {
	completed: "completed",
	failed: "failed",
	timeout: "failed",
	worker_lost: "failed",
	cancelled: "cancelled",
	released: "pending",
};

// The life of the task on one line: how long it waited, each try, each backoff.
function Life({ task }) {
	const start = ms(task.created_at);
	const end = ms(task.finished_at) ?? now.value;
	const whole = Math.max(1, end - start);
	const parts = [];
	let at = start;
	for (const one of task.attempts) {
		const from = ms(one.started_at);
		if (from > at)
			parts.push({
				kind: parts.length === 0 ? "pending" : "retry",
				light: true,
				ms: from - at,
				text: parts.length === 0 ? "waited" : "backoff",
			});
		const to = ms(one.finished_at) ?? end;
		parts.push({
			kind: one.outcome ? outcomeStatus[one.outcome] : "running",
			ms: Math.max(0, to - from),
			text: `try ${one.attempt}`,
		});
		at = Math.max(at, to);
	}
	if (end > at)
		parts.push({
			kind: ended.has(task.status) ? "blocked" : task.status,
			light: true,
			ms: end - at,
			text: ended.has(task.status) ? "until its end" : "waits",
		});
	return html`<div class="life" role="img" aria-label=${parts.map(({ text, ms: length }) => `${text} ${duration(length / 1000)}`).join(", ")}>
		${parts.map((part) => html`<i class="is-${part.kind} ${part.light ? "light" : ""}" title="${part.text} ${duration(part.ms / 1000)}" style=${{ flexGrow: Math.max(part.ms / whole, 0.004) }} />`)}
	</div>`;
}

const Tries = ({ task }) =>
	html`<${Sheet} title="Tries" note=${task.attempts.length > 0 && `${duration(((ms(task.finished_at) ?? now.value) - ms(task.created_at)) / 1000)} since it was created`}>
		<${Life} task=${task} />
		${task.attempts.length === 0 && html`<p class="sheet-body quiet">No worker has had it yet.</p>`}
		${
			task.attempts.length > 0 &&
			html`<div class="scroll-x" tabindex="0" role="group" aria-label="Tries"><table>
			<thead><tr><th>try</th><th>outcome</th><th>worker</th><th class="numeric">started</th><th class="numeric">ran</th></tr></thead>
			<tbody>
				${task.attempts.map(
					(one) =>
						html`<tr>
								<td class="tight">${one.attempt}</td>
								<td class="tight"><span class="status"><${Glyph} status=${one.outcome ? outcomeStatus[one.outcome] : "running"} />${one.outcome ?? "runs"}</span></td>
								<td class="mono">${one.worker}</td>
								<td class="numeric tight"><${Age} at=${ms(one.started_at)} /></td>
								<td class="numeric tight">${duration(((ms(one.finished_at) ?? now.value) - ms(one.started_at)) / 1000)}</td>
							</tr>
							${one.error && html`<tr class="inner"><td /><td colspan="4"><pre class="error" tabindex="0">${one.error.code}: ${one.error.message}</pre></td></tr>`}`,
				)}
			</tbody>
		</table></div>`
		}
	<//>`;

const Edges = ({ title, edges, project, none }) =>
	html`<${Sheet} title=${title} note=${edges.length > 0 && edges.length}>
		${
			edges.length === 0
				? html`<p class="sheet-body quiet">${none}</p>`
				: html`<ul class="edges">
					${edges.map(
						(edge) =>
							html`<li>
								<${Glyph} status=${edge.status ?? "blocked"} />
								<a class="task-link wrap-any" data-row href=${link("task", project, edge.task_id)}>${edge.task_id}</a>
								<span class="quiet">${edge.when === "completed" ? "" : `when ${edge.when}`}${edge.status ? "" : " (not here yet)"}</span>
								</li>`,
					)}
				</ul>`
		}
	<//>`;

function Payload({ title, value }) {
	const empty = value == null || (typeof value === "object" && Object.keys(value).length === 0);
	if (empty) return html`<${Sheet} title=${title}><p class="sheet-body quiet">None.</p><//>`;
	const text = JSON.stringify(value, null, 2);
	return html`<details class="sheet fold-sheet" open=${text.length < 600}>
		<summary class="sheet-head"><h2>${title}</h2><span class="quiet">${text.length > 600 ? `${(text.length / 1024).toFixed(1)} kB` : ""}</span></summary>
		<pre class="payload" tabindex="0">${text}</pre>
	</details>`;
}

const note = ({ attempt, status, worker, error, reason, because }) =>
	[
		attempt > 0 && status === "running" && `try ${attempt}`,
		worker,
		error?.message ?? reason,
		because && `because of ${because}`,
	]
		.filter(Boolean)
		.join(" · ");

const Happened = ({ source }) =>
	html`<${Sheet} title="Events">
		<${Loaded} source=${source} rows=${4}>${({ events }) =>
			html`<ol class="happened">
				${events.map(
					(event) =>
						html`<li key=${event.seq}>
							<time class="when" title=${stamp(ms(event.at))}>${stamp(ms(event.at)).slice(11)}</time>
							<${Status} status=${event.status} />
							<span class="quiet wrap-any">${note(event)}</span>
						</li>`,
				)}
			</ol>`}<//>
	<//>`;

function Shown({ task, events, explain, refresh }) {
	return html`<p class="crumbs"><a href=${link("projects")}>Projects</a> / <a href=${link("project", task.project)}>${task.project}</a></p>
		<div class="page-head">
			<h1 tabindex="-1">${task.task_id}</h1>
			<span class="big-status"><${Status} status=${task.status} /></span>
			${task.cancel_requested && html`<span class="mark">cancel requested</span>`}
			<span class="spread" />
			<${Actions} task=${task} after=${refresh} />
		</div>
		${
			task.status === "failed" &&
			task.error &&
			html`<div class="notice bad">
			<${Glyph} status="failed" />
			<span><strong>${task.error.code}</strong> <span class="wrap-any">${task.error.message}</span></span>
		</div>`
		}
		<div class="columns">
			<div class="column">
				${!ended.has(task.status) && html`<${Explain} source=${explain} task=${task} />`}
				<${Tries} task=${task} /><${Happened} source=${events} />
				<${Payload} title="Context" value=${task.execution_context} /><${Payload} title="Result" value=${task.result} />
			</div>
			<div class="column side">
				<${Facts} task=${task} />
				<${Edges} title="Depends on" edges=${task.dependencies} project=${task.project} none="No task." />
				<${Edges} title="Needed by" edges=${task.dependents} project=${task.project} none="No task." />
			</div>
		</div>`;
}

export function Task({ route }) {
	const [, project, id] = route.path;
	const at = taskPath(project, id);
	const source = useSource((signal) => read(at, {}, signal), [at]);
	const events = useSource((signal) => read(`${at}/events`, { limit: 200 }, signal), [at]);
	const explain = useSource((signal) => read(`${at}/explain`, {}, signal), [at]);
	const refresh = () => [source, events, explain].forEach((one) => one.refresh());
	const task = source.state.value.data?.task;
	const near = task
		? new Set([
				id,
				...task.dependencies.map((edge) => edge.task_id),
				...task.dependents.map((edge) => edge.task_id),
			])
		: null;
	useLive(
		{ project },
		{
			tasks: ({ tasks, reset }) => (reset || tasks.some((one) => !near || near.has(one.task_id))) && refresh(),
		},
	);
	useChange(task && !ended.has(task.status) && queues.value, explain.refresh);
	const { error } = source.state.value;
	if (task) return html`<${Shown} task=${task} events=${events} explain=${explain} refresh=${refresh} />`;
	if (error?.code === "not_found")
		return html`<div class="sheet"><${Empty} title="There is no such task">${error.message}<//></div>`;
	return html`<div class="sheet">${error ? html`<${Broken} error=${error} again=${source.refresh} />` : html`<${Bones} rows=${10} />`}</div>`;
}
