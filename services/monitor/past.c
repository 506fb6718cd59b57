/* One walk a partition, backwards over task_events; see past.h. */
#include "past.h"

#include <stdlib.h>

#include "feed.h"
#include "history.h"
#include "pulse.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "workers.h"

/* Pieces of so many events, a pause between them, not further than the last ring of the window. */
enum { DELAY_US = 500000, RETRY_US = 5000000, PAUSE_US = 50000, PIECE_EVENTS = 10000, EVENTS_MAX = 1000000 };

struct walk {
	struct past *past;
	size_t partition;
	int64_t below;      /* everything from this seq on is counted; 0: not begun */
	int64_t reached_us; /* back to this time */
	int64_t walked;
	struct loop_timer *timer;
};

struct past {
	struct monitor *monitor;
	struct walk *walks;
};

static void step(void *context);

static void step_later(struct walk *walk, int64_t delay_us) {
	struct loop *loop = service_loop(walk->past->monitor->service);
	walk->timer = loop_timer_start(loop, clock_mono_us() + delay_us, step, walk);
}

/* The windows know everything since the latest of the times that the partitions have reached. */
static void note_reached(struct past *past) {
	int64_t since_us = 0;
	for (size_t i = 0; i < monitor_partitions(past->monitor); i++)
		since_us = past->walks[i].reached_us > since_us ? past->walks[i].reached_us : since_us;
	window_reach(past->monitor->window, since_us);
	pulse_reach(past->monitor->pulse, since_us);
}

enum column { PROJECT, TASK_TYPE, STATUS, PREVIOUS, AT, BEFORE, PRIORITY, WORKER };

static void count_row(struct monitor *monitor, const struct db_result *result, size_t row) {
	struct slice previous = db_value(result, row, PREVIOUS);
	int64_t at_us = db_int(result, row, AT), before_us = db_int(result, row, BEFORE);
	struct feed_event event = {
		.project = db_value(result, row, PROJECT),
		.task_type = db_value(result, row, TASK_TYPE),
		.priority = db_int(result, row, PRIORITY),
		.status = record_status_letter(db_value(result, row, STATUS)),
		.previous = previous.bytes != NULL ? record_status_letter(previous) : '\0',
		.at_us = at_us,
		.took_us = before_us > 0 && at_us > before_us ? at_us - before_us : -1,
	};
	feed_count(monitor, &event);
	if (event.previous == RECORD_RUNNING)
		workers_recall(monitor->workers, db_value(result, row, WORKER), event.task_type, event.status, at_us,
		               clock_wall_us());
}

static void on_piece(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct walk *walk = context;
	(void)error_number, (void)err;
	if (status != STATUS_OK) {
		step_later(walk, RETRY_US);
		return;
	}
	for (size_t row = 0; row < db_rows(result); row++) {
		count_row(walk->past->monitor, result, row);
		int64_t at_us = db_int(result, row, AT);
		walk->reached_us = at_us < walk->reached_us ? at_us : walk->reached_us;
	}
	int64_t edge_us = clock_wall_us() - (int64_t)WINDOW_SECONDS_MAX * 1000000;
	walk->below -= PIECE_EVENTS;
	walk->walked += PIECE_EVENTS;
	bool at_start = walk->below <= 1;
	if (at_start)
		walk->reached_us = 0;
	note_reached(walk->past);
	if (!at_start && walk->walked < EVENTS_MAX && walk->reached_us >= edge_us)
		step_later(walk, PAUSE_US);
}

static void ask_piece(struct walk *walk) {
	struct text sql = { 0 };
	text_printf(&sql,
	            "e.project,e.task_type,e.status,e.previous,TIMESTAMPDIFF(MICROSECOND,'1970-01-01',e.at),"
	            "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',p.at),t.priority,e.worker"
	            " FROM task_events e LEFT JOIN task_events p ON p.project=e.project AND p.task_id=e.task_id"
	            " AND p.version=e.version-1"
	            " LEFT JOIN tasks t ON t.partition_id=e.partition_id AND t.number=e.number"
	            " WHERE e.partition_id=%zu AND e.seq>=%lld AND e.seq<%lld AND e.number IS NOT NULL"
	            " AND (e.previous IS NULL OR e.status NOT IN ('blocked','pending')) AND NOT e.status<=>e.previous",
	            walk->partition, (long long)(walk->below - PIECE_EVENTS), (long long)walk->below);
	history_select(walk->past->monitor->history, &sql, on_piece, walk);
	text_release(&sql);
}

/* What is in MySQL when the live events begin belongs to the past, and is not counted a second time. */
static void on_newest(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct walk *walk = context;
	(void)error_number, (void)err;
	if (status != STATUS_OK) {
		step_later(walk, RETRY_US);
		return;
	}
	walk->below = feed_begin(walk->past->monitor->feed, walk->partition, db_int(result, 0, 0)) + 1;
	ask_piece(walk);
}

static void step(void *context) {
	struct walk *walk = context;
	struct text sql = { 0 };
	walk->timer = NULL;
	if (walk->below > 0) {
		ask_piece(walk);
		return;
	}
	text_printf(&sql, "COALESCE(MAX(seq),0) FROM task_events WHERE partition_id=%zu", walk->partition);
	history_select(walk->past->monitor->history, &sql, on_newest, walk);
	text_release(&sql);
}

struct past *past_open(struct monitor *monitor) {
	struct past *past = memory_new(sizeof(*past));
	past->monitor = monitor;
	past->walks = memory_array(monitor_partitions(monitor), sizeof(*past->walks));
	for (size_t i = 0; i < monitor_partitions(monitor); i++) {
		past->walks[i] = (struct walk){ .past = past, .partition = i, .reached_us = clock_wall_us() };
		step_later(&past->walks[i], DELAY_US);
	}
	return past;
}

void past_close(struct past **past) {
	if (*past == NULL)
		return;
	for (size_t i = 0; i < monitor_partitions((*past)->monitor); i++)
		loop_timer_stop(service_loop((*past)->monitor->service), &(*past)->walks[i].timer);
	free((*past)->walks);
	free(*past);
	*past = NULL;
}
