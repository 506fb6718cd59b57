/* Publishing and subscribing. Subscriptions are nats.c's synchronous ones, emptied after each read: so handlers run on the
 * loop, and no thread of the library is involved. */
#include "bus.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/id.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "../base/url.h"
#include "bus_inside.h"

static void end_turn(void *context) {
	struct bus *bus = context;
	link_adopt_finished(bus);
	if (link_is_late(bus)) {
		log_warn("asleep for too long: what was to be sent to NATS is old, and the connection is made anew", NULL);
		link_declare_lost(bus);
	}
	link_flush(bus);
	link_take_down(bus);
}

/* Of the first URL. Without a password a user is a secret token. */
static void name_inbox(struct bus *bus) {
	struct slice rest = slice_of(bus->url);
	char *first = slice_copy(slice_cut(&rest, ','));
	struct url url = { 0 };
	snprintf(bus->inbox, sizeof(bus->inbox), "_INBOX.");
	if (url_parse(first, &url, NULL) == STATUS_OK && *url.password != '\0' && id_is_token(slice_of(url.user)))
		snprintf(bus->inbox, sizeof(bus->inbox), "_INBOX.%s.", url.user);
	url_release(&url);
	free(first);
}

const char *bus_inbox(const struct bus *bus) {
	return bus->inbox;
}

enum status bus_open(struct loop *loop, const struct bus_options *options, struct bus **bus, struct error *err) {
	enum status status = link_check(options, err);
	if (status != STATUS_OK)
		return status;
	struct bus *b = memory_new(sizeof(*b));
	b->loop = loop;
	b->url = slice_copy(slice_of(options->url));
	b->name = slice_copy(slice_of(options->name));
	b->thread = pthread_self();
	b->max_payload = DEFAULT_MAX_PAYLOAD_BYTES;
	char random[ID_BYTES];
	id_make(random);
	name_inbox(b);
	snprintf(b->alive_subject, sizeof(b->alive_subject), "%s%s.alive", b->inbox, random);
	bus_subscribe_inner(b, b->alive_subject, NULL, b);
	requests_open(b, random);
	loop_each_turn_last(loop, end_turn, b);
	link_start(b);
	link_wait(b, FIRST_CONNECT_WAIT_MS);
	link_adopt_finished(b);
	*bus = b;
	return STATUS_OK;
}

static void free_subscription(struct bus_subscription *subscription) {
	natsSubscription_Destroy(subscription->native);
	free(subscription->subject);
	free(subscription->queue);
	free(subscription);
}

void bus_fail_requests(struct bus *bus) {
	enum { TRIES_MOST = 20 }; /* whose request failed may ask again, and again */
	must(!bus->polling);
	for (int i = 0; i < TRIES_MOST && requests_under_way(bus) > 0; i++)
		requests_fail_all(bus);
}

void bus_close(struct bus **bus) {
	struct bus *b = *bus;
	if (!b)
		return;
	*bus = NULL;
	must(!b->polling);
	link_close(b);
	loop_each_turn_stop(b->loop, end_turn, b);
	for (size_t i = 0; i < b->subscription_count; i++)
		free_subscription(b->subscriptions[i]);
	free(b->subscriptions);
	requests_close(b);
	bus_free_spent();
	free(b->listeners);
	free(b->url);
	free(b->name);
	free(b);
}

bool bus_connected(const struct bus *bus) {
	return bus->connected;
}

void bus_read_every(struct bus *bus, int64_t us) {
	bus->read_every_us = us;
}

void bus_send_before(struct bus *bus, int64_t at_us) {
	if (bus->send_before_us == 0 || at_us < bus->send_before_us)
		bus->send_before_us = at_us;
}

size_t bus_max_payload(const struct bus *bus) {
	return bus->max_payload;
}

void bus_on_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context) {
	bus->listeners = memory_resize(bus->listeners, bus->listener_count + 1, sizeof(struct listener));
	bus->listeners[bus->listener_count++] = (struct listener){ changed, context };
}

void bus_off_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context) {
	for (size_t i = 0; i < bus->listener_count; i++)
		if (bus->listeners[i].changed == changed && bus->listeners[i].context == context)
			bus->listeners[i].changed = NULL; /* the place stays: a walk may stand on it */
}

void bus_tell_listeners(struct bus *bus, bool connected) {
	for (size_t i = 0; i < bus->listener_count; i++)
		if (bus->listeners[i].changed)
			bus->listeners[i].changed(bus->listeners[i].context, connected);
}

/* Subscribing */

/* What must not stand in a protocol line: nats.c sends subjects as they are. */
static bool is_safe(const char *subject) {
	if (!*subject)
		return false;
	for (; *subject; subject++)
		if ((unsigned char)*subject <= ' ' || *subject == 0x7F)
			return false;
	return true;
}

