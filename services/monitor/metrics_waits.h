/* How long tasks waited from ready to started, a histogram a type, from the log since this process started. */
#ifndef CORDER_MONITOR_METRICS_WAITS_H
#define CORDER_MONITOR_METRICS_WAITS_H

#include "shared/task/record.h"

struct waits;

struct waits *waits_open(void);
void waits_close(struct waits **waits);
void waits_note(struct waits *waits, const struct record *record);
void waits_add_metrics(const struct waits *waits, struct text *out);

#endif
