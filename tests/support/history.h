/* Makes a log as the scheduler would: tasks that are submitted, leased and settled, packed into entries and blocks that
 * chain. For tests of whatever reads the log. */
#ifndef CORDER_TESTS_HISTORY_H
#define CORDER_TESTS_HISTORY_H

#include "shared/task/record.h"

#define HISTORY_START_US INT64_C(1795453322000000) /* 2026-11-23 17:02:02 UTC */

struct history {
	int64_t seq;       /* of the last event */
	char entry_id[25]; /* of the last entry that was ended */
	int64_t entries;
	int64_t first_seq; /* of the entry being made */
	struct text records;
	struct text block; /* entries since history_clear_block */
	const char *execution_context;
};

/* One event; seq is given by the history. Returns its seq. A first event has number 0: it becomes its seq. */
int64_t history_add(struct history *history, struct record record);
/* The three events of a plain life; submit returns the task's number. */
int64_t history_submit(struct history *history, const char *task_id, const char *dependencies);
void history_lease(struct history *history, int64_t number, const char *task_id, int64_t attempt);
void history_complete(struct history *history, int64_t number, const char *task_id, int64_t attempt);
void history_end_entry(struct history *history);
void history_clear_block(struct history *history);
void history_release(struct history *history);

#endif
