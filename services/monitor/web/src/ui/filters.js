// Filters over a list; what is chosen stands in the URL.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { read } from "../api.js";
import { count } from "../format.js";
import { route, setQuery } from "../router.js";
import { queues, overview } from "../state/live.js";
import { statuses } from "../status.js";
import { Glyph } from "./parts.js";

export const projectNames = signal([]);
let loadedAt = 0;

// The names to choose from, read when a page with the choice is opened.
export function useProjectNames() {
	useEffect(() => {
		if (Date.now() - loadedAt < 15000) return;
		loadedAt = Date.now();
		read("projects").then(
			({ projects }) => (projectNames.value = projects.map(({ project }) => project)),
			() => (loadedAt = 0),
		);
	}, []);
	return projectNames.value;
}

// Typing is written to the URL when it pauses.
export function Search({ name = "text", label, placeholder }) {
	const value = route.value.query[name] ?? "";
	const [typed, setTyped] = useState(value);
	const timer = useRef();
	useEffect(() => setTyped(value), [value]);
	const type = (event) => {
		setTyped(event.target.value);
		clearTimeout(timer.current);
		timer.current = setTimeout(() => setQuery({ [name]: event.target.value.trim(), after: null }), 250);
	};
	return html`<input type="search" class="field search" aria-label=${label} placeholder=${placeholder} value=${typed} onInput=${type} />`;
}

export function Choice({ name, label, options }) {
	const value = route.value.query[name] ?? "";
	const all = value && !options.includes(value) ? [value, ...options] : options;
	return html`<select class="field" aria-label=${label} value=${value} onChange=${(event) => setQuery({ [name]: event.target.value, after: null })}>
		<option value="">${label}: any</option>
		${all.map((option) => html`<option value=${option} selected=${option === value}>${option}</option>`)}
	</select>`;
}

export const ProjectChoice = () => html`<${Choice} name="project" label="Project" options=${useProjectNames()} />`;

export function TypeChoice() {
	const names = (queues.value?.queues ?? []).map((queue) => queue.task_type);
	return html`<${Choice} name="task_type" label="Type" options=${names} />`;
}

export function StatusChips({ counts, list = statuses }) {
	const value = route.value.query.status ?? "";
	return html`<div class="chips" role="group" aria-label="Status">
		${list.map(
			(status) =>
				html`<button class="chip" aria-pressed=${String(status === value)} onClick=${() => setQuery({ status: status === value ? null : status, after: null })}>
					<${Glyph} status=${status} />${status}${counts && html`<span class="quiet">${count(counts[status] ?? 0)}</span>`}
				</button>`,
		)}
	</div>`;
}

export function ClearFilters({ names }) {
	const { query } = route.value;
	if (!names.some((name) => query[name])) return null;
	return html`<button class="button small" onClick=${() => setQuery(Object.fromEntries([...names, "after"].map((name) => [name, null])))}>Clear</button>`;
}

export const countsNow = () => overview.value?.counts;
