/* What changes in rows that are there already, sent as arrays. Inserting such a row, to fail and to update it, costs the
 * server twice as much as this: the changes go to a table of the connection, and from there to all rows in one statement. */
#ifndef CORDER_PERSISTER_WRITE_CHANGED_H
#define CORDER_PERSISTER_WRITE_CHANGED_H

#include "changes.h"
#include "rows.h"

extern const char write_changed_head[]; /* INSERT INTO changed_tasks(columns)VALUES */

/* A row a known task, and with it the end of the try that began in an earlier transaction. */
void write_changed(struct rows *rows, const struct changes *changes);
/* Appends what makes the table, empty. It ends no transaction. */
void write_changed_table(struct text *sql);
/* Appends the change of the rows: fails with error 1242 (a subquery of two rows) when one of them is not there. */
void write_changed_rows(struct text *sql, const struct changes *changes);

/* write.c: the cells from status to result. */
void write_state(struct rows *rows, const struct task_change *task, const struct record *last);

#endif
