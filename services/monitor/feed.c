/* The subscriptions, and the way back into the past a piece at a time; see feed.h. */
#include "feed.h"

#include <stdlib.h>

#include "history.h"
#include "live.h"
#include "metrics_waits.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "subjects/subjects.h"

/* The past is read in pieces of so many events, a pause between them, not further than the last ring of the window. */
enum { FILL_DELAY_US = 500000, FILL_RETRY_US = 5000000, FILL_EVENTS = 10000, FILL_EVENTS_MAX = 1000000 };

struct past {
	struct feed *feed;
	size_t partition;
	int64_t below;      /* everything from this seq on is counted; 0: not begun */
	int64_t reached_us; /* back to this time */
	int64_t filled;
	bool done;
	struct loop_timer *timer;
};

struct feed {
	struct monitor *monitor;
	int64_t *first_seq, *last_seq; /* a partition: what was counted live */
	struct past *pasts;
	uint64_t events[128];
};

uint64_t feed_events(const struct feed *feed, char status) {
	return feed->events[(unsigned char)status & 127];
}

static void on_record(void *context, const struct record *record) {
	struct feed *feed = context;
	struct window_counts counts;
	if (record->status != record->previous)
		feed->events[(unsigned char)record->status & 127]++;
	waits_note(feed->monitor->waits, record);
	if (feed_counts(record, &counts))
		window_add(feed->monitor->window, record->project, record->at_us, &counts);
}

static size_t partition_of(const struct bus_message *message) {
	struct slice subject = slice_of(message->subject), last = subject;
	while (subject.bytes != NULL)
		last = slice_cut(&subject, '.');
	return (size_t)slice_int(last, -1);
}

static void on_block(void *context, const struct bus_message *message) {
	struct feed *feed = context;
	size_t partition = partition_of(message);
	if (partition >= monitor_partitions(feed->monitor))
		return;
	int64_t first = feed_read_block(message->body, &feed->last_seq[partition], on_record, feed);
	if (feed->first_seq[partition] == 0)
		feed->first_seq[partition] = first;
}

static void on_mark(void *context, const struct bus_message *message) {
	struct feed *feed = context;
	live_note_mark(feed->monitor->live, partition_of(message), message->body);
}

/* ------------------------------------------------------------------------------------------------ the past */

static void fill(void *context);

static void fill_later(struct past *past, int64_t delay_us) {
	past->timer = loop_timer_start(service_loop(past->feed->monitor->service), clock_mono_us() + delay_us, fill, past);
}

/* The window knows everything since the latest of the times that the partitions have reached. */
static void note_reached(struct feed *feed) {
	int64_t since_us = 0;
	for (size_t i = 0; i < monitor_partitions(feed->monitor); i++)
		since_us = feed->pasts[i].reached_us > since_us ? feed->pasts[i].reached_us : since_us;
	window_reach(feed->monitor->window, since_us);
}

static void add_row(struct feed *feed, const struct db_result *result, size_t row) {
	struct window_counts counts = { .started = (uint64_t)db_int(result, row, 2),
		                            .completed = (uint64_t)db_int(result, row, 3),
		                            .failed = (uint64_t)db_int(result, row, 4),
		                            .wait_us = (uint64_t)db_int(result, row, 5) };
	window_add(feed->monitor->window, db_value(result, row, 0), db_int(result, row, 1) * 1000000, &counts);
}

static void on_piece(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct past *past = context;
	(void)error_number, (void)err;
	if (status != STATUS_OK) {
		fill_later(past, FILL_RETRY_US);
		return;
	}
	for (size_t row = 0; row < db_rows(result); row++) {
		add_row(past->feed, result, row);
		int64_t oldest_us = db_int(result, row, 6);
		past->reached_us = oldest_us < past->reached_us ? oldest_us : past->reached_us;
	}
	int64_t edge_us = clock_wall_us() - (int64_t)WINDOW_SECONDS_MAX * 1000000;
	past->below -= FILL_EVENTS;
	past->filled += FILL_EVENTS;
	if (past->below <= 1)
		past->reached_us = 0;
	past->done = past->below <= 1 || past->filled >= FILL_EVENTS_MAX || past->reached_us < edge_us;
	note_reached(past->feed);
	if (!past->done)
		fill_later(past, FILL_DELAY_US / 10);
}

