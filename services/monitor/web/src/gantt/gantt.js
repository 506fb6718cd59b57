// The Gantt as a thing on the page: a canvas that shows the rows in sight of a list of any length, with zoom, hover,
// selection and keys. Knows the DOM, not preact; view.js puts it on a page.
import { colours } from "../theme.js";
import { serverNow } from "../ui/clock.js";
import { ended } from "../status.js";
import { drawGantt, drawStrip } from "./draw.js";
import { labelFont } from "../ui/fit.js";
import { Scale } from "../ui/scale.js";

const palette = ["ink", "ink-2", "ink-3", "line", "line-strong", "ground", "sheet", "accent", "accent-soft", "hover"];
const statusNames = ["blocked", "pending", "running", "retry", "completed", "failed", "cancelled", "skipped"];
const axisHeight = 28;
const pad = 18;

export class Gantt {
	constructor({ scroll, space, canvas, strip }, on) {
		Object.assign(this, { scroll, space, canvas, strip, on });
		this.rows = [];
		this.window = null; // { from, to } when zoomed, else all of it
		this.lit = new Set();
		this.path = [];
		this.place = new Map();
		this.refreshColours();
		this.sizes = new ResizeObserver(() => this.resize());
		this.sizes.observe(scroll);
		this.listen();
		this.resize();
		this.timer = setInterval(() => this.hasLive && !document.hidden && this.draw(), 250);
	}

	close() {
		clearInterval(this.timer);
		this.sizes.disconnect();
		this.gone.abort();
	}

	refreshColours() {
		this.colours = colours([...palette, ...statusNames]);
		this.font = labelFont();
		this.smallFont = `11px ${getComputedStyle(document.body).fontFamily}`;
		this.draw();
	}

	set({ plan, rows, path, selected, hovered }) {
		const critical = path ?? [];
		if (plan !== this.plan || rows !== this.rows) {
			this.place = new Map(rows.map((task, index) => [task.id, index]));
			this.buckets = null;
		}
		Object.assign(this, { plan, rows, path: critical, lit: new Set(critical), selected, hovered });
		this.rowHeight = rows.length > 150 ? 18 : 22;
		this.hasLive = rows.some((task) => !ended.has(task.status));
		if (plan.revision !== this.drawnRevision) this.buckets = null;
		this.drawnRevision = plan.revision;
		this.space.style.height = `${axisHeight + rows.length * this.rowHeight + 6}px`;
		this.fitHeight();
		this.draw();
	}

	fitHeight() {
		const wanted = axisHeight + this.rows.length * this.rowHeight + 8;
		const most = Math.max(260, Math.round(innerHeight * 0.5));
		this.scroll.style.height = `${Math.max(120, Math.min(wanted, most))}px`;
	}

