/* Requests and their replies. A reply comes to `_INBOX.[<user>.]<random>.<inbox>.<token>`; a token is a slot and its generation,
 * so that a reply finds its request without a search, and a late one finds nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"
#include "bus_inside.h"

enum { TOKEN_LENGTH = 16 };

struct request {
	struct bus *bus;
	bus_reply_handler *handler; /* NULL: the slot is free */
	void *context;
	struct loop_timer *timer;
	struct inbox *inbox;
	struct request *older, *newer; /* in its inbox */
	uint64_t serial;
	uint32_t index, generation;
	enum status ending; /* when the timer fires */
};

static void write_token(char *out, const struct request *request) {
	static const char hex[] = "0123456789abcdef";
	uint64_t token = (uint64_t)request->generation << 32 | request->index;
	for (int i = TOKEN_LENGTH - 1; i >= 0; i--) {
		out[i] = hex[token & 15];
		token >>= 4;
	}
	out[TOKEN_LENGTH] = '\0';
}

static bool read_token(const char *text, uint64_t *token) {
	*token = 0;
	for (int i = 0; i < TOKEN_LENGTH; i++) {
		char c = text[i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
		if (digit < 0)
			return false;
		*token = *token << 4 | (uint64_t)digit;
	}
	return text[TOKEN_LENGTH] == '\0';
}

static struct request *take_slot(struct bus *bus) {
	struct requests *requests = &bus->requests;
	if (requests->free_count > 0)
		return requests->slots[requests->free_slots[--requests->free_count]];
	requests->slots = memory_resize(requests->slots, requests->count + 1, sizeof(struct request *));
	requests->free_slots = memory_resize(requests->free_slots, requests->count + 1, sizeof(uint32_t));
	struct request *request = memory_new(sizeof(*request));
	request->bus = bus;
	request->index = (uint32_t)requests->count;
	requests->slots[requests->count++] = request;
	return request;
}

static void enter_inbox(struct request *request) {
	struct requests *requests = &request->bus->requests;
	unsigned index =
		requests->idle_inboxes ? (unsigned)__builtin_ctz(requests->idle_inboxes) : requests->next_inbox++ % INBOX_COUNT;
	struct inbox *inbox = &requests->inboxes[index];
	requests->idle_inboxes &= ~(1u << index);
	request->inbox = inbox;
	request->older = inbox->newest;
	request->newer = NULL;
	if (inbox->newest)
		inbox->newest->newer = request;
	inbox->newest = request;
	inbox->awaited++;
}

static void leave_inbox(struct request *request) {
	struct inbox *inbox = request->inbox;
	if (request->older)
		request->older->newer = request->newer;
	*(request->newer ? &request->newer->older : &inbox->newest) = request->older;
	if (--inbox->awaited == 0)
		request->bus->requests.idle_inboxes |= 1u << (inbox - request->bus->requests.inboxes);
}

/* Frees the slot before the handler runs, so that the handler may make requests. */
static void finish(struct request *request, enum status status, const struct bus_message *message) {
	struct bus *bus = request->bus;
	bus_reply_handler *handler = request->handler;
	void *context = request->context;
	loop_timer_stop(bus->loop, &request->timer);
	leave_inbox(request);
	request->handler = NULL;
	request->generation++;
	bus->requests.free_slots[bus->requests.free_count++] = request->index;
	handler(context, status, message);
}

static void on_timer(void *context) {
	struct request *request = context;
	request->timer = NULL;
	finish(request, request->ending, NULL);
}

static void on_reply(void *context, const struct bus_message *message) {
	struct inbox *inbox = context;
	struct requests *requests = &inbox->bus->requests;
	uint64_t token;
	if (!read_token(message->subject + inbox->prefix_length, &token) || (uint32_t)token >= requests->count)
		return;
	struct request *request = requests->slots[(uint32_t)token];
	if (request->handler && request->generation == (uint32_t)(token >> 32))
		finish(request, STATUS_OK, message);
}

/* nats.c does not tell which request it is about. When more than one waits in an inbox, the newest is the likeliest: the status
 * comes within a round trip, while an older one may be in its responder's hands for long; and a responder that goes away has
 * taken what came before it went. A wrong guess is a RETRY too early, which any caller must expect. */
static void on_nobody(void *context) {
	const struct inbox *inbox = context;
	if (inbox->newest)
		finish(inbox->newest, STATUS_RETRY, NULL);
}

void bus_request(struct bus *bus, const char *subject, const struct bus_header *headers, size_t header_count,
                 struct slice body, int64_t timeout_ms, bus_reply_handler *handler, void *context) {
	struct request *request = take_slot(bus);
	char reply[sizeof(request->inbox->prefix) + TOKEN_LENGTH + 1];
	enter_inbox(request);
	memcpy(reply, request->inbox->prefix, request->inbox->prefix_length);
	write_token(reply + request->inbox->prefix_length, request);
	request->handler = handler;
	request->context = context;
	request->serial = bus->requests.serial++;
	enum status status = bus_publish_with(bus, subject, reply, headers, header_count, body);
	request->ending = status == STATUS_OK ? STATUS_RETRY : status;
	/* One that could not be sent is answered in the next turn. */
	int64_t at_us = status == STATUS_OK ? clock_mono_us() + timeout_ms * 1000 : 0;
	request->timer = loop_timer_start(bus->loop, at_us, on_timer, request);
}

void requests_open(struct bus *bus, const char *random) {
	char subject[sizeof(bus->requests.inboxes[0].prefix) + 2];
	for (int i = 0; i < INBOX_COUNT; i++) {
		struct inbox *inbox = &bus->requests.inboxes[i];
		inbox->bus = bus;
		inbox->prefix_length =
			(size_t)snprintf(inbox->prefix, sizeof(inbox->prefix), "%s%s.%d.", bus->inbox, random, i);
		snprintf(subject, sizeof(subject), "%s*", inbox->prefix);
		struct bus_subscription *subscription = bus_subscribe_inner(bus, subject, on_reply, inbox);
		subscription->nobody = on_nobody;
		subscription->awaited = &inbox->awaited;
		bus->requests.idle_inboxes |= 1u << i;
	}
}

size_t requests_under_way(const struct bus *bus) {
	return bus->requests.count - bus->requests.free_count;
}

void requests_fail_all(struct bus *bus) {
	uint64_t serial = bus->requests.serial;
	for (size_t i = 0; i < bus->requests.count; i++) {
		struct request *request = bus->requests.slots[i];
		if (request->handler && request->serial < serial)
			finish(request, STATUS_RETRY, NULL);
	}
}

void requests_close(struct bus *bus) {
	for (size_t i = 0; i < bus->requests.count; i++) {
		loop_timer_stop(bus->loop, &bus->requests.slots[i]->timer);
		free(bus->requests.slots[i]);
	}
	free(bus->requests.slots);
	free(bus->requests.free_slots);
}
