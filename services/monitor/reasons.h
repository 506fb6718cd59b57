/* Why a task is not running: the reply to `explain`, made of what was read of it. Pure. */
#ifndef CORDER_MONITOR_REASONS_H
#define CORDER_MONITOR_REASONS_H

#include "view.h"

struct reasons_input {
	const struct view *view;
	const struct view_edge *edges; /* its dependencies, with their status */
	size_t edge_count;
	bool type_paused, project_paused; /* a pause holds it: of its type (in all or in its project), of its project */
	int64_t key_running;              /* tasks with its concurrency key */
	const struct slice *holders;      /* those that run, as far as they were found: task_ids */
	size_t holder_count;
	int64_t position; /* in the ready queue of its type, 1 is next; 0: not in it */
	bool workers_known;
	int64_t workers; /* that wait for its type, or hold a task of it */
	int64_t now_us;
	double hour_weight;
};

/* Appends the reply but for the brace at its end. */
void reasons_add_json(struct text *out, const struct reasons_input *input);

/* Whether an edge holds with a dependency of this status; impossible: it has ended otherwise. */
enum reasons_edge { EDGE_MET, EDGE_OPEN, EDGE_IMPOSSIBLE };
enum reasons_edge reasons_judge_edge(const struct view_edge *edge);

#endif
