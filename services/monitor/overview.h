/* What is so now, for people: the overview, the queues, the services and workers, as members of a JSON object without its
 * braces. Of what the monitor has in hand; the snapshot should be fresh. */
#ifndef CORDER_MONITOR_OVERVIEW_H
#define CORDER_MONITOR_OVERVIEW_H

#include "monitor.h"
#include "tally.h"

/* project: empty for all. */
void overview_add(struct text *out, struct monitor *monitor, struct slice project, int64_t window_s);
void queues_add(struct text *out, struct monitor *monitor, struct slice project);
void services_add(struct text *out, struct monitor *monitor);
/* {"blocked":…,…} */
void overview_add_counts(struct text *out, const struct tally_counts *counts);

#endif
