/* Events from the stream that keeps them, by a consumer of our own making: it is made at a place, and made again behind the
 * last event whenever it falls silent, skips a number, or the connection is new. Where there is no stream, what comes live.
 *
 *   PLACING ──stream's state──▶ MAKING ──▶ READING ──silence, a gap, a new connection──▶ PLACING …
 *                                      └─ no stream ─▶ LIVE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../shared/bus/stream.h"
#include "../../subjects/subjects.h"
#include "events_inside.h"

enum { API_MS = 5000, TICK_US = 500000, SILENCE_US = 7000000, HEARTBEAT_MS = 2000, STREAM_NOT_FOUND = 10059 };

bool corder_is_final(struct slice status) {
	static const char *const finals[] = { "completed", "failed", "cancelled", "skipped" };
	for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++)
		if (slice_is(status, finals[i]))
			return true;
	return false;
}

static void place(struct corder_events *events);

void events_release(struct corder_events *events) {
	if (!events->closed || events->pending > 0 || events->handing > 0)
		return; /* its answer, or the end of its handler, comes here again */
	for (size_t i = 0; i < events->task_id_count; i++)
		free(events->task_ids[i]);
	free(events->task_ids);
	free(events->batch_id);
	free(events->subject);
	free(events->stream);
	free(events->consumer);
	free(events->retried);
	sights_close(&events->sights);
	json_close(&events->json);
	free(events);
}

static void forget_consumer(struct corder_events *events) {
	bus_unsubscribe(events->client->bus, &events->inbox);
	if (events->consumer == NULL)
		return;
	char subject[320];
	int length = snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DELETE.%s.%s", events->stream, events->consumer);
	if (length > 0 && (size_t)length < sizeof subject)
		bus_publish(events->client->bus, subject, (struct slice){ "", 0 }); /* it would go by itself after a while */
	free(events->consumer);
	events->consumer = NULL;
}

void corder_events_close(struct corder_events **events) {
	struct corder_events *old = *events;
	if (old == NULL)
		return;
	*events = NULL;
	forget_consumer(old);
	bus_unsubscribe(old->client->bus, &old->live);
	loop_timer_stop(old->client->loop, &old->tick);
	*old->link = old->next;
	if (old->next != NULL)
		old->next->link = old->link;
	old->closed = true;
	events_release(old);
}

/* ---- placing */

/* The server is asked again, from where we are. */
void events_again(struct corder_events *events) {
	forget_consumer(events);
	events->state = EVENTS_PLACING;
	events->heard_us = 0; /* at the next tick */
}

static void fail_for_good(struct corder_events *events) {
	events->state = EVENTS_ENDED;
	events_tell(events, CORDER_FAILED, &events->error);
}

static void add_place(struct corder_events *events, const struct stream_state *state, struct text *config) {
	uint64_t next = events->position + 1;
	if (!events->has_position && events->since == CORDER_SINCE_TIME) {
		text_add(config, ",\"deliver_policy\":\"by_start_time\",\"opt_start_time\":");
		text_add_json_time(config, (int64_t)events->since_time_us);
		return;
	}
	if (!events->has_position && events->since == CORDER_SINCE_NOW) {
		events->has_position = true;
		events->position = state->last_sequence;
		next = state->last_sequence + 1;
	} else if (!events->has_position) {
		next = state->first_sequence > 0 ? state->first_sequence : 1;
	}
	text_printf(config, ",\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%llu", (unsigned long long)next);
}

/* After an answer: has nobody closed them meanwhile? */
static bool is_wanted(struct corder_events *events) {
	events->pending--;
	events->placing = false;
	if (!events->closed)
		return true;
	events_release(events); /* which may free them */
	return false;
}

