// The graph on a page: boxes coloured by status, folded where they are many; follows what runs.
import { html } from "htm/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count } from "../format.js";
import { ended, glyphDash, glyphIsFilled, glyphPath } from "../status.js";
import { fitted, labelFont } from "../ui/fit.js";
import { Icon } from "../ui/icons.js";
import { Empty, Segments, Sheet } from "../ui/parts.js";
import { Camera, least } from "./camera.js";
import { fold } from "./fold.js";
import { linePath, place } from "./place.js";

function Mark({ status, x, y }) {
	const solid = glyphIsFilled(status);
	return html`<path
		class="is-${status}"
		transform="translate(${x} ${y})"
		d=${glyphPath(status)}
		fill=${solid ? "currentColor" : "none"}
		stroke=${solid ? "none" : "currentColor"}
		stroke-width="1.7"
		stroke-linecap="round"
		stroke-dasharray=${glyphDash(status).join(" ") || undefined}
	/>`;
}

function drawTask(task, at, start) {
	const { width, height } = at;
	return html`<rect width=${width} height=${height} rx="5" class="box" />
		<rect width="3" height=${height - 10} x="0" y="5" rx="1.5" class="edge is-${task.status}" />
		<${Mark} status=${task.status} x="12" y=${height / 2 - 6} />
		<text x="31" y=${height / 2 + 4}>${fitted(task.id, start, width - 38, labelFont())}</text>`;
}

// The counts of a folded box as one bar, in the order of the statuses.
function drawGroup(box, at) {
	const { width, height } = at;
	const sums = {};
	for (const task of box.tasks) sums[task.status] = (sums[task.status] ?? 0) + 1;
	const room = width - 24;
	let x = 12;
	const parts = ["completed", "running", "retry", "pending", "failed", "cancelled", "skipped", "blocked"].filter(
		(status) => sums[status],
	);
	const bars = parts.map((status) => {
		const part = (sums[status] / box.tasks.length) * room;
		const drawn = html`<rect x=${x} y=${height - 15} width=${Math.max(1, part - 1)} height="6" rx="1" class="edge is-${status}" />`;
		x += part;
		return drawn;
	});
	const worst = ["failed", "running", "retry"].find((status) => sums[status]);
	const much = `${worst ? `${count(sums[worst])} ${worst} / ` : ""}${count(box.tasks.length)}`;
	const name = fitted(box.type || `level ${box.level}`, "", width - 32 - much.length * 6.2, labelFont());
	return html`<rect x="4" y="-4" width=${width - 8} height=${height} rx="6" class="box under" />
		<rect width=${width} height=${height} rx="6" class="box" />
		<text x="12" y="19">${box.rest ? "… " : ""}${name}</text>
		<text x=${width - 12} y="19" text-anchor="end" class="much">${much}</text>
		${bars}`;
}

const named = (box) =>
	box.task ? `${box.task.id}, ${box.task.status}` : `${box.type || "tasks"}, ${box.tasks.length} folded`;

function Boxes({ folded, placed, start, lit, selected, act }) {
	return folded.boxes.map((box) => {
		const at = placed.places.get(box.key);
		const on = box.tasks.some((task) => lit.has(task.id));
		const chosen = selected && box.tasks.some((task) => task.id === selected);
		const runs = box.tasks.some((task) => task.status === "running");
		return html`<g
			key=${box.key}
			class="node ${on ? "lit" : ""} ${chosen ? "chosen" : ""} ${runs ? "runs" : ""}"
			transform="translate(${at.x - at.width / 2} ${at.y - at.height / 2})"
			role="button"
			tabindex="0"
			onClick=${() => act(box)}
			onDblClick=${() => act(box, true)}
			onKeyDown=${(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), act(box, event.key === "Enter"))}
		>
			<title>${named(box)}</title>
			${box.task ? drawTask(box.task, at, start) : drawGroup(box, at)}
		</g>`;
	});
}

function Lines({ folded, placed, path }) {
	const steps = new Set(
		path.slice(1).map((id, at) => `${folded.boxOf.get(path[at])?.key}\n${folded.boxOf.get(id)?.key}`),
	);
	const lines = folded.edges.map(({ key, from, to, count: times }) => {
		const [a, b] = [placed.places.get(from.key), placed.places.get(to.key)];
		const flows = to.tasks.some((task) => task.status === "running");
		const kind = steps.delete(key) ? "lit" : flows ? "flows" : "";
		const width = Math.min(3, 1 + Math.log10(times) * 0.6);
		return html`<path key=${key} class="line ${kind}" d=${linePath(a, b, placed.lines.get(key))} stroke-width=${width} />`;
	});
	// Steps of the path over edges that were left out, for others imply them.
	for (const key of steps) {
		const [a, b] = key.split("\n").map((box) => placed.places.get(box));
		if (a && b && a !== b) lines.push(html`<path key=${key} class="line lit" d=${linePath(a, b)} />`);
	}
	return lines;
}

