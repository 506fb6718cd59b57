/* Counts, queues and lags at one moment, read when somebody asks; those who ask meanwhile share the next one. What
 * does not answer within a second keeps what it said last, and is named by the health. */
#ifndef CORDER_MONITOR_SNAPSHOT_H
#define CORDER_MONITOR_SNAPSHOT_H

#include "monitor.h"
#include "tally.h"

struct snapshot;

enum { SNAPSHOT_HUNDREDS = 11 };

struct snapshot_queue {
	char *task_type;
	int64_t depth, oldest_us;              /* oldest_us: when its longest waiting task became ready */
	int64_t by_hundred[SNAPSHOT_HUNDREDS]; /* of the score; see read.lua, depths */
};

struct snapshot_view {
	struct tally tally;
	struct snapshot_queue *queues;
	size_t queue_count;
	int64_t now_us;
	int64_t logged_seq, persisted_seq, outbox_events, overdue, overdue_us, releasing, redis_bytes, poison_events;
	int64_t lag_events;
	int64_t redis_percent;      /* of its memory, the fullest Redis; -1: not known */
	bool has_live, has_history; /* since the start */
};

typedef void snapshot_handler(void *context, struct monitor *monitor);

struct snapshot *snapshot_open(struct monitor *monitor);
void snapshot_close(struct snapshot **snapshot);
/* Calls handler once, never from within, with a view that was read after this call (or in part an older one, see above). */
void snapshot_refresh(struct snapshot *snapshot, snapshot_handler *handler, void *context);
/* The queue of a type, NULL when nothing in it is ready. */
const struct snapshot_queue *snapshot_queue(const struct snapshot_view *view, struct slice task_type);
const struct snapshot_view *snapshot_view(const struct snapshot *snapshot);
void snapshot_facts(const struct snapshot *snapshot, struct health_facts *facts);

#endif
