/* What Prometheus reads at the monitor's /metrics. */
#ifndef CORDER_MONITOR_METRICS_H
#define CORDER_MONITOR_METRICS_H

#include "monitor.h"

void metrics_add(struct text *out, struct monitor *monitor);

#endif
