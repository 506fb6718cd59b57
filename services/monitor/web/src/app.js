// The frame around every page: navigation, the live lamp, theme, token, help.
import { html } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { token } from "./api.js";
import { count } from "./format.js";
import { rowKeys, shortcuts, useKeys } from "./keys.js";
import { pageOf, pages } from "./pages/index.js";
import { go, link as address, route } from "./router.js";
import { link, overview, session } from "./state/live.js";
import { dark, toggleTheme } from "./theme.js";
import { askForToken, Questions } from "./ui/actions.js";
import { now } from "./ui/clock.js";
import { Icon } from "./ui/icons.js";
import { Dialog, Glyph, Toasts } from "./ui/parts.js";

const help = signal(false);

function Lamp() {
	const { kind, heard } = link.value;
	now.value; // an age to be shown anew each second
	const age = Math.floor((Date.now() - heard) / 1000);
	if (kind === "live") return html`<span class="live" role="status"><i class="lamp" />live</span>`;
	if (kind === "paused") return html`<span class="live paused" role="status"><i class="lamp" />resting</span>`;
	const text = kind === "connecting" ? "connecting" : age < 3 ? "reconnecting" : `stale for ${age} s`;
	return html`<span class="live waits ${age < 3 ? "" : "stale"}" role="status"><i class="lamp" />${text}</span>`;
}

const healthMarks = { degraded: "retry", critical: "failed" };

function badgeOf(name) {
	const state = overview.value;
	if (!state) return null;
	const { status } = state.health;
	if (name === "overview" && healthMarks[status])
		return html`<span class="mark ${status === "critical" ? "bad" : ""}"><${Glyph} status=${healthMarks[status]} /><span class="narrow-off">${status}</span></span>`;
	const poison = state.health.checks.find((check) => check.name === "poison");
	const value = name === "failures" ? state.counts.failed : name === "poison" ? poison?.value : 0;
	return value > 0 ? html`<span class="count">${value > 999 ? "999+" : count(value)}</span>` : null;
}

function Top({ current }) {
	return html`<header class="top">
		<a class="brand" href="#/" aria-label="Corder, overview"><img src="favicon.svg" width="20" height="20" alt="" />Corder</a>
		<nav class="nav" aria-label="Pages">
			${pages
				.filter((page) => page.title)
				.map(
					({ name, title, path }) =>
						html`<a href=${address(...path)} aria-current=${current.part === name ? "page" : undefined}>${title}${badgeOf(name)}</a>`,
				)}
		</nav>
		<div class="tools">
			<${Lamp} />
			${
				!session.value.read_only &&
				html`<button
				class="tool"
				aria-pressed=${String(Boolean(token.value))}
				title=${token.value ? "A token is given: tasks can be changed" : "Read only; give a token to change tasks"}
				aria-label="Token"
				onClick=${() => askForToken()}
			><${Icon} name="key" /></button>`
			}
			<button class="tool" title="Light or dark (d)" aria-label=${dark.value ? "Light theme" : "Dark theme"} onClick=${toggleTheme}>
				<${Icon} name=${dark.value ? "sun" : "moon"} />
			</button>
			<button class="tool" title="Keyboard (?)" aria-label="Keyboard shortcuts" onClick=${() => (help.value = true)}><${Icon} name="help" /></button>
		</div>
	</header>`;
}

function Help() {
	if (!help.value) return null;
	const seen = new Map(shortcuts.value.map((entry) => [entry.keys.join(), entry]));
	return html`<${Dialog} title="Keyboard" wide close=${() => (help.value = false)}>
		<div class="keys">
			${[...seen.values()].map(
				({ keys, what }) =>
					html`<div><span>${what}</span><span>${keys[0].split(" ").map((key) => html`<kbd>${key === "ArrowDown" ? "↓" : key}</kbd> `)}</span></div>`,
			)}
		</div>
		<div class="dialog-row"><button class="button main" autofocus onClick=${() => (help.value = false)}>Close</button></div>
	<//>`;
}

const everywhere = [
	...pages
		.filter((page) => page.key)
		.map((page) => ({ keys: [`g ${page.key}`], what: page.title, act: () => go(address(...page.path)) })),
	...rowKeys,
	{ keys: ["/"], what: "search", act: () => document.querySelector("[type=search]")?.focus() },
	{ keys: ["d"], what: "light or dark", act: toggleTheme },
	{ keys: ["?"], what: "this list", act: () => (help.value = true) },
];

// Says so when what is shown is not of now.
function Stale() {
	const { kind, heard } = link.value;
	now.value;
	if (kind !== "reconnecting" || Date.now() - heard < 3000) return null;
	return html`<div class="notice warn" role="alert">
		<${Glyph} status="retry" /> The monitor does not answer. What you see is of ${new Date(heard).toLocaleTimeString()}; it goes on by itself.
	</div>`;
}

// Which servers are away, on pages that do not show it anyway.
function Away({ page }) {
	const away = (overview.value?.health.checks ?? []).filter(
		({ name, status }) => ["nats", "redis", "mysql"].includes(name) && status !== "ok",
	);
	if (away.length === 0 || page === "overview") return null;
	return html`<div class="notice bad" role="alert">
		<${Glyph} status="failed" /> <span>${away.map(({ message }) => message).join("; ")}. What stands here may be of before. <a href="#/">What to do</a></span>
	</div>`;
}

export function App() {
	useKeys(everywhere);
	const current = pageOf(route.value);
	const main = useRef();
	const key = route.value.path.join("/");
	const before = useRef(key);
	useEffect(() => {
		document.title = current.titleOf ? `${current.titleOf(route.value)} · Corder` : `${current.title} · Corder`;
		if (before.current === key) return;
		before.current = key;
		scrollTo(0, 0);
		main.current.focus({ preventScroll: true });
	}, [key]);
	const known = overview.value !== null; // the marks beside the names come with it
	useEffect(() => {
		document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
	}, [key, known]);
	return html`<a class="skip-link" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>To the content</a>
		<${Top} current=${current} />
		<main class="page" id="main" tabindex="-1" ref=${main}>
			<${Stale} /><${Away} page=${current.name} />
			<${current.view} key=${key} route=${route.value} />
		</main>
		<${Toasts} /><${Help} /><${Questions} />`;
}
