/* The subscriptions, and who is told of an event; see feed.h. */
#include "feed.h"

#include <stdlib.h>

#include "history.h"
#include "hub.h"
#include "live.h"
#include "metrics_times.h"
#include "pulse.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/service/log_ear.h"
#include "subjects/subjects.h"
#include "workers.h"

enum { LOOK_DELAY_US = 300000, LOOK_RETRY_US = 2000000, LOOK_COUNT = 1000, LOOKS_MAX = 50 };

/* The tasks that run already when this process starts, or when it has missed events, are asked from Redis, a piece at a
 * time. */
struct look {
	struct feed *feed;
	size_t partition;
	int64_t from;
	struct loop_timer *timer;
	bool going, asking;
	bool starts_over; /* what is being asked is from before a gap */
};

struct feed {
	struct monitor *monitor;
	struct log_ear ear;
	size_t partition;                           /* of the block being read */
	int64_t *first_seq, *last_seq, *logged_seq; /* a partition: what was read live; what is in the log */
	int64_t *persisted_seq, *wanted_seq;        /* what is in MySQL (0: not known yet), and what a question waits for */
	struct look *looks;
	size_t looking; /* partitions where that goes on */
	size_t asked;   /* of them, those that wait for an answer: it may come after the close, and then frees the feed */
	size_t dropped; /* messages that the bus had dropped when it was looked last */
	bool closed;
	uint64_t events[128];
};

uint64_t feed_events(const struct feed *feed, char status) {
	return feed->events[(unsigned char)status & 127];
}

int64_t feed_read_live_to(const struct feed *feed, size_t partition) {
	return feed->first_seq[partition] > 0 ? feed->last_seq[partition] : 0;
}

int64_t feed_logged_to(const struct feed *feed, size_t partition) {
	return feed->logged_seq[partition];
}

int64_t feed_begin(struct feed *feed, size_t partition, int64_t newest) {
	int64_t first_live = feed->first_seq[partition];
	if (first_live > 0 && newest >= first_live)
		newest = first_live - 1;
	if (newest > feed->last_seq[partition])
		feed->last_seq[partition] = newest;
	return newest;
}

void feed_count(struct monitor *monitor, const struct feed_event *event) {
	struct pulse_event pulse;
	struct window_counts counts;
	if (!feed_measure(event, &pulse, &counts))
		return;
	pulse_add(monitor->pulse, &pulse);
	window_add(monitor->window, event->project, event->at_us, &counts);
}

static void on_record(void *context, const struct record *record) {
	struct feed *feed = context;
	struct monitor *monitor = feed->monitor;
	int64_t ran_us = workers_note(monitor->workers, feed->partition, record);
	struct feed_event event;
	times_note(monitor->times, record, ran_us);
	hub_note(monitor->hub, feed->partition, record);
	if (record->status != record->previous)
		feed->events[(unsigned char)record->status & 127]++;
	if (feed_event_of(record, ran_us, &event))
		feed_count(monitor, &event);
}

static size_t partition_of(const struct bus_message *message) {
	struct slice subject = slice_of(message->subject), last = subject;
	while (subject.bytes != NULL)
		last = slice_cut(&subject, '.');
	return (size_t)slice_int(last, -1);
}

static void look_again(struct feed *feed);

/* A message is dropped where many wait, so that another one comes here behind it. */
static void on_block(void *context, const struct bus_message *message) {
	struct feed *feed = context;
	size_t partition = partition_of(message), dropped = bus_dropped(service_bus(feed->monitor->service));
	if (dropped != feed->dropped)
		look_again(feed);
	feed->dropped = dropped;
	if (partition >= monitor_partitions(feed->monitor))
		return;
	feed->partition = partition;
	int64_t first = feed_read_block(message->body, &feed->last_seq[partition], on_record, feed);
	if (feed->first_seq[partition] == 0)
		feed->first_seq[partition] = first;
}

/* "<epoch> <last seq> <stream sequence>" and what follows. */
static void on_logged(void *context, int64_t index, struct slice mark, const struct log_answer *answer) {
	struct feed *feed = context;
	(void)answer;
	if (index >= (int64_t)monitor_partitions(feed->monitor) || mark.bytes == NULL)
		return;
	live_note_mark(feed->monitor->live, (size_t)index, mark);
	slice_cut(&mark, ' ');
	if (mark.bytes != NULL)
		feed->logged_seq[index] = slice_int(slice_cut(&mark, ' '), feed->logged_seq[index]);
}

/* ------------------------------------------------------------------------------------------------ what MySQL has */

/* More than that is load, or an outage: nobody waits for it. */
enum { CLOSE_BEHIND = 10000 };

/* A client may know what was read here, but not more: it came over the same server, and later. The persister is asked to
 * write now. */
static bool is_behind(void *context) {
	struct feed *feed = context;
	struct service *service = feed->monitor->service;
	bool behind = false;
	for (size_t i = 0; i < monitor_partitions(feed->monitor); i++) {
		int64_t missing = feed->persisted_seq[i] > 0 ? feed->last_seq[i] - feed->persisted_seq[i] : 0;
		if (missing <= 0 || missing > CLOSE_BEHIND)
			continue;
		behind = true;
		if (feed->wanted_seq[i] == feed->last_seq[i])
			continue; /* it was asked for that already */
		feed->wanted_seq[i] = feed->last_seq[i];
		bus_publish(service_bus(service), service_full_subject(service, "internal.hurry.%zu", i), SLICE(""));
	}
	return behind;
}

