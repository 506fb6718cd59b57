/* A MariaDB connection on the loop, by the non-blocking API of Connector/C. The only folder that knows libmariadb.
 * Queries queue and run one at a time in order. Auto-reconnect is off: when the connection is lost, the query under way
 * and all that are queued answer STATUS_RETRY (a COMMIT may have happened!), and a new connection is made with backoff. */
#ifndef CORDER_DB_DB_H
#define CORDER_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/loop.h"
#include "../base/text.h"

struct db;
struct db_result; /* borrowed; gone when the handler returns */

/* err->message has MariaDB's text and number; db_error_number(err) parses none: it is passed here (0 when OK). */
typedef void db_handler(void *context, enum status status, unsigned error_number, const struct error *err,
                        const struct db_result *result);

/* mysql://user:password@host:port/name, or mysql://user:password@/name?socket=/path. Sets utf8mb4, UTC, a strict sql_mode
 * and READ COMMITTED on each new connection. STATUS_REJECT for a bad URL; connects in the background. */
enum status db_open(struct loop *loop, const char *url, struct db **db, struct error *err);
/* All queries under way answer STATUS_RETRY from within; queries made by those handlers are forgotten. Not from a handler. */
void db_close(struct db **db);
/* From now on a database that does not exist is created when connecting, if the user may. */
void db_create_missing(struct db *db);
bool db_connected(const struct db *db);
/* Counts connections: another value than before means that one was lost in between, and with it what was known. */
uint64_t db_generation(const struct db *db);

/* sql is copied. It may hold several statements parted by ';' (one round trip): the first that fails stops the rest, the
 * handler is called once, with the result set of the last SELECT among them, and the affected rows of the last statement.
 * A failed query is followed by a ROLLBACK. STATUS_RETRY: lost connection, deadlock, lock timeout, read-only, shutdown, full disk. STATUS_REJECT: everything else. */
void db_query(struct db *db, struct slice sql, db_handler *handler, void *context);
size_t db_waiting(const struct db *db);         /* queries queued or under way */
size_t db_max_query_bytes(const struct db *db); /* what the server takes in one db_query (max_allowed_packet) */

size_t db_rows(const struct db_result *result);
struct slice db_value(const struct db_result *result, size_t row, size_t column); /* { NULL, 0 } for NULL */
int64_t db_int(const struct db_result *result, size_t row, size_t column);        /* 0 for NULL */
uint64_t db_affected(const struct db_result *result);

/* Appends a quoted, escaped SQL string; a slice with bytes NULL appends NULL. Pure: utf8mb4, backslash escapes. */
void db_quote(struct text *sql, struct slice value);

#endif
