/* The critical path of a plan: the chain of tasks that decides when the last one ends. For what has ended the times are
 * those that were; for what has not, it is as long as it was estimated, or as its type took on the average. */
#include <stdlib.h>

#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "fields.h"
#include "plan.h"

enum { UNKNOWN_US = 1000000 };

/* What the tries of a type took together. */
struct took {
	int64_t sum_us, count;
};

static struct took *took_of(struct table *types, struct slice task_type) {
	struct took *took = table_get(types, task_type);
	if (took == NULL) {
		took = memory_new(sizeof *took);
		table_put(types, task_type, took);
	}
	return took;
}

static void learn(const struct plan *plan, struct table *types) {
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_node *node = &plan->nodes[i];
		if (node->started_us == 0 || node->finished_us == 0)
			continue;
		struct took *took = took_of(types, node->task_type);
		took->sum_us += node->finished_us - node->started_us;
		took->count++;
	}
}

static int64_t estimate_us(const struct plan_node *node, struct table *types) {
	double estimated_s = json_double(json_member(node->task, "estimated_duration"), -1);
	const struct took *took = took_of(types, node->task_type);
	if (estimated_s >= 0)
		return (int64_t)(estimated_s * 1e6);
	return took->count > 0 ? took->sum_us / took->count : UNKNOWN_US;
}

/* When it ends: parents first. */
static void find_end(struct plan *plan, struct plan_node *node, struct table *types, int64_t now_us) {
	if (node->finished_us > 0) {
		node->ends_us = node->finished_us;
		return;
	}
	int64_t starts_us = node->started_us > 0 ? node->started_us : now_us;
	for (size_t p = 0; node->started_us == 0 && p < node->parent_count; p++) {
		int64_t before_us = plan->nodes[node->parents[p]].ends_us;
		starts_us = before_us > starts_us ? before_us : starts_us;
	}
	node->ends_us = starts_us + estimate_us(node, types);
	if (node->ends_us < now_us)
		node->ends_us = now_us;
}

size_t *plan_by_depth(const struct plan *plan) {
	size_t *order = memory_array(plan->count + 1, sizeof *order), *first = memory_array(plan->count + 2, sizeof *first);
	for (size_t i = 0; i < plan->count; i++)
		first[plan->nodes[i].depth + 1]++;
	for (size_t d = 0; d < plan->count; d++)
		first[d + 1] += first[d];
	for (size_t i = 0; i < plan->count; i++)
		order[first[plan->nodes[i].depth]++] = i;
	free(first);
	return order;
}

static void light(struct plan *plan) {
	struct plan_node *last = NULL;
	for (size_t i = 0; i < plan->count; i++)
		if (last == NULL || plan->nodes[i].ends_us > last->ends_us)
			last = &plan->nodes[i];
	while (last != NULL) {
		struct plan_node *latest = NULL;
		last->is_critical = true;
		for (size_t p = 0; p < last->parent_count; p++) {
			struct plan_node *parent = &plan->nodes[last->parents[p]];
			if (latest == NULL || parent->ends_us > latest->ends_us)
				latest = parent;
		}
		last->critical_after = latest != NULL ? (size_t)(latest - plan->nodes) + 1 : 0;
		last = latest;
	}
}

void plan_find_critical(struct plan *plan, int64_t now_us) {
	struct table *types = table_open();
	size_t *order = plan_by_depth(plan), at = 0;
	struct slice type;
	void *took;
	learn(plan, types);
	for (size_t i = 0; i < plan->count; i++)
		find_end(plan, &plan->nodes[order[i]], types, now_us);
	light(plan);
	while (table_next(types, &at, &type, &took))
		free(took);
	table_close(&types);
	free(order);
}

int64_t plan_first_ready_us(const struct plan *plan, const struct plan_node *node) {
	int64_t ready_us = field_time(json_member(node->task, "ready_at")), before_us = node->created_us;
	struct json_value first = json_first(json_member(node->task, "attempts"));
	int64_t started_us = json_present(first) ? field_time(json_member(first, "started_at")) : node->started_us;
	if (started_us == 0 || (ready_us > 0 && ready_us <= started_us))
		return ready_us;
	for (size_t p = 0; p < node->parent_count; p++) {
		int64_t finished_us = plan->nodes[node->parents[p]].finished_us;
		before_us = finished_us > before_us ? finished_us : before_us;
	}
	return before_us < started_us ? before_us : started_us;
}
