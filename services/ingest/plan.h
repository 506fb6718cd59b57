/* What a submission comes to: the records of its tasks, checked as a graph and put in order, cut into slices that one
 * script call can take. Pure; made the same way from a message and from the parts of a large batch. */
#ifndef CORDER_INGEST_PLAN_H
#define CORDER_INGEST_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/task/ids.h"

enum { PLAN_POINTS_BYTES = 5 };   /* what a record grows by */
enum { PLAN_SLICE_EDGES = 2048 }; /* beside LIMIT_SLICE_TASKS and LIMIT_SLICE_BYTES */

struct plan_task {
	struct slice task_id; /* first: the table of ids reads it */
	struct slice record;
	struct slice dependencies;
};

struct plan {
	struct plan_task *tasks; /* as submitted */
	uint32_t count, capacity;
	uint32_t *order;     /* numbers of tasks, dependencies first; after plan_sort */
	uint32_t *place;     /* of each task in order */
	int16_t *points;     /* of each task, see plan_rank; NULL: the score's own */
	struct ids ids;      /* of all tasks; after plan_sort */
	struct text *bodies; /* the bytes of the records */
	size_t body_count;
	size_t record_bytes, edge_count;
	uint32_t slice_tasks; /* in one slice at most; 0: LIMIT_SLICE_TASKS */
	bool in_parts;        /* paths say so */
};

void plan_close(struct plan *plan);
/* Takes RS-joined records. false when one of them is none; the plan is of no use then. */
bool plan_take(struct plan *plan, struct text *records);
/* Refuses an id that comes twice (duplicate_id) and loops (cycle); *tasks: the JSON list of the ids in question. */
enum status plan_sort(struct plan *plan, struct error *err, struct text *tasks);

/* After plan_sort: gives each task hundredths of points that stand in its score in the place of the dependencies' term, by
 * the longest way from its start to the end of the graph: `weight` points for the longest of all, else in proportion; 0:
 * nothing for anybody, so that equal priorities go by the time they became ready. Linear in tasks and edges. */
void plan_rank(struct plan *plan, int64_t weight);

/* Whether all of it fits one script call. */
bool plan_is_small(const struct plan *plan);
/* Appends the records of the next slice, RS-joined, and moves *at behind them; returns how many, 0 at the end. */
uint32_t plan_slice(const struct plan *plan, uint32_t *at, struct text *out);
/* The same for a check of a large graph slice by slice, which changes nothing: what a task needs of an earlier slice
 * may come later. */
uint32_t plan_slice_to_check(const struct plan *plan, uint32_t *at, struct text *out);

#endif
