/* The tables as the monitor reads them: the statements, and their rows as views. Building a statement is pure. */
#ifndef CORDER_MONITOR_ROWS_H
#define CORDER_MONITOR_ROWS_H

#include "pages.h"
#include "shared/db/db.h"
#include "shared/task/requests.h"
#include "view.h"

/* Each appends a statement from behind its SELECT, for history_select. */
void rows_ask_list(struct text *sql, const struct list_request *request, const struct page *page,
                   size_t first_partition, size_t end_partition);
void rows_ask_task(struct text *sql, const struct task_request *request);
void rows_ask_attempts(struct text *sql, size_t partition, int64_t number);
void rows_ask_dependents(struct text *sql, const struct task_request *request, int64_t limit);
/* The statuses of tasks of one project: columns task_id, status. */
void rows_ask_statuses(struct text *sql, struct slice project, const struct slice *task_ids, size_t count);
/* Newest first, so that a cut loses the oldest. */
void rows_ask_timeline(struct text *sql, const struct timeline_request *request, size_t partition, int64_t limit);
/* The tries of those tasks whose numbers are in the range, in the order of rows_ask_timeline: so many at most. */
void rows_ask_timeline_attempts(struct text *sql, const struct timeline_request *request, size_t partition,
                                int64_t least, int64_t most, int64_t limit);

/* Reads row `row` of a list, a timeline or rows_ask_task. The view borrows the result and *scratch, which has to live
 * as long as the view is used; what it held before is forgotten. */
size_t rows_partition(const struct db_result *result, size_t row);
int64_t rows_version(const struct db_result *result, size_t row);
int64_t rows_created_at(const struct db_result *result, size_t row);
void rows_read_view(const struct db_result *result, size_t row, struct text *scratch, struct view *view);
struct view_edge rows_read_dependent(const struct db_result *result, size_t row);
/* column: where the number of the try stands, 0 or 1. */
void rows_read_attempt(const struct db_result *result, size_t row, size_t column, struct view_attempt *attempt);
struct view_edge rows_read_status(const struct db_result *result, size_t row);

#endif
