/* The connection to MariaDB, by Connector/C's non-blocking calls: each is started, says what it waits for (readable,
 * writable, a timeout), and is continued when that has come. One thing is under way at a time. */
#include <mariadb/errmsg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "db_bulk_inside.h"

enum {
	BACKOFF_FIRST_US = 50000,
	BACKOFF_MOST_US = 2000000,
	CONNECT_LIMIT_S = 5,
	ANSWER_LIMIT_S = 60, /* a query that takes longer counts as a lost connection */
	ER_BAD_DATABASE = 1049,
};

static const char *const session =
	"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
	"NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', innodb_lock_wait_timeout = 10, autocommit = 1";

static void advance(struct db *db);
static void on_step_limit(void *context);
static void on_ready(void *context, int fd, int events);

static void watch(struct db *db, int events) {
	if (db->watched_events == events)
		return;
	db->watched_events = events;
	loop_watch(db->loop, db->watched_fd, events, on_ready, db);
}

/* ---- steps ---- */

static int step_continue(struct db *db, int ready) {
	switch (db->step) {
	case DB_STEP_CONNECT: return mysql_real_connect_cont(&db->step_mysql, db->mysql, ready);
	case DB_STEP_QUERY: return mysql_real_query_cont(&db->step_int, db->mysql, ready);
	case DB_STEP_STORE: return mysql_store_result_cont(&db->step_set, db->mysql, ready);
	case DB_STEP_NEXT: return mysql_next_result_cont(&db->step_int, db->mysql, ready);
	case DB_STEP_PREPARE: return mysql_stmt_prepare_cont(&db->step_int, db->step_statement, ready);
	case DB_STEP_EXECUTE: return mysql_stmt_execute_cont(&db->step_int, db->step_statement, ready);
	case DB_STEP_NONE: break;
	}
	return 0;
}

/* Waits for what the step under way asked for; true when it has ended instead. */
static bool step_ended(struct db *db, int wants) {
	loop_timer_stop(db->loop, &db->step_limit);
	if (wants == 0)
		return true;
	int events = 0;
	if (wants & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT))
		events |= LOOP_READ;
	if (wants & MYSQL_WAIT_WRITE)
		events |= LOOP_WRITE;
	int fd = (int)mysql_get_socket(db->mysql);
	if (fd != db->watched_fd) {
		db->watched_fd = fd;
		db->watched_events = 0;
	}
	if (fd >= 0)
		watch(db, events);
	if (wants & MYSQL_WAIT_TIMEOUT)
		db->step_limit =
			loop_timer_start(db->loop, clock_mono_us() + (int64_t)mysql_get_timeout_value_ms(db->mysql) * 1000,
		                     on_step_limit, db);
	return false;
}

static void step_resume(struct db *db, int ready) {
	if (step_ended(db, step_continue(db, ready)))
		advance(db);
}

static void on_step_limit(void *context) {
	struct db *db = context;
	db->step_limit = NULL;
	step_resume(db, MYSQL_WAIT_TIMEOUT);
}

static void on_ready(void *context, int fd, int events) {
	struct db *db = context;
	if (!db->mysql || fd != db->watched_fd)
		return;
	if (db->step == DB_STEP_NONE) { /* nothing was asked: the server has hung up */
		db_link_drop(db, "the server closed the connection");
		return;
	}
	int ready = 0;
	if (events & LOOP_READ)
		ready |= MYSQL_WAIT_READ;
	if (events & LOOP_WRITE)
		ready |= MYSQL_WAIT_WRITE;
	step_resume(db, ready);
}

/* ---- connecting ---- */

static void plan_reconnect(struct db *db) {
	int64_t wait_us = db->backoff_us / 2 + (int64_t)(id_random() % (uint64_t)db->backoff_us);
	db->backoff_us = db->backoff_us * 2 < BACKOFF_MOST_US ? db->backoff_us * 2 : BACKOFF_MOST_US;
	db->reconnect = loop_timer_start(db->loop, clock_mono_us() + wait_us, db_link_connect, db);
}

