/* Records into a graph, a graph into an order, an order into slices. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/task/order.h"
#include "shared/task/task.h"
#include "subjects/subjects.h"

enum { LOOP_SHOWN = 100 };

void plan_close(struct plan *plan) {
	for (size_t i = 0; i < plan->body_count; i++)
		text_release(&plan->bodies[i]);
	free(plan->bodies);
	free(plan->tasks);
	free(plan->order);
	free(plan->place);
	free(plan->points);
	ids_close(&plan->ids);
	*plan = (struct plan){ 0 };
}

static size_t count_dependencies(struct slice list) {
	size_t count = list.length > 0 ? 1 : 0;
	for (size_t i = 0; i < list.length; i++)
		count += list.bytes[i] == ',';
	return count;
}

static bool add_record(struct plan *plan, struct slice record) {
	struct task_record parsed;
	if (!task_record_parse(record, &parsed))
		return false;
	if (plan->count == plan->capacity) {
		plan->capacity = plan->capacity ? plan->capacity * 2 : 4;
		plan->tasks = memory_resize(plan->tasks, plan->capacity, sizeof(*plan->tasks));
	}
	plan->tasks[plan->count++] = (struct plan_task){
		.task_id = parsed.task_id,
		.record = record,
		.dependencies = parsed.specification.dependencies,
	};
	plan->record_bytes += record.length + 1;
	plan->edge_count += count_dependencies(parsed.specification.dependencies);
	return true;
}

bool plan_take(struct plan *plan, struct text *records) {
	plan->bodies = memory_resize(plan->bodies, plan->body_count + 1, sizeof(*plan->bodies));
	struct text *body = &plan->bodies[plan->body_count++];
	*body = *records;
	*records = (struct text){ 0 };
	struct slice rest = { body->bytes, body->length };
	while (rest.bytes != NULL)
		if (!add_record(plan, slice_cut(&rest, RECORD_RS)))
			return false;
	return true;
}

/* sort ----------------------------------------------------------------------------------------------------------- */

static enum status refuse_twice(const struct plan *plan, uint32_t at, struct error *err, struct text *tasks) {
	struct slice id = plan->tasks[at].task_id;
	char path[48];
	snprintf(path, sizeof(path), plan->in_parts ? "/seal" : "/tasks/%u/task_id", at);
	text_add_char(tasks, '[');
	text_add_json(tasks, id);
	text_add_char(tasks, ']');
	return reject(err, CODE_DUPLICATE_ID, path, "%.*s is there twice", (int)id.length, id.bytes);
}

static void add_edges(const struct plan *plan, uint32_t task, struct order_graph *graph) {
	struct slice rest = plan->tasks[task].dependencies;
	struct record_dependency edge;
	while (record_next_dependency(&rest, &edge)) {
		uint32_t dependency = ids_find(&plan->ids, edge.task_id);
		if (dependency != IDS_NONE)
			order_add_edge(graph, task, dependency);
	}
}

/* A loop that is too long for a message is shortened in the middle; first and last stay the same. */
static void add_loop(struct text *out, const struct plan *plan, const uint32_t *loop, size_t length) {
	text_add_char(out, '[');
	for (size_t i = 0; i < length; i++) {
		if (i == LOOP_SHOWN - 1 && length > LOOP_SHOWN)
			i = length - 1;
		if (i > 0)
			text_add_char(out, ',');
		text_add_json(out, plan->tasks[loop[i]].task_id);
	}
	text_add_char(out, ']');
}

static enum status put_in_order(struct plan *plan, struct error *err, struct text *tasks) {
	struct order_graph graph;
	uint32_t *loop = NULL;
	size_t loop_length = 0;
	order_open(&graph, plan->count);
	for (uint32_t i = 0; i < plan->count; i++)
		add_edges(plan, i, &graph);
	plan->order = memory_array((size_t)plan->count + 1, sizeof(*plan->order));
	plan->place = memory_array((size_t)plan->count + 1, sizeof(*plan->place));
	enum status status = order_run(&graph, plan->order, &loop, &loop_length, err);
	if (status != STATUS_OK)
		add_loop(tasks, plan, loop, loop_length);
	for (uint32_t i = 0; i < plan->count && status == STATUS_OK; i++)
		plan->place[plan->order[i]] = i;
	free(loop);
	order_close(&graph);
	return status;
}

