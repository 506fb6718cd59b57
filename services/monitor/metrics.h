/* What Prometheus reads at /metrics: the text format 0.0.4. */
#ifndef CORDER_MONITOR_METRICS_H
#define CORDER_MONITOR_METRICS_H

#include "monitor.h"

void metrics_add(struct text *out, struct monitor *monitor);

/* The pieces, also for peers.c. A label's value is escaped. */
void metrics_head(struct text *out, const char *name, const char *type, const char *help);
void metrics_label(struct text *out, const char *name, struct slice value); /* name="value" */

#endif
