/* Where the tasks are that are failed now: the question to MySQL. Pure but for what the monitor knows already. */
#ifndef CORDER_MONITOR_FAILED_H
#define CORDER_MONITOR_FAILED_H

#include "monitor.h"

enum { FAILED_TASKS_MAX = 5000 };

enum failed_column { FAILED_PROJECT, FAILED_TASK_ID, FAILED_TASK_TYPE, FAILED_CODE, FAILED_MESSAGE, FAILED_AT };

/* Appends what history_select asks: the newest FAILED_TASKS_MAX, newest first. No index leads to failed tasks. Those of
 * one project are found by its index; over all projects, those that have failed tasks are looked at whole, the smallest
 * first, as long as it does not take too long; of the others, what their latest events say. */
void failed_ask(struct text *sql, const struct monitor *monitor, const struct list_request *request);

#endif
