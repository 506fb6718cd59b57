// What happens, as it happens; and what happened before, page by page.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "../api.js";
import { clock, ms, plural, shorten, stamp } from "../format.js";
import { useKeys } from "../keys.js";
import { link, route } from "../router.js";
import { useLive } from "../state/live.js";
import { later } from "../state/source.js";
import { ClearFilters, ProjectChoice, Search, StatusChips, TypeChoice } from "../ui/filters.js";
import { Bones, Broken, Empty, Status } from "../ui/parts.js";
import { statuses } from "../status.js";

const kept = 500;
const shownStatuses = [...statuses, "rejected"];

const note = (event) =>
	[
		event.attempt > 1 && event.status === "running" && `try ${event.attempt}`,
		event.worker,
		event.error?.message,
		event.reason,
		event.because && `because of ${event.because}`,
	]
		.filter(Boolean)
		.join(" · ");

const keyOf = (event) => `${event.partition ?? 0}.${event.seq}`;

function Row({ event, fresh }) {
	const at = ms(event.at);
	return html`<tr class=${fresh ? "fresh" : ""}>
		<td class="tight"><time class="when" title=${stamp(at)}>${clock(at, { millis: true })}</time></td>
		<td class="tight"><${Status} status=${event.status} /></td>
		<td class="id">${event.task_id ? html`<a class="task-link" data-row title=${event.task_id} href=${link("task", event.project, event.task_id)}>${shorten(event.task_id, 46)}</a>` : event.reason}</td>
		<td class="tight narrow-off">${event.project && html`<a class="second" title=${event.project} href=${link("project", event.project)}>${shorten(event.project, 22)}</a>`}</td>
		<td class="tight narrow-off" title=${event.task_type}>${event.task_type && shorten(event.task_type, 26)}</td>
		<td class="wide narrow-off"><span class="second" title=${note(event)}>${note(event)}</span></td>
	</tr>`;
}

const newestFirst = (a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.seq - a.seq);

function merge(old, more) {
	const known = new Set(old.map(keyOf));
	return [...old, ...more.filter((event) => !known.has(keyOf(event)))].sort(newestFirst);
}

const nothing = { list: null, fresh: new Set(), dropped: 0, next: undefined, error: null };

// The tail as it comes, over what MySQL has from before; `more` goes further back.
function useEvents(query, held) {
	const [state, setState] = useState(nothing);
	const waiting = useRef([]);
	const key = JSON.stringify(query);
	const latest = useRef(key);
	latest.current = key;
	const load = async (before) => {
		try {
			const { events, next } = await read("events", { ...query, limit: 100, before });
			if (latest.current !== key) return;
			setState((old) => {
				const list = merge(old.list ?? [], events);
				return { ...old, list, error: null, next: before || old.next === undefined ? next : old.next };
			});
		} catch (error) {
			if (latest.current === key) setState((old) => ({ ...old, error }));
		}
	};
	const add = (events, dropped) =>
		setState((old) => {
			const most = Math.max(kept, old.list?.length ?? 0);
			const all = merge(old.list ?? [], events);
			const list = old.list === null && events.length === 0 ? null : all.slice(0, most);
			const next = all.length > most ? String(list.at(-1).seq) : old.next; // what was let go can be read again
			return { ...old, list, next, fresh: new Set(events.map(keyOf)), dropped: old.dropped + dropped };
		});
	useEffect(() => {
		waiting.current = [];
		setState(nothing);
	}, [key]);
	useEffect(() => (state.error?.passes ? later(load) : undefined), [state.error]);
	useEffect(() => {
		if (!held && waiting.current.length > 0) add(waiting.current.splice(0), 0);
	}, [held]);
	const { project, task_type, status, text } = query;
	useLive(
		{ events: 1, event_project: project, event_type: task_type, event_status: status, event_text: text },
		{
			events: ({ events, dropped, reset }) => {
				if (reset) load();
				if (held) waiting.current = [...waiting.current, ...events].slice(-kept);
				else add(events, dropped ?? 0);
			},
		},
	);
	return { ...state, more: () => load(state.next), waits: held && waiting.current.length };
}

const Table = ({ list, fresh }) =>
	html`<div class="scroll-x" tabindex="0" role="group" aria-label="Events"><table>
		<thead><tr><th>time</th><th>became</th><th>task</th><th class="narrow-off">project</th><th class="narrow-off">type</th><th class="narrow-off">more</th></tr></thead>
		<tbody>${list.map((event) => html`<${Row} key=${keyOf(event)} event=${event} fresh=${fresh.has(keyOf(event))} />`)}</tbody>
	</table></div>`;

export function Events() {
	const { project, task_type, status, text } = route.value.query;
	const query = { project, task_type, status, text };
	const [held, setHeld] = useState(false);
	const { list, fresh, dropped, next, error, more } = useEvents(query, held);
	const names = ["project", "task_type", "status", "text"];
	useKeys([{ keys: ["h"], what: "hold the tail, let it go", act: () => setHeld(!held) }], [held]);
	return html`<div class="page-head">
			<h1 tabindex="-1">Events</h1>
			<span class="quiet">${dropped > 0 && `${plural(dropped, "event")} went by too fast to be shown`}</span>
			<span class="spread" />
			<button class="button" aria-pressed=${String(held)} onClick=${() => setHeld(!held)}>${held ? "Let it go on" : "Hold"}</button>
		</div>
		<div class="filters">
			<${Search} label="Search events" placeholder="task, worker, error …" /><${ProjectChoice} /><${TypeChoice} /><${ClearFilters} names=${names} />
		</div>
		<div class="filters"><${StatusChips} list=${shownStatuses} /></div>
		<div class="sheet">
			${list === null && !error && html`<${Bones} rows=${12} />`}
			${error && !list && html`<${Broken} error=${error} again=${more} />`}
			${list && list.length === 0 && html`<${Empty} title="Nothing has happened yet">Events stand here as soon as something does.<//>`}
			${list && list.length > 0 && html`<${Table} list=${list} fresh=${fresh} />`}
			${list && list.length > 0 && html`<div class="pager"><button class="button small" disabled=${!next} onClick=${more}>Older</button>${error?.message ?? (next === null ? "that is the beginning" : "")}</div>`}
		</div>`;
}
