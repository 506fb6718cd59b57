// Stands between the client under test and NATS, to do to its connection what networks do: cut it, or swallow what the
// server says. Corder's own connections are not touched.
import { connect, createServer } from "node:net";

export class Proxy {
	static async open(port) {
		const proxy = new Proxy();
		proxy.pairs = new Set();
		proxy.deaf = false;
		proxy.muted = false;
		proxy.server = createServer((inner) => proxy.#join(inner, port));
		await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
		return proxy;
	}

	get url() {
		return `nats://127.0.0.1:${this.server.address().port}`;
	}

	#join(inner, port) {
		const outer = connect(port, "127.0.0.1");
		const pair = { inner, outer };
		this.pairs.add(pair);
		const end = () => {
			inner.destroy();
			outer.destroy();
			this.pairs.delete(pair);
		};
		inner.on("data", (data) => this.muted || outer.write(data));
		outer.on("data", (data) => this.deaf || inner.write(data));
		for (const socket of [inner, outer]) socket.on("error", end).on("close", end);
	}

	// Cuts every connection; the client may come back at once.
	drop() {
		for (const { inner, outer } of this.pairs) {
			inner.destroy();
			outer.destroy();
		}
		this.pairs.clear();
	}

	// The server hears the client, the client hears nothing.
	deafen() {
		this.deaf = true;
	}

	// Neither hears the other: a worker that hangs, a cable that is out.
	mute() {
		this.deaf = true;
		this.muted = true;
	}

	// What was swallowed stays lost, so the connection starts anew.
	hear() {
		this.deaf = false;
		this.muted = false;
		this.drop();
	}

	close() {
		this.drop();
		this.server.close();
	}
}
