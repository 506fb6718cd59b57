/* enqueue.<project>: the same bodies from a stream, where they are safe while every service is down. A message is
 * acknowledged when its verdict is; a refusal becomes an event. */
#include <stdio.h>
#include <string.h>

#include "ingest.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { OTHERS_TAKE_IT_MS = 500 };

/* $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time, ns>.<pending>; newer servers put a
 * domain and an account before the stream. */
static bool read_ack(const char *subject, struct enqueued *place) {
	struct slice tokens[16], rest = slice_of(subject);
	size_t count = 0;
	while (rest.bytes != NULL && count < 16)
		tokens[count++] = slice_cut(&rest, '.');
	size_t stream = count >= 11 ? 4 : 2;
	if (count < 9)
		return false;
	int64_t number = slice_int(tokens[stream + 3], -1), time_ns = slice_int(tokens[stream + 5], -1);
	place->deliveries = slice_int(tokens[stream + 2], 1);
	place->stream_sequence = (uint64_t)number;
	place->at_us = time_ns / 1000;
	return number > 0 && time_ns > 0;
}

static bool is_traceparent(const char *text) {
	return strlen(text) == 55 && strspn(text, "0123456789abcdef-") == 55 && text[2] == '-' && text[35] == '-' &&
	       text[52] == '-';
}

void on_enqueue(void *context, const struct bus_message *message) {
	struct ingest *ingest = context;
	const char *last_dot = strrchr(message->subject, '.');
	struct slice project = slice_of(last_dot != NULL ? last_dot + 1 : "");
	const char *traceparent = bus_header(message, HEADER_TRACEPARENT);
	struct enqueued place;
	if (ingest->stopping) {
		consumer_nak(ingest->consumer, message->reply, OTHERS_TAKE_IT_MS);
		return;
	}
	if (!id_is_token(project) || !read_ack(message->reply, &place)) {
		log_warn("an enqueued message names no project and is dropped: its subject must be enqueue.<project>", NULL);
		++*service_counter(ingest->service, "rejected_subject");
		consumer_ack(ingest->consumer, message->reply);
		return;
	}
	struct submission *s = submission_open(ingest, NULL, message->reply);
	s->enqueued = place;
	if (traceparent != NULL && is_traceparent(traceparent))
		snprintf(s->traceparent, sizeof(s->traceparent), "%s", traceparent);
	take(s, message->body, project);
}
