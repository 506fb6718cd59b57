/* What database.c and dialect.c share: MariaDB's SQL, as the services write it, told to SQLite. */
#ifndef CORDER_SIMULATION_DATABASE_H
#define CORDER_SIMULATION_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "shared/base/text.h"

/* Registers the functions of MariaDB that are used. */
void dialect_open(sqlite3 *database);
/* The tables of a migration: names and keys, no types. */
void dialect_tables(struct slice migration, struct text *sql);
/* Takes the next statement off *query and writes it as SQLite understands it; false at the end. */
bool dialect_next(struct slice *query, struct text *sql);
/* Is it the check that the statement before has changed one row (SET @moved=…)? */
bool dialect_is_check(const struct text *sql);

/* statements.c: prepared once for all statements that differ in their literals only, with this one's bound; reset it, and do
 * not finalize it. NULL: *code says why, or it is empty. */
sqlite3_stmt *statement_for(sqlite3 *database, const struct text *sql, int *code);

void database_forget(void);

#endif
