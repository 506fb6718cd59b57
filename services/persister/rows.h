/* Rows for one table, cell by cell, as text of an INSERT or into a bulk statement: whoever describes a row need not know
 * which. */
#ifndef CORDER_PERSISTER_ROWS_H
#define CORDER_PERSISTER_ROWS_H

#include "shared/db/db_bulk.h"

struct rows {
	struct text *sql; /* NULL when bulk is set */
	struct db_bulk *bulk;
	const char *head; /* INSERT INTO table(columns)VALUES */
	size_t count;     /* rows ended */
	bool open;        /* a row has begun */
};

void cell_int(struct rows *rows, int64_t value);
void cell_null(struct rows *rows);
void cell_time(struct rows *rows, int64_t at_us);
void cell_time_or_null(struct rows *rows, int64_t at_us); /* 0: NULL */
void cell_id(struct rows *rows, struct slice id);         /* most likely nothing to escape */
void cell_id_or_null(struct rows *rows, struct slice id); /* empty: NULL */
void cell_text(struct rows *rows, struct slice value);
void cell_text_or_null(struct rows *rows, struct slice value); /* empty: NULL */
void cell_copy(struct rows *rows, struct slice value);         /* of bytes that do not stay; nothing to escape */
void cell_json_or_null(struct rows *rows, struct slice body);  /* the text that the body of a JSON string stands for */
void cell_seconds_or_null(struct rows *rows, int64_t us);      /* 0: NULL */
void rows_next(struct rows *rows);                             /* ends the row */
void rows_end(struct rows *rows, const char *tail);            /* ends the statement, if there was a row */

#endif
