// Numbers, times and lengths as people read them; nothing here knows of pages.
const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value == null ? "–" : whole.format(value));
export const compact = (value) => (value == null ? "–" : value < 10000 ? whole.format(value) : short.format(value));

export function rate(value) {
	if (value == null) return "–";
	if (value === 0) return "0";
	return value < 10 ? value.toFixed(value < 0.1 ? 3 : value < 1 ? 2 : 1) : compact(Math.round(value));
}

// 0.004 → "4 ms", 12.3 → "12.3 s", 75 → "1m 15s", 90000 → "1d 1h"
export function duration(seconds) {
	if (seconds == null || Number.isNaN(seconds)) return "–";
	if (seconds < 0) return "0 s";
	if (seconds < 1) return `${seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000))} ms`;
	if (seconds < 10) return `${seconds.toFixed(1)} s`;
	const s = Math.round(seconds);
	if (s < 60) return `${s} s`;
	if (s < 3600) return `${Math.floor(s / 60)}m ${String(s % 60).padStart(2, "0")}s`;
	if (s < 86400) return `${Math.floor(s / 3600)}h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}m`;
	return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

// RFC 3339 to milliseconds, or null.
export const ms = (time) => (time ? Date.parse(time) : null);

const two = (value) => String(value).padStart(2, "0");
export function clock(at, { millis = false } = {}) {
	const date = new Date(at);
	const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
	return millis ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

export function day(at) {
	const date = new Date(at);
	return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export const stamp = (at) => (at == null ? "–" : `${day(at)} ${clock(at, { millis: true })}`);

// "12 s ago"; a date once it is older than a week.
export function ago(at, now) {
	if (at == null) return "–";
	const seconds = (now - at) / 1000;
	if (seconds < 1) return "now";
	if (seconds < 60) return `${Math.floor(seconds)} s ago`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
	return seconds < 7 * 86400 ? `${Math.floor(seconds / 86400)} d ago` : day(at);
}

export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

// The middle goes first: ids differ at their ends.
export function shorten(text, most) {
	if (text.length <= most) return text;
	const head = Math.floor((most - 1) * 0.3);
	return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`;
}

// The start that all ids share, up to a separator.
export function commonStart(ids) {
	let start = ids[0] ?? "";
	for (const id of ids) while (!id.startsWith(start)) start = start.slice(0, -1);
	return /^.*[^A-Za-z0-9]/.exec(start)?.[0] ?? "";
}
