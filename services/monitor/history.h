/* What has happened, from MySQL: a few connections, so that a long list holds nobody up; every statement with a limit
 * on its time, at the server and here. Only the database's own time counts: who waits for a connection goes on waiting as
 * long as others are answered, half a minute at most. */
#ifndef CORDER_MONITOR_HISTORY_H
#define CORDER_MONITOR_HISTORY_H

#include "shared/db/db.h"

struct history;

struct history_options {
	const char *url;
	int64_t connections;
	int64_t timeout_ms; /* of one SELECT */
};

/* Uses first (borrowed) and opens connections - 1 more. */
enum status history_open(struct loop *loop, struct db *first, const struct history_options *options,
                         struct history **history, struct error *err);
void history_close(struct history **history);

/* select: one statement, from behind its word SELECT. Answers exactly once, never from within; STATUS_RETRY also when
 * it took too long. */
void history_select(struct history *history, const struct text *select, db_handler *handler, void *context);

/* Who asks shall find what he was told of before. behind: asked before each statement; when it says true, statements wait until
 * history_caught_up(), for HISTORY_HOLD_MS at most. */
enum { HISTORY_HOLD_MS = 500 };
typedef bool history_behind(void *context);
void history_watch(struct history *history, history_behind *behind, void *context);
void history_caught_up(struct history *history);
uint64_t history_timeouts(const struct history *history);

#endif
