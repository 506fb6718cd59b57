// The one live connection of a page: server-sent events, with a revision to go on from after a gap. Closed while the tab
// is hidden. What every page shows is kept here in signals; changes of tasks and events go to the page that asked.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { url } from "../api.js";
import { ms } from "../format.js";
import { setServerTime } from "../ui/clock.js";

export const overview = signal(null);
export const queues = signal(null);
export const services = signal(null);
export const session = signal({ read_only: true });
// kind: connecting, live, reconnecting, paused; since: when something was last heard
export const link = signal({ kind: "connecting", heard: Date.now() });

const staleMs = 25000;
const backoffMs = [250, 500, 1000, 2000, 4000];
let asked = { parameters: {}, handlers: {} };
let source = null;
let lastId = null;
let lastKey = "";
let failures = 0;
let timer;
let opening = false;

function heard(kind = "live") {
	link.value = { kind, heard: Date.now() };
}

const frames = {
	hello(frame) {
		failures = 0;
		setServerTime(ms(frame.now));
		session.value = frame;
	},
	overview: (frame) => (overview.value = frame),
	queues: (frame) => (queues.value = frame),
	services: (frame) => (services.value = frame),
	tasks: (frame) => asked.handlers.tasks?.(frame),
	events: (frame) => asked.handlers.events?.(frame),
	beat: (frame) => setServerTime(ms(frame.at)),
};

function close() {
	clearTimeout(timer);
	source?.close();
	source = null;
}

function lost() {
	close();
	if (document.hidden) return;
	link.value = { ...link.peek(), kind: "reconnecting" };
	timer = setTimeout(open, backoffMs[Math.min(failures++, backoffMs.length - 1)] * (0.75 + Math.random() / 2));
}

function open() {
	close();
	const key = JSON.stringify(asked.parameters);
	if (key !== lastKey) lastId = null; // another question: there is nothing to go on from
	lastKey = key;
	source = new EventSource(url("live", { ...asked.parameters, last_event_id: lastId }));
	for (const [name, take] of Object.entries(frames)) {
		source.addEventListener(name, (event) => {
			if (event.lastEventId) lastId = event.lastEventId;
			heard();
			take(JSON.parse(event.data));
		});
	}
	source.onerror = lost;
}

// Once a turn, so that a page that goes and one that comes make one connection.
function reopen() {
	if (opening) return;
	opening = true;
	queueMicrotask(() => {
		opening = false;
		if (!document.hidden) open();
	});
}

document.addEventListener("visibilitychange", () => {
	if (document.hidden) {
		close();
		link.value = { ...link.peek(), kind: "paused" };
	} else {
		link.value = { ...link.peek(), kind: "reconnecting" };
		failures = 0;
		reopen();
	}
});
addEventListener("online", () => link.peek().kind === "reconnecting" && reopen());
setInterval(() => {
	if (link.peek().kind === "live" && Date.now() - link.peek().heard > staleMs) lost();
}, 1000);

// What this page wants to hear; without parameters the states alone. handlers: { tasks, events }
export function useLive(parameters = {}, handlers = {}) {
	const latest = useRef(handlers);
	latest.current = handlers;
	const key = JSON.stringify(parameters);
	useEffect(() => {
		const wanted = {
			parameters,
			handlers: {
				tasks: (frame) => latest.current.tasks?.(frame),
				events: (frame) => latest.current.events?.(frame),
			},
		};
		asked = wanted;
		reopen();
		return () => {
			if (asked !== wanted) return;
			asked = { parameters: {}, handlers: {} };
			reopen();
		};
	}, [key]);
}

// A function that calls act, at once after a quiet time, and then at most once in everyMs, the last call always.
export function useThrottle(act, everyMs) {
	const own = useRef({ last: 0 }).current;
	own.act = act;
	useEffect(() => () => clearTimeout(own.timer), []);
	return () => {
		if (own.timer) return;
		const run = () => {
			own.timer = null;
			own.last = Date.now();
			own.act();
		};
		own.timer = setTimeout(run, Math.max(0, own.last + everyMs - Date.now()));
	};
}

// Calls act when the value changes, throttled.
export function useChange(value, act, everyMs = 2000) {
	const before = useRef(value);
	const soon = useThrottle(act, everyMs);
	useEffect(() => {
		if (before.current !== value) soon();
		before.current = value;
	}, [value]);
}
