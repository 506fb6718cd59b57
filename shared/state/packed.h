/* A task's state as the scripts pack it (FORMAT in lua/prelude_data.lua), read in C: for deliveries, and for the log's
 * records, which are made here so that Lua need not. Pure; everything read borrows the bytes. */
#ifndef CORDER_STATE_PACKED_H
#define CORDER_STATE_PACKED_H

#include "../kv/kv.h"
#include "../task/record.h"

enum { PACKED_MEMBER_BYTES = 6, PACKED_EDGE_BYTES = 7 };

struct packed {
	int64_t number;
	char status;
	int64_t priority, flags, waits, policy, retry_count, degree, left, version, attempt;
	int64_t created_us, ready_us, due_us, started_us, seq; /* 0: none; due: of a running task the end of its lease */
	struct slice project, task_type, task_id, batch_id, traceparent;
	struct slice worker, lease, because;
};

bool packed_read(struct slice bytes, struct packed *packed);

/* A task's number in 6 bytes, as it stands in keys and edges. */
void packed_add_member(struct text *out, int64_t number);
int64_t packed_member(const char *bytes);
/* The number in a lease, "<entry id>-<number>"; 0 when there is none. */
int64_t packed_lease_number(struct slice lease);

/* The header of an entry of the outbox, and the time of its events. */
struct outbox_header {
	struct slice id, previous, epoch;
	int64_t first_seq, last_seq, at_us;
	struct slice log; /* the header as the log has it */
};
/* fields: an entry's, as Redis says them: "h" or "d", the header, then the events' texts. */
bool outbox_is_direct(const struct kv_reply *fields); /* "d": who has made it appends it to the log */
bool outbox_read_header(const struct kv_reply *fields, struct outbox_header *header);
/* Appends the entry as it stands in a block of the log (record.h). False for one that is none, or of another version. */
bool outbox_add_entry(struct text *out, const struct outbox_header *header, const struct kv_reply *fields);

#endif
