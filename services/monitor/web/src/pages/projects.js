// All projects, the most active first.
import { html } from "htm/preact";
import { read } from "../api.js";
import { count, ms } from "../format.js";
import { link } from "../router.js";
import { overview, useChange, useLive } from "../state/live.js";
import { useSource } from "../state/source.js";
import { statuses } from "../status.js";
import { Age, Count, Empty, Loaded } from "../ui/parts.js";

const order = ["completed", "running", "retry", "pending", "failed", "cancelled", "skipped", "blocked"];

// Counts by status as one bar.
export function StackBar({ counts }) {
	const parts = order.filter((status) => counts[status] > 0);
	const text = parts.map((status) => `${counts[status]} ${status}`).join(", ");
	return html`<div class="stack" role="img" aria-label=${text} title=${text}>
		${parts.map((status) => html`<i class="is-${status}" style=${{ flexGrow: counts[status] }} />`)}
	</div>`;
}

const sum = (counts) => statuses.reduce((all, status) => all + (counts[status] ?? 0), 0);

const Row = ({ entry: { project, counts, last_at } }) =>
	html`<tr>
		<td class="id"><a class="task-link" data-row href=${link("project", project)}>${project}</a></td>
		<td class="bar-cell"><${StackBar} counts=${counts} /></td>
		<td class="numeric">${count(sum(counts))}</td>
		<td class="numeric"><${Count} value=${counts.running} /></td>
		<td class="numeric narrow-off"><${Count} value=${counts.pending + counts.retry} /></td>
		<td class="numeric narrow-off"><${Count} value=${counts.blocked} /></td>
		<td class="numeric narrow-off"><${Count} value=${counts.completed} /></td>
		<td class="numeric"><${Count} value=${counts.failed} /></td>
		<td class="numeric mid-off"><${Count} value=${counts.cancelled + counts.skipped} /></td>
		<td class="numeric tight narrow-off"><${Age} at=${ms(last_at)} /></td>
	</tr>`;

export function Projects() {
	useLive();
	const source = useSource((signal) => read("projects", {}, signal), []);
	useChange(overview.value && JSON.stringify(overview.value.counts), source.refresh);
	return html`<div class="page-head"><h1 tabindex="-1">Projects</h1></div>
		<div class="sheet">
			<${Loaded} source=${source} rows=${8}>${({ projects }) =>
				projects.length === 0
					? html`<${Empty} title="No project yet" command="corder submit --project first --type shell">A project begins with its first task.<//>`
					: html`<div class="scroll-x" tabindex="0" role="group" aria-label="Projects"><table>
							<thead>
								<tr>
									<th>project</th><th>how far</th><th class="numeric">tasks</th><th class="numeric">running</th><th class="numeric narrow-off">ready, retry</th>
									<th class="numeric narrow-off">blocked</th><th class="numeric narrow-off">completed</th><th class="numeric">failed</th>
									<th class="numeric mid-off">cancelled, skipped</th><th class="numeric narrow-off">active</th>
								</tr>
							</thead>
							<tbody>${projects.map((entry) => html`<${Row} key=${entry.project} entry=${entry} />`)}</tbody>
						</table></div>`}<//>
		</div>`;
}
