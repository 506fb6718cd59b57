// Draws the rows of a Gantt that can be seen on a canvas. Waiting is light, running is solid, a try that failed ends in
// a mark; the critical path is outlined and joined, the rest steps back.
import { ended, glyphDash, glyphIsFilled, glyphPath } from "../status.js";
import { fitted } from "../ui/fit.js";
import { tickText } from "../ui/scale.js";

const glyphs = new Map();
function glyph(status) {
	if (!glyphs.has(status)) glyphs.set(status, new Path2D(glyphPath(status)));
	return glyphs.get(status);
}

function drawGlyph(c, status, x, y, size, colour) {
	c.save();
	c.translate(x - size / 2, y - size / 2);
	c.scale(size / 12, size / 12);
	c.lineWidth = 1.8;
	c.lineCap = "round";
	c.fillStyle = c.strokeStyle = colour;
	c.setLineDash(glyphDash(status));
	if (glyphIsFilled(status)) c.fill(glyph(status));
	else c.stroke(glyph(status));
	c.restore();
}

function bar(c, x0, x1, y, height, colour, alpha) {
	const width = Math.max(1.5, x1 - x0);
	c.globalAlpha = alpha;
	c.fillStyle = colour;
	c.beginPath();
	if (width > 4) c.roundRect(x0, y - height / 2, width, height, Math.min(2.5, height / 2));
	else c.rect(x0, y - height / 2, width, height);
	c.fill();
	c.globalAlpha = 1;
}

const tryColour = (one) =>
	one.end == null
		? "running"
		: one.outcome === "completed"
			? "completed"
			: one.outcome === "released"
				? "blocked"
				: one.outcome === "cancelled"
					? "cancelled"
					: "failed";

function drawWaits(c, view, task, y, alpha) {
	const { scale, now, colours, rowHeight } = view;
	const over = ended.has(task.status);
	const end = over ? (task.finished ?? now) : now;
	const first = task.tries[0]?.start ?? end;
	const ready = view.plan.firstReady(task);
	const blockedTo = Math.min(ready ?? first, first);
	if (task.created != null && blockedTo > task.created)
		bar(c, scale.x(task.created), scale.x(blockedTo), y, 1.5, colours.blocked, 0.4 * alpha);
	const height = Math.max(4, rowHeight * 0.3);
	if (ready != null && first > ready)
		bar(c, scale.x(ready), scale.x(first), y, height, colours.pending, 0.32 * alpha);
	for (let i = 0; i < task.tries.length; i++) {
		const from = task.tries[i].end;
		const to = task.tries[i + 1]?.start ?? (task.status === "retry" || task.status === "pending" ? now : null);
		if (from != null && to > from) bar(c, scale.x(from), scale.x(to), y, height, colours.retry, 0.34 * alpha);
	}
}

function drawTries(c, view, task, y, alpha, lit) {
	const { scale, now, colours, rowHeight } = view;
	const height = Math.max(6, rowHeight * 0.56);
	for (const [at, one] of task.tries.entries()) {
		const x0 = scale.x(one.start);
		const x1 = scale.x(one.end ?? now);
		bar(c, x0, x1, y, height, colours[tryColour(one)], alpha);
		if (lit && x1 - x0 > 3) {
			c.strokeStyle = colours.ink;
			c.lineWidth = 1.5;
			c.strokeRect(x0 + 0.25, y - height / 2 - 0.75, x1 - x0 - 0.5, height + 1.5);
		}
		const broken = one.end != null && !["completed", "released", "cancelled"].includes(one.outcome);
		const next = task.tries[at + 1];
		if (broken && !(next && scale.x(next.start) < x1 + 12)) drawGlyph(c, "failed", x1 + 6, y, 7, colours.failed);
	}
}

// Where it is expected to run, as an outline.
function drawExpected(c, view, task, y) {
	if (!task.expected || ended.has(task.status)) return;
	const { scale, colours, now, rowHeight } = view;
	const x0 = scale.x(Math.max(now, task.expected[0]));
	const x1 = scale.x(task.expected[1]);
	if (x1 <= x0) return;
	const height = Math.max(6, rowHeight * 0.56) - 1;
	c.strokeStyle = colours["ink-3"];
	c.globalAlpha = 0.75;
	c.setLineDash([2, 2]);
	c.lineWidth = 1;
	c.strokeRect(x0 + 0.5, Math.round(y - height / 2) + 0.5, Math.max(1.5, x1 - x0 - 1), height);
	c.setLineDash([]);
	c.globalAlpha = 1;
}

function drawEnd(c, view, task, y) {
	const marked =
		["cancelled", "skipped"].includes(task.status) || (task.status === "failed" && task.tries.length === 0);
	if (marked && task.finished != null)
		drawGlyph(c, task.status, view.scale.x(task.finished) + 6, y, 9, view.colours[task.status]);
}

