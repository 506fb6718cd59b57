/* Discovery, by the NATS services protocol: one question, as many answers as there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "inside.h"

enum { WAIT_MS = 500 };

struct asked_services {
	struct corder *client;
	void (*handler)(void *context, const char *service);
	void *context;
	struct bus_subscription *inbox;
	struct loop_timer *timer;
	struct asked_services *next, **link;
};

static void leave(struct asked_services *asked) {
	*asked->link = asked->next;
	if (asked->next != NULL)
		asked->next->link = asked->link;
	bus_unsubscribe(asked->client->bus, &asked->inbox);
	loop_timer_stop(asked->client->loop, &asked->timer);
}

static void on_answer(void *context, const struct bus_message *message) {
	const struct asked_services *asked = context;
	struct json *json = json_read(message->body, NULL);
	struct slice name = json != NULL ? json_text(json_member(json_root(json), "name")) : (struct slice){ NULL, 0 };
	bool ours = name.length > 7 && memcmp(name.bytes, "corder-", 7) == 0;
	json_close(&json);
	if (!ours)
		return;
	char *service = slice_copy(message->body);
	asked->handler(asked->context, service);
	free(service);
}

static void on_end(void *context) {
	struct asked_services *asked = context;
	asked->timer = NULL;
	leave(asked);
	asked->handler(asked->context, NULL);
	free(asked);
}

void corder_services(struct corder *client, int64_t wait_ms, void (*handler)(void *context, const char *service),
                     void *context) {
	struct asked_services *asked = memory_new(sizeof *asked);
	char random[ID_BYTES], inbox[BUS_INBOX_BYTES + 64];
	id_make(random);
	snprintf(inbox, sizeof inbox, "%s%s.services", bus_inbox(client->bus), random);
	asked->client = client;
	asked->handler = handler;
	asked->context = context;
	asked->inbox = bus_subscribe_inner(client->bus, inbox, on_answer, asked);
	asked->next = client->services;
	asked->link = &client->services;
	if (asked->next != NULL)
		asked->next->link = &asked->next;
	client->services = asked;
	/* When there is no connection nobody answers, which is what is then told. */
	bus_publish_with(client->bus, "$SRV.PING", inbox, NULL, 0, (struct slice){ "", 0 });
	int64_t until_us = clock_mono_us() + (wait_ms > 0 ? wait_ms : WAIT_MS) * 1000;
	asked->timer = loop_timer_start(client->loop, until_us, on_end, asked);
}

void services_drop(struct corder *client) {
	while (client->services != NULL) {
		struct asked_services *asked = client->services;
		leave(asked);
		free(asked);
	}
}
