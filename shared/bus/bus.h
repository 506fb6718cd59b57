/* The NATS connection of a process, on its loop and in its thread: nats.c runs with an external event loop, its
 * subscriptions are polled after each read, and what was published in a turn leaves in one write at its end. The only
 * folder that knows nats.c. Subjects are checked here against injection: a bad one is a bug of ours. */
#ifndef CORDER_BUS_BUS_H
#define CORDER_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/loop.h"
#include "../base/text.h"

struct bus;

struct bus_options {
	const char *url;  /* nats://[user:password@]host:port[,…]; also tls:// */
	const char *name; /* shown by the server */
};

struct bus_message {
	const char *subject;
	const char *reply; /* "" when none is wanted */
	struct slice body; /* borrowed until the handler returns */
	void *native;      /* these two are for the bus alone */
	struct bus *bus;
};

struct bus_header {
	const char *name;
	const char *value; /* no CR, LF */
};

typedef void bus_handler(void *context, const struct bus_message *message);
/* message is NULL when the status is not OK: STATUS_RETRY timed out, disconnected, or nobody serves it. */
typedef void bus_reply_handler(void *context, enum status status, const struct bus_message *message);

/* Connects (waiting at most a second), and goes on trying in the background for ever, with jitter, when the server is away;
 * STATUS_REJECT for a bad URL. Subscriptions survive reconnects. */
enum status bus_open(struct loop *loop, const struct bus_options *options, struct bus **bus, struct error *err);
void bus_close(struct bus **bus); /* flushes what is buffered, for at most a second */
bool bus_connected(const struct bus *bus);
size_t bus_max_payload(const struct bus *bus); /* bytes the server takes in one message; 1 MiB until known */
/* Called on each loss and each return of the connection. */
void bus_on_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context);

/* queue may be NULL. handler runs on the loop. */
enum status bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_handler *handler, void *context,
                          struct error *err);
/* First step of a graceful stop: takes no new messages; replies still come. */
void bus_unsubscribe_all(struct bus *bus);
/* After it: all that was on its way has been handed out. */
bool bus_drained(const struct bus *bus);

/* While disconnected a publish fails with STATUS_RETRY and nothing is kept. */
enum status bus_publish(struct bus *bus, const char *subject, struct slice body);
enum status bus_publish_with(struct bus *bus, const char *subject, const char *reply, const struct bus_header *headers,
                             size_t header_count, struct slice body);
/* One request, one reply, matched by an inbox token of ours. The handler is called exactly once, never from within. */
void bus_request(struct bus *bus, const char *subject, const struct bus_header *headers, size_t header_count,
                 struct slice body, int64_t timeout_ms, bus_reply_handler *handler, void *context);

/* Within a handler: takes the message from the bus, so that its subject, reply and body stay after the handler has
 * returned, until bus_kept_free. */
struct bus_kept;
struct bus_kept *bus_keep(const struct bus_message *message);
void bus_kept_free(struct bus_kept **kept);

const char *bus_header(const struct bus_message *message, const char *name); /* NULL when absent; borrowed */
size_t bus_dropped(const struct bus *bus); /* messages lost to pending limits since the start */

#endif
