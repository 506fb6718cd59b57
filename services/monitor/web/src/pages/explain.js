// Why a task is not running: the reasons, the chain of what waits for what, its place, its score, when it may start.
import { html } from "htm/preact";
import { duration, ms, stamp } from "../format.js";
import { link } from "../router.js";
import { now } from "../ui/clock.js";
import { Glyph, Loaded, Sheet } from "../ui/parts.js";

const titles = { running: "What it does", pending: "Why it waits", blocked: "Why it waits", retry: "Why it waits" };

function Estimate({ estimate }) {
	if (!estimate) return null;
	if (!estimate.known) return html`<p class="estimate quiet">No estimate: ${estimate.basis}.</p>`;
	const starts = ms(estimate.starts_at);
	const finishes = ms(estimate.finishes_at);
	const inText = (at) => (at > now.value ? `in about ${duration((at - now.value) / 1000)}` : "about now");
	return html`<p class="estimate">
		${starts && html`Starts <strong title=${stamp(starts)}>${inText(starts)}</strong>`}${starts && finishes && ", "}
		${finishes && html`done <strong title=${stamp(finishes)}>${inText(finishes)}</strong>`}
		<span class="quiet">${estimate.basis}</span>
	</p>`;
}

const words = {
	priority: "priority",
	waiting_hours: "hours ready",
	dependencies: "few dependencies",
	order: "order of the batch",
	retries: "few retries",
};

const told = 8;

const Score = ({ score, terms, position }) =>
	html`<div class="score">
		<div class="whole"><b>${score.toFixed(1)}</b><span class="quiet">score</span></div>
		${Object.entries(terms ?? {}).map(([name, value]) => html`<div><b>${Number(value).toFixed(value % 1 ? 1 : 0)}</b><span class="quiet">${words[name] ?? name.replaceAll("_", " ")}</span></div>`)}
		${position > 0 && html`<div class="place"><b>${position === 1 ? "next" : `no. ${position}`}</b><span class="quiet">in its queue</span></div>`}
	</div>`;

const Chain = ({ chain, project }) =>
	html`<ol class="chain">
		${chain.slice(0, 30).map(
			(step) =>
				html`<li style=${{ paddingLeft: `${14 + Math.min(8, step.depth - 1) * 16}px` }}>
						<${Glyph} status=${step.status} />
						<span class="wrap-any"><a class="task-link" href=${link("task", project, step.task_id)}>${step.task_id}</a>${" "}
							<span class="quiet">${step.message.replace(`${step.task_id} `, "")}</span>
						</span>
					</li>`,
		)}
		${chain.length > 30 && html`<li class="quiet">and ${chain.length - 30} more</li>`}
	</ol>`;

export const Explain = ({ source, task }) =>
	html`<${Sheet} title=${titles[task.status] ?? "Why"}>
		<${Loaded} source=${source} rows=${2}>${(data) => html`
			<ul class="reasons">
				${data.reasons.slice(0, told).map((reason) => html`<li>${reason.message}</li>`)}
				${data.reasons.length > told && html`<li class="quiet">and ${data.reasons.length - told} more dependencies, as listed beside</li>`}
			</ul>
			${data.chain?.length > 0 && html`<${Chain} chain=${data.chain} project=${task.project} />`}
			<${Estimate} estimate=${data.estimate} />
			${data.score != null && html`<${Score} score=${data.score} terms=${data.terms} position=${data.position} />`}`}<//>
	<//>`;
