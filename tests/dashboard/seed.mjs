// Tasks in every state, a project of 5,000, a pause, an event set aside: what the pages have to show.
import { range } from "../system/setup.mjs";
import { sqlSays, stage } from "./stage.mjs";

export const big = 5000;
const layer = 100;
const name = (index) => `t${String(index).padStart(5, "0")}`;

async function shop() {
	const { client } = stage;
	const tasks = [
		{
			task_id: "design",
			task_type: "coding",
			priority: 8,
			service_name: "checkout",
			execution_context: { file: "cart.c" },
		},
		{ task_id: "code", task_type: "coding", priority: 7, dependencies: ["design"] },
		{ task_id: "test", task_type: "testing", dependencies: ["code"] },
		{ task_id: "review", task_type: "review", dependencies: ["test"], hold: true },
		{ task_id: "broken", task_type: "breaking", max_retries: 0 },
		{ task_id: "after.broken", task_type: "coding", dependencies: ["broken"] },
		{ task_id: "broken.too", task_type: "breaking", max_retries: 0 },
		{ task_id: "flaky", task_type: "flaky", retry_backoff: { initial_ms: 3600000, factor: 1, max_ms: 3600000 } },
		{ task_id: "unwanted", task_type: "coding", hold: true },
		{ task_id: "waits", task_type: "nobody", priority: 3 },
	];
	await client.submitBatch("shop", tasks, { batch_id: "first" });
	await client.settle(await client.take("coding"), "completed", { result: { lines: 42 } });
	await client.take("coding", { worker: "coder" });
	for (const number of [17, 4]) {
		const error = { message: `cannot open /data/${number}.fits: no such file`, retryable: false };
		await client.settle(await client.take("breaking"), "failed", { error });
	}
	await client.settle(await client.take("flaky"), "failed", { error: { message: "try again" } });
	await client.ok("task.cancel", { project: "shop", task_id: "unwanted" });
	await client.ok("queue.pause", { task_type: "review" });
}

// Layers of a hundred; each task needs one or two of the layer before.
async function survey() {
	const { client } = stage;
	for (let first = 0; first < big; first += 500) {
		const tasks = range(500).map((offset) => {
			const index = first + offset;
			const before = [index - layer, ...(index % 3 === 0 ? [index - layer + 1] : [])].filter(
				(other) => other >= 0,
			);
			const dependencies = before.map(name);
			return {
				task_id: name(index),
				task_type: `step${Math.floor(index / layer) % 7}`,
				dependencies,
				max_retries: 0,
			};
		});
		await client.submitBatch("survey", tasks, { batch_id: "survey" });
	}
	for (let step = 0; step < 6; step++) {
		const { tasks } = await client.work(`step${step}`, { worker: "grid", max: 64 });
		const done = tasks.map(({ project, task_id, lease }, index) => {
			const failed = index === 5 && { outcome: "failed", error: { message: "node 7 is out of memory" } };
			return { project, task_id, lease, outcome: "completed", ...failed };
		});
		if (done.length > 0) await client.ok(`settle.step${step}`, { worker: "grid", done });
	}
}

export async function seed() {
	await shop();
	await survey();
	const { witness } = stage;
	const poison =
		"INSERT INTO poison_events(partition_id,seq,reason,raw,at) VALUES (0, 999999, 'Data too long for column ''worker''', 'raw <b>bytes</b>', UTC_TIMESTAMP(6))";
	await witness.sql(poison);
	await sqlSays("all tasks are in MySQL", "SELECT COUNT(*) FROM tasks", big + 10);
	await sqlSays("the settled are, too", "SELECT COUNT(*) FROM tasks WHERE project='shop' AND status='failed'", 2);
}
