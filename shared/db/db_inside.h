/* What db.c (queries), db_link.c (the connection) and db_result.c share; nobody else includes this. */
#ifndef CORDER_DB_DB_INSIDE_H
#define CORDER_DB_DB_INSIDE_H

#include <mariadb/mysql.h>

#include "../base/url.h"
#include "db.h"

struct db_call {
	struct db_call *next;
	struct text sql;
	struct db_bulk *bulk; /* instead of sql */
	db_handler *handler;
	void *context;
};

struct db_cursor {
	size_t row;
	MYSQL_ROW values; /* NULL before the first read */
	unsigned long *lengths;
	MYSQL_ROW_OFFSET *places; /* of all rows; NULL until one is read out of order */
};

struct db_result {
	MYSQL_RES *set; /* NULL when no statement gave one */
	uint64_t affected;
	struct db_cursor *cursor; /* of whoever reads */
};

/* What Connector/C has under way. */
enum db_step {
	DB_STEP_NONE,
	DB_STEP_CONNECT,
	DB_STEP_QUERY,
	DB_STEP_STORE,
	DB_STEP_NEXT,
	DB_STEP_PREPARE,
	DB_STEP_EXECUTE,
};
enum db_state { DB_DOWN, DB_CONNECTING, DB_PREPARING, DB_UP };

struct db {
	struct loop *loop;
	struct url url;
	char *socket; /* path, or NULL for TCP */
	bool create_missing, database_missing;

	MYSQL *mysql; /* NULL while DB_DOWN */
	enum db_state state;
	enum db_step step;
	int step_int; /* what the step under way gave */
	MYSQL *step_mysql;
	MYSQL_RES *step_set;
	MYSQL_STMT *step_statement;
	struct db_bulk *step_bulk;
	int watched_fd, watched_events;
	struct loop_timer *step_limit, *reconnect;
	int64_t backoff_us;
	int64_t flushed_at_mono_us;
	size_t max_packet_bytes;
	bool can_bulk;
	uint64_t generation;   /* counts connections */
	struct text preparing; /* the first query of a connection */

	struct db_call *first, *last; /* first is under way when step is not NONE */
	struct db_call *refused;
	size_t waiting;
	bool busy;     /* the call at the head has been sent */
	bool rollback; /* a call failed: a transaction of its may still be open */
	bool closing;
	struct db_result result;
};

/* db_link.c */
void db_link_connect(void *db);                              /* a loop_call */
void db_link_send(struct db *db, struct slice sql);          /* ends in db_sent */
void db_link_send_bulk(struct db *db, struct db_bulk *bulk); /* the same */
void db_link_drop(struct db *db, const char *why);
void db_link_close(struct db *db);

/* db.c: the query given to db_link_send has ended; error_number 0 when all went well */
void db_sent(struct db *db, unsigned error_number, const char *message);
void db_lost(struct db *db, const char *why);

/* db_statement.c */
bool db_statement_is_ready(const struct db *db, const struct db_bulk *bulk);
MYSQL_STMT *db_statement_new(struct db *db, struct db_bulk *bulk); /* to be prepared */
MYSQL_STMT *db_statement_bind(struct db_bulk *bulk);               /* to be executed */

/* db_result.c */
void db_result_clear(struct db_result *result);

#endif