static void on_made(void *context, enum status status, const struct bus_message *message) {
	struct corder_events *events = context;
	if (!is_wanted(events))
		return;
	if (events->state != EVENTS_MAKING)
		return; /* the connection went meanwhile */
	struct json *json = status == STATUS_OK ? json_read(message->body, NULL) : NULL;
	struct slice name = json != NULL ? json_text(json_member(json_root(json), "name")) : (struct slice){ NULL, 0 };
	events->heard_us = clock_mono_us();
	if (name.length > 0) {
		events->consumer = slice_copy(name);
		events->state = EVENTS_READING;
		events_ready(events);
	} else {
		events_again(events);
	}
	json_close(&json);
}

static void make(struct corder_events *events, const struct stream_state *state) {
	struct corder *client = events->client;
	struct text body = { 0 };
	char subject[256], inbox[BUS_INBOX_BYTES + 64], random[ID_BYTES];
	id_make(random);
	snprintf(inbox, sizeof inbox, "%s%s.events", bus_inbox(client->bus), random);
	events->inbox = bus_subscribe_inner(client->bus, inbox, events_on_message, events);
	events->last_delivered = 0;
	text_printf(&body, "{\"stream_name\":\"%s\",\"config\":{\"deliver_subject\":\"%s\",\"filter_subject\":\"%s\"",
	            events->stream, inbox, events->subject);
	add_place(events, state, &body);
	text_printf(&body,
	            ",\"ack_policy\":\"none\",\"max_deliver\":1,\"replay_policy\":\"instant\",\"flow_control\":true"
	            ",\"idle_heartbeat\":%d000000,\"inactive_threshold\":60000000000,\"mem_storage\":true"
	            ",\"num_replicas\":1}}",
	            HEARTBEAT_MS);
	snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s", events->stream);
	events->state = EVENTS_MAKING;
	events->pending++;
	bus_request(client->bus, subject, NULL, 0, (struct slice){ body.bytes, body.length }, API_MS, on_made, events);
	text_release(&body);
}

/* Whether the stream holds what comes behind our place. */
static bool holds(struct corder_events *events, const struct stream_state *state) {
	uint64_t next = events->position + 1;
	uint64_t first = state->messages == 0 ? state->last_sequence + 1 : state->first_sequence;
	if (!events->has_position || (next >= first && events->position <= state->last_sequence))
		return true;
	if (events->position > state->last_sequence)
		corder_fail(&events->error, CORDER_EVENTS_LOST,
		            "the stream does not hold %llu; it ends at %llu: another stream?", (unsigned long long)next,
		            (unsigned long long)state->last_sequence);
	else
		corder_fail(&events->error, CORDER_EVENTS_LOST, "the stream does not hold %llu; the first event left is %llu",
		            (unsigned long long)next, (unsigned long long)first);
	return false;
}

static void listen_live(struct corder_events *events) {
	if (events->since != CORDER_SINCE_NOW) {
		corder_fail(&events->error, CORDER_EVENTS_LOST, "there is no stream %s to replay from", events->stream);
		fail_for_good(events);
		return;
	}
	events->state = EVENTS_LIVE;
	events->live = bus_subscribe_inner(events->client->bus, events->subject, events_on_live, events);
	events_ready(events);
}

static void take_state(struct corder_events *events, const struct stream_state *state) {
	if (holds(events, state)) {
		make(events, state);
	} else if (!events->is_ready) {
		fail_for_good(events);
	} else {
		/* It is another stream, or we were away for too long: all that it holds. */
		events->has_position = false;
		events->since = CORDER_SINCE_ALL;
		events->handing++;
		events_tell(events, CORDER_LOST, &events->error);
		events->handing--;
		if (!events->closed)
			make(events, state);
		events_release(events);
	}
}