/* "<seq> <entry id> <stream sequence>" */
static void on_persisted(void *context, const struct bus_message *message) {
	struct feed *feed = context;
	size_t partition = partition_of(message);
	struct slice rest = message->body;
	if (partition >= monitor_partitions(feed->monitor) || rest.length == 0)
		return;
	feed->persisted_seq[partition] = slice_int(slice_cut(&rest, ' '), feed->persisted_seq[partition]);
	for (size_t i = 0; i < monitor_partitions(feed->monitor); i++)
		if (feed->persisted_seq[i] < feed->wanted_seq[i])
			return;
	history_caught_up(feed->monitor->history);
}

/* ------------------------------------------------------------------------------------------------ what runs already */

static void look(void *context);

static void look_later(struct look *own, int64_t delay_us) {
	struct loop *loop = service_loop(own->feed->monitor->service);
	own->timer = loop_timer_start(loop, clock_mono_us() + delay_us, look, own);
}

/* A moment later: what is subscribed to must have come to the server before Redis is asked, so that no end is missed. */
static void begin_look(struct look *own) {
	own->feed->looking += !own->going;
	own->going = true;
	own->from = 0;
	own->starts_over = own->asking;
	if (own->asking)
		return; /* on_running begins again */
	loop_timer_stop(service_loop(own->feed->monitor->service), &own->timer);
	look_later(own, LOOK_DELAY_US);
}

static void end_look(struct look *own) {
	own->going = false;
	if (--own->feed->looking == 0)
		workers_all_seen(own->feed->monitor->workers);
}

/* Events were missed, ends of tasks perhaps among them. */
static void look_again(struct feed *feed) {
	workers_forget_tasks(feed->monitor->workers);
	for (size_t i = 0; i < monitor_partitions(feed->monitor); i++)
		begin_look(&feed->looks[i]);
}

static void on_bus_change(void *context, bool connected) {
	if (connected)
		look_again(context);
}

static void feed_free(struct feed *feed) {
	if (feed->asked > 0)
		return;
	free(feed->looks);
	free(feed->first_seq);
	free(feed->last_seq);
	free(feed->logged_seq);
	free(feed->persisted_seq);
	free(feed->wanted_seq);
	free(feed);
}

static void on_running(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct look *own = context;
	bool more = false;
	(void)err;
	own->feed->asked--;
	own->asking = false;
	if (own->feed->closed) {
		live_free(&reply);
		feed_free(own->feed);
		return;
	}
	if (own->starts_over) {
		live_free(&reply);
		begin_look(own);
		return;
	}
	for (size_t i = 0; reply != NULL && i < reply->count; i++) {
		struct view view;
		bool has_specification;
		more = reply->items[i].count == 0;
		if (!live_view(reply, i, &view, &has_specification))
			continue;
		struct workers_seen seen = { own->partition, view.number,  view.attempt,   view.started_at_us,
			                         view.project,   view.task_id, view.task_type, view.worker };
		workers_see(own->feed->monitor->workers, &seen);
	}
	live_free(&reply);
	own->from += LOOK_COUNT;
	if (status != STATUS_OK)
		own->from = 0;
	if (status != STATUS_OK || (more && own->from < (int64_t)LOOKS_MAX * LOOK_COUNT))
		look_later(own, status != STATUS_OK ? LOOK_RETRY_US : 0);
	else
		end_look(own);
}

static void look(void *context) {
	struct look *own = context;
	struct text from = { 0 }, count = { 0 };
	own->timer = NULL;
	own->asking = true;
	own->feed->asked++;
	text_add_int(&from, own->from);
	text_add_int(&count, LOOK_COUNT);
	struct slice words[] = { SLICE("running"), { from.bytes, from.length }, { count.bytes, count.length } };
	live_read(own->feed->monitor->live, own->partition, LIVE_LOGGED, words, 3, on_running, own);
	text_release(&from);
	text_release(&count);
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
	feed->logged_seq = memory_array(partitions, sizeof(*feed->logged_seq));
	feed->persisted_seq = memory_array(partitions, sizeof(*feed->persisted_seq));
	feed->wanted_seq = memory_array(partitions, sizeof(*feed->wanted_seq));
	feed->looks = memory_array(partitions, sizeof(*feed->looks));
	*out = feed;
	enum status status = subscribe(feed, SUBJECT_INTERNAL_LOG, on_block, err);
	feed->ear = (struct log_ear){ ((const struct service_settings *)service_settings(monitor->service))->prefix,
		                          on_logged, feed, true };
	if (status == STATUS_OK)
		status = log_ear_open(&feed->ear, service_bus(monitor->service), err);
	if (status == STATUS_OK)
		status = subscribe(feed, SUBJECT_INTERNAL_PERSISTED, on_persisted, err);
	history_watch(monitor->history, is_behind, feed);
	for (size_t i = 0; status == STATUS_OK && i < partitions; i++) {
		feed->looks[i] = (struct look){ .feed = feed, .partition = i };
		begin_look(&feed->looks[i]);
	}
	if (status == STATUS_OK)
		bus_on_change(service_bus(monitor->service), on_bus_change, feed);
	return status;
}

void feed_close(struct feed **feed) {
	if (*feed == NULL)
		return;
	bus_off_change(service_bus((*feed)->monitor->service), on_bus_change, *feed);
	if ((*feed)->monitor->history != NULL)
		history_watch((*feed)->monitor->history, NULL, NULL);
	for (size_t i = 0; i < monitor_partitions((*feed)->monitor); i++)
		loop_timer_stop(service_loop((*feed)->monitor->service), &(*feed)->looks[i].timer);
	(*feed)->closed = true;
	feed_free(*feed);
	*feed = NULL;
}
