/* A graph of tasks, as the timeline reply tells it, arranged for drawing: each task has a depth (the longest path to it)
 * and one parent under which it is drawn, the deepest of those that it depends on. */
#ifndef CORDER_CLI_PLAN_H
#define CORDER_CLI_PLAN_H

#include "client.h"

struct plan_node {
	struct slice task_id, task_type, status;
	struct json_value task;
	int64_t created_us, started_us, finished_us; /* 0: not yet */
	size_t *parents, parent_count;               /* indexes */
	size_t *children, child_count;               /* indexes of those that are drawn under this one */
	size_t depth;
	bool has_parent;
	size_t drawn_under;
	int64_t ends_us; /* as it was, or is expected; these two after plan_find_critical */
	bool is_critical;
	size_t critical_after; /* the parent before it on the critical path, + 1; 0: none */
};

struct plan {
	struct plan_node *nodes;
	size_t count;
	size_t *roots, root_count;
	size_t edge_count;
};

void plan_make(struct plan *plan, struct json_value tasks);
void plan_release(struct plan *plan);
/* Lights the chain of tasks that decides when the last one ends. */
void plan_find_critical(struct plan *plan, int64_t now_us);
/* When it became ready for its first try; 0: not yet. Of a task that was tried again only its last time is told, so for
 * that one it is the end of what it waited for. */
int64_t plan_first_ready_us(const struct plan *plan, const struct plan_node *node);
/* The numbers of all nodes, each behind its parents; the caller owns them. */
size_t *plan_by_depth(const struct plan *plan);

#endif