enum status plan_sort(struct plan *plan, struct error *err, struct text *tasks) {
	ids_open(&plan->ids, plan->tasks, sizeof(*plan->tasks), plan->count);
	for (uint32_t i = 0; i < plan->count; i++)
		if (ids_add(&plan->ids, i) != IDS_NONE)
			return refuse_twice(plan, i, err, tasks);
	return put_in_order(plan, err, tasks);
}

/* Takes a record's flags apart from the rest, so that the points can come behind them. */
static void add_record_of(const struct plan *plan, uint32_t task, struct text *out) {
	struct slice record = plan->tasks[task].record;
	if (plan->points == NULL) {
		text_add_slice(out, record);
		return;
	}
	struct task_record parsed;
	must(task_record_parse(record, &parsed));
	struct slice flags = parsed.specification.flags;
	const char *end = flags.bytes + flags.length;
	text_append(out, record.bytes, (size_t)(end - record.bytes));
	text_add_char(out, 'o');
	text_add_int(out, plan->points[task]);
	text_append(out, end, (size_t)(record.bytes + record.length - end));
}

/* slices --------------------------------------------------------------------------------------------------------- */

static uint32_t slice_tasks(const struct plan *plan) {
	return plan->slice_tasks > 0 ? plan->slice_tasks : LIMIT_SLICE_TASKS;
}

bool plan_is_small(const struct plan *plan) {
	return plan->count <= slice_tasks(plan) && plan->record_bytes <= LIMIT_SLICE_BYTES &&
	       plan->edge_count <= PLAN_SLICE_EDGES;
}

/* Where the slice that begins at `at` ends. One task makes a slice however large it is. */
static uint32_t slice_end(const struct plan *plan, uint32_t at) {
	size_t bytes = 0, edges = 0;
	uint32_t end = at;
	while (end < plan->count && end - at < slice_tasks(plan)) {
		const struct plan_task *task = &plan->tasks[plan->order[end]];
		bytes += task->record.length + 1 + (plan->points != NULL ? PLAN_POINTS_BYTES : 0);
		edges += count_dependencies(task->dependencies);
		if (end > at && (bytes > LIMIT_SLICE_BYTES || edges > PLAN_SLICE_EDGES))
			break;
		end++;
	}
	return end;
}

uint32_t plan_slice(const struct plan *plan, uint32_t *at, struct text *out) {
	uint32_t first = *at, end = slice_end(plan, first);
	for (uint32_t i = first; i < end; i++) {
		if (i > first)
			text_add_char(out, RECORD_RS);
		add_record_of(plan, plan->order[i], out);
	}
	*at = end;
	return end - first;
}

/* The dependencies with what is in the graph, but in an earlier slice, as something that may come later. */
static void add_loosened(const struct plan *plan, uint32_t slice_first, struct slice list, struct text *out) {
	struct record_dependency edge;
	while (record_next_dependency(&list, &edge)) {
		uint32_t task = ids_find(&plan->ids, edge.task_id);
		bool earlier = task != IDS_NONE && plan->place[task] < slice_first;
		if (out->length > 0)
			text_add_char(out, ',');
		text_add_char(out, (char)(edge.future || earlier ? edge.condition & ~0x20 : edge.condition));
		text_add_slice(out, edge.task_id);
	}
}

static void add_record_to_check(const struct plan *plan, uint32_t slice_first, struct slice record, struct text *out) {
	struct task_record parsed;
	struct text dependencies = { 0 };
	must(task_record_parse(record, &parsed));
	text_append(out, record.bytes, (size_t)(parsed.specification_bytes.bytes - record.bytes));
	add_loosened(plan, slice_first, parsed.specification.dependencies, &dependencies);
	parsed.specification.dependencies = (struct slice){ dependencies.bytes, dependencies.length };
	record_add_specification(out, &parsed.specification);
	text_release(&dependencies);
}

uint32_t plan_slice_to_check(const struct plan *plan, uint32_t *at, struct text *out) {
	uint32_t first = *at, end = slice_end(plan, first);
	for (uint32_t i = first; i < end; i++) {
		if (i > first)
			text_add_char(out, RECORD_RS);
		add_record_to_check(plan, first, plan->tasks[plan->order[i]].record, out);
	}
	*at = end;
	return end - first;
}
