/* A large graph under way: graph.c takes it through its steps, graph_left.c takes over what another scheduler left. */
#ifndef CORDER_SCHEDULER_GRAPH_INSIDE_H
#define CORDER_SCHEDULER_GRAPH_INSIDE_H

#include "scheduler.h"

enum graph_step { GRAPH_RESERVE, GRAPH_PLACE, GRAPH_UNDO };

struct graph {
	struct graph *next;
	struct partition *partition;
	struct service_request *request; /* NULL when it was taken over from another scheduler */
	bool archived, decided, fresh;   /* fresh: some task of it is new */
	bool lost;                       /* a slice is gone: NATS lost it, or this is its end */
	enum graph_step step;
	int64_t slice, slices, tasks;
	int64_t reserved; /* so many slices may hold ids, of the first try or the second */
	int tries;
	int unsafe;          /* slices that were placed, and are not in the log yet */
	bool unsure, placed; /* one of them is perhaps lost; all have been placed */
	bool ended;          /* kept until nobody waits for it */
	bool doubted;        /* it was refused once, and is reserved anew from its first slice */
	char *project, *batch_id, *token;
	struct text body;  /* the slice at hand */
	char *verdict;     /* why it was refused, in admit.lua's form; NULL when it was not */
	struct text items; /* what each task comes to, RS-joined, when one message can tell it */
	struct submission submission;
};

struct graphs {
	struct graph *first;
	char seen[64]; /* a token of another scheduler that was there at the last ticks */
	int seen_ticks;
	bool asking;
};

/* header: "token US slices US tasks", or less of it. */
struct graph *graph_start(struct partition *partition, struct slice project, struct slice batch_id,
                          struct slice header);
void graph_step_is(struct graph *graph, enum graph_step step); /* from its first slice on */

#endif
