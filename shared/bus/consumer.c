/* A durable pull consumer. At most `window` messages are asked for or unanswered at a time, so a slow reader slows the
 * stream and nobody else. A pull can be lost with the connection or the server, in silence: a watchdog asks again.
 *
 *   create ──ok──▶ pull ⇄ deliver        reconnect, 409, 503 or silence lead back to create, which is idempotent
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "consumer_inside.h"

enum {
	PULL_EXPIRES_MS = 30000,
	WATCHDOG_MS = 1000,
	SILENCE_MS = PULL_EXPIRES_MS + 5000,
	CREATE_TIMEOUT_MS = 5000,
};

void consumer_release(struct consumer *consumer) {
	if (consumer->creating || consumer->orphans.asking)
		return; /* the answer comes here again */
	free(consumer->stream);
	free(consumer->durable);
	free(consumer);
}

static void pull(struct consumer *consumer) {
	size_t busy = consumer->asked + consumer->unanswered;
	/* Few large pulls instead of many small ones: the next one goes when half the window is free. */
	if (!consumer->created || busy > consumer->window / 2)
		return;
	size_t batch = consumer->window - busy;
	char body[80];
	int length = snprintf(body, sizeof(body), "{\"batch\":%zu,\"expires\":%lld}", batch, PULL_EXPIRES_MS * 1000000LL);
	if (bus_publish_with(consumer->bus, consumer->next_subject, consumer->inbox_subject, NULL, 0,
	                     (struct slice){ body, (size_t)length }) == STATUS_OK)
		consumer->asked += batch;
}

static void on_created(void *context, enum status status, const struct bus_message *message) {
	struct consumer *consumer = context;
	struct error err = { 0 };
	uint64_t error_code;
	consumer->creating = false;
	if (consumer->closed) {
		consumer_release(consumer);
		return;
	}
	status = bus_api_status(status, message, &error_code, &err);
	consumer->heard_at_us = clock_mono_us();
	consumer->created = status == STATUS_OK;
	if (consumer->created) {
		consumer->told = false;
		pull(consumer);
	} else if (status == STATUS_REJECT && !consumer->told) {
		log_warn("cannot make a consumer: trying again", "stream", consumer->stream, "consumer", consumer->durable,
		         "reason", err.message, NULL);
		consumer->told = true;
	}
}

void consumer_create(struct consumer *consumer) {
	struct text body = { 0 };
	char subject[256];
	if (consumer->creating || !bus_connected(consumer->bus))
		return;
	consumer->creating = true;
	consumer->created = false;
	consumer->asked = 0;
	text_printf(&body, "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"%s\",\"deliver_policy\":\"all\"",
	            consumer->stream, consumer->durable);
	text_printf(&body, ",\"ack_policy\":\"explicit\",\"ack_wait\":%lld,\"max_deliver\":-1,\"max_ack_pending\":-1",
	            (long long)consumer->ack_wait_ms * 1000000);
	text_add(&body, ",\"replay_policy\":\"instant\"}}");
	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s", consumer->stream, consumer->durable);
	bus_request(consumer->bus, subject, NULL, 0, (struct slice){ body.bytes, body.length }, CREATE_TIMEOUT_MS,
	            on_created, consumer);
	text_release(&body);
}

static void on_watchdog(void *context) {
	struct consumer *consumer = context;
	int64_t now_us = clock_mono_us();
	int64_t silent_ms = (now_us - consumer->heard_at_us) / 1000;
	consumer->watchdog = loop_timer_start(consumer->bus->loop, now_us + WATCHDOG_MS * 1000, on_watchdog, consumer);
	/* What nobody has answered by now is delivered again, and counted again. */
	if (consumer->asked == 0 && consumer->unanswered > 0 && silent_ms > consumer->ack_wait_ms)
		consumer->unanswered = 0;
	if (!consumer->created || (consumer->asked > 0 && silent_ms > SILENCE_MS))
		consumer_create(consumer);
	else
		pull(consumer);
	consumer_look_for_orphans(consumer, now_us);
}

