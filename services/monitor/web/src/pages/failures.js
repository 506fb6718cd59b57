// What is failed now, like with like; a group can be started over at once.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { read } from "../api.js";
import { count, ms, plural } from "../format.js";
import { link, route } from "../router.js";
import { overview, session, useChange, useLive } from "../state/live.js";
import { useSource } from "../state/source.js";
import { confirm } from "../ui/actions.js";
import { ClearFilters, ProjectChoice, TypeChoice } from "../ui/filters.js";
import { Age, Empty, Loaded } from "../ui/parts.js";

const listed = 12;

function retryAll(group, after) {
	const bodies = group.projects.map(({ project, task_ids }) => ({
		project,
		task_ids,
		cascade: true,
		reason: "bulk retry",
	}));
	const tasks = group.projects.reduce((sum, { task_ids }) => sum + task_ids.length, 0);
	confirm({
		title: `Retry ${plural(tasks, "task")}?`,
		text: `All that failed with “${group.example}” start over with all their tries, and take along what was skipped because of them.`,
		verb: `Retry ${plural(tasks, "task")}`,
		action: "retry",
		done: "started over",
		bodies,
		after,
	});
}

function Ids({ projects }) {
	return html`<ul class="ids">
		${projects.map(
			({ project, task_ids }) =>
				html`<li>
					<a href=${link("project", project)}>${project}</a>${" "}
					${task_ids.slice(0, listed).map((id) => html`<a class="task-link" data-row href=${link("task", project, id)}>${id}</a> `)}
					${task_ids.length > listed && html`<a href=${link("tasks", { project, status: "failed" })}>and ${count(task_ids.length - listed)} more</a>`}
					</li>`,
		)}
	</ul>`;
}

function Group({ group, refresh }) {
	const [open, setOpen] = useState(false);
	return html`<li class="failure">
		<div class="failure-head">
			<b class="much">${count(group.count)}</b>
			<div class="spread">
				<p class="error-line"><span class="mark bad">${group.code}</span><span class="mono wrap-any">${group.example || group.message || "no message"}</span></p>
				<p class="quiet">
					${group.task_types.join(", ")} in ${group.projects
						.map(({ project }) => project)
						.slice(0, 4)
						.join(", ")}${group.projects.length > 4 ? ` and ${group.projects.length - 4} more` : ""};
					first <${Age} at=${ms(group.first_at)} />, last <${Age} at=${ms(group.last_at)} />
				</p>
			</div>
			<button class="button small" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${open ? "Hide tasks" : "Tasks"}</button>
			${!session.value.read_only && html`<button class="button small" onClick=${() => retryAll(group, refresh)}>Retry all</button>`}
		</div>
		${open && html`<${Ids} projects=${group.projects} />`}
	</li>`;
}

export function Failures() {
	useLive();
	const { project, task_type } = route.value.query;
	const source = useSource(
		(signal) => read("failures", { project, task_type, limit: 50 }, signal),
		[project, task_type],
	);
	useChange(overview.value?.counts.failed, source.refresh);
	const failed = overview.value?.counts.failed;
	return html`<div class="page-head"><h1 tabindex="-1">Failures</h1><span class="quiet">${overview.value && `${plural(failed, "task")} failed now`}</span></div>
		<div class="filters"><${ProjectChoice} /><${TypeChoice} /><${ClearFilters} names=${["project", "task_type"]} /></div>
		<div class="sheet">
			<${Loaded} source=${source}>${({ groups, tasks }) => html`
				${groups.length === 0 ? html`<${Empty} title="No failed task is here">Tasks that end as failed stand here, grouped by what went wrong.<//>` : ""}
				<ul>${groups.map((group) => html`<${Group} key=${group.key} group=${group} refresh=${source.refresh} />`)}</ul>
				${!project && !task_type && tasks < failed && html`<p class="pager">The newest ${count(tasks)} of ${count(failed)} are shown; choose a project to see all of its own.</p>`}`}<//>
		</div>`;
}
