// Questions to the monitor, and changes when a token is given. An answer that is not ok throws a Refusal.
import { signal } from "@preact/signals";

const base = "api/v1/";
const key = "corder-token";

export class Refusal extends Error {
	constructor(code, message, path) {
		super(message);
		const passes = code === "unavailable" || code === "unreachable"; // worth asking again
		Object.assign(this, { code, path, passes });
	}
}

const stored = () => {
	try {
		return sessionStorage.getItem(key) ?? "";
	} catch {
		return "";
	}
};

export const token = signal(stored());

export function keepToken(value) {
	try {
		if (value) sessionStorage.setItem(key, value);
		else sessionStorage.removeItem(key);
	} catch {
		/* without storage it lasts as long as the page */
	}
	token.value = value;
}

function address(path, parameters = {}) {
	const given = Object.entries(parameters).filter(([, value]) => value != null && value !== "");
	const search = new URLSearchParams(given).toString();
	return base + path + (search ? `?${search}` : "");
}

async function ask(url, options) {
	let response;
	try {
		response = await fetch(url, options);
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Refusal("unreachable", "the monitor does not answer");
	}
	const body = await response.json().catch(() => null);
	if (response.ok && body && body.ok !== false) return body;
	const error = body?.error;
	if (error) throw new Refusal(error.code, error.message, error.path);
	throw new Refusal("unreachable", `the monitor answered ${response.status} ${response.statusText}`.trim());
}

const bearer = () => (token.value ? { authorization: `Bearer ${token.value}` } : {});
export const read = (path, parameters, signal) => ask(address(path, parameters), { signal, headers: bearer() });

export function change(path, body) {
	const headers = { "content-type": "application/json", ...bearer() };
	return ask(base + path, { method: "POST", headers, body: JSON.stringify(body) });
}

export const url = address;
export const taskPath = (project, taskId, rest = "") =>
	`tasks/${encodeURIComponent(project)}/${encodeURIComponent(taskId)}${rest}`;
