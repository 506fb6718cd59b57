/* The tasks of a project as rows of MySQL, made into an outlook with the workers and the other work that there are now. */
#ifndef CORDER_MONITOR_OUTLOOK_LOAD_H
#define CORDER_MONITOR_OUTLOOK_LOAD_H

#include "monitor.h"
#include "outlook.h"
#include "shared/base/table.h"
#include "shared/db/db.h"
#include "shared/task/record.h"

/* What a SELECT has to bring, of the table tasks as t. */
extern const char outlook_columns[];

struct outlook_row {
	int64_t number;
	struct slice task_id, task_type, worker, because, service_name, batch_id, dependencies; /* borrow the result */
	char status;
	int64_t priority, version, attempt, retry_count;
	int64_t created_at_us, ready_at_us, started_at_us, finished_at_us, due_at_us;
	struct slice waits, estimated_s; /* waits: the words */
	struct slice key;
	int64_t key_limit;
	struct slice flags;
};

struct outlook_view {
	struct outlook outlook;   /* its first row_count tasks are the rows; others stand for the work of other projects */
	struct outlook_row *rows; /* in the order of submission */
	size_t row_count;
	struct outlook_edge *edges;
	char *conditions; /* a letter an edge */
	size_t edge_count, outside_edges;
	struct outlook_pool *pools;
	struct outlook_key *keys;
	size_t slots, workers;              /* all pools together; workers seen lately */
	struct table *durations;            /* while it is loaded */
	size_t declared, measured, guessed; /* where the durations of open tasks come from */
};

/* Rows come newest first; at most `most` of them are taken. Plays the outlook. The view borrows the result. */
void outlook_load(struct outlook_view *view, struct monitor *monitor, struct slice project,
                  const struct db_result *result, size_t most);
void outlook_release(struct outlook_view *view);
/* "5 slots of 2 workers; durations: 40 declared, 10 by type" */
void outlook_add_basis(struct text *out, const struct outlook_view *view);

#endif
