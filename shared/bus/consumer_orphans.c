/* Messages of a work queue that wait for ever. A killed server keeps what a consumer has delivered and what a stream holds
 * in different files, and may come back with messages in the stream that the consumer takes for done. Nobody would ever
 * get them: they are delivered again when the consumer is made anew, which is no harm to a reader that is idempotent.
 * Proof of it: the consumer takes the oldest message for done, or knows of none at all, and it is still there a moment
 * later. */
#include <stdio.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "bus_json.h"
#include "consumer_inside.h"

enum { INTERVAL_MS = 10000, API_TIMEOUT_MS = 5000 };

static void ask(struct consumer *consumer, const char *verb, const char *durable, bus_reply_handler *handler) {
	char subject[256];
	snprintf(subject, sizeof(subject), "$JS.API.%s.%s%s%s", verb, consumer->stream, *durable ? "." : "", durable);
	consumer->orphans.asking = true;
	bus_request(consumer->bus, subject, NULL, 0, (struct slice){ "", 0 }, API_TIMEOUT_MS, handler, consumer);
}

/* True when there is an answer, and somebody who wants it. */
static bool got_answer(struct consumer *consumer, enum status status, const struct bus_message *message) {
	uint64_t error_code;
	consumer->orphans.asking = false;
	if (consumer->closed)
		consumer_release(consumer);
	else if (bus_api_status(status, message, &error_code, NULL) == STATUS_OK)
		return true;
	return false;
}

static void on_deleted(void *context, enum status status, const struct bus_message *message) {
	struct consumer *consumer = context;
	if (got_answer(consumer, status, message))
		consumer_create(consumer);
}

static void on_stream(void *context, enum status status, const struct bus_message *message);

static void on_consumer(void *context, enum status status, const struct bus_message *message) {
	struct consumer *consumer = context;
	if (!got_answer(consumer, status, message))
		return;
	struct slice floor = bus_json_member(message->body, "ack_floor");
	bool is_done = floor.bytes && bus_json_number(floor, "stream_seq", 0) >= consumer->orphans.first_sequence;
	bool is_unknown = bus_json_number(message->body, "num_pending", 1) == 0 &&
	                  bus_json_number(message->body, "num_ack_pending", 1) == 0;
	if (is_done || is_unknown)
		ask(consumer, "STREAM.INFO", "", on_stream);
}

static void on_stream(void *context, enum status status, const struct bus_message *message) {
	struct consumer *consumer = context;
	struct orphan_check *check = &consumer->orphans;
	if (!got_answer(consumer, status, message))
		return;
	struct slice retention = bus_json_text(bus_json_member(message->body, "config"), "retention");
	struct slice state = bus_json_member(message->body, "state");
	uint64_t first_sequence = bus_json_number(state, "first_seq", 0);
	if (!slice_is(retention, "workqueue") || bus_json_number(state, "messages", 0) == 0)
		return;
	if (!check->once_seen) {
		check->once_seen = true;
		check->first_sequence = first_sequence;
		ask(consumer, "CONSUMER.INFO", consumer->durable, on_consumer);
	} else if (first_sequence == check->first_sequence) {
		log_info("messages that a restarted NATS took for done are delivered again", "stream", consumer->stream, NULL);
		ask(consumer, "CONSUMER.DELETE", consumer->durable, on_deleted);
	}
}

void consumer_look_for_orphans(struct consumer *consumer, int64_t now_us) {
	struct orphan_check *check = &consumer->orphans;
	if (!consumer->created || check->asking || now_us < check->next_us)
		return;
	check->next_us = now_us + INTERVAL_MS * 1000;
	check->once_seen = false;
	ask(consumer, "STREAM.INFO", "", on_stream);
}