static void on_state(void *context, enum status status, const struct bus_message *message) {
	struct corder_events *events = context;
	if (!is_wanted(events))
		return;
	struct json *json = status == STATUS_OK ? json_read(message->body, NULL) : NULL;
	struct json_value root = json != NULL ? json_root(json) : (struct json_value){ 0 };
	struct json_value said = json_member(root, "state");
	struct stream_state state = { .first_sequence = (uint64_t)json_int(json_member(said, "first_seq"), 0),
		                          .last_sequence = (uint64_t)json_int(json_member(said, "last_seq"), 0),
		                          .messages = (uint64_t)json_int(json_member(said, "messages"), 0) };
	bool known = json_present(said);
	bool none = json_int(json_member(json_member(root, "error"), "err_code"), 0) == STREAM_NOT_FOUND;
	json_close(&json);
	if (events->state != EVENTS_PLACING)
		return;
	if (known)
		take_state(events, &state);
	else if (none && !events->is_ready)
		listen_live(events);
	/* else: the tick asks again */
}

static void place(struct corder_events *events) {
	char subject[256];
	if (events->placing || !bus_connected(events->client->bus))
		return;
	events->placing = true;
	events->heard_us = clock_mono_us();
	snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", events->stream);
	events->pending++;
	bus_request(events->client->bus, subject, NULL, 0, (struct slice){ "", 0 }, API_MS, on_state, events);
}

/* ---- what time and the connection ask */

static void on_tick(void *context) {
	struct corder_events *events = context;
	int64_t now_us = clock_mono_us();
	events->tick = loop_timer_start(events->client->loop, now_us + TICK_US, on_tick, events);
	if (events->state == EVENTS_READING && now_us - events->heard_us > SILENCE_US)
		events_again(events);
	if (events->state == EVENTS_PLACING)
		place(events);
}

void events_on_change(struct corder *client, bool connected) {
	for (struct corder_events *events = client->events; events != NULL; events = events->next) {
		if (events->state == EVENTS_MAKING || events->state == EVENTS_READING)
			events_again(events);
		if (connected && events->state == EVENTS_PLACING)
			place(events);
	}
}

/* ---- opening */

static bool is_good(const char *token, const char *what, struct corder_error *error) {
	if (token == NULL || id_is_token(slice_of(token)))
		return true;
	corder_fail(error, CORDER_USAGE, "%s must match [A-Za-z0-9_-]{1,64}, and is \"%.100s\"", what, token);
	return false;
}

static void copy_filter(struct corder_events *events, const struct corder_filter *filter, const char *project) {
	struct text relative = { 0 };
	text_printf(&relative, "event.%s.%s.%s", project, filter->task_type != NULL ? filter->task_type : "*",
	            filter->status != NULL ? filter->status : "*");
	events->subject = corder_subject(events->client, relative.bytes);
	text_release(&relative);
	events->batch_id = filter->batch_id != NULL ? slice_copy(slice_of(filter->batch_id)) : NULL;
	events->task_ids = memory_array(filter->task_id_count + 1, sizeof(char *));
	events->task_id_count = filter->task_id_count;
	for (size_t i = 0; i < filter->task_id_count; i++)
		events->task_ids[i] = slice_copy(slice_of(filter->task_ids[i]));
	events->since = filter->since;
	events->has_position = filter->since == CORDER_SINCE_POSITION;
	events->position = events->has_position ? filter->position : 0;
	events->since_time_us = filter->position;
}

struct corder_events *corder_events_open(struct corder *client, const struct corder_filter *filter,
                                         corder_event_handler *handler, void *context, struct corder_error *error) {
	const char *project = corder_project(client, filter->project, true, error);
	if (project == NULL || !is_good(filter->task_type, "task_type", error) || !is_good(filter->status, "status", error))
		return NULL;
	struct corder_events *events = memory_new(sizeof *events);
	events->client = client;
	events->handler = handler;
	events->context = context;
	events->stream = corder_stream(client, STREAM_EVENTS);
	events->json = json_open();
	/* Where one status is all that comes, there are gaps of versions on purpose. */
	events->sights = sights_open(filter->status == NULL);
	copy_filter(events, filter, project);
	events->next = client->events;
	events->link = &client->events;
	if (events->next != NULL)
		events->next->link = &events->next;
	client->events = events;
	on_tick(events);
	return events;
}

uint64_t corder_events_position(const struct corder_events *events) {
	return events->position;
}
