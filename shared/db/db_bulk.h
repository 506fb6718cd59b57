/* Many rows for one prepared statement in one packet (MariaDB's array binding): the server parses no value, which halves
 * its work for wide rows. The cells are gathered here, row by row; all cells of a column are of one kind, or NULL.
 * Servers without it (MySQL) take the same rows as text. */
#ifndef CORDER_DB_DB_BULK_H
#define CORDER_DB_DB_BULK_H

#include "db.h"

struct db_bulk;

/* sql is borrowed: INSERT INTO table(column,…)VALUES(?,…) with whatever comes behind. A column of which all cells are NULL or
 * empty is left out, which saves the server half of the work for wide rows: its default must be what the cells say. */
struct db_bulk *db_bulk_open(const char *sql);
void db_bulk_close(struct db_bulk **bulk); /* while no run is under way; before the db is closed, or after */
void db_bulk_free(struct db_bulk *bulk);   /* of one that was never run: needs no client library */
void db_bulk_clear(struct db_bulk *bulk);
size_t db_bulk_rows(const struct db_bulk *bulk);  /* whole rows */
size_t db_bulk_bytes(const struct db_bulk *bulk); /* about what they take on the wire */

/* The next cell, from left to right; the last of a row ends it. */
void db_bulk_null(struct db_bulk *bulk);
void db_bulk_int(struct db_bulk *bulk, int64_t value);
void db_bulk_time(struct db_bulk *bulk, int64_t at_us);      /* DATETIME(6), UTC */
void db_bulk_text(struct db_bulk *bulk, struct slice value); /* borrows the bytes until the run is answered */
void db_bulk_copy(struct db_bulk *bulk, struct slice value); /* copies them */

bool db_can_bulk(const struct db *db);
/* Queues like db_query. The rows must stay until the answer; there must be at least one. */
void db_bulk_run(struct db *db, struct db_bulk *bulk, db_handler *handler, void *context);

#endif
