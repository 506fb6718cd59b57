// Changes to tasks and queues: asked back before they are done, and for a token where none is given.
import { html } from "htm/preact";
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { change, keepToken, read, token } from "../api.js";
import { plural } from "../format.js";
import { Dialog, toast } from "./parts.js";

// What the user is asked now: { title, text, verb, danger, act }, or { wantsToken, then }, or null.
const question = signal(null);
export const askForToken = (then) => (question.value = { wantsToken: true, then });

function tell(done, tasks) {
	const refused = tasks.filter(({ ok }) => !ok);
	if (refused.length === 0) return toast(`${plural(tasks.length, "task")} ${done}`);
	const rest = tasks.length - refused.length;
	return toast(
		`${rest > 0 ? `${plural(rest, "task")} ${done}; ` : ""}${plural(refused.length, "task")} not: ${refused[0].error.message}`,
		"failed",
	);
}

// bodies: one request each, for an action has a limit of tasks
async function settle({ action, bodies, done, after }) {
	try {
		const tasks = [];
		for (const body of bodies) tasks.push(...((await change(`actions/${action}`, body)).tasks ?? []));
		if (tasks.length > 0) tell(done, tasks);
		else toast(done);
		after?.();
	} catch (error) {
		if (error.code === "unauthorized") keepToken("");
		toast(error.message, "failed");
	}
}

export function confirm(request) {
	const ask = () => (question.value = { ...request, act: () => settle(request) });
	if (token.value) ask();
	else askForToken(ask);
}

function TokenDialog({ close, then }) {
	const [problem, setProblem] = useState("");
	const accept = async (event) => {
		event.preventDefault();
		const given = new FormData(event.target).get("token").trim();
		keepToken(given);
		try {
			if (given && !(await read("session", {}, undefined)).authorized)
				throw new Error("this is not the token of this server");
			close();
			if (given) then?.();
		} catch (error) {
			keepToken("");
			setProblem(error.message);
		}
	};
	return html`<${Dialog} title="A token, to change things" close=${close}>
		<p>Without it this page only looks. It is kept until this tab is closed, and sent to this server alone.</p>
		<form onSubmit=${accept}>
			<label class="unseen" for="token">Token</label>
			<input class="field mono" id="token" name="token" type="password" autocomplete="off" autofocus placeholder="CORDER_HTTP_TOKEN of the monitor" />
			${problem && html`<p class="is-bad" role="alert">${problem}</p>`}
			<div class="dialog-row">
				${token.value && html`<button type="button" class="button" onClick=${() => (keepToken(""), close())}>Forget it</button>`}
				<button type="button" class="button" onClick=${close}>Not now</button>
				<button class="button main">Use it</button>
			</div>
		</form>
	<//>`;
}

export function Questions() {
	const asked = question.value;
	if (!asked) return null;
	const close = () => (question.value = null);
	if (asked.wantsToken) return html`<${TokenDialog} close=${close} then=${asked.then} />`;
	const act = () => {
		close();
		asked.act();
	};
	return html`<${Dialog} title=${asked.title} close=${close}>
		<p>${asked.text}</p>
		<div class="dialog-row">
			<button class="button" onClick=${close}>Not now</button>
			<button class="button ${asked.danger ? "danger" : "main"}" autofocus onClick=${act}>${asked.verb}</button>
		</div>
	<//>`;
}