static natsStatus subscribe_native(struct bus *bus, struct bus_subscription *subscription) {
	natsConnection *connection = bus->link->connection;
	natsStatus s = subscription->queue
	                   ? natsConnection_QueueSubscribeSync(&subscription->native, connection, subscription->subject,
	                                                       subscription->queue)
	                   : natsConnection_SubscribeSync(&subscription->native, connection, subscription->subject);
	if (s == NATS_OK)
		s = natsSubscription_SetPendingLimits(subscription->native, PENDING_MOST_MESSAGES, PENDING_MOST_BYTES);
	link_dirty(bus);
	return s;
}

void bus_subscribe_natives(struct bus *bus) {
	for (size_t i = 0; i < bus->subscription_count; i++) {
		struct bus_subscription *subscription = bus->subscriptions[i];
		if (subscription->stopped)
			continue;
		natsStatus s = subscribe_native(bus, subscription);
		if (s != NATS_OK)
			log_error("cannot subscribe", "subject", subscription->subject, "reason", natsStatus_GetText(s), NULL);
	}
}

static size_t dropped_by(struct bus_subscription *subscription) {
	int64_t dropped = 0;
	if (!subscription->native || natsSubscription_GetDropped(subscription->native, &dropped) != NATS_OK || dropped < 0)
		return 0;
	return (size_t)dropped;
}

void bus_drop_natives(struct bus *bus) {
	for (size_t i = 0; i < bus->subscription_count; i++) {
		struct bus_subscription *subscription = bus->subscriptions[i];
		bus->dropped += dropped_by(subscription);
		natsSubscription_Destroy(subscription->native);
		subscription->native = NULL;
	}
}

size_t bus_dropped(const struct bus *bus) {
	size_t dropped = bus->dropped;
	for (size_t i = 0; i < bus->subscription_count; i++)
		dropped += dropped_by(bus->subscriptions[i]);
	return dropped;
}

static struct bus_subscription *add_subscription(struct bus *bus, const char *subject, const char *queue,
                                                 bus_handler *handler, void *context) {
	struct bus_subscription *subscription = memory_new(sizeof(*subscription));
	subscription->subject = slice_copy(slice_of(subject));
	subscription->queue = queue ? slice_copy(slice_of(queue)) : NULL;
	subscription->handler = handler;
	subscription->context = context;
	bus->subscriptions = memory_resize(bus->subscriptions, bus->subscription_count + 1, sizeof(subscription));
	bus->subscriptions[bus->subscription_count++] = subscription;
	return subscription;
}

enum status bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_handler *handler, void *context,
                          struct error *err) {
	if (!is_safe(subject) || (queue && !is_safe(queue)))
		return fail(err, STATUS_REJECT, "cannot subscribe: a subject or a queue group is malformed");
	struct bus_subscription *subscription = add_subscription(bus, subject, queue, handler, context);
	if (!bus->connected)
		return STATUS_OK;
	natsStatus s = subscribe_native(bus, subscription);
	if (s == NATS_OK || s == NATS_CONNECTION_CLOSED)
		return STATUS_OK;
	subscription->stopped = true;
	return fail(err, STATUS_REJECT, "cannot subscribe to %s: %s", subject, natsStatus_GetText(s));
}

struct bus_subscription *bus_subscribe_inner(struct bus *bus, const char *subject, bus_handler *handler,
                                             void *context) {
	struct bus_subscription *subscription = add_subscription(bus, subject, NULL, handler, context);
	subscription->inner = true;
	if (bus->connected)
		subscribe_native(bus, subscription);
	return subscription;
}

static void sweep(struct bus *bus) {
	size_t kept = 0;
	for (size_t i = 0; i < bus->subscription_count; i++) {
		if (bus->subscriptions[i]->gone)
			free_subscription(bus->subscriptions[i]);
		else
			bus->subscriptions[kept++] = bus->subscriptions[i];
	}
	bus->subscription_count = kept;
	bus->has_gone = false;
}

/* Its messages stop at once; the struct stays until no poll stands on it. */
void bus_unsubscribe(struct bus *bus, struct bus_subscription **subscription) {
	struct bus_subscription *s = *subscription;
	if (!s)
		return;
	*subscription = NULL;
	s->stopped = true;
	s->handler = NULL;
	s->gone = true;
	bus->has_gone = true;
	if (s->native)
		natsSubscription_Unsubscribe(s->native);
	link_dirty(bus);
	if (!bus->polling)
		sweep(bus);
}

/* Draining lets nats.c ask the server to stop, and still hands out what is on its way. It takes a short thread of the
 * library for each subscription: fine for the one time that a process stops. */
void bus_unsubscribe_all(struct bus *bus) {
	for (size_t i = 0; i < bus->subscription_count; i++) {
		struct bus_subscription *subscription = bus->subscriptions[i];
		if (subscription->inner || subscription->stopped)
			continue;
		subscription->stopped = true;
		subscription->draining = subscription->native && natsSubscription_Drain(subscription->native) == NATS_OK;
		if (subscription->native && !subscription->draining)
			natsSubscription_Unsubscribe(subscription->native);
	}
	link_dirty(bus);
}

bool bus_drained(const struct bus *bus) {
	for (size_t i = 0; i < bus->subscription_count; i++) {
		const struct bus_subscription *subscription = bus->subscriptions[i];
		/* "Illegal state" means: not yet. A lost connection has taken the rest with it, and native with that. */
		if (subscription->draining && subscription->native &&
		    natsSubscription_DrainCompletionStatus(subscription->native) == NATS_ILLEGAL_STATE)
			return false;
	}
	return true;
}

