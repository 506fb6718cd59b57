/* What a graph would take, before it is sent: the order in which its tasks would start, the critical path, and how long
 * all of it takes with so many workers that take any type. Computed by running the graph through the scheduler's own
 * order on a clock of its own; retries, failures and the work of others are not foreseen. Pure. */
#ifndef CORDER_INGEST_FORECAST_H
#define CORDER_INGEST_FORECAST_H

#include "plan.h"

enum { FORECAST_LISTED = 1000 }; /* ids of the order and of the path that are told; the rest is only counted */

/* After plan_sort. items: two letters a task in the plan's order, verdict and status, or an empty text: a task that was
 * there and has ended takes no time. workers 0: as many as there is work for. Appends the reply's `forecast`, an object. */
void forecast_add(const struct plan *plan, struct slice items, int64_t workers, struct text *out);

#endif