	resize() {
		const ratio = devicePixelRatio || 1;
		const { clientWidth: width, clientHeight: height } = this.scroll;
		if (width === 0) return;
		Object.assign(this, { width, height, ratio });
		this.labelWidth = width < 520 ? 128 : Math.min(250, Math.round(width * 0.2));
		for (const [canvas, tall] of [
			[this.canvas, height],
			[this.strip, 40],
		]) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(tall * ratio);
			canvas.style.width = `${width}px`;
			canvas.style.height = `${tall}px`;
		}
		this.draw();
	}

	draw() {
		if (this.frame || !this.plan) return;
		this.frame = requestAnimationFrame(() => {
			this.frame = 0;
			this.paint();
		});
	}

	get full() {
		const { from, to } = this.plan.span(serverNow());
		const expected = this.hasLive ? Math.min(this.plan.finish ?? to, to + (to - from)) : to;
		return { from, to: Math.max(to, expected) + (to - from) * 0.02 };
	}

	scaleOf({ from, to }) {
		return new Scale(from, to, this.labelWidth + 4, this.width - pad);
	}

	paint() {
		if (!this.width || !this.plan) return;
		const now = serverNow();
		const scale = this.scaleOf(this.window ?? this.full);
		const { rowHeight, scroll, rows } = this;
		const top = scroll.scrollTop;
		const first = Math.max(0, Math.floor((top - axisHeight) / rowHeight));
		const last = Math.min(rows.length, Math.ceil((top + this.height - axisHeight) / rowHeight) + 1);
		const rowTop = (index) => axisHeight + index * rowHeight - top + 3;
		const c = this.canvas.getContext("2d");
		c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
		drawGantt(c, { ...this, scale, now, first, last, rowTop, axisHeight });
		this.paintStrip(scale);
		this.painted = performance.now();
	}

	paintStrip(shown) {
		const all = this.full;
		const now = serverNow();
		if (!this.buckets || (this.hasLive && now - this.countedAt > 1000)) {
			this.buckets = this.count(all, 240);
			this.countedAt = now;
		}
		const c = this.strip.getContext("2d");
		c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
		const scale = this.scaleOf(all);
		const window = [Math.max(scale.left, scale.x(shown.from)), Math.min(scale.right, scale.x(shown.to))];
		const most = this.buckets.reduce((best, value) => Math.max(best, value), 0);
		this.on.most?.(Math.round(most));
		drawStrip(c, {
			...this,
			height: 40,
			buckets: this.buckets,
			most,
			left: scale.left,
			right: scale.right,
			window,
		});
	}

	// Mean number of running tries in each of n equal parts of the time: by differences, linear in tries + n.
	count({ from, to }, n) {
		const change = new Float64Array(n + 2);
		const now = serverNow();
		const perPart = (to - from) / n;
		for (const task of this.rows)
			for (const one of task.tries) {
				const a = Math.max(0, Math.min(n, Math.floor((one.start - from) / perPart)));
				const b = Math.max(a + 1, Math.min(n, Math.ceil(((one.end ?? now) - from) / perPart)));
				const share = Math.min(1, ((one.end ?? now) - one.start) / ((b - a) * perPart));
				change[a] += share;
				change[b] -= share;
			}
		const sums = new Float64Array(n);
		for (let i = 0, sum = 0; i < n; i++) sums[i] = sum += change[i];
		return sums;
	}

	/* ------------------------------------------------------------------------------------------- hands */

	zoom(factor, x = this.labelWidth + (this.width - this.labelWidth) / 2) {
		const { from, to } = this.window ?? this.full;
		const at = this.scaleOf({ from, to }).at(x);
		const full = this.full;
		const length = Math.max(20, (to - from) * factor);
		if (length >= full.to - full.from) return this.fit();
		this.look(at - (at - from) * (length / (to - from)), length);
	}

	look(from, length) {
		const full = this.full;
		const start = Math.max(full.from, Math.min(from, full.to - length));
		this.window = { from: start, to: start + length };
		this.draw();
	}

	move(share) {
		const { from, to } = this.window ?? this.full;
		if (this.window) this.look(from + (to - from) * share, to - from);
	}

	fit() {
		this.window = null;
		this.draw();
	}

	// Brings a row into sight, in the middle when it was out of it.
	reveal(id) {
		const index = this.place.get(id);
		if (index === undefined) return;
		const top = axisHeight + index * this.rowHeight;
		const { scrollTop } = this.scroll;
		if (top < scrollTop + axisHeight || top > scrollTop + this.height - this.rowHeight)
			this.scroll.scrollTop = top - this.height / 2;
		this.draw();
	}

	follow() {
		const running = this.rows.filter((task) => task.status === "running");
		if (running.length > 0) this.reveal(running[Math.floor(running.length / 2)].id);
		if (this.window) this.look(Infinity, this.window.to - this.window.from);
	}

	rowAt(event) {
		const box = this.canvas.getBoundingClientRect();
		const y = event.clientY - box.top;
		if (y < axisHeight) return null;
		return this.rows[Math.floor((y - axisHeight - 3 + this.scroll.scrollTop) / this.rowHeight)] ?? null;
	}

	listen() {
		this.gone = new AbortController();
		const options = { signal: this.gone.signal };
		const on = (element, name, act, more) => element.addEventListener(name, act, { ...options, ...more });
		on(this.scroll, "scroll", () => this.draw(), { passive: true });
		on(this.canvas, "wheel", (event) => this.onWheel(event), { passive: false });
		on(this.canvas, "pointermove", (event) => this.onMove(event));
		on(this.canvas, "pointerleave", () => this.on.hover(null));
		on(this.canvas, "pointerdown", (event) => (this.grip = { x: event.clientX, moved: false }));
		on(window, "pointerup", () => (this.grip = null));
		on(this.canvas, "click", (event) => this.onClick(event));
		on(this.canvas, "dblclick", (event) => this.on.open(this.rowAt(event)));
		on(this.strip, "pointerdown", (event) => this.onStrip(event));
		on(this.strip, "pointermove", (event) => event.buttons && this.onStrip(event));
		on(this.scroll, "keydown", (event) => this.onKey(event));
	}

	onWheel(event) {
		const zooms = event.ctrlKey || event.metaKey || event.altKey;
		if (!zooms && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
		event.preventDefault();
		if (zooms) this.zoom(Math.exp(event.deltaY * 0.004), event.clientX - this.canvas.getBoundingClientRect().left);
		else this.move(event.deltaX / this.width);
	}

	onMove(event) {
		const grip = this.grip;
		if (grip && this.window && Math.abs(event.clientX - grip.x) > 3) {
			this.move((grip.x - event.clientX) / (this.width - this.labelWidth));
			Object.assign(grip, { x: event.clientX, moved: true });
			return;
		}
		this.on.hover(this.rowAt(event), event);
	}

	onClick(event) {
		if (this.swallow) return;
		this.on.select(this.rowAt(event));
	}

	onStrip(event) {
		if (!this.window) return;
		const x = event.clientX - this.strip.getBoundingClientRect().left;
		const { from, to } = this.window;
		this.look(this.scaleOf(this.full).at(x) - (to - from) / 2, to - from);
	}

	onKey(event) {
		const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity }[
			event.key
		];
		if (step !== undefined && this.rows.length > 0) {
			const at = this.place.get(this.selected) ?? (step > 0 ? -1 : this.rows.length);
			const next = this.rows[Math.max(0, Math.min(this.rows.length - 1, at + step))];
			this.on.select(next);
			this.reveal(next.id);
		} else if (event.key === "ArrowLeft") this.move(-0.15);
		else if (event.key === "ArrowRight") this.move(0.15);
		else if (event.key === "Enter") this.on.open(this.rows[this.place.get(this.selected)]);
		else return;
		event.preventDefault();
		event.stopPropagation();
	}
}
