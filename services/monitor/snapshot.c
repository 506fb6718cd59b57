/* A round of reads: five of Redis a partition and one of MySQL, with a deadline for all. See snapshot.h. */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "history.h"
#include "live.h"
#include "peers.h"
#include "pulse.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "watch.h"

enum { DEADLINE_US = 1000000, READS = 5 };

struct waiter {
	struct waiter *next;
	snapshot_handler *handler;
	void *context;
};

/* Outlives the snapshot's interest in it: late replies still find their round. */
struct round {
	struct snapshot *snapshot; /* NULL once the deadline has passed */
	size_t waiting;            /* replies under way */
	size_t live_replies;
	struct snapshot_view view; /* in the making */
	struct loop_timer *timer;
};

struct snapshot {
	struct monitor *monitor;
	struct snapshot_view view;
	struct round *round;
	struct waiter *waiters; /* for the round under way */
	struct waiter *late;    /* came after it had begun: for the next, so that they see what was before them */
};

static void release_view(struct snapshot_view *view) {
	tally_release(&view->tally);
	for (size_t i = 0; i < view->queue_count; i++)
		free(view->queues[i].task_type);
	free(view->queues);
	*view = (struct snapshot_view){ 0 };
}

struct snapshot *snapshot_open(struct monitor *monitor) {
	struct snapshot *snapshot = memory_new(sizeof(*snapshot));
	snapshot->monitor = monitor;
	return snapshot;
}

void snapshot_close(struct snapshot **snapshot) {
	if (*snapshot == NULL)
		return;
	struct round *round = (*snapshot)->round;
	if (round != NULL) {
		loop_timer_stop(service_loop((*snapshot)->monitor->service), &round->timer);
		round->snapshot = NULL;
	}
	release_view(&(*snapshot)->view);
	free(*snapshot);
	*snapshot = NULL;
}

static void call_waiters(struct snapshot *snapshot, struct waiter *waiter) {
	while (waiter != NULL) {
		struct waiter *next = waiter->next;
		waiter->handler(waiter->context, snapshot->monitor);
		free(waiter);
		waiter = next;
	}
}

/* Takes over what is complete; the rest stays as it was. */
static void publish(struct snapshot *snapshot, struct round *round) {
	struct snapshot_view *old = &snapshot->view, *new = &round->view;
	size_t all_live = READS * monitor_partitions(snapshot->monitor);
	bool live = round->live_replies == all_live, history = new->has_history;
	if (!history) {
		new->persisted_seq = old->persisted_seq;
		new->poison_events = old->poison_events;
		new->has_history = old->has_history;
	}
	if (live) {
		new->has_live = true;
		if (new->has_history)
			new->lag_events = new->logged_seq > new->persisted_seq ? new->logged_seq - new->persisted_seq : 0;
		release_view(old);
		*old = *new;
		*new = (struct snapshot_view){ 0 };
	} else {
		old->persisted_seq = new->persisted_seq;
		old->poison_events = new->poison_events;
		old->has_history = new->has_history;
	}
}

static void start_round(struct snapshot *snapshot);

static void end_round(struct snapshot *snapshot) {
	struct round *round = snapshot->round;
	loop_timer_stop(service_loop(snapshot->monitor->service), &round->timer);
	publish(snapshot, round);
	snapshot->round = NULL;
	round->snapshot = NULL;
	struct waiter *waiters = snapshot->waiters;
	snapshot->waiters = snapshot->late;
	snapshot->late = NULL;
	if (snapshot->waiters != NULL)
		start_round(snapshot);
	call_waiters(snapshot, waiters);
}

static void on_deadline(void *context) {
	struct round *round = context;
	round->timer = NULL;
	end_round(round->snapshot);
}

/* Every reply ends with this. */
static void note_reply(struct round *round) {
	round->waiting--;
	if (round->waiting > 0)
		return;
	if (round->snapshot != NULL)
		end_round(round->snapshot);
	release_view(&round->view);
	free(round);
}

static void take_counts(struct snapshot_view *view, const struct live_reply *reply) {
	for (size_t i = 0; i + 1 < reply->count; i += 2) {
		struct slice rest = live_text(reply, i);
		if (rest.bytes == NULL)
			continue;
		struct slice project = slice_cut(&rest, '/');
		struct slice task_type = rest.bytes != NULL ? slice_cut(&rest, '/') : (struct slice){ "", 0 };
		if (rest.length == 1)
			tally_add(&view->tally, project, task_type, rest.bytes[0], live_int(reply, i + 1));
	}
	view->tally.at_us = reply->now_us;
	view->now_us = reply->now_us > view->now_us ? reply->now_us : view->now_us;
}

