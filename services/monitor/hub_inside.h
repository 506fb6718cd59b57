/* What hub*.c share. */
#ifndef CORDER_MONITOR_HUB_INSIDE_H
#define CORDER_MONITOR_HUB_INSIDE_H

#include "hub.h"
#include "shared/base/table.h"

enum { CHANNEL_FRAMES = 64 };

enum channel_kind { CHANNEL_OVERVIEW, CHANNEL_QUEUES, CHANNEL_SERVICES, CHANNEL_TASKS, CHANNEL_EVENTS };

/* Changes that wait to be told. */
struct batch {
	struct table *tasks; /* task_id -> struct change, of CHANNEL_TASKS */
	struct text events;  /* of CHANNEL_EVENTS: their JSON, parted by commas */
	size_t count, dropped;
	bool overflown; /* too many: the listener has to read the whole state */
};

struct channel {
	struct channel *next;
	enum channel_kind kind;
	char *key; /* kind and filters as one text */
	char *project, *batch_id, *task_type, *text;
	char status;
	size_t listeners;
	int64_t left_at_mono_us; /* when the last listener went */
	/* The newest frames. Whoever has seen `since` misses none of them. */
	struct http_frame *frames[CHANNEL_FRAMES];
	uint64_t revisions[CHANNEL_FRAMES];
	size_t first, count;
	uint64_t since;
	struct text state;               /* of a state channel: what the newest frame says, without its time */
	int64_t made_at_mono_us;         /* … and when it was looked at last */
	struct batch gathering, closing; /* closing: complete, and waits until the log has it */
};

enum {
	CHANNELS = 6,       /* of one listener */
	BEAT_US = 10000000, /* so often a listener hears something */
};

struct listener {
	struct listener *next, *previous;
	struct hub *hub;
	struct http_stream *stream;
	struct channel *channels[CHANNELS];
	size_t channel_count;
	bool behind; /* was too slow: gets the state when it has read what it has */
};

struct hub {
	struct monitor *monitor;
	uint64_t revision;
	struct channel *channels;
	struct listener *listeners;
	size_t listener_count;
	struct loop_timer *turn, *beat;
	bool turning; /* a snapshot is being read, or the log waited for */
	bool dirty;   /* something happened since the turn began */
	int64_t turned_at_mono_us, closed_at_mono_us;
	int64_t *closing_seq; /* a partition: what has to be in the log */
};

/* The first event after a quiet time is told at once, the others in the next turn. */
void hub_turn_soon(struct hub *hub);
void hub_start_beat(struct hub *hub);
struct http_frame *hub_end_frame(struct text *out); /* releases the text */
/* Not to who is behind; who has too much waiting is so from then on. */
void hub_push(struct listener *listener, struct http_frame *frame);
/* The state as far as it is known, and for changes the word that the state has to be read. */
void hub_push_present(struct hub *hub, struct listener *listener);

bool channel_is_state(const struct channel *channel);
const char *channel_event(const struct channel *channel); /* the name of its frames */
struct channel *channel_new(enum channel_kind kind, const char *key, uint64_t revision);
void channel_free(struct channel *channel);
/* Keeps a reference of its own. */
void channel_keep(struct channel *channel, struct http_frame *frame, uint64_t revision);
void channel_forget(struct channel *channel, uint64_t revision);

/* Changes: an event that fits is gathered; what was gathered becomes `closing`; closing becomes the members of a frame. */
void channel_note(struct channel *channel, size_t partition, const struct record *record);
void channel_turn(struct channel *channel);
bool channel_has_news(const struct channel *channel); /* in closing */
void channel_add_news(struct channel *channel, struct text *out);
void channel_add_reset(const struct channel *channel, struct text *out);
void channel_drop_news(struct channel *channel);

#endif
