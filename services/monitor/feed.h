/* What happens, as it happens: reads the log's blocks off the bus for the window of recent rates, and the marks that say
 * what is safe to tell. At the start the past is filled in from MySQL. */
#ifndef CORDER_MONITOR_FEED_H
#define CORDER_MONITOR_FEED_H

#include "monitor.h"
#include "shared/task/record.h"

struct feed;

enum status feed_open(struct monitor *monitor, struct feed **feed, struct error *err);
void feed_close(struct feed **feed);

/* Events by status letter since the start of this process. */
uint64_t feed_events(const struct feed *feed, char status);

/* Pure: counts the records of a block whose seq is above *last_seq, and moves it. Returns the first seq counted, 0 for
 * none. each is called for every record counted. */
typedef void feed_each(void *context, const struct record *record);
int64_t feed_read_block(struct slice block, int64_t *last_seq, feed_each *each, void *context);
/* What one record adds to the window; false: nothing. */
bool feed_counts(const struct record *record, struct window_counts *counts);

#endif
