// All tasks, newest first, filtered; rows follow what happens, page by page.
import { html } from "htm/preact";
import { useRef } from "preact/hooks";
import { read } from "../api.js";
import { duration, ms, shorten } from "../format.js";
import { link, route, setQuery, taskLink } from "../router.js";
import { useLive, useThrottle } from "../state/live.js";
import { useSource } from "../state/source.js";
import { now } from "../ui/clock.js";
import { ClearFilters, ProjectChoice, Search, StatusChips, TypeChoice } from "../ui/filters.js";
import { Age, Empty, Loaded, Status } from "../ui/parts.js";

const names = ["project", "batch_id", "status", "task_type", "service_name", "text"];
const limit = 50;

function ranFor(task) {
	if (!task.started_at) return null;
	const end = task.status === "running" ? now.value : ms(task.finished_at);
	return end ? (end - ms(task.started_at)) / 1000 : null;
}

const note = (task) =>
	task.error?.message ??
	(task.because
		? `because of ${task.because}`
		: task.waits_for?.length > 0
			? `waits for ${task.waits_for.join(", ")}`
			: "");

export function TaskRow({ task }) {
	return html`<tr>
		<td class="tight"><${Status} status=${task.status} /></td>
		<td class="id"><a class="task-link" data-row title=${task.task_id} href=${taskLink(task)}>${shorten(task.task_id, 46)}</a></td>
		<td class="tight narrow-off"><a class="second" title=${task.project} href=${link("project", task.project)}>${shorten(task.project, 22)}</a></td>
		<td class="tight narrow-off" title=${task.task_type}>${shorten(task.task_type, 26)}</td>
		<td class="numeric mid-off">${task.priority}</td>
		<td class="numeric mid-off">${task.attempt || html`<span class="zero">0</span>`}</td>
		<td class="numeric">${duration(ranFor(task))}</td>
		<td class="wide mid-off"><span class="second" title=${note(task)}>${note(task) || task.worker}</span></td>
		<td class="numeric tight"><${Age} at=${ms(task.created_at)} /></td>
	</tr>`;
}

export const TaskTable = ({ tasks }) =>
	html`<div class="scroll-x" tabindex="0" role="group" aria-label="Tasks"><table>
		<thead>
			<tr>
				<th>status</th><th>task</th><th class="narrow-off">project</th><th class="narrow-off">type</th><th class="numeric mid-off">priority</th>
				<th class="numeric mid-off">tries</th><th class="numeric">ran</th><th class="mid-off">worker, reason</th><th class="numeric">created</th>
			</tr>
		</thead>
		<tbody>${tasks.map((task) => html`<${TaskRow} key=${`${task.project}/${task.task_id}`} task=${task} />`)}</tbody>
	</table></div>`;

// Keyset paging: each page knows where the next begins; the way back is kept here and in the browser's history.
function Pager({ next, shown }) {
	const trail = useRef([]);
	const { after } = route.value.query;
	if (!after) trail.current = [];
	const forth = () => {
		trail.current.push(after ?? null);
		setQuery({ after: next });
		scrollTo(0, 0);
	};
	const back = () => setQuery({ after: trail.current.pop() ?? null });
	if (!after && !next) return html`<div class="pager">${shown} shown, that is all</div>`;
	return html`<div class="pager">
		<button class="button small" disabled=${!after} onClick=${back}>${trail.current.length > 0 ? "Newer" : "Newest"}</button>
		<button class="button small" disabled=${!next} onClick=${forth}>Older</button>
		${shown} shown
	</div>`;
}

// A filter that came with a link, to be let go.
function Chosen({ name, word }) {
	const value = route.value.query[name];
	if (!value) return null;
	return html`<button class="chip" aria-pressed="true" title="Let go of this filter" onClick=${() => setQuery({ [name]: null, after: null })}>
		${word} <span class="mono">${value}</span> ×
	</button>`;
}

export function Tasks() {
	const { query } = route.value;
	const asked = Object.fromEntries(names.map((name) => [name, query[name]]));
	const source = useSource(
		(signal) => read("tasks", { ...asked, limit, after: query.after }, signal),
		[JSON.stringify(asked), query.after],
		{ keep: true },
	);
	const filtered = { events: 1, event_project: query.project, event_type: query.task_type };
	const soon = useThrottle(source.refresh, 1000);
	useLive(filtered, { events: ({ events }) => events.length > 0 && soon() });
	const rows = source.state.value.data?.tasks;
	return html`<div class="page-head"><h1 tabindex="-1">Tasks</h1></div>
		<div class="filters">
			<${Search} label="Search tasks" placeholder="id, service, worker, error …" />
			<${ProjectChoice} /><${TypeChoice} />
			<${Chosen} name="batch_id" word="batch" /><${Chosen} name="service_name" word="service" />
			<${ClearFilters} names=${names} />
		</div>
		<div class="filters"><${StatusChips} /></div>
		<div class="sheet">
			<${Loaded} source=${source} rows=${12}>${(data) =>
				data.tasks.length === 0
					? html`<${Empty} title=${names.some((name) => query[name]) ? "No task fits" : "No task yet"} command=${names.some((name) => query[name]) ? null : "corder submit --project first --type shell"}>
							${names.some((name) => query[name]) ? "Nothing matches these filters." : "Nothing was submitted yet."}
						<//>`
					: html`<${TaskTable} tasks=${data.tasks} /><${Pager} next=${data.next} shown=${rows.length} />`}<//>
		</div>`;
}
