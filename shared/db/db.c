/* The queue of queries and their answers; see db.h. The connection itself is db_link.c. */
#include "db.h"

#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"
#include "db_bulk.h"
#include "db_inside.h"

enum { DB_BACKOFF_FIRST_US = 50000, DB_PORT = 3306, CLIENT_ERROR_FIRST = 2000, CLIENT_ERROR_LAST = 2999 };

/* Errors of the server that pass by themselves, or with an operator's help: lock timeout, deadlock, read-only, shutdown,
 * killed, interrupted, full disk or table, too many connections, a node that is not ready, a failed commit. */
static bool passes(unsigned number) {
	static const unsigned passing[] = { 1020, 1021, 1030, 1037, 1038, 1040, 1041, 1047, 1053, 1077, 1078,
		                                1079, 1114, 1129, 1158, 1159, 1160, 1161, 1180, 1203, 1205, 1206,
		                                1213, 1226, 1290, 1317, 1412, 1637, 1792, 1836, 1927, 1969, 3024 };
	if (number >= CLIENT_ERROR_FIRST && number <= CLIENT_ERROR_LAST)
		return true;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (passing[i] == number)
			return true;
	return false;
}

static bool ends_connection(unsigned number) {
	enum { SHUTDOWN = 1053, KILLED = 1927 };
	return (number >= CLIENT_ERROR_FIRST && number <= CLIENT_ERROR_LAST) || number == SHUTDOWN || number == KILLED;
}

static void call_free(struct db_call *call) {
	text_release(&call->sql);
	free(call);
}

static void answer_lost(struct db_call *call, const char *why) {
	struct error err = { 0 };
	(void)fail(&err, STATUS_RETRY, "database: %s", why);
	db_handler *handler = call->handler;
	void *context = call->context;
	call_free(call);
	if (handler)
		handler(context, STATUS_RETRY, 0, &err, NULL);
}

static void answer_all(struct db_call *call, const char *why) {
	while (call) {
		struct db_call *next = call->next;
		answer_lost(call, why);
		call = next;
	}
}

static struct db_call *take_first(struct db *db) {
	struct db_call *call = db->first;
	db->first = call->next;
	if (!db->first)
		db->last = NULL;
	db->waiting--;
	return call;
}

static void start_next(struct db *db) {
	if (db->state != DB_UP || db->busy || (!db->first && !db->rollback))
		return;
	db->busy = true;
	if (db->rollback)
		db_link_send(db, SLICE("ROLLBACK"));
	else if (db->first->bulk)
		db_link_send_bulk(db, db->first->bulk);
	else
		db_link_send(db, (struct slice){ db->first->sql.bytes, db->first->sql.length });
}

static void answer_first(struct db *db, unsigned error_number, const char *message) {
	struct error err = { 0 };
	struct db_cursor cursor = { 0 };
	struct db_result result = db->result;
	struct db_call *call = take_first(db);
	result.cursor = &cursor;
	db->result = (struct db_result){ 0 };
	enum status status = STATUS_OK;
	if (error_number)
		status =
			fail(&err, passes(error_number) ? STATUS_RETRY : STATUS_REJECT, "database: %s (%u)", message, error_number);
	db_handler *handler = call->handler;
	void *context = call->context;
	call_free(call);
	if (handler)
		handler(context, status, error_number, &err, error_number ? NULL : &result);
	db_result_clear(&result);
}

void db_sent(struct db *db, unsigned error_number, const char *message) {
	if (ends_connection(error_number)) {
		db_link_drop(db, message);
		return;
	}
	bool was_busy = db->busy;
	db->busy = false;
	if (was_busy && db->rollback)
		db->rollback = false;
	else if (was_busy) {
		db->rollback = error_number != 0;
		answer_first(db, error_number, message);
	}
	start_next(db);
}

void db_lost(struct db *db, const char *why) {
	struct db_call *calls = db->first;
	db->first = db->last = NULL;
	db->waiting = 0;
	db->busy = db->rollback = false;
	db_result_clear(&db->result);
	answer_all(calls, why);
}

