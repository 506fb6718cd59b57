/* What consumer.c and consumer_orphans.c share. */
#ifndef CORDER_BUS_CONSUMER_INSIDE_H
#define CORDER_BUS_CONSUMER_INSIDE_H

#include "bus_inside.h"
#include "stream.h"

struct orphan_check {
	bool asking;
	bool once_seen; /* that there are messages: the second look decides */
	uint64_t first_sequence;
	int64_t next_us;
};

struct consumer {
	struct bus *bus;
	char *stream, *durable;
	int64_t ack_wait_ms;
	size_t window;
	bus_handler *handler;
	void *context;
	struct bus_subscription *inbox;
	char inbox_subject[BUS_INBOX_BYTES + 40];
	char next_subject[256];
	struct loop_timer *watchdog;
	bool creating, created, closed;
	bool told;           /* that it cannot be created */
	size_t asked;        /* pulled for and not yet come */
	size_t unanswered;   /* come and not yet acknowledged */
	int64_t heard_at_us; /* from the server, or of an answer to it */
	struct orphan_check orphans;
};

/* consumer.c */
void consumer_create(struct consumer *consumer);
void consumer_release(struct consumer *consumer); /* closed, and nothing more is asked for */

/* consumer_orphans.c */
void consumer_look_for_orphans(struct consumer *consumer, int64_t now_us);

#endif
