// One project: its tasks in time and as a graph, both over the same selection, following what happens.
import { html } from "htm/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { read } from "../api.js";
import { clock, count, duration, plural } from "../format.js";
import { GanttView } from "../gantt/view.js";
import { GraphView } from "../graph/view.js";
import { useKeys } from "../keys.js";
import { go, link, route, setQuery } from "../router.js";
import { queues, useLive, useThrottle } from "../state/live.js";
import { Plan } from "../state/plan.js";
import { useSource } from "../state/source.js";
import { ended } from "../status.js";
import { now, serverNow } from "../ui/clock.js";
import { ClearFilters, Search, StatusChips } from "../ui/filters.js";
import { Broken, Bones, Empty, Segments, Status } from "../ui/parts.js";
import { describe } from "../gantt/view.js";
import { StackBar } from "./projects.js";
import { PauseButton } from "./queues.js";

const names = ["status", "task_type", "text"];

// Snapshots and changes in the order in which they belong together: changes that come while a snapshot is read wait for it.
function usePlan(project, batch) {
	const [plan, setPlan] = useState(null);
	const [, redraw] = useState(0);
	const early = useRef([]);
	const source = useSource(
		(signal) => read(`projects/${encodeURIComponent(project)}/timeline`, { batch_id: batch, limit: 5000 }, signal),
		[project, batch],
		{ wait: 1000 },
	);
	const { data, error } = source.state.value;
	const again = useThrottle(source.refresh, data?.tasks.length > 1000 ? 8000 : 1500);
	const forecast = useThrottle(source.refresh, 10000);
	const take = (made, changes) => {
		const known = changes.map((change) => made.apply(change));
		if (known.includes(false)) again();
	};
	useEffect(() => {
		if (!data) return;
		const made = new Plan(data);
		take(made, early.current.splice(0));
		setPlan(made);
	}, [data]);
	useLive(
		{ project, batch_id: batch },
		{
			tasks: ({ reset, tasks }) => {
				if (reset) return source.refresh(); // from now on every change comes: what is read now misses none
				early.current.push(...tasks);
				early.current.splice(0, early.current.length - 20000);
				if (!plan) return;
				take(plan, tasks);
				if (plan.tasks.length <= 1000) forecast();
				redraw((turn) => turn + 1);
			},
		},
	);
	useEffect(() => {
		early.current = [];
		setPlan(null);
	}, [project, batch]);
	return { plan, error, truncated: data?.truncated, refresh: source.refresh };
}

function useRows(plan, { status, task_type, text, order }) {
	return useMemo(() => {
		if (!plan) return [];
		const wanted = text?.toLowerCase();
		const fits = (task) =>
			(!status || task.status === status) &&
			(!task_type || task.type === task_type) &&
			(!wanted || task.search.includes(wanted));
		const rows = status || task_type || wanted ? plan.tasks.filter(fits) : plan.tasks;
		if (order !== "started") return rows;
		const start = (task) => task.tries[0]?.start ?? task.expected?.[0] ?? Infinity;
		return [...rows].sort((a, b) => start(a) - start(b) || a.order - b.order);
	}, [plan, status && plan?.revision, task_type, text, order, order && plan?.revision]);
}

function Batches({ project }) {
	const source = useSource(
		(signal) => read(`projects/${encodeURIComponent(project)}/batches`, { limit: 50 }, signal),
		[project],
	);
	const batches = source.state.value.data?.batches ?? [];
	const value = route.value.query.batch_id ?? "";
	if (batches.length < 2 && !value) return null;
	const text = (batch) =>
		`${batch.batch_id} · ${plural(batch.tasks, "task")}${batch.open > 0 ? `, ${batch.open} open` : ""}`;
	return html`<select class="field" aria-label="Batch" onChange=${(event) => setQuery({ batch_id: event.target.value })}>
		<option value="">All batches</option>
		${value && !batches.some((batch) => batch.batch_id === value) && html`<option value=${value} selected>${value}</option>`}
		${batches.map((batch) => html`<option value=${batch.batch_id} selected=${batch.batch_id === value}>${text(batch)}</option>`)}
	</select>`;
}

function Types({ plan }) {
	const types = useMemo(() => [...new Set(plan.tasks.map((task) => task.type))].sort(), [plan]);
	const value = route.value.query.task_type ?? "";
	if (types.length < 2) return null;
	return html`<select class="field" aria-label="Type" onChange=${(event) => setQuery({ task_type: event.target.value })}>
		<option value="">Type: any</option>
		${types.map((type) => html`<option value=${type} selected=${type === value}>${type}</option>`)}
	</select>`;
}

function Progress({ plan, path }) {
	const counts = plan.counts();
	const over = plan.tasks.filter((task) => ended.has(task.status)).length;
	const open = plan.tasks.length - over;
	const { from, to } = plan.span(now.value);
	const { finish } = plan;
	const left =
		open > 0 && finish > now.value
			? `about ${duration((finish - now.value) / 1000)} to go, done at ${clock(finish)}`
			: "";
	return html`<div class="progress sheet">
		<${StackBar} counts=${counts} />
		<p>
			<strong>${count(over)}</strong> of ${plural(plan.tasks.length, "task")} ended
			<span class="quiet">${open === 0 ? `in ${duration((to - from) / 1000)}` : `${duration((now.value - from) / 1000)} so far${left && `, ${left}`}`}</span>
			<span class="spread" />
			<span class="quiet">critical path: ${plural(path.path.length, "task")}${path.runs > 0 ? `, ${duration(path.runs / 1000)} of work` : ""}</span>
		</p>
	</div>`;
}

