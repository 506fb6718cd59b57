/* The pool of connections and the limits on time; see history.h. */
#include "history.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"

enum { CONNECTIONS_MAX = 16, GRACE_MS = 1000, ER_STATEMENT_TIMEOUT = 1969, ER_QUERY_TIMEOUT = 3024 };

struct history {
	struct loop *loop;
	struct db *connections[CONNECTIONS_MAX];
	size_t count;
	int64_t timeout_ms;
	uint64_t timeouts;
	struct history_call *calls; /* under way */
};

struct history_call {
	struct history *history; /* NULL once closed */
	db_handler *handler;     /* NULL once answered */
	void *context;
	struct loop_timer *timer;
	struct history_call *next, *previous;
};

enum status history_open(struct loop *loop, struct db *first, const struct history_options *options,
                         struct history **out, struct error *err) {
	struct history *history = memory_new(sizeof(*history));
	*history =
		(struct history){ .loop = loop, .connections = { first }, .count = 1, .timeout_ms = options->timeout_ms };
	while (history->count < (size_t)options->connections && history->count < CONNECTIONS_MAX) {
		enum status status = db_open(loop, options->url, &history->connections[history->count], err);
		if (status != STATUS_OK) {
			history_close(&history);
			return status;
		}
		history->count++;
	}
	*out = history;
	return STATUS_OK;
}

static void unlink_call(struct history_call *call) {
	struct history *history = call->history;
	loop_timer_stop(history->loop, &call->timer);
	if (call->next != NULL)
		call->next->previous = call->previous;
	if (call->previous != NULL)
		call->previous->next = call->next;
	else
		history->calls = call->next;
}

void history_close(struct history **history) {
	if (*history == NULL)
		return;
	struct history *old = *history;
	for (size_t i = 1; i < old->count; i++)
		db_close(&old->connections[i]);
	while (old->calls != NULL) { /* those on the borrowed connection, which may answer later still */
		struct history_call *call = old->calls;
		unlink_call(call);
		call->history = NULL;
		call->handler = NULL;
	}
	free(old);
	*history = NULL;
}

static void on_result(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct history_call *call = context;
	struct error late;
	if (call->history != NULL)
		unlink_call(call);
	if (call->history != NULL && (error_number == ER_STATEMENT_TIMEOUT || error_number == ER_QUERY_TIMEOUT)) {
		call->history->timeouts++;
		status = fail(&late, STATUS_RETRY, "the database took longer than %lld ms: ask for less",
		              (long long)call->history->timeout_ms);
		err = &late;
	}
	if (call->handler != NULL)
		call->handler(call->context, status, error_number, err, result);
	free(call);
}

/* The server keeps silent: answer without it, and drop what it may say later. */
static void on_deadline(void *context) {
	struct history_call *call = context;
	struct error error = { 0 };
	db_handler *handler = call->handler;
	call->timer = NULL;
	call->handler = NULL;
	call->history->timeouts++;
	fail(&error, STATUS_RETRY, "the database does not answer");
	handler(call->context, STATUS_RETRY, 0, &error, NULL);
}

/* The least busy connection that is up. */
static struct db *choose(struct history *history) {
	struct db *best = history->connections[0];
	for (size_t i = 1; i < history->count; i++) {
		struct db *other = history->connections[i];
		if (db_connected(other) && (!db_connected(best) || db_waiting(other) < db_waiting(best)))
			best = other;
	}
	return best;
}

void history_select(struct history *history, const struct text *select, db_handler *handler, void *context) {
	struct history_call *call = memory_new(sizeof(*call));
	*call = (struct history_call){ .history = history, .handler = handler, .context = context, .next = history->calls };
	if (history->calls != NULL)
		history->calls->previous = call;
	history->calls = call;
	int64_t deadline_us = clock_mono_us() + (history->timeout_ms + GRACE_MS) * 1000;
	call->timer = loop_timer_start(history->loop, deadline_us, on_deadline, call);
	struct text sql = { 0 }; /* MariaDB takes the first limit, MySQL the second */
	text_printf(&sql,
	            "/*M! SET STATEMENT max_statement_time=%lld.%03lld FOR */ SELECT /*+ MAX_EXECUTION_TIME(%lld) */ ",
	            (long long)(history->timeout_ms / 1000), (long long)(history->timeout_ms % 1000),
	            (long long)history->timeout_ms);
	text_append(&sql, select->bytes, select->length);
	db_query(choose(history), (struct slice){ sql.bytes, sql.length }, on_result, call);
	text_release(&sql);
}

uint64_t history_timeouts(const struct history *history) {
	return history->timeouts;
}
