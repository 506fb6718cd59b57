/* The pool of connections, the queue before it and the limits on time; see history.h. */
#include "history.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"

enum { CONNECTIONS_MAX = 16, GRACE_MS = 1000, ER_STATEMENT_TIMEOUT = 1969, ER_QUERY_TIMEOUT = 3024 };
enum { TURN_LIMIT_US = 30000000 }; /* nobody waits longer for a connection, even while others get theirs */

struct history_call {
	struct history *history; /* NULL once closed */
	db_handler *handler;     /* NULL once answered */
	void *context;
	struct text sql;          /* until it is sent */
	struct carrier *carrier;  /* NULL: waits for one */
	int64_t asked_at_mono_us; /* … and since then */
	int64_t since_mono_us;    /* the deadline counts from here */
	struct loop_timer *timer;
	struct history_call *next, *previous; /* in waiting, or in sent */
};

/* A connection carries one statement at a time, so that a call's time runs only while the database works on it. */
struct carrier {
	struct db *db;
	struct history_call *call;
};

struct call_list {
	struct history_call *first, *last;
};

struct history {
	struct loop *loop;
	struct carrier carriers[CONNECTIONS_MAX];
	size_t count;
	int64_t timeout_ms, answered_at_mono_us;
	uint64_t timeouts;
	struct call_list waiting, sent;
	history_behind *behind; /* or NULL */
	void *behind_context;
	struct loop_timer *held; /* nothing is sent until then */
};

static void append_call(struct call_list *list, struct history_call *call) {
	call->previous = list->last;
	call->next = NULL;
	if (list->last != NULL)
		list->last->next = call;
	else
		list->first = call;
	list->last = call;
}

static void remove_call(struct call_list *list, struct history_call *call) {
	if (call->next != NULL)
		call->next->previous = call->previous;
	else
		list->last = call->previous;
	if (call->previous != NULL)
		call->previous->next = call->next;
	else
		list->first = call->next;
}

static void free_call(struct history_call *call) {
	text_release(&call->sql);
	free(call);
}

enum status history_open(struct loop *loop, struct db *first, const struct history_options *options,
                         struct history **out, struct error *err) {
	struct history *history = memory_new(sizeof(*history));
	*history = (struct history){
		.loop = loop, .carriers = { { first, NULL } }, .count = 1, .timeout_ms = options->timeout_ms
	};
	while (history->count < (size_t)options->connections && history->count < CONNECTIONS_MAX) {
		enum status status = db_open(loop, options->url, &history->carriers[history->count].db, err);
		if (status != STATUS_OK) {
			history_close(&history);
			return status;
		}
		history->count++;
	}
	*out = history;
	return STATUS_OK;
}

static void forget(struct history *history, struct call_list *list) {
	for (struct history_call *call = list->first; call != NULL; call = call->next) {
		loop_timer_stop(history->loop, &call->timer);
		call->history = NULL;
		call->handler = NULL;
	}
}

void history_close(struct history **history) {
	if (*history == NULL)
		return;
	struct history *old = *history;
	loop_timer_stop(old->loop, &old->held);
	forget(old, &old->waiting);
	forget(old, &old->sent); /* freed when their connection answers, the borrowed one perhaps later still */
	for (struct history_call *call = old->waiting.first; call != NULL; call = old->waiting.first) {
		remove_call(&old->waiting, call);
		free_call(call);
	}
	for (size_t i = 1; i < old->count; i++)
		db_close(&old->carriers[i].db);
	free(old);
	*history = NULL;
}

static void start_timer(struct history_call *call);

/* The server keeps silent: answer without it, and drop what it may say later. Who still waits for a connection is given
 * more time as long as others are answered. */
static void on_deadline(void *context) {
	struct history_call *call = context;
	struct history *history = call->history;
	struct error error = { 0 };
	db_handler *handler = call->handler;
	void *handler_context = call->context;
	int64_t now_us = clock_mono_us();
	call->timer = NULL;
	if (call->carrier == NULL && history->answered_at_mono_us > call->since_mono_us &&
	    now_us - call->asked_at_mono_us < TURN_LIMIT_US) {
		call->since_mono_us = history->answered_at_mono_us;
		start_timer(call);
		return;
	}
	history->timeouts++;
	fail(&error, STATUS_RETRY, "the database does not answer");
	call->handler = NULL;
	if (call->carrier == NULL) {
		remove_call(&history->waiting, call);
		free_call(call);
	}
	handler(handler_context, STATUS_RETRY, 0, &error, NULL);
}

