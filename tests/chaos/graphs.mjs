// Random graphs of tasks: chains, fans, layers, diamonds and wild ones, with everything a task may ask for.
const conditions = ["completed", "completed", "completed", "finished", "failed"];
const policies = ["skip", "skip", "run", "block"];
export const types = ["alpha", "beta", "gamma"];
// Keys by their limits; there are many of each, or what runs under them would be all that limits the load.
const keyLimits = { k1: 1, k2: 2, k5: 5 };
const keysOfEach = 20;

// Edges as [child, parent] pairs of indices; a parent always stands before its child.
const shapes = {
	single: () => [],
	chain: (count) => Array.from({ length: count - 1 }, (_, i) => [i + 1, i]),
	fanOut: (count) => Array.from({ length: count - 1 }, (_, i) => [i + 1, 0]),
	fanIn: (count) => Array.from({ length: count - 1 }, (_, i) => [count - 1, i]),
	diamond: (count) => {
		const inner = Array.from({ length: Math.max(0, count - 2) }, (_, i) => i + 1);
		return inner.flatMap((i) => [
			[i, 0],
			[count - 1, i],
		]);
	},
	layers: (count, { between, pick }) => {
		const width = between(2, 6);
		const before = (i) => Array.from({ length: width }, (_, k) => (Math.floor(i / width) - 1) * width + k);
		const edges = Array.from({ length: count }, (_, i) => i).filter((i) => i >= width);
		return edges.flatMap((i) => [...new Set([pick(before(i)), pick(before(i))])].map((parent) => [i, parent]));
	},
	wild: (count, { below, between }) =>
		Array.from({ length: count }, (_, i) => i).flatMap((i) =>
			[...new Set(Array.from({ length: between(0, 3) }, () => below(i)))].filter((p) => p < i).map((p) => [i, p]),
		),
};

function oneTask(random, task_id, skewMs) {
	const { chance, pick, between, below } = random;
	const task = {
		task_id,
		task_type: pick(types),
		priority: between(1, 10),
		max_retries: below(4),
		retry_backoff: { initial_ms: between(0, 150), factor: 1 + below(2), max_ms: 400 },
		execution_context: { id: task_id, dice: below(1000000) },
	};
	if (chance(0.12)) {
		const kind = pick(Object.keys(keyLimits));
		Object.assign(task, { concurrency_key: `${kind}.${below(keysOfEach)}`, concurrency_limit: keyLimits[kind] });
	}
	if (chance(0.05)) task.timeout = between(4, 30) / 10;
	if (chance(0.05)) task.hold = true;
	if (chance(0.06))
		task.not_before = new Date(Date.now() + skewMs + between(0, 2500)).toISOString().replace("Z", "000Z");
	return task;
}

// earlier: ids of tasks the project has already; coming: ids promised for later. Returns the tasks of one batch.
export function randomGraph(random, { prefix, count, earlier, coming, skewMs = 0, shape }) {
	const { chance, pick } = random;
	const kind = shape ?? pick(Object.keys(shapes));
	const size = kind === "single" ? 1 : Math.max(3, count);
	const tasks = Array.from({ length: size }, (_, i) => oneTask(random, `${prefix}.${i}`, skewMs));
	const depend = (task, on, future) => {
		const dependency = { task_id: on, when: pick(conditions), ...(future ? { future: true } : {}) };
		(task.dependencies ??= []).push(dependency);
	};
	for (const [child, parent] of shapes[kind](size, random)) depend(tasks[child], tasks[parent].task_id);
	for (const task of tasks) {
		if (earlier.length > 0 && chance(0.15)) depend(task, pick(earlier));
		if (coming && chance(0.02)) depend(task, coming, true);
		if (task.dependencies) task.on_dependency_failure = pick(policies);
		if (task.dependencies) task.dependencies = onePerTask(task.dependencies);
	}
	return tasks;
}

const onePerTask = (list) => [...new Map(list.map((each) => [each.task_id, each])).values()];