static void deliver(struct bus *bus, struct bus_subscription *subscription, natsMsg *native) {
	const char *reply = natsMsg_GetReply(native);
	int length = natsMsg_GetDataLength(native);
	struct bus_message message = {
		.subject = natsMsg_GetSubject(native),
		.reply = reply ? reply : "",
		.body = { length > 0 ? natsMsg_GetData(native) : "", length > 0 ? (size_t)length : 0 },
		.native = native,
		.bus = bus,
	};
	bus->kept = false;
	if (subscription->handler)
		subscription->handler(subscription->context, &message);
	if (!bus->kept)
		bus_spend(native);
	bus->kept = false;
}

void bus_poll(struct bus *bus) {
	natsMsg *message;
	bus->polling = true;
	for (size_t i = 0; i < bus->subscription_count; i++) {
		struct bus_subscription *subscription = bus->subscriptions[i];
		if (subscription->awaited && *subscription->awaited == 0)
			continue;
		while (subscription->native) {
			natsStatus s = natsSubscription_NextMsg(&message, subscription->native, 0);
			if (s == NATS_OK)
				deliver(bus, subscription, message);
			else if (s == NATS_NO_RESPONDERS && subscription->nobody)
				subscription->nobody(subscription->context);
			else if (s != NATS_NO_RESPONDERS && s != NATS_SLOW_CONSUMER) /* the latter is said once, before the rest */
				break;
		}
	}
	bus->polling = false;
	if (bus->has_gone)
		sweep(bus);
}

/* Publishing */

static enum status after_publish(struct bus *bus, natsStatus s, size_t bytes) {
	if (s == NATS_MAX_PAYLOAD)
		return STATUS_REJECT;
	if (s != NATS_OK)
		return STATUS_RETRY;
	link_dirty(bus);
	bus->unflushed_bytes += bytes;
	if (bus->unflushed_bytes > FLUSH_EARLY_BYTES && !bus->watches_write && !link_is_late(bus))
		link_flush(bus);
	return STATUS_OK;
}

static enum status check_publish(const struct bus *bus, const char *subject, const char *reply, struct slice body) {
	if (!is_safe(subject) || (reply && !is_safe(reply))) {
		log_error("a message was not published: its subject or reply subject is malformed", NULL);
		return STATUS_REJECT;
	}
	if (body.length > INT_MAX || (bus->connected && body.length > bus->max_payload))
		return STATUS_REJECT;
	return bus->connected && bus->unflushed_bytes < UNFLUSHED_MOST_BYTES ? STATUS_OK : STATUS_RETRY;
}

enum status bus_publish(struct bus *bus, const char *subject, struct slice body) {
	return bus_publish_with(bus, subject, NULL, NULL, 0, body);
}

static bool is_header_safe(const struct bus_header *header) {
	for (const char *c = header->name; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7F || *c == ':')
			return false;
	return *header->name && !strpbrk(header->value, "\r\n");
}

static natsStatus publish_message(struct bus *bus, const char *subject, const char *reply,
                                  const struct bus_header *headers, size_t header_count, struct slice body) {
	natsMsg *message = NULL;
	natsStatus s = natsMsg_Create(&message, subject, reply, body.bytes, (int)body.length);
	for (size_t i = 0; i < header_count && s == NATS_OK; i++)
		s = is_header_safe(&headers[i]) ? natsMsgHeader_Set(message, headers[i].name, headers[i].value)
		                                : NATS_INVALID_ARG;
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(bus->link->connection, message);
	/* Several pieces of memory each, which this thread has just made: nats.c's own would free them with a lock and cold caches. */
	for (size_t i = 0; message != NULL && i < header_count; i++)
		natsMsgHeader_Delete(message, headers[i].name);
	bus_spend(message);
	return s;
}

enum status bus_publish_with(struct bus *bus, const char *subject, const char *reply, const struct bus_header *headers,
                             size_t header_count, struct slice body) {
	enum status status = check_publish(bus, subject, reply && *reply ? reply : NULL, body);
	if (status != STATUS_OK)
		return status;
	natsStatus s;
	if (header_count > 0)
		s = publish_message(bus, subject, reply && *reply ? reply : NULL, headers, header_count, body);
	else if (reply && *reply)
		s = natsConnection_PublishRequest(bus->link->connection, subject, reply, body.bytes, (int)body.length);
	else
		s = natsConnection_Publish(bus->link->connection, subject, body.bytes, (int)body.length);
	if (s == NATS_INVALID_ARG || s == NATS_INVALID_SUBJECT) {
		log_error("a message was not published: nats.c calls it malformed", "subject", subject, NULL);
		return STATUS_REJECT;
	}
	return after_publish(bus, s, body.length + 128 + header_count * 64);
}

void bus_send_now(struct bus *bus) {
	if (!bus->watches_write && !link_is_late(bus))
		link_flush(bus);
}
