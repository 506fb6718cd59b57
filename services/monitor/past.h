/* What happened before this process started, for the windows of recent rates: read back from MySQL, a piece at a time. */
#ifndef CORDER_MONITOR_PAST_H
#define CORDER_MONITOR_PAST_H

#include "monitor.h"

struct past;

/* Begins at once. Asks feed_begin where a partition's past ends, and tells feed_count of each event. */
struct past *past_open(struct monitor *monitor);
void past_close(struct past **past);

#endif