static void start_timer(struct history_call *call) {
	struct history *history = call->history;
	int64_t deadline_us = call->since_mono_us + (history->timeout_ms + GRACE_MS) * 1000;
	loop_timer_stop(history->loop, &call->timer);
	call->timer = loop_timer_start(history->loop, deadline_us, on_deadline, call);
}

static void send_waiting(struct history *history);

static void on_result(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct history_call *call = context;
	struct history *history = call->history;
	struct error late;
	if (history != NULL) {
		loop_timer_stop(history->loop, &call->timer);
		remove_call(&history->sent, call);
		call->carrier->call = NULL;
		history->answered_at_mono_us = clock_mono_us();
	}
	if (history != NULL && (error_number == ER_STATEMENT_TIMEOUT || error_number == ER_QUERY_TIMEOUT)) {
		history->timeouts++;
		status = fail(&late, STATUS_RETRY, "the database took longer than %lld ms: ask for less",
		              (long long)history->timeout_ms);
		err = &late;
	}
	if (call->handler != NULL)
		call->handler(call->context, status, error_number, err, result);
	if (call->history != NULL)
		send_waiting(history);
	free_call(call);
}

static void send_call(struct history *history, struct history_call *call, struct carrier *carrier) {
	remove_call(&history->waiting, call);
	append_call(&history->sent, call);
	carrier->call = call;
	call->carrier = carrier;
	call->since_mono_us = clock_mono_us();
	start_timer(call);
	db_query(carrier->db, (struct slice){ call->sql.bytes, call->sql.length }, on_result, call);
	text_release(&call->sql);
}

/* A connection that is up and carries nothing. When none is up, the first one says so to whoever asks. */
static struct carrier *free_carrier(struct history *history) {
	bool any_up = false;
	for (size_t i = 0; i < history->count; i++) {
		struct carrier *carrier = &history->carriers[i];
		bool up = db_connected(carrier->db);
		any_up = any_up || up;
		if (up && carrier->call == NULL)
			return carrier;
	}
	return !any_up && history->carriers[0].call == NULL ? &history->carriers[0] : NULL;
}

static void send_waiting(struct history *history) {
	struct carrier *carrier;
	while (history->held == NULL && history->waiting.first != NULL && (carrier = free_carrier(history)) != NULL)
		send_call(history, history->waiting.first, carrier);
}

static void on_held(void *context) {
	struct history *history = context;
	history->held = NULL;
	send_waiting(history);
}

void history_watch(struct history *history, history_behind *behind, void *context) {
	history->behind = behind;
	history->behind_context = context;
}

void history_caught_up(struct history *history) {
	if (history->held == NULL)
		return;
	loop_timer_stop(history->loop, &history->held);
	send_waiting(history);
}

void history_select(struct history *history, const struct text *select, db_handler *handler, void *context) {
	struct history_call *call = memory_new(sizeof(*call));
	*call = (struct history_call){ .history = history, .handler = handler, .context = context };
	call->asked_at_mono_us = call->since_mono_us = clock_mono_us();
	text_printf(&call->sql, /* MariaDB takes the first limit, MySQL the second */
	            "/*M! SET STATEMENT max_statement_time=%lld.%03lld FOR */ SELECT /*+ MAX_EXECUTION_TIME(%lld) */ ",
	            (long long)(history->timeout_ms / 1000), (long long)(history->timeout_ms % 1000),
	            (long long)history->timeout_ms);
	text_append(&call->sql, select->bytes, select->length);
	append_call(&history->waiting, call);
	start_timer(call);
	bool behind = history->behind != NULL && history->behind(history->behind_context);
	if (behind && history->held == NULL)
		history->held = loop_timer_start(history->loop, clock_mono_us() + HISTORY_HOLD_MS * 1000, on_held, history);
	send_waiting(history);
}

uint64_t history_timeouts(const struct history *history) {
	return history->timeouts;
}
