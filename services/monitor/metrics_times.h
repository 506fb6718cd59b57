/* How long tries waited from ready to started, and how long they ran: histograms by type, from the log since this process
 * started. */
#ifndef CORDER_MONITOR_METRICS_TIMES_H
#define CORDER_MONITOR_METRICS_TIMES_H

#include "shared/task/record.h"

struct times;

struct times *times_open(void);
void times_close(struct times **times);
/* ran_us: of the try that ends with this event; -1: none does, or it is not known. */
void times_note(struct times *times, const struct record *record, int64_t ran_us);
void times_add_metrics(const struct times *times, struct text *out);

#endif
