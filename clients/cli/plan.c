/* Depths by relaxation in order of submission, which is nearly topological; parents by depth. */
#include "plan.h"

#include <stdint.h>
#include <stdlib.h>

#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "fields.h"

static void take_nodes(struct plan *plan, struct json_value tasks, struct table *index) {
	size_t at = 0;
	plan->count = json_count(tasks);
	plan->nodes = memory_array(plan->count + 1, sizeof *plan->nodes);
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task), at++) {
		struct plan_node *node = &plan->nodes[at];
		node->task = task;
		node->task_id = json_text(json_member(task, "task_id"));
		node->task_type = json_text(json_member(task, "task_type"));
		node->status = json_text(json_member(task, "status"));
		node->created_us = field_time(json_member(task, "created_at"));
		node->started_us = field_time(json_member(task, "started_at"));
		node->finished_us = field_time(json_member(task, "finished_at"));
		table_put(index, node->task_id, (void *)(uintptr_t)(at + 1));
	}
}

/* Edges to tasks that are not part of the picture are left out. */
static void take_edges(struct plan *plan, const struct table *index) {
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_node *node = &plan->nodes[i];
		struct json_value edges = json_member(node->task, "dependencies");
		node->parents = memory_array(json_count(edges) + 1, sizeof *node->parents);
		for (struct json_value edge = json_first(edges); json_present(edge); edge = json_next(edge)) {
			uintptr_t parent = (uintptr_t)table_get(index, json_text(json_member(edge, "task_id")));
			if (parent > 0)
				node->parents[node->parent_count++] = parent - 1;
		}
		plan->edge_count += node->parent_count;
	}
}

/* Depths: rounds of relaxation in the given order; a reply in order of submission needs two. */
static void find_depths(struct plan *plan) {
	bool changed = true;
	for (size_t round = 0; changed && round < plan->count; round++) {
		changed = false;
		for (size_t i = 0; i < plan->count; i++) {
			struct plan_node *node = &plan->nodes[i];
			for (size_t p = 0; p < node->parent_count; p++) {
				size_t depth = plan->nodes[node->parents[p]].depth + 1;
				if (depth <= node->depth)
					continue;
				node->depth = depth;
				changed = true;
			}
		}
	}
}

static void choose_parents(struct plan *plan) {
	plan->roots = memory_array(plan->count + 1, sizeof *plan->roots);
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_node *node = &plan->nodes[i];
		for (size_t p = 0; p < node->parent_count; p++) {
			if (plan->nodes[node->parents[p]].depth + 1 != node->depth || node->has_parent)
				continue;
			node->has_parent = true;
			node->drawn_under = node->parents[p];
		}
		if (node->has_parent)
			plan->nodes[node->drawn_under].child_count++;
		else
			plan->roots[plan->root_count++] = i;
	}
	for (size_t i = 0; i < plan->count; i++) {
		plan->nodes[i].children = memory_array(plan->nodes[i].child_count + 1, sizeof *plan->nodes[i].children);
		plan->nodes[i].child_count = 0;
	}
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_node *parent = &plan->nodes[plan->nodes[i].drawn_under];
		if (plan->nodes[i].has_parent)
			parent->children[parent->child_count++] = i;
	}
}

void plan_make(struct plan *plan, struct json_value tasks) {
	struct table *index = table_open();
	*plan = (struct plan){ 0 };
	take_nodes(plan, tasks, index);
	take_edges(plan, index);
	find_depths(plan);
	choose_parents(plan);
	table_close(&index);
}

void plan_release(struct plan *plan) {
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->nodes[i].parents);
		free(plan->nodes[i].children);
	}
	free(plan->nodes);
	free(plan->roots);
	*plan = (struct plan){ 0 };
}
