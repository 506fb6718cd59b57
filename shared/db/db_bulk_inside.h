/* What db_bulk.c (cells) and db_statement.c (binding) share; nobody else includes this. */
#ifndef CORDER_DB_DB_BULK_INSIDE_H
#define CORDER_DB_DB_BULK_INSIDE_H

#include "db_bulk.h"
#include "db_inside.h"

enum db_cell { DB_CELL_NULL, DB_CELL_INT, DB_CELL_TIME, DB_CELL_TEXT };

union db_value {
	int64_t number;
	const void *pointer;
};

/* One array a column, as Connector/C reads them. */
struct db_column {
	enum db_cell kind; /* DB_CELL_NULL while all of its cells are NULL */
	bool filled;       /* a cell is neither NULL nor an empty text */
	bool wide;         /* a text is not plain ASCII */
	bool prepared;     /* it is in the statement */
	union db_value *values;
	unsigned long *lengths;
	char *indicators;
};

/* Copies and times, in pieces that never move. */
struct db_piece {
	struct db_piece *next;
	size_t used, size;
	char bytes[];
};

struct db_bulk {
	const char *sql;
	size_t column_count, column; /* the next cell's */
	struct db_column *columns;
	size_t rows, capacity, bytes;
	struct db_piece *pieces, *spare;
	int64_t known_day; /* of the last time, and its date */
	unsigned year, month, day;
	MYSQL_STMT *statement;
	struct text prepared; /* its text: of the columns that are filled */
	uint64_t generation;  /* of the connection that the statement belongs to */
	MYSQL_BIND *binds;
};

enum { DB_BULK_FEW_ROWS = 512 }; /* so few are sent by a statement of more columns than they need */

/* Whether the statement prepared last serves these rows; and the text of one that does. */
bool db_bulk_fits(const struct db_bulk *bulk);
void db_bulk_choose(struct db_bulk *bulk);

#endif
