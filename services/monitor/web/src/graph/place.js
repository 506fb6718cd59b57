// Where the boxes and edges of a graph stand, by dagre; by rows of equal depth where that would take too long.
import { Graph, layout } from "@dagrejs/dagre";

export const size = { single: { width: 168, height: 30 }, group: { width: 184, height: 46 } };
const sizeOf = (box) => (box.task ? size.single : size.group);

function byDagre(boxes, edges) {
	const graph = new Graph();
	graph.setGraph({
		rankdir: "LR",
		nodesep: 10,
		ranksep: 46,
		edgesep: 6,
		ranker: boxes.length > 90 ? "longest-path" : "network-simplex",
	});
	graph.setDefaultEdgeLabel(() => ({}));
	boxes.forEach((box, index) => graph.setNode(String(index), { ...sizeOf(box) }));
	const index = new Map(boxes.map((box, at) => [box.key, String(at)]));
	for (const { from, to } of edges) graph.setEdge(index.get(from.key), index.get(to.key), {});
	layout(graph);
	const places = new Map(boxes.map((box, at) => [box.key, graph.node(String(at))]));
	const lines = new Map(
		edges.map((edge) => [edge.key, graph.edge(index.get(edge.from.key), index.get(edge.to.key)).points]),
	);
	return { places, lines };
}

function byDepth(boxes) {
	const columns = new Map();
	const places = new Map();
	for (const box of boxes) {
		const depth = box.tasks.reduce((least, task) => Math.min(least, task.depth), Infinity);
		columns.has(depth) ? columns.get(depth).push(box) : columns.set(depth, [box]);
	}
	const tallest = Math.max(...[...columns.values()].map((column) => column.length));
	[...columns.keys()]
		.sort((a, b) => a - b)
		.forEach((depth, at) => {
			const column = columns.get(depth);
			const start = ((tallest - column.length) * 54) / 2;
			column.forEach((box, row) =>
				places.set(box.key, { x: 92 + at * 236, y: start + 24 + row * 54, ...sizeOf(box) }),
			);
		});
	return { places, lines: new Map() };
}

export function place(boxes, edges) {
	if (boxes.length === 0) return { places: new Map(), lines: new Map(), width: 0, height: 0 };
	const found = boxes.length > 320 || edges.length > 1500 ? byDepth(boxes) : byDagre(boxes, edges);
	let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
	for (const { x, y, width, height } of found.places.values()) {
		left = Math.min(left, x - width / 2);
		top = Math.min(top, y - height / 2);
		right = Math.max(right, x + width / 2);
		bottom = Math.max(bottom, y + height / 2);
	}
	return { ...found, left, top, width: right - left, height: bottom - top };
}

const round = (value) => Math.round(value * 10) / 10;

// A smooth line from the right side of one box to the left side of another, through dagre's points.
export function linePath(from, to, points) {
	const start = { x: from.x + from.width / 2, y: from.y };
	const end = { x: to.x - to.width / 2, y: to.y };
	const inner = points && points.length > 3 && end.x > start.x ? points.slice(1, -1) : [];
	let path = `M${round(start.x)} ${round(start.y)}`;
	let last = start;
	for (const point of [...inner, end]) {
		const bend = (last.x + point.x) / 2;
		path += `C${round(bend)} ${round(last.y)} ${round(bend)} ${round(point.y)} ${round(point.x)} ${round(point.y)}`;
		last = point;
	}
	return path;
}
