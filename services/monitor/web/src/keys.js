// Keyboard: single keys, and "g" followed by one. Pages add theirs while they are shown; `?` lists what holds now.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export const shortcuts = signal([]);
let pending = "";
let timer;

const typing = (target) => target.matches?.("input, select, textarea, [contenteditable]");

function onKey(event) {
	if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
	if (typing(event.target)) {
		if (event.key === "Escape") event.target.blur();
		return;
	}
	const typed = pending ? `${pending} ${event.key}` : event.key;
	const found = shortcuts.value.findLast(({ keys }) => keys.includes(typed));
	clearTimeout(timer);
	pending = "";
	if (found) {
		event.preventDefault();
		found.act(event);
	} else if (event.key === "g") {
		pending = "g";
		timer = setTimeout(() => (pending = ""), 900);
	}
}
addEventListener("keydown", onKey);

// list: [{ keys: ["j", "ArrowDown"], what: "next row", act }]
export function useKeys(list, inputs = []) {
	useEffect(() => {
		shortcuts.value = [...shortcuts.peek(), ...list];
		return () => (shortcuts.value = shortcuts.peek().filter((entry) => !list.includes(entry)));
	}, inputs);
}

// Moves the focus among the links marked data-row.
export function moveRow(step) {
	const rows = [...document.querySelectorAll("[data-row]")];
	if (rows.length === 0) return;
	const at = rows.indexOf(document.activeElement);
	const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
	rows[next].focus();
	rows[next].scrollIntoView({ block: "nearest" });
}

export const rowKeys = [
	{ keys: ["j"], what: "next row", act: () => moveRow(1) },
	{ keys: ["k"], what: "row before", act: () => moveRow(-1) },
];
