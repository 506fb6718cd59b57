/* An event as people are shown it, from the log and from MySQL alike. Pure. */
#ifndef CORDER_MONITOR_EVENT_JSON_H
#define CORDER_MONITOR_EVENT_JSON_H

#include "shared/db/db.h"
#include "shared/task/record.h"

void event_add_record(struct text *out, size_t partition, const struct record *record);

/* The columns of task_events as e, for a SELECT, and a row of them. */
extern const char event_columns[];
void event_add_row(struct text *out, const struct db_result *result, size_t row);
int64_t event_row_seq(const struct db_result *result, size_t row);
size_t event_row_partition(const struct db_result *result, size_t row);
int64_t event_row_at(const struct db_result *result, size_t row);
int64_t event_row_version(const struct db_result *result, size_t row);

#endif