static struct snapshot_queue *find_queue(struct snapshot_view *view, struct slice task_type) {
	for (size_t i = 0; i < view->queue_count; i++)
		if (slice_is(task_type, view->queues[i].task_type))
			return &view->queues[i];
	view->queues = memory_resize(view->queues, view->queue_count + 1, sizeof(*view->queues));
	struct snapshot_queue *queue = &view->queues[view->queue_count++];
	*queue = (struct snapshot_queue){ .task_type = slice_copy(task_type), .oldest_us = INT64_MAX };
	return queue;
}

static void add_queue(struct snapshot_view *view, struct slice task_type, int64_t depth, int64_t oldest_us) {
	struct snapshot_queue *queue = find_queue(view, task_type);
	queue->depth += depth;
	queue->oldest_us = oldest_us < queue->oldest_us ? oldest_us : queue->oldest_us;
}

/* The reads of a round are no single moment: a queue that has just got its first task is left for the next round. */
static void take_depths(struct snapshot_view *view, const struct live_reply *reply) {
	for (size_t i = 0; i + SNAPSHOT_HUNDREDS < reply->count; i += SNAPSHOT_HUNDREDS + 1)
		for (size_t j = 0; j < view->queue_count; j++)
			for (size_t k = 0; slice_is(live_text(reply, i), view->queues[j].task_type) && k < SNAPSHOT_HUNDREDS; k++)
				view->queues[j].by_hundred[k] += live_int(reply, i + 1 + k);
}

static void take_queues(struct snapshot_view *view, const struct live_reply *reply) {
	for (size_t i = 0; i + 2 < reply->count; i += 3) {
		add_queue(view, live_text(reply, i), live_int(reply, i + 1), live_int(reply, i + 2));
		tally_note_oldest(&view->tally, live_text(reply, i), live_int(reply, i + 2));
	}
}

/* seq, mark, trim, late, overdue us, ends not told to all, memory, its limit */
static void take_lags(struct snapshot_view *view, const struct live_reply *reply) {
	int64_t seq = live_int(reply, 0), logged = live_int(reply, 1), overdue_us = live_int(reply, 4);
	view->outbox_events += seq > logged ? seq - logged : 0;
	view->logged_seq += logged;
	view->overdue += live_int(reply, 3);
	view->overdue_us = overdue_us > view->overdue_us ? overdue_us : view->overdue_us;
	view->releasing += live_int(reply, 5);
	view->redis_bytes += live_int(reply, 6);
	int64_t most = live_int(reply, 7), percent = most > 0 ? live_int(reply, 6) * 100 / most : -1;
	view->redis_percent = percent > view->redis_percent ? percent : view->redis_percent;
}

static void take_pauses(struct snapshot_view *view, const struct live_reply *reply) {
	for (size_t i = 0; i < reply->count; i++) {
		struct slice rest = live_text(reply, i);
		if (rest.bytes == NULL)
			continue;
		struct slice task_type = slice_cut(&rest, '/');
		tally_add_pause(&view->tally, rest, task_type);
	}
}

typedef void take(struct snapshot_view *view, const struct live_reply *reply);

static void on_live(struct round *round, struct live_reply *reply, take *take_reply) {
	if (reply != NULL && round->snapshot != NULL) {
		take_reply(&round->view, reply);
		round->live_replies++;
	}
	live_free(&reply);
	note_reply(round);
}

#define LIVE_HANDLER(name, take_reply)                                                                                 \
	static void name(void *context, enum status status, struct live_reply *reply, const struct error *err) {           \
		(void)status, (void)err;                                                                                       \
		on_live(context, reply, take_reply);                                                                           \
	}
LIVE_HANDLER(on_counts, take_counts)
LIVE_HANDLER(on_ready_types, take_queues)
LIVE_HANDLER(on_depths, take_depths)
LIVE_HANDLER(on_lags, take_lags)
LIVE_HANDLER(on_pauses, take_pauses)

static void on_history(void *context, enum status status, unsigned error_number, const struct error *err,
                       const struct db_result *result) {
	struct round *round = context;
	(void)error_number, (void)err;
	if (status == STATUS_OK) {
		round->view.has_history = true;
		round->view.persisted_seq = db_int(result, 0, 0);
		round->view.poison_events = db_int(result, 0, 1);
	}
	note_reply(round);
}

