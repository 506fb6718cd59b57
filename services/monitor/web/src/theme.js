// Light, dark, or as the system says. The choice is kept in this browser.
import { signal } from "@preact/signals";

const key = "corder-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const read = () => {
	try {
		return localStorage.getItem(key);
	} catch {
		return null;
	}
};

export const dark = signal(false);

function apply(choice) {
	if (choice) document.documentElement.dataset.theme = choice;
	else delete document.documentElement.dataset.theme;
	dark.value = choice ? choice === "dark" : system.matches;
}

export function toggleTheme() {
	const next = dark.value ? "light" : "dark";
	const choice = (next === "dark") === system.matches ? null : next; // the same as the system: follow it again
	try {
		if (choice) localStorage.setItem(key, choice);
		else localStorage.removeItem(key);
	} catch {
		/* without storage the choice lasts as long as the page */
	}
	apply(choice);
}

system.addEventListener("change", () => apply(read()));
apply(read());

// The resolved colours of style/tokens.css, for canvases.
const probe = document.createElement("i");
export function colours(names) {
	probe.hidden = true;
	if (!probe.isConnected) document.body.append(probe);
	const found = {};
	for (const name of names) {
		probe.style.color = `var(--${name})`;
		found[name] = getComputedStyle(probe).color;
	}
	return found;
}