/* A step that is suspended is brought to its end first: its stack is Connector/C's, and holds memory. */
static void hang_up(struct db *db) {
	if (db->watched_fd >= 0) {
		watch(db, 0);
		(void)shutdown(db->watched_fd, SHUT_RDWR);
	}
	db->watched_fd = -1;
	loop_timer_stop(db->loop, &db->step_limit);
	bool suspended = db->step != DB_STEP_NONE;
	for (int tries = 0; suspended && tries < 100; tries++)
		suspended = step_continue(db, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE) != 0;
	if (db->step == DB_STEP_STORE && db->step_set && !suspended)
		mysql_free_result(db->step_set);
	db->step = DB_STEP_NONE;
	db->step_set = NULL;
	mysql_close(db->mysql);
	db->mysql = NULL;
}

void db_link_drop(struct db *db, const char *why) {
	char reason[256];
	bool was_up = db->state == DB_UP;
	if (!db->mysql)
		return;
	size_t length = strlen(why) < sizeof(reason) ? strlen(why) : sizeof(reason) - 1;
	memcpy(reason, why, length); /* it may live in the connection */
	reason[length] = 0;
	hang_up(db);
	db->state = DB_DOWN;
	if (db->closing)
		return;
	if (was_up || db->backoff_us == BACKOFF_FIRST_US)
		log_warn("the database is away; queries fail until it is back", "host", db->socket ? db->socket : db->url.host,
		         "port", log_int(db->url.port), "reason", reason, NULL);
	plan_reconnect(db);
	db_lost(db, reason);
}

