/* What events.c (where to read) and events_read.c (what is read) share. */
#ifndef CORDER_CLIENTS_C_EVENTS_INSIDE_H
#define CORDER_CLIENTS_C_EVENTS_INSIDE_H

#include "inside.h"

enum events_state { EVENTS_PLACING, EVENTS_MAKING, EVENTS_READING, EVENTS_LIVE, EVENTS_ENDED };

struct corder_events {
	struct corder *client;
	corder_event_handler *handler;
	void *context;
	char *subject, *stream, *consumer; /* consumer: its name; NULL: none */
	char *batch_id;                    /* NULL: all */
	char **task_ids;
	size_t task_id_count;
	enum corder_since since;
	uint64_t since_time_us;
	enum events_state state;
	bool is_ready;
	bool placing;            /* the stream's state is asked for */
	uint64_t last_delivered; /* the consumer's own number of the last message */
	bool has_position;
	uint64_t position;
	int64_t heard_us;
	struct sights *sights;
	char *retried; /* the event behind a gap that was read once more; NULL: none */
	struct json *json;
	struct bus_subscription *inbox, *live; /* of the consumer; without a stream */
	struct loop_timer *tick;
	struct corder_error error;
	int pending; /* requests under way */
	int handing; /* its handler runs */
	bool closed;
	struct corder_events *next, **link;
};

/* events.c */
void events_again(struct corder_events *events);
void events_release(struct corder_events *events); /* frees what is closed, once nothing holds it */

/* events_read.c */
void events_on_message(void *context, const struct bus_message *message);
void events_on_live(void *context, const struct bus_message *message);
void events_ready(struct corder_events *events);
void events_tell(struct corder_events *events, enum corder_news news, const struct corder_error *error);

#endif
