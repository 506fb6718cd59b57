// Events that the database would not take, with the reason and what they are.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { read } from "../api.js";
import { ms } from "../format.js";
import { link } from "../router.js";
import { overview, useChange, useLive } from "../state/live.js";
import { useSource } from "../state/source.js";
import { Age, Empty, Loaded } from "../ui/parts.js";

const Row = ({ event }) =>
	html`<li class="failure">
		<div class="failure-head">
			<div class="spread">
				<p class="error-line wrap-any">${event.reason}</p>
				<p class="quiet">event ${event.seq} of partition ${event.partition}, ${event.task_id ? html`<a href=${link("task", event.project, event.task_id)}>${event.project}/${event.task_id}</a>, ` : ""}set aside <${Age} at=${ms(event.at)} /></p>
			</div>
		</div>
		<details class="raw"><summary>what it is</summary><pre class="payload" tabindex="0">${event.raw}</pre></details>
	</li>`;

export function Poison() {
	useLive();
	const [after, setAfter] = useState(null);
	const source = useSource((signal) => read("poison", { limit: 50, after }, signal), [after]);
	const check = overview.value?.health.checks.find(({ name }) => name === "poison");
	useChange(check?.value, source.refresh);
	return html`<div class="page-head"><h1 tabindex="-1">Poison</h1><span class="quiet">events that the database would not take; they stand in nobody's way, but their tasks' rows may be behind. Mend the cause, then <code>corder poison --replay --all</code></span></div>
		<div class="sheet">
			<${Loaded} source=${source}>${({ events, next }) =>
				events.length === 0
					? html`<${Empty} title="None, as it should be">An event that cannot be written down would stand here, with the reason.<//>`
					: html`<ul>${events.map((event) => html`<${Row} key=${`${event.partition}.${event.seq}`} event=${event} />`)}</ul>
							${
								(next || after) &&
								html`<div class="pager"><button class="button small" disabled=${!after} onClick=${() => setAfter(null)}>First page</button>
								<button class="button small" disabled=${!next} onClick=${() => setAfter(next)}>More</button></div>`
							}`}<//>
		</div>`;
}
