/* What is left of a large graph: its slices, and ids that it has reserved. */
#ifndef CORDER_SCHEDULER_GRAPH_NAMES_H
#define CORDER_SCHEDULER_GRAPH_NAMES_H

#include "scheduler.h"

/* Its slices are read by nobody any more. */
void graph_forget_slices(struct partition *partition, const char *token);
/* Gives back every id that the graph with this token has reserved and not taken. Cost: O(ids in Redis), a page a call. */
void graph_give_names_back(struct partition *partition, const char *token);

#endif