static void ask_piece(struct past *past) {
	struct text sql = { 0 };
	text_printf(&sql,
	            "e.project,FLOOR(TIMESTAMPDIFF(MICROSECOND,'1970-01-01',e.at)/1000000) AS second,"
	            "SUM(e.status='running'),SUM(e.status='completed'),SUM(e.status='failed'),"
	            "CAST(COALESCE(SUM(GREATEST(0,TIMESTAMPDIFF(MICROSECOND,p.at,e.at))),0) AS SIGNED),"
	            "MIN(TIMESTAMPDIFF(MICROSECOND,'1970-01-01',e.at))"
	            " FROM task_events e LEFT JOIN task_events p ON e.status='running' AND p.project=e.project"
	            " AND p.task_id=e.task_id AND p.version=e.version-1"
	            " WHERE e.partition_id=%zu AND e.seq>=%lld AND e.seq<%lld AND e.number IS NOT NULL"
	            " AND e.status IN ('running','completed','failed') AND NOT e.status<=>e.previous"
	            " GROUP BY e.project,second",
	            past->partition, (long long)(past->below - FILL_EVENTS), (long long)past->below);
	history_select(past->feed->monitor->history, &sql, on_piece, past);
	text_release(&sql);
}

/* What is in MySQL when the live events begin belongs to the past, and is not counted a second time. */
static void on_newest(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct past *past = context;
	struct feed *feed = past->feed;
	(void)error_number, (void)err;
	if (status != STATUS_OK) {
		fill_later(past, FILL_RETRY_US);
		return;
	}
	int64_t newest = db_int(result, 0, 0);
	int64_t first_live = feed->first_seq[past->partition];
	if (first_live > 0 && newest >= first_live)
		newest = first_live - 1;
	if (newest > feed->last_seq[past->partition])
		feed->last_seq[past->partition] = newest;
	past->below = newest + 1;
	ask_piece(past);
}

static void fill(void *context) {
	struct past *past = context;
	struct text sql = { 0 };
	past->timer = NULL;
	if (past->below > 0) {
		ask_piece(past);
		return;
	}
	text_printf(&sql, "COALESCE(MAX(seq),0) FROM task_events WHERE partition_id=%zu", past->partition);
	history_select(past->feed->monitor->history, &sql, on_newest, past);
	text_release(&sql);
}

/* ------------------------------------------------------------------------------------------------ life */

static enum status subscribe(struct feed *feed, const char *subject, bus_handler *handler, struct error *err) {
	struct service *service = feed->monitor->service;
	return bus_subscribe(service_bus(service), service_full_subject(service, "%s", subject), NULL, handler, feed, err);
}

enum status feed_open(struct monitor *monitor, struct feed **out, struct error *err) {
	struct feed *feed = memory_new(sizeof(*feed));
	size_t partitions = monitor_partitions(monitor);
	feed->monitor = monitor;
	feed->first_seq = memory_array(partitions, sizeof(*feed->first_seq));
	feed->last_seq = memory_array(partitions, sizeof(*feed->last_seq));
	feed->pasts = memory_array(partitions, sizeof(*feed->pasts));
	*out = feed;
	enum status status = subscribe(feed, SUBJECT_INTERNAL_LOG, on_block, err);
	if (status == STATUS_OK)
		status = subscribe(feed, SUBJECT_INTERNAL_MARK, on_mark, err);
	for (size_t i = 0; status == STATUS_OK && i < partitions; i++) {
		feed->pasts[i] = (struct past){ .feed = feed, .partition = i, .reached_us = clock_wall_us() };
		fill_later(&feed->pasts[i], FILL_DELAY_US);
	}
	return status;
}

void feed_close(struct feed **feed) {
	if (*feed == NULL)
		return;
	for (size_t i = 0; i < monitor_partitions((*feed)->monitor); i++)
		loop_timer_stop(service_loop((*feed)->monitor->service), &(*feed)->pasts[i].timer);
	free((*feed)->pasts);
	free((*feed)->first_seq);
	free((*feed)->last_seq);
	free(*feed);
	*feed = NULL;
}