/* 408: the pull has expired, 404: nothing there, 409: the consumer is gone, has moved, or takes no more pulls. */
static void on_status(struct consumer *consumer, int code, const struct bus_message *message) {
	const char *header = bus_header(message, "Nats-Pending-Messages");
	size_t left = header ? (size_t)slice_int(slice_of(header), 0) : consumer->asked;
	if (code < 400)
		return;
	consumer->asked -= left < consumer->asked ? left : consumer->asked;
	if (code == 404 || code == 408)
		pull(consumer);
	else
		consumer->created = false; /* made again by the watchdog */
}

static void on_message(void *context, const struct bus_message *message) {
	struct consumer *consumer = context;
	consumer->heard_at_us = loop_now(consumer->bus->loop);
	int code = *message->reply ? 0 : bus_status_code(message);
	if (code != 0) {
		on_status(consumer, code, message);
		return;
	}
	if (!*message->reply)
		return; /* not from a consumer: somebody plays with our inbox */
	if (consumer->asked > 0)
		consumer->asked--;
	consumer->unanswered++;
	consumer->handler(consumer->context, message);
}

static void on_nobody(void *context) {
	struct consumer *consumer = context;
	consumer->created = false;
}

static void on_change(void *context, bool connected) {
	struct consumer *consumer = context;
	consumer->asked = 0;
	consumer->unanswered = 0;
	consumer->created = false;
	if (connected)
		consumer_create(consumer);
}

enum status consumer_open(struct bus *bus, const char *stream, const char *durable, int64_t ack_wait_ms, size_t window,
                          bus_handler *handler, void *context, struct consumer **consumer, struct error *err) {
	if (!id_is_token(slice_of(stream)) || !id_is_token(slice_of(durable)) || window == 0)
		return fail(err, STATUS_REJECT, "a stream, a consumer or a window is malformed");
	struct consumer *c = memory_new(sizeof(*c));
	char random[ID_BYTES];
	id_make(random);
	c->bus = bus;
	c->stream = slice_copy(slice_of(stream));
	c->durable = slice_copy(slice_of(durable));
	c->ack_wait_ms = ack_wait_ms;
	c->window = window;
	c->handler = handler;
	c->context = context;
	c->heard_at_us = clock_mono_us();
	snprintf(c->inbox_subject, sizeof(c->inbox_subject), "%s%s.pull", bus_inbox(bus), random);
	snprintf(c->next_subject, sizeof(c->next_subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream, durable);
	c->inbox = bus_subscribe_inner(bus, c->inbox_subject, on_message, c);
	c->inbox->nobody = on_nobody;
	c->watchdog = loop_timer_start(bus->loop, c->heard_at_us + WATCHDOG_MS * 1000, on_watchdog, c);
	bus_on_change(bus, on_change, c);
	consumer_create(c);
	*consumer = c;
	return STATUS_OK;
}

static void answer(struct consumer *consumer, const char *ack_subject, struct slice body) {
	/* An answer that is lost costs a repeated delivery, which every reader must expect anyway. */
	bus_publish(consumer->bus, ack_subject, body);
	if (consumer->unanswered > 0)
		consumer->unanswered--;
	consumer->heard_at_us = loop_now(consumer->bus->loop);
	pull(consumer);
}

void consumer_ack(struct consumer *consumer, const char *ack_subject) {
	answer(consumer, ack_subject, SLICE("+ACK"));
}

void consumer_nak(struct consumer *consumer, const char *ack_subject, int64_t delay_ms) {
	char body[64];
	int length = snprintf(body, sizeof(body), "-NAK {\"delay\":%lld}", (long long)delay_ms * 1000000);
	answer(consumer, ack_subject, (struct slice){ body, (size_t)length });
}

void consumer_close(struct consumer **consumer) {
	struct consumer *c = *consumer;
	if (!c)
		return;
	*consumer = NULL;
	c->closed = true;
	loop_timer_stop(c->bus->loop, &c->watchdog);
	bus_off_change(c->bus, on_change, c);
	bus_unsubscribe(c->bus, &c->inbox);
	consumer_release(c);
}