function middleOf(folded, placed, wanted) {
	const boxes = folded.boxes.filter((box) => box.tasks.some(wanted));
	if (boxes.length === 0) return null;
	const at = boxes.map((box) => placed.places.get(box.key)).sort((a, b) => a.x - b.x || a.y - b.y);
	return at[Math.floor(at.length / 2)];
}

const firstOf = (folded, placed, wanted) => {
	const box = folded.boxes.find((one) => one.tasks.some(wanted));
	return box && placed.places.get(box.key);
};

const leftmost = ({ places }) => [...places.values()].reduce((best, at) => (at.x < best.x ? at : best));

// As tall as it is when it fills the width; more than a screen and a half is too far to scroll past.
function heightOf(placed, width) {
	const k = Math.min(1, Math.max(least(), (width - 32) / placed.width));
	return Math.max(160, Math.min(placed.height * k + 40, innerHeight * 1.4));
}

export function GraphView({ plan, revision, rows, path, selected, follow, select, open }) {
	const [mode, setMode] = useState("auto");
	const [toggled, setToggled] = useState(() => new Set());
	const parts = { svg: useRef(), group: useRef() };
	const camera = useRef();
	const folded = useMemo(() => fold(rows, mode, toggled), [rows, plan, mode, toggled]);
	const placed = useMemo(() => place(folded.boxes, folded.edges), [folded]);
	useEffect(() => performance.mark("corder:graph"), []);
	useEffect(() => {
		camera.current = new Camera(parts.svg.current, parts.group.current);
		return () => camera.current.close();
	}, []);
	useEffect(() => {
		const open = (task) => !ended.has(task.status);
		camera.current.fit(
			placed,
			middleOf(folded, placed, (task) => task.status === "running") ??
				firstOf(folded, placed, open) ??
				leftmost(placed),
		);
	}, [placed]);
	const running =
		follow &&
		folded.boxes
			.filter((box) => box.tasks.some((task) => task.status === "running"))
			.map((box) => box.key)
			.join();
	useEffect(() => {
		const target = running && middleOf(folded, placed, (task) => task.status === "running");
		if (target) camera.current.glide(target.x, target.y);
	}, [running, placed]);
	useEffect(() => {
		const box = selected && folded.boxOf.get(selected);
		const at = box && placed.places.get(box.key);
		if (at) camera.current.glide(at.x, at.y);
	}, [selected]);

	const act = (box, opens) => {
		if (camera.current.dragged) return;
		if (!box.task)
			setToggled(
				new Set(toggled.has(box.key) ? [...toggled].filter((key) => key !== box.key) : [...toggled, box.key]),
			);
		else if (opens) open(box.task.id);
		else select(box.task.id);
	};
	const tools = html`<${Segments}
			label="How the graph is folded"
			options=${[
				["auto", "Auto"],
				["all", "Folded"],
				["none", "Tasks"],
			]}
			value=${mode}
			choose=${(next) => {
				setToggled(new Set());
				setMode(next);
			}}
		/>
		<button class="tool" title="Larger" aria-label="Larger" onClick=${() => camera.current.zoom(1.35)}><${Icon} name="plus" /></button>
		<button class="tool" title="Smaller" aria-label="Smaller" onClick=${() => camera.current.zoom(0.74)}><${Icon} name="minus" /></button>
		<button class="tool" title="Fit" aria-label="Fit the graph" onClick=${() => camera.current.fit(placed, null, true)}><${Icon} name="fit" /></button>`;
	const height = heightOf(placed, parts.svg.current?.clientWidth ?? document.body.clientWidth - 50);
	const note =
		folded.boxes.length < rows.length
			? `${count(rows.length)} tasks in ${count(folded.boxes.length)} boxes; a click unfolds`
			: "";
	return html`<${Sheet} title="Graph" tools=${tools} note=${note} id="graph">
		${rows.length === 0 && html`<${Empty} title="No task fits">Change the filter above.<//>`}
		<svg class="graph" ref=${parts.svg} style=${{ height: `${height}px` }} role="group" aria-label="Graph of ${rows.length} tasks">
			<g ref=${parts.group}>
				<${Lines} revision=${revision} folded=${folded} placed=${placed} path=${path} />
				<${Boxes} revision=${revision} folded=${folded} placed=${placed} start=${plan.start} lit=${new Set(path)} selected=${selected} act=${act} />
			</g>
		</svg>
	<//>`;
}