static void append_call(struct db_call **list, struct db_call *call) {
	while (*list)
		list = &(*list)->next;
	*list = call;
}

/* True when the call may be sent; false when it was put to those that are refused. */
static bool queue(struct db *db, struct db_call *call) {
	if (db->flushed_at_mono_us == loop_now(db->loop))
		loop_again(db->loop); /* this turn's flush is over already */
	if (db->state != DB_UP) {
		append_call(&db->refused, call);
		return false;
	}
	if (db->last)
		db->last->next = call;
	else
		db->first = call;
	db->last = call;
	db->waiting++;
	return true;
}

static struct db_call *call_new(db_handler *handler, void *context) {
	struct db_call *call = memory_new(sizeof(*call));
	call->handler = handler;
	call->context = context;
	return call;
}

void db_query(struct db *db, struct slice sql, db_handler *handler, void *context) {
	if (db->closing)
		return;
	struct db_call *call = call_new(handler, context);
	if (queue(db, call))
		text_append(&call->sql, sql.bytes, sql.length);
}

void db_bulk_run(struct db *db, struct db_bulk *bulk, db_handler *handler, void *context) {
	if (db->closing)
		return;
	struct db_call *call = call_new(handler, context);
	call->bulk = bulk;
	(void)queue(db, call);
}

static void each_turn(void *context) {
	struct db *db = context;
	db->flushed_at_mono_us = loop_now(db->loop);
	struct db_call *refused = db->refused;
	db->refused = NULL;
	answer_all(refused, "not connected");
	start_next(db);
}

static enum status check_url(struct db *db, struct error *err) {
	bool known = !strcmp(db->url.scheme, "mysql") || !strcmp(db->url.scheme, "mariadb");
	db->socket = url_query(&db->url, "socket");
	db->url.port = db->url.port ? db->url.port : DB_PORT;
	if (known && (*db->url.host || db->socket) && strlen(db->url.path) > 1)
		return STATUS_OK;
	return fail(err, STATUS_REJECT,
	            "the database URL must be mysql://user:password@host:port/name or mysql://user@/name?socket=/path");
}

enum status db_open(struct loop *loop, const char *url, struct db **db, struct error *err) {
	struct db *opened = memory_new(sizeof(*opened));
	opened->loop = loop;
	opened->watched_fd = -1;
	opened->backoff_us = DB_BACKOFF_FIRST_US;
	enum status status = url_parse(url, &opened->url, err);
	if (status == STATUS_OK)
		status = check_url(opened, err);
	if (status != STATUS_OK) {
		url_release(&opened->url);
		free(opened->socket);
		free(opened);
		return status;
	}
	loop_each_turn_last(loop, each_turn, opened);
	opened->reconnect = loop_timer_start(loop, clock_mono_us(), db_link_connect, opened);
	*db = opened;
	return STATUS_OK;
}

void db_close(struct db **db) {
	struct db *closed = *db;
	if (!closed)
		return;
	*db = NULL;
	closed->closing = true;
	loop_each_turn_stop(closed->loop, each_turn, closed);
	db_link_close(closed);
	db_lost(closed, "closed");
	answer_all(closed->refused, "closed");
	url_release(&closed->url);
	text_release(&closed->preparing);
	free(closed->socket);
	free(closed);
}

void db_create_missing(struct db *db) {
	db->create_missing = true;
}

bool db_connected(const struct db *db) {
	return db->state == DB_UP;
}

uint64_t db_generation(const struct db *db) {
	return db->generation;
}

size_t db_waiting(const struct db *db) {
	return db->waiting + (db->refused ? 1 : 0);
}

size_t db_max_query_bytes(const struct db *db) {
	enum { ASSUMED = 1 << 20, HEAD_ROOM = 1024 };
	return db->max_packet_bytes > ASSUMED ? db->max_packet_bytes - HEAD_ROOM : ASSUMED - HEAD_ROOM;
}
