// A question whose answer a page shows: asked when its inputs change, asked again on demand, never twice at once. While
// it is asked again the old answer stays; when that fails for what passes, it is asked again by itself.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

const againMs = 3000;

// Calls act after a while, but not while the tab is hidden. Returns what stops it.
export function later(act) {
	const timer = setInterval(() => {
		if (document.hidden) return;
		clearInterval(timer);
		act();
	}, againMs);
	return () => clearInterval(timer);
}

export class Source {
	constructor(ask, data = null) {
		this.ask = ask;
		this.state = signal({ data, error: null });
		this.refresh = this.refresh.bind(this);
	}

	async refresh() {
		if (this.asking) {
			this.again = true;
			return;
		}
		this.asking = new AbortController();
		this.asked = true;
		try {
			const data = await this.ask(this.asking.signal);
			if (!this.closed) this.state.value = { data, error: null };
		} catch (error) {
			if (!this.closed && error.name !== "AbortError") this.fail(error);
		} finally {
			this.asking = null;
		}
		if (this.again && !this.closed) {
			this.again = false;
			this.refresh();
		}
	}

	fail(error) {
		this.state.value = { data: this.state.peek().data, error };
		this.stop?.();
		if (error.passes) this.stop = later(this.refresh);
	}

	close() {
		this.closed = true;
		this.stop?.();
		this.asking?.abort();
	}
}

// keep: the old answer stays until the one to the new question is there, as in a list that is paged through.
// wait: the page asks when it is time, or this does after so many milliseconds.
export function useSource(ask, inputs, { keep = false, wait = 0 } = {}) {
	const before = useRef(null);
	const source = useMemo(() => new Source(ask, keep ? before.current?.state.peek().data : null), inputs);
	before.current = source;
	useEffect(() => {
		const timer = wait > 0 ? setTimeout(() => source.asked || source.refresh(), wait) : source.refresh();
		return () => {
			clearTimeout(timer);
			source.close();
		};
	}, [source]);
	return source;
}