function Chosen({ plan, id, project }) {
	const task = plan.byId.get(id);
	if (!task) return null;
	const facts = describe(plan, task, now.value);
	return html`<aside class="chosen sheet" aria-label="The chosen task">
		<${Status} status=${task.status} /><a class="task-link wrap-any" href=${link("task", project, id)}>${id}</a>
		${facts.map(([name, value]) => html`<span><span class="quiet">${name}</span> ${value}</span>`)}
		<span class="spread" />
		<button class="button small" onClick=${() => setQuery({ task: null })}>Let go</button>
	</aside>`;
}

const views = [
	["both", "Both"],
	["timeline", "Timeline"],
	["graph", "Graph"],
];

function Toggles({ view, follow, lit, order }) {
	const flip = (name, on, fallback) => setQuery({ [name]: on === fallback ? null : on ? "1" : "0" });
	return html`<button class="chip" aria-pressed=${String(follow)} title="Keep in sight what runs (l)" onClick=${() => flip("follow", !follow, false)}>follow</button>
		<button class="chip" aria-pressed=${String(lit)} title="Light the critical path (c)" onClick=${() => flip("path", !lit, true)}>critical path</button>
		<button class="chip" aria-pressed=${String(order === "started")} title="Rows by their start (s)" onClick=${() => setQuery({ order: order ? null : "started" })}>by start</button>
		<${Segments} label="What is shown" options=${views} value=${view} choose=${(next) => setQuery({ view: next === "both" ? null : next })} />`;
}

// revision: a plan changes in place, and who draws it hears of that by this alone.
function Shown({ plan, revision, project, query }) {
	const { view = "both", order, task: selected } = query;
	const follow = query.follow === "1";
	const lit = query.path !== "0";
	const rows = useRows(plan, query);
	const path = useMemo(() => plan.critical(serverNow()), [plan, plan.revision]);
	const shownPath = useMemo(() => (lit ? path.path : []), [path, lit]);
	useEffect(() => {
		requestAnimationFrame(() => setTimeout(() => performance.mark("corder:plan"))); // drawn: what the tests measure
	}, []);
	const select = (id) => setQuery({ task: id });
	const open = (id) => go(link("task", project, id));
	useKeys(
		[
			{ keys: ["l"], what: "follow what runs", act: () => setQuery({ follow: follow ? null : "1" }) },
			{ keys: ["c"], what: "critical path", act: () => setQuery({ path: lit ? "0" : null }) },
			{ keys: ["s"], what: "rows by their start", act: () => setQuery({ order: order ? null : "started" }) },
			{ keys: ["Escape"], what: "let go of the task", act: () => setQuery({ task: null }) },
		],
		[follow, lit, order],
	);
	const [graphs, setGraphs] = useState(rows.length <= 300); // the timeline first: a layout takes its time
	useEffect(() => {
		if (!graphs) requestAnimationFrame(() => setTimeout(() => setGraphs(true)));
	}, []);
	const common = { plan, revision, rows, path: shownPath, selected, follow, select, open };
	return html`<${Progress} plan=${plan} revision=${revision} path=${path} />
		<div class="filters">
			<${Search} label="Search tasks of the project" placeholder="id, type, worker …" /><${Types} plan=${plan} />
			<${ClearFilters} names=${names} /><span class="spread" /><${Toggles} view=${view} follow=${follow} lit=${lit} order=${order} />
		</div>
		<div class="filters"><${StatusChips} counts=${plan.counts()} /></div>
		${selected && html`<${Chosen} plan=${plan} revision=${revision} id=${selected} project=${project} />`}
		<div class="plans">
			${rows.length === 0 && html`<div class="sheet"><${Empty} title="No task fits">Nothing matches these filters.<//></div>`}
			${rows.length > 0 && view !== "graph" && html`<${GanttView} ...${common} />`}
			${rows.length > 0 && view !== "timeline" && graphs && html`<${GraphView} ...${common} />`}
		</div>`;
}

export function Project() {
	const { path, query } = route.value;
	const project = path[1];
	const { plan, error, truncated, refresh } = usePlan(project, query.batch_id);
	const paused = (queues.value?.pauses ?? []).some((pause) => pause.project === project && !pause.task_type);
	return html`<p class="crumbs"><a href=${link("projects")}>Projects</a></p>
		<div class="page-head">
			<h1 tabindex="-1">${project}</h1>${paused && html`<span class="mark">paused</span>`}
			<span class="spread" />
			<${Batches} project=${project} /><a class="button" href=${link("tasks", { project, batch_id: query.batch_id })}>As a list</a>
			<${PauseButton} target=${{ project }} paused=${paused} small=${false} />
		</div>
		${truncated && html`<div class="notice warn">These are the newest ${count(plan?.tasks.length)} tasks; the project has more. Choose a batch to see another part.</div>`}
		${!plan && error && html`<div class="sheet"><${Broken} error=${error} again=${refresh} /></div>`}
		${!plan && !error && html`<div class="sheet"><${Bones} rows=${14} /></div>`}
		${plan && plan.tasks.length === 0 && html`<div class="sheet"><${Empty} title="No task here" command=${`corder submit --project ${project} tasks.jsonl`}>The project, or the batch, has none.<//></div>`}
		${plan && plan.tasks.length > 0 && html`<${Shown} plan=${plan} revision=${plan.revision} project=${project} query=${query} />`}`;
}