// Joins each task of the critical path to the next one.
function drawPath(c, view) {
	const { scale, colours, path, place, plan, rowTop, rowHeight } = view;
	c.strokeStyle = colours.ink;
	c.lineWidth = 1.25;
	c.globalAlpha = 0.7;
	c.beginPath();
	for (let i = 1; i < path.length; i++) {
		const [a, b] = [plan.byId.get(path[i - 1]), plan.byId.get(path[i])];
		const [from, to] = [place.get(path[i - 1]), place.get(path[i])];
		const start = b.tries[0]?.start ?? b.ready;
		if (from === undefined || to === undefined || start == null || a.finished == null) continue;
		const [x0, x1] = [scale.x(a.finished), scale.x(start)];
		const [y0, y1] = [rowTop(from) + rowHeight / 2, rowTop(to) + rowHeight / 2];
		if (Math.max(y0, y1) < 0 || Math.min(y0, y1) > view.height) continue;
		const bend = Math.max(x0, x1 - 4);
		c.moveTo(x0, y0);
		c.lineTo(bend, y0);
		c.lineTo(bend, y1);
		c.lineTo(x1, y1);
	}
	c.stroke();
	c.globalAlpha = 1;
}

function drawLabel(c, view, task, y, alpha) {
	const { colours, labelWidth, rowHeight, font } = view;
	if (labelWidth === 0) return;
	drawGlyph(c, task.status, 14, y, Math.min(11, rowHeight - 5), colours[task.status]);
	c.globalAlpha = alpha < 1 ? 0.75 : 1;
	c.fillStyle = task.id === view.selected ? colours.accent : colours.ink;
	c.font = font;
	c.fillText(fitted(task.id, view.plan.start, labelWidth - 34, font), 26, y + 0.5);
	c.globalAlpha = 1;
}

function drawGrid(c, view) {
	const { scale, colours, width, height } = view;
	const { step, ticks } = scale.ticks(96);
	c.strokeStyle = colours.line;
	c.lineWidth = 1;
	c.beginPath();
	for (const at of ticks) {
		const x = Math.round(scale.x(at)) + 0.5;
		c.moveTo(x, view.axisHeight - 5);
		c.lineTo(x, height);
	}
	c.moveTo(0, view.axisHeight + 0.5);
	c.lineTo(width, view.axisHeight + 0.5);
	c.stroke();
	c.fillStyle = colours["ink-3"];
	c.font = view.smallFont;
	for (const at of ticks) {
		const text = tickText(at, step);
		const x = scale.x(at) + 5;
		if (x + c.measureText(text).width < width - 4) c.fillText(text, x, view.axisHeight / 2);
	}
}

function drawNow(c, view) {
	const { scale, now, colours, height, width } = view;
	const x = Math.round(scale.x(now)) + 0.5;
	if (!view.hasLive || x < scale.left || x > width) return;
	c.strokeStyle = c.fillStyle = colours.running;
	c.lineWidth = 1;
	c.beginPath();
	c.moveTo(x, view.axisHeight - 8);
	c.lineTo(x, height);
	c.stroke();
	c.beginPath();
	c.moveTo(x - 4, view.axisHeight - 9);
	c.lineTo(x + 4, view.axisHeight - 9);
	c.lineTo(x, view.axisHeight - 3);
	c.fill();
}

export function drawGantt(c, view) {
	const { width, height, colours, rows, first, last, rowHeight, rowTop, scale } = view;
	c.clearRect(0, 0, width, height);
	c.textBaseline = "middle";
	drawGrid(c, view);
	c.save();
	c.beginPath();
	c.rect(0, view.axisHeight + 1, width, height);
	c.clip();
	for (let i = first; i < last; i++) {
		if (rows[i].id !== view.selected && rows[i].id !== view.hovered) continue;
		c.fillStyle = rows[i].id === view.selected ? colours["accent-soft"] : colours.hover;
		c.fillRect(0, rowTop(i), width, rowHeight);
	}
	c.save();
	c.beginPath();
	c.rect(scale.left - 1, view.axisHeight, width, height);
	c.clip();
	for (let i = first; i < last; i++) {
		const lit = view.lit.has(rows[i].id);
		const alpha = view.lit.size > 0 && !lit ? 0.62 : 1;
		const y = rowTop(i) + rowHeight / 2;
		drawWaits(c, view, rows[i], y, alpha);
		drawTries(c, view, rows[i], y, alpha, lit);
		drawEnd(c, view, rows[i], y);
		drawExpected(c, view, rows[i], y);
	}
	if (view.lit.size > 0) drawPath(c, view);
	c.restore();
	for (let i = first; i < last; i++) drawLabel(c, view, rows[i], rowTop(i) + rowHeight / 2, 1);
	c.restore();
	drawNow(c, view);
}

// The strip above: how many ran at each moment, all of the time; what the Gantt shows of it is lit.
export function drawStrip(c, { width, height, colours, buckets, most, left, right, window }) {
	c.clearRect(0, 0, width, height);
	const step = (right - left) / buckets.length;
	const floor = height - 1;
	c.fillStyle = colours.running;
	c.globalAlpha = 0.55;
	c.beginPath(); // one shape: bars side by side would show their seams
	c.moveTo(left, floor);
	for (let i = 0; i < buckets.length; i++) {
		const top = floor - (most > 0 ? (buckets[i] / most) * (height - 8) : 0);
		c.lineTo(left + i * step, top);
		c.lineTo(left + (i + 1) * step, top);
	}
	c.lineTo(right, floor);
	c.fill();
	c.globalAlpha = 0.8;
	c.fillStyle = colours.ground;
	const [x0, x1] = window;
	if (x0 > left) c.fillRect(left, 0, x0 - left, height);
	if (x1 < right) c.fillRect(x1, 0, right - x1, height);
	c.globalAlpha = 1;
	c.strokeStyle = colours["line-strong"];
	c.strokeRect(Math.round(x0) + 0.5, 0.5, Math.max(2, Math.round(x1 - x0) - 1), height - 1);
}
