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
/* Before a close, while those who asked are still there: all requests so far answer STATUS_RETRY from within, as after a lost
 * connection. bus_close forgets what is left. */
void bus_fail_requests(struct bus *bus);
void bus_close(struct bus **bus); /* flushes what is buffered, for at most a second */
bool bus_connected(const struct bus *bus);
/* For who has time: after each read, the next one comes no sooner than this. What arrives meanwhile comes together, and whoever
 * waits for something is not held up by us. 0, as it is at first: at once. */
void bus_read_every(struct bus *bus, int64_t us);
/* What this turn publishes is worth sending until then (CLOCK_MONOTONIC, us) and no longer: if this process has been asleep when
 * it would be sent, the connection is made anew, without it. */
void bus_send_before(struct bus *bus, int64_t at_us);
size_t bus_max_payload(const struct bus *bus); /* bytes the server takes in one message; 1 MiB until known */
/* What the subjects of its inboxes begin with: "_INBOX.", or "_INBOX.<user>." when the URL has a user and a password, so that
 * a server can let each user read the answers to its own requests alone. At most BUS_INBOX_BYTES with its NUL. */
enum { BUS_INBOX_BYTES = 80 };
const char *bus_inbox(const struct bus *bus);
/* Called on each loss and each return of the connection. */
void bus_on_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context);
void bus_off_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context);

/* queue may be NULL. handler runs on the loop. */
enum status bus_subscribe(struct bus *bus, const char *subject, const char *queue, bus_handler *handler, void *context,
                          struct error *err);
/* A subscription that can be ended by itself, and that bus_unsubscribe_all leaves alone: for inboxes, and for what
 * is heard until the end. */
struct bus_subscription;
struct bus_subscription *bus_subscribe_inner(struct bus *bus, const char *subject, bus_handler *handler, void *context);
void bus_unsubscribe(struct bus *bus, struct bus_subscription **subscription);
/* First step of a graceful stop: takes no new messages; replies still come. */
void bus_unsubscribe_all(struct bus *bus);
/* After it: all that was on its way has been handed out. */
bool bus_drained(const struct bus *bus);

/* While disconnected a publish fails with STATUS_RETRY and nothing is kept. */
enum status bus_publish(struct bus *bus, const char *subject, struct slice body);
enum status bus_publish_with(struct bus *bus, const char *subject, const char *reply, const struct bus_header *headers,
                             size_t header_count, struct slice body);
/* What was published in this turn goes out now, and not at its end: others may work on it while this turn goes on. */
void bus_send_now(struct bus *bus);
/* One request, one reply, matched by an inbox token of ours. The handler is called exactly once, never from within. */
void bus_request(struct bus *bus, const char *subject, const struct bus_header *headers, size_t header_count,
                 struct slice body, int64_t timeout_ms, bus_reply_handler *handler, void *context);

/* Within a handler: takes the message from the bus, so that its subject, reply and body stay after the handler has
 * returned, until bus_kept_free. */
struct bus_kept;
struct bus_kept *bus_keep(const struct bus_message *message);
void bus_kept_free(struct bus_kept **kept);

const char *bus_header(const struct bus_message *message, const char *name); /* NULL when absent; borrowed */
int bus_status_code(const struct bus_message *message); /* of a status header, e.g. 404; 0: it is an ordinary message */
size_t bus_dropped(const struct bus *bus);              /* messages lost to pending limits since the start */

#endif
