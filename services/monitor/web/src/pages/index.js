// All pages: how they are called, where they live, which key leads there.
import { Events } from "./events.js";
import { Failures } from "./failures.js";
import { Lost } from "./lost.js";
import { Overview } from "./overview.js";
import { Poison } from "./poison.js";
import { Project } from "./project.js";
import { Projects } from "./projects.js";
import { Queues } from "./queues.js";
import { Task } from "./task.js";
import { Tasks } from "./tasks.js";

export const pages = [
	{ name: "overview", part: "overview", title: "Overview", key: "o", path: [], view: Overview },
	{ name: "queues", part: "queues", title: "Queues", key: "q", path: ["queues"], view: Queues },
	{ name: "projects", part: "projects", title: "Projects", key: "p", path: ["projects"], view: Projects },
	{ name: "project", part: "projects", view: Project, titleOf: ({ path }) => path[1] },
	{ name: "tasks", part: "tasks", title: "Tasks", key: "t", path: ["tasks"], view: Tasks },
	{ name: "task", part: "tasks", view: Task, titleOf: ({ path }) => path[2] },
	{ name: "failures", part: "failures", title: "Failures", key: "f", path: ["failures"], view: Failures },
	{ name: "events", part: "events", title: "Events", key: "e", path: ["events"], view: Events },
	{ name: "poison", part: "poison", title: "Poison", key: "x", path: ["poison"], view: Poison },
];

const lost = { name: "lost", part: "", titleOf: () => "Not here", view: Lost };
const parts = { project: 2, task: 3 };

export function pageOf({ path }) {
	if (path.length === 0) return pages[0];
	const found = pages.find((page) => page.name === path[0]);
	return found && path.length === (parts[found.name] ?? 1) ? found : lost;
}
