/* What happens, as it happens: reads the log's blocks off the bus for whoever counts or shows it, and the marks that say
 * what is safe to tell. */
#ifndef CORDER_MONITOR_FEED_H
#define CORDER_MONITOR_FEED_H

#include "monitor.h"
#include "pulse.h"
#include "shared/task/record.h"

struct feed;

enum status feed_open(struct monitor *monitor, struct feed **feed, struct error *err);
void feed_close(struct feed **feed);

/* Events by status letter since the start of this process. */
uint64_t feed_events(const struct feed *feed, char status);
/* How far a partition was read as it happened (0: nothing was), and how far it is known to be in the log. */
int64_t feed_read_live_to(const struct feed *feed, size_t partition);
int64_t feed_logged_to(const struct feed *feed, size_t partition);
/* newest: the last event in MySQL. Returns the one before the first that was or will be read live. */
int64_t feed_begin(struct feed *feed, size_t partition, int64_t newest);

/* A transition. took_us: since the transition before it, or of a start since the task was ready; -1: not known. */
struct feed_event {
	struct slice project, task_type;
	int64_t priority;
	char status, previous; /* previous 0: the first event of a task */
	bool failed_try;       /* it may be ready again at once */
	int64_t at_us, took_us;
};
/* Adds it to the windows of recent rates. */
void feed_count(struct monitor *monitor, const struct feed_event *event);

/* Pure: what a record is to the windows, and what an event adds to them; false: nothing. ran_us: of a try that it ends. */
bool feed_event_of(const struct record *record, int64_t ran_us, struct feed_event *event);
bool feed_measure(const struct feed_event *event, struct pulse_event *pulse, struct window_counts *counts);
/* Pure: counts the records of a block whose seq is above *last_seq, and moves it. Returns the first seq counted, 0 for
 * none. each is called for every record counted. */
typedef void feed_each(void *context, const struct record *record);
int64_t feed_read_block(struct slice block, int64_t *last_seq, feed_each *each, void *context);

#endif
