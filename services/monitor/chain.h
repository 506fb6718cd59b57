/* Why what a task waits for waits itself, up the chain, and when the task will probably start: of the open tasks of its
 * project, as MySQL has them. */
#ifndef CORDER_MONITOR_CHAIN_H
#define CORDER_MONITOR_CHAIN_H

#include "monitor.h"
#include "shared/db/db.h"

/* Appends a statement for history_select: the open tasks around the one with this number. */
void chain_ask(struct text *sql, size_t partition, struct slice project, int64_t number);
/* Appends `,"chain":[…],"estimate":{…}` for the task with this number; result NULL: MySQL did not answer. */
void chain_add(struct text *out, struct monitor *monitor, struct slice project, int64_t number,
               const struct db_result *result);

#endif
