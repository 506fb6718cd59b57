/* Inner to match*.c: lines, and the heap of deadlines. */
#ifndef CORDER_DISPATCHER_MATCH_INSIDE_H
#define CORDER_DISPATCHER_MATCH_INSIDE_H

#include "match.h"

enum { BURST_LEAST = 8, BURST_MOST = 256 };

/* What is known of one type's ready queue in one partition. */
struct match_queue {
	struct match_type *type;
	struct match_queue *next; /* of the partition's list of warm queues */
	bool listed;
	bool hinted, more; /* warm: somebody said so; the last answer was served in full */
	bool asked;        /* in the call that is being gathered */
	bool untold;       /* woken by a call of ours, and others have not been told */
	int64_t burst;     /* how many requests one call takes along */
	int64_t taken;
	uint64_t built; /* tickets below were there when the call under way was gathered */
};

struct match_line {
	struct match_waiter *first, *last; /* by ticket */
};

struct match_type {
	char *name;
	struct match_line patient, once;
	size_t in_line, in_call;
	uint64_t asked; /* tickets below were there when a call that succeeded was gathered */
	int64_t fits;   /* tasks that fit into one reply */
	bool in_check;
	struct match_type *next_check;
	struct match_queue queues[];
};

struct match_list {
	struct match_queue *first, *last;
};

struct match {
	int64_t partitions;
	struct table *types;
	struct match_list *warm, *set_aside; /* a partition each */
	bool *down;
	uint64_t next_ticket;
	size_t waiting;
	struct match_type *check; /* types whose `once` requests may be answerable */
	struct match_waiter **heap;
	size_t heap_count, heap_room;
};

void line_append(struct match_line *line, struct match_waiter *waiter);
void line_insert(struct match_line *line, struct match_waiter *waiter); /* by ticket, from the front */
void line_remove(struct match_line *line, struct match_waiter *waiter);

void heap_add(struct match *match, struct match_waiter *waiter);
void heap_remove(struct match *match, struct match_waiter *waiter);

#endif
