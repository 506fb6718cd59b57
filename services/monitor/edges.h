/* The dependencies of a task with the status of each: from Redis as far as they are there, the others from MySQL. */
#ifndef CORDER_MONITOR_EDGES_H
#define CORDER_MONITOR_EDGES_H

#include "monitor.h"
#include "view.h"

struct edges {
	struct view_edge *list; /* in the order of submission; status 0: no such task */
	size_t count;
};

/* edges is NULL unless OK, and gone when the handler returns. */
typedef void edges_handler(void *context, enum status status, const struct edges *edges, const struct error *err);

/* dependencies: in the record's form; all slices are copied. Answers once, perhaps from within. */
void edges_look_up(struct monitor *monitor, struct slice project, struct slice task_id, struct slice dependencies,
                   edges_handler *handler, void *context);

#endif
