// The page and its filters live behind the # of the URL, so that any web server or proxy in front will do.
// `#/project/shop?status=failed` is { path: ["project", "shop"], query: { status: "failed" } }.
import { signal } from "@preact/signals";

function parse() {
	const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
	const decode = (part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return part;
		}
	};
	return {
		path: path.split("/").filter(Boolean).map(decode),
		query: Object.fromEntries(new URLSearchParams(search)),
	};
}

export const route = signal(parse());
addEventListener("hashchange", () => (route.value = parse()));

export function link(...parts) {
	const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
	const kept = Object.entries(query).filter(([, value]) => value != null && value !== "");
	const search = new URLSearchParams(kept).toString();
	return `#/${parts.map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

export const taskLink = (task) => link("task", task.project, task.task_id);

export function go(target) {
	location.hash = target;
}

// Changes filters in place: no new entry in the history, so that Back leaves the page.
export function setQuery(changes) {
	const { path, query } = route.value;
	history.replaceState(null, "", link(...path, { ...query, ...changes }));
	route.value = parse();
}
