/* A graph of tasks, as the timeline reply tells it, arranged for drawing: each task has a depth (the longest path to it)
 * and one parent under which it is drawn, the deepest of those that it depends on. */
#ifndef CORDER_CLI_PLAN_H
#define CORDER_CLI_PLAN_H

#include "client.h"

struct plan_node {
	struct slice task_id, task_type, status;
	struct json_value task;
	size_t *parents, parent_count; /* indexes */
	size_t *children, child_count; /* indexes of those that are drawn under this one */
	size_t depth;
	bool has_parent;
	size_t drawn_under;
};

struct plan {
	struct plan_node *nodes;
	size_t count;
	size_t *roots, root_count;
	size_t edge_count;
};

void plan_make(struct plan *plan, struct json_value tasks);
void plan_release(struct plan *plan);

#endif
