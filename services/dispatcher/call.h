/* Inner to turn.c and answers.c: one script call of a partition, from its gathering until the log has it. */
#ifndef CORDER_DISPATCHER_CALL_H
#define CORDER_DISPATCHER_CALL_H

#include "dispatcher.h"

enum {
	CALL_ITEMS = 256,        /* settles and renewals, and as many tasks leased: of one request */
	CALL_ENOUGH = 128,       /* of several: more gains nothing, and keeps Redis from others for longer */
	CALL_BYTES = 512 * 1024, /* of what settles carry */
	ITEM_BYTES = 320,        /* of each beside its result */
	CALL_AGAIN_US = 100000,  /* after a call that failed */
};

struct call {
	struct partition *partition;
	struct text releases;
	size_t release_count;
	struct part *parts[CALL_ITEMS];
	size_t part_count;
	struct match_waiter *waiters[CALL_ITEMS];
	size_t waiter_count;
	/* Pinned until the log has the entry: the first are of parts. */
	struct request *pinned[2 * CALL_ITEMS];
	size_t pinned_count, pinned_parts;
	int64_t seq;
};

void partition_down(struct partition *partition, const char *reason);
void call_answered(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                   const struct error *err);

#endif
