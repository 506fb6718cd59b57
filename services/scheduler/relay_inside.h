/* The relay's own state, shared by relay.c (who leads, what to do next), relay_look.c (where the log ends), relay_send.c
 * (blocks out, marks and events after them) and relay_direct.c (what others append). */
#ifndef CORDER_SCHEDULER_RELAY_INSIDE_H
#define CORDER_SCHEDULER_RELAY_INSIDE_H

#include "scheduler.h"
#include "shared/base/id.h"
#include "shared/bus/stream.h"
#include "shared/task/record.h"

enum relay_phase {
	RELAY_IDLE,    /* another scheduler leads; we try for the lead now and then */
	RELAY_LOOKING, /* finding the end of the log, and where Redis stands to it */
	RELAY_SENDING, /* reading the outbox, appending blocks */
	RELAY_REBUILD, /* Redis is being filled from the database */
};

enum {
	RELAY_WINDOW = 8,
	RELAY_READ_ENTRIES = 256,
	RELAY_READ_MS = 500,
	RELAY_APPEND_MS = 2000,
	MARK_EVERY_US = 10000,
	TELL_EVERY_US = 2000,
	TELL_AGAIN_US = 50000,
	DIRECT_HEARD = 64,
	UNTOLD_MOST = 1000 /* blocks that wait for a gap to be filled */
};

/* One block on its way to the log. */
struct relay_block {
	struct relay *relay;
	struct relay_block *next;
	struct text body;
	struct text ids; /* of its entries, a line each */
	size_t entries;
	char name[LOG_BLOCK_NAME_BYTES]; /* "<run>-<number>" */
	bool direct;                     /* its one entry is appended by who has made it; name "" until then */
	bool heard;                      /* everybody hears JetStream's answer */
	struct loop_timer *timer;        /* of a heard one: how long the answer is waited for */
	uint64_t expected;               /* the stream's last sequence before it */
	int64_t last_seq;
	char last_id[64];
	int generation;
	bool acked;
	uint64_t sequence;
};

/* An append by another, heard before its entry was read. */
struct relay_direct {
	char id[STATE_ENTRY_ID_BYTES];
	char name[LOG_BLOCK_NAME_BYTES];
	uint64_t sequence;
};

struct relay {
	struct partition *partition;
	struct kv *kv; /* its own connection: it waits in XREAD */
	enum relay_phase phase;
	int generation; /* rises with each look: answers of an older one are dropped */
	int not_found;  /* looks in a row that did not find the log's last message */
	bool reading;   /* an XREAD is under way */
	bool leads;
	bool resigns, resigned;           /* it leads no more, and has given the lead back */
	int64_t resigns_until_us;         /* without an answer it expires */
	int64_t asked_us, leads_until_us; /* when it last asked for the lead; until then nobody else can have it */
	bool marking;                     /* a mark call is under way */
	int64_t next_mark_us;             /* not before this */
	struct loop_timer *mark_timer;    /* until then */
	struct text unsaid;               /* ids of entries in the log that no mark has said yet, a line each */
	int64_t next_tell_us;             /* no events before this */
	int idle_ticks;                   /* of the lead, since something was appended or the log was looked at */
	char stream[STREAM_NAME_BYTES], subject[160], epoch[STATE_EPOCH_BYTES];
	char service_id[64];
	uint64_t log_sequence; /* of the stream's last message, as we know it, with what is under way */
	int64_t sent_seq;      /* last event handed to the stream */
	char sent_id[64];
	int64_t acked_seq; /* last event known to be in the log */
	char acked_id[64];
	uint64_t acked_sequence;
	int64_t marked_seq, trimmed_seq;
	struct relay_block *first, *last; /* under way, in order */
	size_t under_way;
	char run[ID_BYTES]; /* new with each look; blocks are named by it and a number */
	uint64_t run_blocks;
	char behind[LOG_BLOCK_NAME_BYTES];        /* the block that the next one goes behind; "": it names none */
	bool all_ours;                            /* somebody did not append what he was to: from the next look on … */
	int64_t ours_to;                          /* … every entry up to this seq is ours to append */
	struct relay_direct direct[DIRECT_HEARD]; /* the last ones, in a ring */
	size_t direct_count;
	int64_t rests_until_us; /* others append: entries are read now and then */
	struct loop_timer *rest_timer;
	struct relay_block *untold, *untold_last; /* in the log, their events not yet published */
	size_t untold_count;
	bool filling;         /* older events come first: those of `untold` wait … */
	bool fills_on;        /* … and were too many: they come from the log, too */
	bool holding;         /* until the stream of events is there, they wait in the log … */
	uint64_t held_behind; /* … behind this block */
	struct loop_timer *tell_timer;
	struct loop_timer *lead_timer, *look_timer;
};

/* relay.c */
void relay_phase_is(struct relay *relay, enum relay_phase phase);
void relay_look_later(struct relay *relay, int64_t delay_ms);
/* False: it was asleep, or Redis silent, for so long that another may lead. */
bool relay_leads_surely(const struct relay *relay);
/* relay_look.c */
void relay_look(struct relay *relay);
/* relay_send.c */
void relay_send(struct relay *relay);        /* reads more when there is room */
void relay_drop_blocks(struct relay *relay); /* forgets what is under way */
void relay_drop_untold(struct relay *relay); /* forgets whose events are to be published */
void relay_mark(struct relay *relay);        /* tells Redis how far the log is, and the database */
void relay_publish(struct relay *relay);     /* the events of all blocks that were marked */
void relay_line_up(struct relay *relay, struct relay_block *block); /* on its way to the log, behind the others */
bool relay_add_entry(struct relay *relay, struct relay_block *block, const struct kv_reply *fields);
void relay_block_in_log(struct relay_block *block, uint64_t sequence);
void relay_on_silence(void *block); /* nothing was heard of it in time */
void relay_free_block(struct relay_block *block);
/* relay_direct.c */
/* An entry of the outbox that its maker appends, as far as it is not too late for that. */
bool relay_is_direct(const struct relay *relay, const struct kv_reply *fields);
/* Lines it up; false when it does not follow the one before it. */
bool relay_expect(struct relay *relay, const struct kv_reply *fields);
bool relay_expects(const struct relay *relay); /* one of which nothing was heard yet: nothing can be sent behind it */
bool relay_rests(struct relay *relay);
/* publish.c */
/* Those above seq. False: NATS does not take them all now. */
bool publish_after(struct partition *partition, struct slice block, int64_t seq);
const char *publish_subject(struct scheduler *scheduler, const struct record *record);
/* publish_fill.c */
/* Publishes what a failure has left out of CORDER_EVENTS, then what waits in `untold`. Called with each look. */
void publish_fill(struct relay *relay);
void publish_held(struct relay *relay); /* the same for what waited for the stream of events to be there */

#endif
