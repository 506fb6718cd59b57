// Pan and zoom of an SVG, by hand or gliding to a place. Sets the transform of one group and nothing else.
export const least = () => (innerWidth < 720 ? 0.8 : 0.6); // smaller can hardly be read
const gentle = matchMedia("(prefers-reduced-motion: reduce)");

export class Camera {
	constructor(svg, group) {
		Object.assign(this, { svg, group, x: 0, y: 0, k: 1 });
		this.gone = new AbortController();
		const on = (name, act, more) => svg.addEventListener(name, act, { signal: this.gone.signal, ...more });
		on("wheel", (event) => this.onWheel(event), { passive: false });
		on("pointerdown", (event) => (this.grip = { x: event.clientX, y: event.clientY, far: 0 }));
		on("pointermove", (event) => this.onMove(event));
		addEventListener("pointerup", () => setTimeout(() => (this.grip = null)), { signal: this.gone.signal });
	}

	close() {
		cancelAnimationFrame(this.frame);
		this.gone.abort();
	}

	get dragged() {
		return (this.grip?.far ?? 0) > 4;
	}

	apply() {
		this.group.setAttribute(
			"transform",
			`translate(${this.x.toFixed(1)} ${this.y.toFixed(1)}) scale(${this.k.toFixed(4)})`,
		);
	}

	onWheel(event) {
		if (!(event.ctrlKey || event.metaKey || event.altKey)) return;
		event.preventDefault();
		const box = this.svg.getBoundingClientRect();
		this.zoom(Math.exp(-event.deltaY * 0.004), event.clientX - box.left, event.clientY - box.top);
	}

	onMove(event) {
		if (!this.grip || !event.buttons) return;
		const [dx, dy] = [event.clientX - this.grip.x, event.clientY - this.grip.y];
		this.grip = { x: event.clientX, y: event.clientY, far: this.grip.far + Math.abs(dx) + Math.abs(dy) };
		cancelAnimationFrame(this.frame);
		this.x += dx;
		this.y += dy;
		this.apply();
	}

	zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
		const k = Math.max(0.05, Math.min(2.5, this.k * factor));
		this.x = x - ((x - this.x) * k) / this.k;
		this.y = y - ((y - this.y) * k) / this.k;
		this.k = k;
		this.apply();
	}

	// All of it; when that could not be read any more, the part around a point, at a size that can.
	fit({ left, top, width, height }, around, whole) {
		const { clientWidth, clientHeight } = this.svg;
		if (!width || !clientWidth) return;
		const k = Math.min(1, (clientWidth - 32) / width, (clientHeight - 32) / height);
		this.k = Math.max(whole ? 0.04 : least(), k);
		const along = (room, start, length, at) => {
			if (length * this.k <= room - 32) return (room - length * this.k) / 2 - start * this.k;
			const least = room - 16 - (start + length) * this.k;
			return Math.max(least, Math.min(16 - start * this.k, room / 2 - at * this.k));
		};
		this.x = along(clientWidth, left, width, around?.x ?? left);
		this.y = along(clientHeight, top, height, around?.y ?? top + height / 2);
		this.apply();
	}

	// Glides until the point stands in the middle; not nearer than it can be read.
	glide(x, y) {
		const from = { x: this.x, y: this.y, k: this.k };
		const k = Math.max(this.k, 0.75);
		const to = { x: this.svg.clientWidth / 2 - x * k, y: this.svg.clientHeight / 2 - y * k, k };
		const start = performance.now();
		const length = gentle.matches ? 1 : 420;
		cancelAnimationFrame(this.frame);
		const step = (time) => {
			const t = Math.min(1, (time - start) / length);
			const share = 1 - (1 - t) ** 3;
			for (const name of ["x", "y", "k"]) this[name] = from[name] + (to[name] - from[name]) * share;
			this.apply();
			if (t < 1) this.frame = requestAnimationFrame(step);
		};
		this.frame = requestAnimationFrame(step);
	}
}
