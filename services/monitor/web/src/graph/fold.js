// Which boxes the graph shows: tasks by themselves, or folded with those of the same type and depth into one box with
// their counts, and joined without the edges that follow from others. Pure. 5,000 tasks become some tens of boxes; any of them can be unfolded.
export const most = { boxes: 140, unfolded: 40, single: 60, edges: 1500 };
const interest = { running: 0, failed: 1, retry: 2, pending: 3, blocked: 4, cancelled: 5, skipped: 6, completed: 7 };

// Depths are taken together in steps of `step`, so that a long chain does not give a box a task.
function groupsBy(tasks, step, withType) {
	const groups = new Map();
	for (const task of tasks) {
		const level = Math.floor(task.depth / step);
		const key = withType ? `${level}·${task.type}` : `${level}`;
		const group = groups.get(key);
		if (group) group.tasks.push(task);
		else groups.set(key, { key, level, type: withType ? task.type : "", tasks: [task] });
	}
	return groups;
}

function fewEnough(tasks) {
	let depth = 0;
	for (const task of tasks) depth = Math.max(depth, task.depth);
	let step = 1;
	let groups = groupsBy(tasks, step, true);
	while (groups.size > most.boxes && step <= depth) groups = groupsBy(tasks, (step *= 2), true);
	if (groups.size > most.boxes) groups = groupsBy(tasks, Math.max(1, Math.ceil((depth + 1) / most.boxes)), false);
	return groups;
}

const single = (task) => ({ key: `task ${task.id}`, task, tasks: [task] });

// mode: "auto" (single tasks when there are few), "all" (folded), "none" (single as far as there is room)
function boxesOf(tasks, mode, toggled) {
	const boxes = [];
	const alone = mode === "none" ? tasks.length <= most.boxes * 2 : mode === "auto" && tasks.length <= most.single;
	for (const group of fewEnough(tasks).values()) {
		const open = toggled.has(group.key) ? !alone : alone;
		if (group.tasks.length === 1) boxes.push(single(group.tasks[0]));
		else if (!open) boxes.push(group);
		else {
			const room = alone ? Infinity : most.unfolded;
			const sorted =
				group.tasks.length > room
					? [...group.tasks].sort((a, b) => interest[a.status] - interest[b.status])
					: group.tasks;
			for (const task of sorted.slice(0, room)) boxes.push({ ...single(task), group: group.key });
			if (sorted.length > room) boxes.push({ ...group, rest: true, tasks: sorted.slice(room) });
		}
	}
	return boxes;
}

// Whether there is a way that does not begin with this very edge.
function isImplied({ from, to }, next) {
	const seen = new Set([from]);
	const stack = [...next.get(from)].filter((box) => box !== to);
	while (stack.length > 0) {
		const box = stack.pop();
		if (box === to) return true;
		if (seen.has(box)) continue;
		seen.add(box);
		stack.push(...(next.get(box) ?? []));
	}
	return false;
}

// Without the edges that others imply, the longest first; what can be reached from where stays the same.
function thinned(edges) {
	const level = (box) => box.tasks.reduce((least, task) => Math.min(least, task.depth), Infinity);
	const next = new Map(edges.map(({ from }) => [from, new Set()]));
	for (const { from, to } of edges) next.get(from).add(to);
	const sorted = edges.map((edge) => ({ edge, far: level(edge.to) - level(edge.from) })).sort((a, b) => b.far - a.far);
	const gone = new Set();
	for (const { edge } of sorted) {
		if (!isImplied(edge, next)) continue;
		next.get(edge.from).delete(edge.to);
		gone.add(edge);
	}
	return edges.filter((edge) => !gone.has(edge));
}

// { boxes: [{ key, tasks, task?, type, rest? }], edges: [{ from, to, count }], boxOf: task id → box }
export function fold(tasks, mode, toggled) {
	const boxes = boxesOf(tasks, mode, toggled);
	const boxOf = new Map();
	for (const box of boxes) for (const task of box.tasks) boxOf.set(task.id, box);
	const edges = new Map();
	for (const task of tasks) {
		const to = boxOf.get(task.id);
		for (const id of task.dependencies) {
			const from = boxOf.get(id);
			if (!from || from === to) continue;
			const key = `${from.key}\n${to.key}`;
			const edge = edges.get(key);
			if (edge) edge.count++;
			else edges.set(key, { key, from, to, count: 1 });
		}
	}
	const folded = boxes.length < tasks.length;
	const all = [...edges.values()];
	return { boxes, edges: folded && all.length <= most.edges ? thinned(all) : all, boxOf };
}
