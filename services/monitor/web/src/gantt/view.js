// The Gantt on a page: its tools, its legend, what stands under the pointer.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../format.js";
import { dark } from "../theme.js";
import { now } from "../ui/clock.js";
import { useKeys } from "../keys.js";
import { Icon } from "../ui/icons.js";
import { Sheet, Status } from "../ui/parts.js";
import { Gantt } from "./gantt.js";

export function describe(plan, task, at) {
	const first = task.tries[0]?.start;
	const ready = plan.firstReady(task);
	const over = task.finished ?? at;
	const last = task.tries.at(-1);
	return [
		["type", task.type],
		first != null && ready != null && ["waited", duration((first - ready) / 1000)],
		first == null && ["waits since", duration((over - (task.ready ?? task.created)) / 1000)],
		last && ["last try ran", duration(((last.end ?? at) - last.start) / 1000)],
		task.tries.length > 1 && ["tries", task.tries.length],
		last && ["worker", last.worker],
		last?.error && ["error", last.error.message],
		task.because && ["because of", task.because],
	].filter(Boolean);
}

function Tip({ plan, hover }) {
	const { task, x, y } = hover;
	const side = x > innerWidth - 330 ? { right: `${innerWidth - x + 14}px` } : { left: `${x + 14}px` };
	const edge = y > innerHeight - 210 ? { bottom: `${innerHeight - y + 10}px` } : { top: `${y + 14}px` };
	return html`<div class="tip" style=${{ ...side, ...edge }}>
		<div class="tip-head"><${Status} status=${task.status} /> <strong class="wrap-any">${task.id}</strong></div>
		<dl>
			${describe(plan, task, now.value).map(([name, value]) => html`<div><dt>${name}</dt><dd class="wrap-any">${value}</dd></div>`)}
		</dl>
	</div>`;
}

const Legend = () =>
	html`<div class="legend" aria-hidden="true">
		<span><i class="k-wait" />waits</span><span><i class="k-run" />runs</span><span><i class="k-done" />done</span>
		<span><i class="k-fail" />failed try</span><span><i class="k-back" />backoff</span><span><i class="k-path" />critical path</span><span><i class="k-plan" />expected</span>
	</div>`;

function useGantt(parts, hover, { select, open }) {
	const gantt = useRef();
	const latest = useRef({});
	latest.current = { select, open, hover };
	useEffect(() => {
		const { scroll, space, canvas, strip } = parts;
		gantt.current = new Gantt(
			{ scroll: scroll.current, space: space.current, canvas: canvas.current, strip: strip.current },
			{
				hover: (task, event) => latest.current.hover(task && { task, x: event.clientX, y: event.clientY }),
				select: (task) => latest.current.select(task?.id ?? null),
				open: (task) => task && latest.current.open(task.id),
			},
		);
		return () => gantt.current.close();
	}, []);
	useEffect(() => gantt.current.refreshColours(), [dark.value]);
	return gantt;
}

export function GanttView({ plan, revision, rows, path, selected, follow, select, open, tools }) {
	const parts = { scroll: useRef(), space: useRef(), canvas: useRef(), strip: useRef() };
	const [hover, setHover] = useState(null);
	const gantt = useGantt(parts, setHover, { select, open });
	useEffect(() => {
		gantt.current.set({ plan, rows, path, selected, hovered: hover?.task.id });
		if (follow) gantt.current.follow();
	}, [plan, revision, rows, path, selected, hover?.task.id, follow]);
	useEffect(() => selected && gantt.current.reveal(selected), [selected]);
	const keys = [
		{ keys: ["+", "="], what: "zoom the timeline in", act: () => gantt.current.zoom(0.6) },
		{ keys: ["-"], what: "zoom the timeline out", act: () => gantt.current.zoom(1.7) },
		{ keys: ["0"], what: "show all of the time", act: () => gantt.current.fit() },
	];
	useKeys(keys);
	const chosen = selected && plan.byId.get(selected);
	const buttons = html`${tools}
		<button class="tool" title="Zoom in (+)" aria-label="Zoom in" onClick=${keys[0].act}><${Icon} name="plus" /></button>
		<button class="tool" title="Zoom out (-)" aria-label="Zoom out" onClick=${keys[1].act}><${Icon} name="minus" /></button>
		<button class="tool" title="All of the time (0)" aria-label="Show all of the time" onClick=${keys[2].act}><${Icon} name="fit" /></button>`;
	return html`<${Sheet} title="Timeline" tools=${buttons} note=${html`<${Legend} />`} id="timeline">
		<canvas class="gantt-strip" ref=${parts.strip} aria-hidden="true" />
		<div
			class="gantt"
			ref=${parts.scroll}
			tabindex="0"
			role="application"
			aria-label="Timeline of ${rows.length} tasks. Up and down choose a task, Enter opens it."
		>
			<div ref=${parts.space}><canvas ref=${parts.canvas} /></div>
		</div>
		<div class="unseen" aria-live="polite">
			${
				chosen &&
				`${chosen.id}: ${chosen.status}. ${describe(plan, chosen, now.peek())
					.map((pair) => pair.join(" "))
					.join(", ")}`
			}
		</div>
		${hover && html`<${Tip} plan=${plan} hover=${hover} />`}
	<//>`;
}
