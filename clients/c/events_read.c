/* What a consumer delivers: messages and the server's own words between them. Each event is given out once, in order, when
 * it matches; a gap between versions is read once more, and told when it stays. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "events_inside.h"

enum { STATUS_CONTROL = 100 };

void events_tell(struct corder_events *events, enum corder_news news, const struct corder_error *error) {
	struct corder_event event = { .news = news, .position = events->position, .error = error };
	event.project = event.task_id = event.batch_id = event.task_type = event.status = event.worker = "";
	event.because = event.body = "";
	events->handing++;
	events->handler(events->context, &event);
	events->handing--;
	events_release(events);
}

void events_ready(struct corder_events *events) {
	if (events->is_ready)
		return;
	events->is_ready = true;
	events_tell(events, CORDER_READY, NULL);
}

static bool matches(const struct corder_events *events, struct json_value event) {
	struct slice task_id = json_text(json_member(event, "task_id"));
	if (events->batch_id != NULL && !slice_is(json_text(json_member(event, "batch_id")), events->batch_id))
		return false;
	for (size_t i = 0; i < events->task_id_count; i++)
		if (slice_is(task_id, events->task_ids[i]))
			return true;
	return events->task_id_count == 0;
}

/* The texts of one event, one behind the other, each with an end of its own. */
static const char *put(struct text *texts, size_t *at, struct slice text) {
	const char *start = texts->bytes + *at;
	memcpy(texts->bytes + *at, text.bytes != NULL ? text.bytes : "", text.length);
	texts->bytes[*at + text.length] = 0;
	*at += text.length + 1;
	return start;
}

static const char *put_raw(struct text *texts, size_t *at, struct json_value value) {
	return json_given(value) ? put(texts, at, json_raw(value)) : NULL;
}

/* Decoded texts are never longer than the message, and none of them is taken twice. */
static void give(struct corder_events *events, struct json_value root, struct slice body, uint64_t position) {
	struct text texts = { 0 };
	size_t at = 0;
	for (size_t room = 0; room < 2; room++)
		text_append(&texts, body.bytes, body.length);
	text_append(&texts, "0123456789abcdef", 16); /* the ends */
	struct corder_event event = { .news = CORDER_EVENT, .position = position };
	event.project = put(&texts, &at, json_text(json_member(root, "project")));
	event.task_id = put(&texts, &at, json_text(json_member(root, "task_id")));
	event.batch_id = put(&texts, &at, json_text(json_member(root, "batch_id")));
	event.task_type = put(&texts, &at, json_text(json_member(root, "task_type")));
	event.status = put(&texts, &at, json_text(json_member(root, "status")));
	event.worker = put(&texts, &at, json_text(json_member(root, "worker")));
	event.because = put(&texts, &at, json_text(json_member(root, "because")));
	event.version = json_int(json_member(root, "version"), 0);
	event.attempt = json_int(json_member(root, "attempt"), 0);
	event.result = put_raw(&texts, &at, json_member(root, "result"));
	event.error_json = put_raw(&texts, &at, json_member(root, "error"));
	event.body = put(&texts, &at, body);
	event.length = body.length;
	events->handing++;
	events->handler(events->context, &event);
	events->handing--;
	text_release(&texts);
}

/* After a gap that stays: told, then the event behind it as if there were none. */
static void tell_gap(struct corder_events *events, struct json_value root) {
	struct slice task_id = json_text(json_member(root, "task_id"));
	int64_t version = json_int(json_member(root, "version"), 1);
	struct corder_error error;
	sights_accept(events->sights, root, version);
	corder_fail(&error, CORDER_EVENTS_LOST, "events of task %.*s before version %lld are missing", (int)task_id.length,
	            task_id.bytes, (long long)version);
	if (matches(events, root)) {
		events->handing++;
		events_tell(events, CORDER_LOST, &error);
		events->handing--;
	}
}

static bool was_retried(const struct corder_events *events, struct slice event_id) {
	return events->retried != NULL && slice_is(event_id, events->retried);
}

/* position 0: live, where nothing can be read again. False: to be read once more, from where we were. The caller holds
 * `handing`, so that a handler may close the events. */
static bool take(struct corder_events *events, struct slice body, uint64_t position) {
	if (json_parse(events->json, body, NULL, NULL) != STATUS_OK)
		return true;
	struct json_value root = json_root(events->json);
	struct slice event_id = json_text(json_member(root, "event_id"));
	enum sight sight = sights_look(events->sights, root);
	if (sight == SIGHT_GAP && position > 0 && !was_retried(events, event_id)) {
		/* It may have been lost on its way. */
		free(events->retried);
		events->retried = slice_copy(event_id);
		return false;
	}
	if (sight == SIGHT_GAP)
		tell_gap(events, root);
	if (position > 0) {
		events->position = position;
		events->has_position = true;
	}
	if (sight != SIGHT_SEEN && !events->closed && matches(events, root))
		give(events, root, body, position);
	return true;
}

void events_on_live(void *context, const struct bus_message *message) {
	struct corder_events *events = context;
	events->handing++;
	take(events, message->body, 0);
	events->handing--;
	events_release(events);
}

/* "$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]" */
static bool read_numbers(const char *reply, uint64_t *stream_sequence, uint64_t *consumer_sequence) {
	struct slice tokens[13], rest = slice_of(reply);
	size_t count = 0;
	while (rest.bytes != NULL && count < sizeof tokens / sizeof tokens[0])
		tokens[count++] = slice_cut(&rest, '.');
	if (count < 9)
		return false;
	size_t at = count >= 11 ? 7 : 5;
	*stream_sequence = (uint64_t)slice_int(tokens[at], 0);
	*consumer_sequence = (uint64_t)slice_int(tokens[at + 1], 0);
	return *stream_sequence > 0 && *consumer_sequence > 0;
}

/* Heartbeats say how far the consumer is; a request of the flow control is answered once all before it was taken. */
static void heed_control(struct corder_events *events, const struct bus_message *message) {
	const char *last = bus_header(message, "Nats-Last-Consumer"),
			   *stalled = bus_header(message, "Nats-Consumer-Stalled");
	if (*message->reply)
		bus_publish(events->client->bus, message->reply, (struct slice){ "", 0 });
	if (stalled != NULL)
		bus_publish(events->client->bus, stalled, (struct slice){ "", 0 });
	if (last != NULL && (uint64_t)slice_int(slice_of(last), 0) != events->last_delivered)
		events_again(events);
}

static void take_message(struct corder_events *events, const struct bus_message *message) {
	uint64_t stream_sequence, consumer_sequence;
	int code = bus_status_code(message);
	events->heard_us = clock_mono_us();
	if (code == STATUS_CONTROL) {
		heed_control(events, message);
	} else if (code >= 400) {
		events_again(events); /* the consumer has gone */
	} else if (read_numbers(message->reply, &stream_sequence, &consumer_sequence)) {
		bool in_order = consumer_sequence == events->last_delivered + 1;
		events->last_delivered = consumer_sequence;
		if (!in_order || (!take(events, message->body, stream_sequence) && !events->closed))
			events_again(events);
	} /* else: not from a consumer; somebody plays with our inbox */
}

void events_on_message(void *context, const struct bus_message *message) {
	struct corder_events *events = context;
	events->handing++;
	take_message(events, message);
	events->handing--;
	events_release(events);
}