static void start_round(struct snapshot *snapshot) {
	static const struct {
		const char *what;
		live_handler *handler;
	} reads[READS] = { { "counts", on_counts },
		               { "queues", on_ready_types },
		               { "depths", on_depths },
		               { "lags", on_lags },
		               { "pauses", on_pauses } };
	struct monitor *monitor = snapshot->monitor;
	struct round *round = memory_new(sizeof(*round));
	round->snapshot = snapshot;
	round->view.redis_percent = -1;
	round->waiting = READS * monitor_partitions(monitor) + 1;
	snapshot->round = round;
	round->timer = loop_timer_start(service_loop(monitor->service), clock_mono_us() + DEADLINE_US, on_deadline, round);
	for (size_t i = 0; i < monitor_partitions(monitor); i++)
		for (size_t j = 0; j < READS; j++) {
			struct slice word = slice_of(reads[j].what);
			live_read(monitor->live, i, LIVE_ANY, &word, 1, reads[j].handler, round);
		}
	struct text sql = { 0 };
	text_add(&sql, "COALESCE(SUM(seq),0),(SELECT COUNT(*) FROM poison_events) FROM log_position");
	history_select(monitor->history, &sql, on_history, round);
	text_release(&sql);
}

void snapshot_refresh(struct snapshot *snapshot, snapshot_handler *handler, void *context) {
	struct waiter *waiter = memory_new(sizeof(*waiter));
	struct waiter **list = snapshot->round == NULL ? &snapshot->waiters : &snapshot->late;
	*waiter = (struct waiter){ *list, handler, context };
	*list = waiter;
	if (snapshot->round == NULL)
		start_round(snapshot);
}

const struct snapshot_queue *snapshot_queue(const struct snapshot_view *view, struct slice task_type) {
	for (size_t i = 0; i < view->queue_count; i++)
		if (slice_is(task_type, view->queues[i].task_type))
			return &view->queues[i];
	return NULL;
}

const struct snapshot_view *snapshot_view(const struct snapshot *snapshot) {
	return &snapshot->view;
}

/* The longest waiting ready task of a type that no pause holds. Returns its age, -1 when there is none. */
static int64_t ready_age_s(const struct snapshot_view *view, const struct snapshot_queue *queue) {
	if (tally_paused(&view->tally, SLICE(""), slice_of(queue->task_type)))
		return -1;
	return view->now_us > queue->oldest_us ? (view->now_us - queue->oldest_us) / 1000000 : 0;
}

static bool has_workers(const struct monitor *monitor, const struct snapshot_view *view, struct slice task_type) {
	int64_t waiting;
	return !peers_workers(monitor->peers, task_type, &waiting) || waiting > 0 ||
	       tally_type_count(&view->tally, task_type, TALLY_RUNNING) > 0;
}

static void look_at_queues(const struct snapshot *snapshot, struct health_facts *facts) {
	const struct snapshot_view *view = &snapshot->view;
	for (size_t i = 0; i < view->queue_count; i++) {
		const struct snapshot_queue *queue = &view->queues[i];
		int64_t age_s = ready_age_s(view, queue);
		facts->oldest_ready_s = age_s > facts->oldest_ready_s ? age_s : facts->oldest_ready_s;
		if (age_s <= facts->no_workers_s || has_workers(snapshot->monitor, view, slice_of(queue->task_type)))
			continue;
		facts->no_workers_s = age_s;
		snprintf(facts->no_workers_type, sizeof(facts->no_workers_type), "%s", queue->task_type);
	}
}

void snapshot_facts(const struct snapshot *snapshot, struct health_facts *facts) {
	const struct monitor *monitor = snapshot->monitor;
	const struct snapshot_view *view = &snapshot->view;
	struct pulse_sum sum;
	pulse_read(monitor->pulse, PULSE_ALL, SLICE(""), 0, clock_wall_us(), HEALTH_WINDOW_S, &sum);
	*facts = (struct health_facts){
		.oldest_ready_s = -1,
		.no_workers_s = -1,
		.overdue = view->has_live ? view->overdue : -1,
		.overdue_s = view->has_live ? view->overdue_us / 1000000 : -1,
		.outbox_events = view->has_live ? view->outbox_events : -1,
		.persister_lag = view->has_live && view->has_history ? view->lag_events : -1,
		.redis_percent = view->has_live ? view->redis_percent : -1,
		.poison_events = view->has_history ? view->poison_events : -1,
		.tries = (int64_t)(sum.completed + sum.failed),
		.failed_tries = (int64_t)sum.failed,
	};
	if (view->has_live)
		look_at_queues(snapshot, facts);
	watch_facts(monitor->watch, facts);
	peers_facts(monitor->peers, facts);
}
