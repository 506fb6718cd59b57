// Lines over time on a canvas, in the colours of the theme; the pointer reads the values of all charts at one moment.
import { html } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { clock, duration, rate } from "../format.js";
import { colours, dark } from "../theme.js";
import { Scale, tickText } from "./scale.js";

const pointed = signal(null); // seconds, on whichever chart the pointer is
const left = 52;
const bottom = 20;

// 0 and up to four round values below the highest; long times in round minutes.
function levels(high, isTime) {
	if (isTime && high > 60) return levels(high / 60).map((minutes) => minutes * 60);
	const raw = high / 3;
	const size = 10 ** Math.floor(Math.log10(raw));
	const step = [1, 2, 2.5, 5, 10].find((factor) => factor * size >= raw) * size;
	return Array.from({ length: Math.floor(high / step) + 1 }, (_, index) => index * step);
}

function drawLine(c, xs, ys, x, y, colour, { dash, fill }) {
	// Along nothing there is no line: one would lie on the axis and on those below it.
	const drawn = (at) => ys[at] != null && (ys[at] > 0 || ys[at - 1] > 0 || ys[at + 1] > 0);
	c.lineWidth = 1.6;
	c.lineJoin = c.lineCap = "round";
	c.strokeStyle = c.fillStyle = colour;
	for (let i = 0; i < xs.length; i++) {
		const first = i;
		while (i < xs.length && drawn(i)) i++;
		if (i === first) continue;
		c.beginPath();
		for (let at = first; at < i; at++) c.lineTo(x.x(xs[at]), y(ys[at]));
		if (i === first + 1) c.arc(x.x(xs[first]), y(ys[first]), 1, 0, 7);
		c.setLineDash(dash ?? []);
		c.stroke();
		c.setLineDash([]);
		if (!fill || i === first + 1) continue;
		c.lineTo(x.x(xs[i - 1]), y(0));
		c.lineTo(x.x(xs[first]), y(0));
		c.globalAlpha = 0.09;
		c.fill();
		c.globalAlpha = 1;
	}
}

function drawAxes(c, { width, height, x, y, high, palette, format }) {
	c.font = `11px ${getComputedStyle(document.body).fontFamily}`;
	c.textBaseline = "middle";
	c.lineWidth = 1;
	c.strokeStyle = palette.line;
	c.fillStyle = palette["ink-3"];
	for (const level of levels(high, format === duration)) {
		const at = Math.round(y(level)) + 0.5;
		c.beginPath();
		c.moveTo(left, at);
		c.lineTo(width - 12, at);
		c.stroke();
		c.textAlign = "right";
		c.fillText(level === 0 ? "0" : format(level).replace(/ 00[sm]$/, ""), left - 9, at);
	}
	c.textAlign = "center";
	const { step, ticks } = x.ticks(88);
	for (const tick of ticks) if (x.x(tick) < width - 24) c.fillText(tickText(tick, step), x.x(tick), height - 7);
}

function draw(canvas, { data, series, height, format }) {
	const ratio = devicePixelRatio || 1;
	const width = canvas?.parentElement.clientWidth ?? 0; // none: it has just gone
	if (width === 0 || data[0].length === 0) return;
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	const c = canvas.getContext("2d");
	c.scale(ratio, ratio);
	const palette = colours(["line", "ink-3", "ink-2", ...series.map(({ colour }) => colour)]);
	const xs = data[0].map((seconds) => seconds * 1000);
	let high = 0;
	for (const values of data.slice(1)) for (const value of values) high = Math.max(high, value ?? 0);
	high = high > 0 ? high * 1.12 : 1;
	const x = new Scale(xs[0], xs.at(-1), left, width - 12);
	const y = (value) => height - bottom - (value / high) * (height - bottom - 10);
	drawAxes(c, { width, height, x, y, high, palette, format });
	series.forEach((one, at) => drawLine(c, xs, data[at + 1], x, y, palette[one.colour], one));
	canvas.scale = x;
	if (pointed.value == null) return;
	const at = Math.round(x.x(pointed.value * 1000)) + 0.5;
	c.strokeStyle = palette["ink-2"];
	c.beginPath();
	c.moveTo(at, 6);
	c.lineTo(at, height - bottom);
	c.stroke();
}

// data: [[seconds …], [values …] …]; series: [{ name, colour, dash?, fill? }]
export function Chart({ label, data, series, height = 150, format = rate }) {
	const canvas = useRef();
	const index = pointed.value == null ? -1 : data[0].indexOf(pointed.value);
	useEffect(() => {
		const paint = () => draw(canvas.current, { data, series, height, format });
		paint();
		const sizes = new ResizeObserver(paint);
		sizes.observe(canvas.current.parentElement);
		return () => sizes.disconnect();
	}, [data, dark.value, pointed.value]);
	const point = (event) => {
		const seconds = canvas.current.scale?.at(event.offsetX) / 1000;
		pointed.value = data[0].reduce(
			(best, at) => (Math.abs(at - seconds) < Math.abs(best - seconds) ? at : best),
			data[0][0],
		);
	};
	const value = (at) => (index < 0 ? "" : data[at + 1][index] == null ? "–" : format(data[at + 1][index]));
	return html`<figure class="chart">
		<div style=${{ height: `${height}px` }}>
			<canvas ref=${canvas} role="img" aria-label=${label} onPointerMove=${point} onPointerLeave=${() => (pointed.value = null)} />
		</div>
		<figcaption class="legend">
			${series.map(({ name, colour, dash }, at) => html`<span><i class="k-line ${dash ? "k-dash" : ""} is-${colour}" />${name} <b>${value(at)}</b></span>`)}
			${index >= 0 && html`<span class="quiet">at ${clock(data[0][index] * 1000)}</span>`}
		</figcaption>
	</figure>`;
}