static void set_options(struct db *db) {
	unsigned connect_s = CONNECT_LIMIT_S, answer_s = ANSWER_LIMIT_S;
	my_bool off = 0;
	enum mysql_protocol_type protocol = db->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	mysql_options(db->mysql, MYSQL_OPT_NONBLOCK, NULL);
	mysql_options(db->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(db->mysql, MYSQL_OPT_RECONNECT, &off);
	mysql_options(db->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(db->mysql, MYSQL_OPT_READ_TIMEOUT, &answer_s);
	mysql_options(db->mysql, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
	mysql_options(db->mysql, MYSQL_OPT_PROTOCOL, &protocol);
	mysql_options(db->mysql, MYSQL_INIT_COMMAND, session);
	mysql_options(db->mysql, MYSQL_INIT_COMMAND, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
}

static const char *database_name(const struct db *db) {
	return *db->url.path ? db->url.path + 1 : "";
}

void db_link_connect(void *context) {
	struct db *db = context;
	db->reconnect = NULL;
	db->mysql = mysql_init(NULL);
	must(db->mysql != NULL);
	set_options(db);
	db->state = DB_CONNECTING;
	db->step = DB_STEP_CONNECT;
	db->watched_fd = -1;
	db->watched_events = 0;
	bool nameless = db->database_missing || !*database_name(db);
	int wants = mysql_real_connect_start(&db->step_mysql, db->mysql, db->socket ? NULL : db->url.host, db->url.user,
	                                     db->url.password, nameless ? NULL : database_name(db), (unsigned)db->url.port,
	                                     db->socket, CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS);
	if (step_ended(db, wants))
		advance(db);
}

/* The name comes from the URL; back quotes in it are doubled. */
static void add_name(struct text *sql, const char *name) {
	text_add_char(sql, '`');
	for (; *name; name++) {
		text_add_char(sql, *name);
		if (*name == '`')
			text_add_char(sql, '`');
	}
	text_add_char(sql, '`');
}

static void prepare(struct db *db) {
	struct text *sql = &db->preparing;
	text_clear(sql);
	db->state = DB_PREPARING;
	if (db->database_missing) {
		text_add(sql, "CREATE DATABASE IF NOT EXISTS ");
		add_name(sql, database_name(db));
		text_add(sql, " CHARACTER SET utf8mb4; USE ");
		add_name(sql, database_name(db));
		text_add(sql, "; ");
	}
	text_add(sql, "SELECT @@max_allowed_packet");
	db_link_send(db, (struct slice){ sql->bytes, sql->length });
}

static void connected(struct db *db) {
	if (!db->step_mysql) {
		bool create = db->create_missing && mysql_errno(db->mysql) == ER_BAD_DATABASE;
		db->database_missing = create;
		db_link_drop(db, mysql_error(db->mysql));
		return;
	}
	unsigned long extended = 0;
	(void)mariadb_get_infov(db->mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended);
	db->can_bulk = (extended & (unsigned long)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
	db->generation++;
	db->watched_fd = (int)mysql_get_socket(db->mysql);
	prepare(db);
}

/* ---- queries ---- */

static void finish(struct db *db) {
	unsigned number = mysql_errno(db->mysql);
	watch(db, LOOP_READ);
	if (db->state == DB_PREPARING && number == 0) {
		struct db_cursor cursor = { 0 };
		db->result.cursor = &cursor;
		db->state = DB_UP;
		db->database_missing = false;
		db->backoff_us = BACKOFF_FIRST_US;
		db->max_packet_bytes = (size_t)db_int(&db->result, 0, 0);
		db_result_clear(&db->result);
		log_info("the database is connected", "host", db->socket ? db->socket : db->url.host, "port",
		         log_int(db->url.port), NULL);
		db_sent(db, 0, NULL);
		return;
	}
	if (db->state == DB_PREPARING) {
		db_link_drop(db, mysql_error(db->mysql));
		return;
	}
	db_sent(db, number, number ? mysql_error(db->mysql) : NULL);
}

static int start_store(struct db *db) {
	db->step = DB_STEP_STORE;
	db->step_set = NULL;
	return mysql_store_result_start(&db->step_set, db->mysql);
}

static int start_next(struct db *db) {
	db->step = DB_STEP_NEXT;
	return mysql_next_result_start(&db->step_int, db->mysql);
}

static void keep_result(struct db *db) {
	if (!db->step_set) {
		db->result.affected = mysql_affected_rows(db->mysql);
		return;
	}
	if (db->result.set)
		mysql_free_result(db->result.set);
	db->result.set = db->step_set;
	db->step_set = NULL;
}

/* Takes the step that follows the one which has ended; true and *wants when one was started. */
static bool next_step(struct db *db, int *wants) {
	enum db_step ended = db->step;
	db->step = DB_STEP_NONE;
	if (ended == DB_STEP_STORE)
		keep_result(db);
	if (mysql_errno(db->mysql) != 0)
		return false;
	if (ended != DB_STEP_STORE) {
		if (ended == DB_STEP_NEXT && db->step_int != 0)
			return false;
		*wants = start_store(db);
		return true;
	}
	if (!mysql_more_results(db->mysql))
		return false;
	*wants = start_next(db);
	return true;
}

static void execute(struct db *db) {
	db->step = DB_STEP_EXECUTE;
	db->step_statement = db_statement_bind(db->step_bulk);
	if (step_ended(db, mysql_stmt_execute_start(&db->step_int, db->step_statement)))
		advance(db);
}

static void statement_ended(struct db *db) {
	bool prepared = db->step == DB_STEP_PREPARE;
	unsigned number = db->step_int ? mysql_stmt_errno(db->step_statement) : 0;
	if (db->step_int && number == 0)
		number = CR_UNKNOWN_ERROR;
	db->step = DB_STEP_NONE;
	if (prepared && number == 0) {
		execute(db);
		return;
	}
	if (number == 0)
		db->result.affected = mysql_stmt_affected_rows(db->step_statement);
	watch(db, LOOP_READ);
	db_sent(db, number, number ? mysql_stmt_error(db->step_statement) : NULL);
}

void db_link_send_bulk(struct db *db, struct db_bulk *bulk) {
	db_result_clear(&db->result);
	db->step_bulk = bulk;
	if (db_statement_is_ready(db, bulk)) {
		execute(db);
		return;
	}
	db->step = DB_STEP_PREPARE;
	db->step_statement = db_statement_new(db, bulk);
	if (step_ended(db, mysql_stmt_prepare_start(&db->step_int, db->step_statement, bulk->prepared.bytes,
	                                            (unsigned long)bulk->prepared.length)))
		advance(db);
}

static void advance(struct db *db) {
	if (db->step == DB_STEP_CONNECT) {
		db->step = DB_STEP_NONE;
		connected(db);
		return;
	}
	if (db->step == DB_STEP_PREPARE || db->step == DB_STEP_EXECUTE) {
		statement_ended(db);
		return;
	}
	int wants = 0;
	while (next_step(db, &wants))
		if (!step_ended(db, wants))
			return;
	finish(db);
}

void db_link_send(struct db *db, struct slice sql) {
	db_result_clear(&db->result);
	db->step = DB_STEP_QUERY;
	if (step_ended(db, mysql_real_query_start(&db->step_int, db->mysql, sql.bytes, (unsigned long)sql.length)))
		advance(db);
}

void db_link_close(struct db *db) {
	loop_timer_stop(db->loop, &db->reconnect);
	db_link_drop(db, "closed");
}
