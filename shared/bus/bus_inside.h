/* What the files of this folder share. All of it belongs to the loop's thread, except struct attempt. */
#ifndef CORDER_BUS_BUS_INSIDE_H
#define CORDER_BUS_BUS_INSIDE_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bus.h"
#include "bus_answers.h"

struct attempt;
struct request;

/* One connection of nats.c; a lost one is thrown away and a new one made. Is the user data of the event loop adapter. */
struct link {
	struct bus *bus; /* NULL until the loop has adopted it: the connecting thread must not touch the bus */
	natsConnection *connection;
	int fd; /* nats.c's; -1 once it is about to close it */
};

struct bus_subscription {
	char *subject;
	char *queue; /* or NULL */
	bus_handler *handler;
	void *context;
	natsSubscription *native; /* of the present connection, or NULL */
	bool inner;               /* of this folder: replies and pulls, which outlive bus_unsubscribe_all */
	bool stopped;             /* drains what has arrived, and is not made again */
	bool draining;
	bool gone;                     /* to be freed once no poll stands on it */
	void (*nobody)(void *context); /* or NULL: nats.c has met, and thrown away, a "no responders" status */
	const size_t *awaited;         /* or NULL: while it is 0 there is nothing to poll for */
};

/* nats.c's synchronous subscriptions swallow a "no responders" status without saying whose it was. So replies come to
 * several inboxes, and a request gets one of its own as long as there are idle ones: then it is clear. */
struct inbox {
	struct bus *bus;
	char prefix[BUS_INBOX_BYTES + 32]; /* "<inbox of the bus><random>.<number>." */
	size_t prefix_length;
	size_t awaited;
	struct request *newest;
};

enum { INBOX_COUNT = 32 };

struct requests {
	struct inbox inboxes[INBOX_COUNT];
	unsigned idle_inboxes;  /* a bit each */
	unsigned next_inbox;    /* when none is idle */
	struct request **slots; /* by index; recycled through `free_slots` */
	size_t count;
	uint32_t *free_slots;
	size_t free_count;
	uint64_t serial;
};

struct listener {
	void (*changed)(void *context, bool connected);
	void *context;
};

struct bus {
	struct loop *loop;
	char *url, *name;
	pthread_t thread;        /* the loop's */
	struct link *link;       /* NULL: not connected */
	struct attempt *attempt; /* to connect, in a thread of its own; NULL: none under way */
	struct loop_timer *retry_timer, *alive_timer;
	bool connected;
	bool lost;         /* the link has failed: it is taken down at the end of the turn */
	bool told_failure; /* logged once an outage */
	bool dirty;        /* there may be bytes to write */
	bool watches_write;
	int64_t read_every_us;         /* bus_read_every */
	struct loop_timer *read_timer; /* not NULL: what arrives is left where it is until then */
	atomic_bool wants_write;       /* set by nats.c, perhaps in a thread of its own */
	int64_t send_before_us;        /* bus_send_before; 0: any time */
	size_t unflushed_bytes;        /* an upper bound of what nats.c holds for the socket */
	size_t max_payload;
	size_t dropped; /* by former links */
	int64_t last_read_us;
	struct bus_subscription **subscriptions;
	size_t subscription_count;
	bool polling, has_gone;
	bool kept; /* the handler that runs has called bus_keep */
	struct listener *listeners;
	size_t listener_count;
	char inbox[BUS_INBOX_BYTES];
	char alive_subject[BUS_INBOX_BYTES + 40];
	struct requests requests;
};

enum {
	CONNECT_TIMEOUT_MS = 2000,
	SERVERS_MOST = 64, /* of a NATS_URL; what comes behind them is not tried */
	FIRST_CONNECT_WAIT_MS = 1000,
	RECONNECT_LEAST_MS = 100,
	RECONNECT_MOST_MS = 250,
	ALIVE_INTERVAL_MS = 10000,
	ALIVE_LIMIT_MS = 25000,
	CLOSE_FLUSH_MS = 1000,
	IO_BUFFER_BYTES = 128 * 1024,
	FLUSH_EARLY_BYTES = 1024 * 1024,         /* written at once instead of at the end of the turn */
	UNFLUSHED_MOST_BYTES = 64 * 1024 * 1024, /* more is refused: the server does not take it */
	PENDING_MOST_MESSAGES = 1000000,
	PENDING_MOST_BYTES = 512 * 1024 * 1024,
	DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024,
};

/* bus_url.c */
enum status bus_check_urls(const char *urls, struct error *err);
natsStatus bus_set_servers(natsOptions *o, const char *urls);

/* bus_link.c */
enum status link_check(const struct bus_options *options, struct error *err);
void link_start(struct bus *bus); /* begins an attempt to connect */
void link_wait(struct bus *bus, int64_t wait_ms);
void link_adopt_finished(struct bus *bus); /* takes what an attempt has brought */
void link_take_down(struct bus *bus);      /* frees the failed link and plans the next attempt */
void link_dirty(struct bus *bus);          /* there are bytes to write at the end of the turn */
void link_flush(struct bus *bus);
bool link_is_late(const struct bus *bus); /* see bus_send_before */
void link_close(struct bus *bus);         /* for ever; flushes first */
void link_declare_lost(struct bus *bus);

/* bus.c */
void bus_poll(struct bus *bus);              /* hands out the messages that have been read */
void bus_subscribe_natives(struct bus *bus); /* on a new link */
void bus_drop_natives(struct bus *bus);      /* of a failed link */
void bus_tell_listeners(struct bus *bus, bool connected);

/* bus_request.c */
void requests_open(struct bus *bus, const char *random);
size_t requests_under_way(const struct bus *bus);
void requests_fail_all(struct bus *bus); /* those made so far */
void requests_close(struct bus *bus);    /* without a word to their handlers */

/* bus_message.c */
void bus_spend(natsMsg *message); /* frees it, sooner or later; NULL: nothing */
void bus_free_spent(void);        /* now */

#endif
