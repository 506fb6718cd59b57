// A process of TCP proxies, one between each service and each server: told over IPC which links to open, cut, delay or
// freeze. A frozen link is half-open: both ends believe in it, and nothing comes through.
import { connect, createServer } from "node:net";

const links = new Map();

class Pair {
	constructor(link, near) {
		Object.assign(this, {
			link,
			near,
			far: connect(link.target, "127.0.0.1"),
			dead: false,
			late: { up: [], down: [] },
		});
		near.setNoDelay(true);
		this.far.setNoDelay(true);
		this.join(near, this.far, "up");
		this.join(this.far, near, "down");
		this.freeze();
	}

	join(from, to, way) {
		from.on("data", (bytes) => this.pass(bytes, from, to, way));
		from.on("error", () => this.end());
		from.on("close", () => this.end());
	}

	pass(bytes, from, to, way) {
		const { link } = this;
		if (way === "up" && link.armed && bytes.includes("COMMIT")) {
			link.armed = false;
			process.send({ commit: link.name });
		}
		this.late[way].push({ bytes, due: performance.now() + link.delayMs });
		this.forward(from, to, way);
	}

	// In order, whatever the delay was when a piece came: bytes of a connection never overtake each other.
	forward(from, to, way) {
		const queue = this.late[way];
		while (queue.length > 0 && queue[0].due <= performance.now() && !to.destroyed) {
			if (to.write(queue.shift().bytes)) continue;
			from.pause();
			to.once("drain", () => this.frozen(way) || from.resume());
		}
		if (queue.length > 0 && !to.destroyed) {
			clearTimeout(queue.timer);
			queue.timer = setTimeout(() => this.forward(from, to, way), Math.max(1, queue[0].due - performance.now()));
		}
	}

	frozen(way) {
		return this.link.mode === "freeze" && (this.link.way === "both" || this.link.way === way);
	}

	freeze() {
		for (const [socket, way] of [
			[this.near, "up"],
			[this.far, "down"],
		]) {
			if (this.frozen(way)) socket.pause();
			else socket.resume();
		}
	}

	end() {
		if (this.dead) return;
		this.dead = true;
		this.near.destroy();
		this.far.destroy();
		this.link.pairs.delete(this);
	}
}

class Link {
	constructor({ name, target }) {
		Object.assign(this, { name, target, mode: "open", delayMs: 0, way: "both", armed: false, pairs: new Set() });
		this.server = createServer((socket) => {
			socket.on("error", () => socket.destroy());
			if (this.mode === "cut") socket.destroy();
			else this.pairs.add(new Pair(this, socket));
		});
	}

	// Any free port; returns it.
	listen() {
		return new Promise((resolve) => this.server.listen(0, "127.0.0.1", () => resolve(this.server.address().port)));
	}

	set({ mode = "open", delayMs = 0, way = "both", armed = false, reset = false }) {
		Object.assign(this, { mode, delayMs, way, armed });
		if (mode === "cut" || reset) [...this.pairs].forEach((pair) => pair.end());
		this.pairs.forEach((pair) => pair.freeze());
	}
}

process.on("message", async ({ links: made, names, to }) => {
	for (const name of names ?? []) links.get(name).set(to);
	if (!made) return;
	for (const each of made) links.set(each.name, new Link(each));
	const ports = await Promise.all(made.map(async ({ name }) => [name, await links.get(name).listen()]));
	process.send({ ports });
});
process.on("disconnect", () => process.exit(0));
