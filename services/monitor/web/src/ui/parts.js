// Small parts: glyphs, ages, empty and broken states, dialogs, toasts.
import { html } from "htm/preact";
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ago, count, stamp } from "../format.js";
import { glyphDash, glyphIsFilled, glyphPath, meanings } from "../status.js";
import { now } from "./clock.js";

export function Glyph({ status }) {
	const solid = glyphIsFilled(status);
	return html`<svg class="glyph is-${status}" viewBox="0 0 12 12" aria-hidden="true">
		<path
			d=${glyphPath(status)}
			fill=${solid ? "currentColor" : "none"}
			stroke=${solid ? "none" : "currentColor"}
			stroke-width="1.7"
			stroke-linecap="round"
			stroke-linejoin="round"
			stroke-dasharray=${glyphDash(status).join(" ") || undefined}
		/>
	</svg>`;
}

export const Status = ({ status, more }) =>
	html`<span class="status" title=${meanings[status]}><${Glyph} status=${status} />${status}${more}</span>`;

export const Age = ({ at }) =>
	at == null
		? html`<span class="quiet">–</span>`
		: html`<time class="when" title=${stamp(at)}>${ago(at, now.value)}</time>`;

// `words between backquotes` are to be typed.
export const Typed = ({ text }) => text.split("`").map((part, at) => (at % 2 ? html`<code>${part}</code>` : part));

export const Count = ({ value }) => html`<span class=${value ? "" : "zero"}>${count(value)}</span>`;

export const Bones = ({ rows = 6 }) =>
	html`<div class="bones" role="status" aria-label="loading">${Array.from({ length: rows }, () => html`<span />`)}</div>`;

export const Empty = ({ title, children, command }) =>
	html`<div class="empty">
		<strong>${title}</strong>${children} ${command && html`<div><pre tabindex="0">${command}</pre></div>`}
	</div>`;

export const Broken = ({ error, again }) =>
	html`<div class="empty" role="alert">
		<strong>${error.code === "not_found" ? "There is no such thing" : "This could not be read"}</strong>
		${error.message}
		${error.passes && html`<p>It is asked again by itself. What is wrong, and what to do, stands under <a href="#/">Health</a>.</p>`}
		${again && html`<div><button class="button retry-button" onClick=${again}>Try again</button></div>`}
	</div>`;

// What a page shows of a question: bones first, then data, or why there is none.
export function Loaded({ source, rows, children }) {
	const { data, error } = source.state.value;
	if (data) return children(data);
	return error ? html`<${Broken} error=${error} again=${source.refresh} />` : html`<${Bones} rows=${rows} />`;
}

export const Sheet = ({ title, note, tools, id, children, flush = true }) =>
	html`<section class="sheet" aria-label=${title} id=${id}>
		<div class="sheet-head">
			<h2>${title}</h2>
			${note && html`<span class="quiet">${note}</span>`}<span class="spread" />${tools}
		</div>
		<div class=${flush ? "" : "sheet-body"}>${children}</div>
	</section>`;

export const Segments = ({ label, options, value, choose }) =>
	html`<div class="segments" role="group" aria-label=${label}>
		${options.map(
			([key, text]) =>
				html`<button type="button" aria-pressed=${String(key === value)} onClick=${() => choose(key)}>${text}</button>`,
		)}
	</div>`;

// A modal of the browser's own kind: it keeps the focus, closes on Escape, and gives the focus back.
export function Dialog({ title, wide, close, children }) {
	const ref = useRef();
	useEffect(() => {
		const dialog = ref.current;
		dialog.showModal();
		return () => dialog.close();
	}, []);
	return html`<dialog
		ref=${ref}
		class=${wide ? "wide" : ""}
		aria-label=${title}
		onCancel=${(event) => {
			event.preventDefault();
			close();
		}}
		onClick=${(event) => event.target === ref.current && close()}
	>
		<h2>${title}</h2>
		${children}
	</dialog>`;
}

export const toasts = signal([]);

export function toast(text, kind = "completed") {
	const entry = { text, kind };
	toasts.value = [...toasts.value, entry].slice(-4);
	setTimeout(() => (toasts.value = toasts.value.filter((other) => other !== entry)), kind === "failed" ? 9000 : 4500);
}

export const Toasts = () =>
	html`<div class="toasts" role="status">
		${toasts.value.map(({ text, kind }) => html`<div class="toast"><${Glyph} status=${kind} /><span>${text}</span></div>`)}
	</div>`;
