/* The gap that a failure leaves in CORDER_EVENTS: walks the log backwards to the last event that is there, and publishes
 * all behind it. New events wait meanwhile, so that nobody hears of a task out of order. An event is there when the last
 * one on its subject is not older: events are published in their order, and a project lives in one partition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_inside.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"

/* An empty stream is a new one if the log has more blocks than that. What is older than a while was not meant for it; what is
 * younger may have waited for it, at a relay that leads no more. */
enum { FILL_BLOCKS = 1000, FILL_TRIES = 20, FRESH_BLOCKS = 64, FRESH_S = 60 };

struct fill {
	struct partition *partition;
	int generation; /* of the relay: after another look this fill is over */
	char log_stream[STREAM_NAME_BYTES], events_stream[STREAM_NAME_BYTES];
	uint64_t at;           /* the block looked at */
	uint64_t first;        /* the oldest one to look at */
	bool absent;           /* there is no stream: who listens live gets what was held back */
	bool fresh;            /* it is a new one */
	int64_t event_seq;     /* its last event */
	int64_t published_seq; /* all events up to this one are there */
	struct text *blocks;   /* newest first */
	size_t block_count;
	int tries;
};

static void look_at_block(struct fill *fill);

static void fill_free(struct fill *fill) {
	for (size_t i = 0; i < fill->block_count; i++)
		text_release(&fill->blocks[i]);
	free(fill->blocks);
	free(fill);
}

static bool is_stale(struct fill *fill) {
	const struct relay *relay = fill->partition->relay;
	if (relay != NULL && relay->generation == fill->generation)
		return false;
	fill_free(fill);
	return true;
}

static void fill_end(struct fill *fill) {
	struct relay *relay = fill->partition->relay;
	if (!relay_leads_surely(relay)) {
		relay_look_later(relay, 100);
		fill_free(fill);
		return;
	}
	bus_send_before(fill->partition->scheduler->bus, relay->leads_until_us);
	for (size_t i = fill->block_count; i > 0; i--)
		publish_after(fill->partition, (struct slice){ fill->blocks[i - 1].bytes, fill->blocks[i - 1].length },
		              fill->published_seq);
	if (fill->block_count > 0)
		log_info("filled a gap in the event stream", "blocks", log_int((long long)fill->block_count), NULL);
	relay->filling = relay->holding = false;
	relay_publish(relay);
	fill_free(fill);
}

/* No answer: again. When there is none for long, the next look fills. */
static bool tries_again(struct fill *fill, enum status status) {
	if (status != STATUS_RETRY)
		return false;
	if (++fill->tries <= FILL_TRIES) {
		look_at_block(fill);
		return true;
	}
	log_warn("the event stream cannot be read: a gap in it stays until the relay looks again", "partition",
	         log_int(fill->partition->index), NULL);
	for (size_t i = 0; i < fill->block_count; i++)
		text_release(&fill->blocks[i]);
	fill->block_count = 0;
	fill_end(fill);
	return true;
}

static void step_back(struct fill *fill) {
	if (fill->at <= fill->first || fill->block_count >= FILL_BLOCKS) {
		fill_end(fill);
		return;
	}
	fill->at--;
	look_at_block(fill);
}

/* A member of an event we wrote ourselves: a number without spaces. */
static int64_t seq_of(struct slice body) {
	static const char key[] = "\"seq\":";
	const char *found = body.bytes != NULL ? memmem(body.bytes, body.length, key, strlen(key)) : NULL;
	return found != NULL ? strtoll(found + strlen(key), NULL, 10) : 0;
}

static void on_event(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fill *fill = context;
	(void)sequence;
	if (is_stale(fill))
		return;
	int64_t seq = status == STATUS_OK ? seq_of(body) : 0;
	if (seq > fill->published_seq)
		fill->published_seq = seq;
	if (seq >= fill->event_seq && status == STATUS_OK) {
		text_release(&fill->blocks[--fill->block_count]); /* this one is there, whole */
		fill_end(fill);
	} else if (status == STATUS_RETRY) {
		text_release(&fill->blocks[--fill->block_count]);
		tries_again(fill, status);
	} else {
		step_back(fill);
	}
}

/* The last record of a block that others hear of. */
static bool last_public(struct slice block, struct record *found) {
	struct record_entry entry;
	struct record record;
	bool valid = true, any = false;
	while (record_next_entry(&block, &entry, &valid) && valid) {
		struct slice records = entry.records;
		while (record_next(&records, &record, &valid) && valid) {
			if (record_status_word(record.status)[0] != '\0') {
				*found = record;
				any = true;
			}
		}
	}
	return any;
}

static bool is_kept(const struct fill *fill, const struct record *record) {
	int64_t max_age_s = fill->partition->scheduler->settings->events_max_age_s;
	if (fill->fresh && max_age_s > FRESH_S)
		max_age_s = FRESH_S;
	return record->at_us > clock_wall_us() - max_age_s * 1000000;
}

static void on_log_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fill *fill = context;
	struct record last;
	(void)sequence;
	if (is_stale(fill) || tries_again(fill, status))
		return;
	if (status != STATUS_OK) {
		fill_end(fill); /* older blocks were purged */
		return;
	}
	bool any = last_public(body, &last);
	if (any && !is_kept(fill, &last)) {
		fill_end(fill);
		return;
	}
	fill->blocks = memory_resize(fill->blocks, fill->block_count + 1, sizeof(*fill->blocks));
	fill->blocks[fill->block_count] = (struct text){ 0 };
	text_add_slice(&fill->blocks[fill->block_count++], body);
	if (!any || fill->absent) {
		step_back(fill);
		return;
	}
	struct scheduler *scheduler = fill->partition->scheduler;
	fill->event_seq = last.seq;
	stream_get_last(scheduler->bus, fill->events_stream, publish_subject(scheduler, &last), on_event, fill);
}

static void look_at_block(struct fill *fill) {
	stream_get(fill->partition->scheduler->bus, fill->log_stream, fill->at, on_log_block, fill);
}

static void on_events_info(void *context, enum status status, const struct stream_state *state) {
	struct fill *fill = context;
	if (is_stale(fill))
		return;
	const struct relay *relay = fill->partition->relay;
	/* What was published, or came before us. */
	uint64_t before = relay->holding && relay->held_behind < fill->at ? relay->held_behind : fill->at;
	fill->fresh = status == STATUS_OK && state->last_sequence == 0 && before > FRESH_BLOCKS;
	fill->absent = status == STATUS_REJECT;
	fill->first = fill->absent ? before + 1 : 1;
	if (fill->at < fill->first)
		fill_end(fill);
	else
		look_at_block(fill);
}

static void hold(struct relay *relay) {
	if (!relay->holding)
		relay->held_behind = relay->acked_sequence;
	relay->holding = relay->filling = true;
	relay_drop_untold(relay);
}

void publish_held(struct relay *relay) {
	if (relay->phase == RELAY_SENDING)
		publish_fill(relay);
}

void publish_fill(struct relay *relay) {
	struct scheduler *scheduler = relay->partition->scheduler;
	bool fills = scheduler->settings->events_max_age_s > 0 && !teeth_without("fill-events");
	if (fills && !scheduler->streams_settled) {
		hold(relay);
		return;
	}
	if (!fills) {
		relay->filling = relay->holding = false;
		relay_publish(relay);
		return;
	}
	/* They are in the log, and come from there; or the log has lost them, and they come when it has them again. */
	relay_drop_untold(relay);
	if (relay->acked_sequence == 0) {
		relay->filling = relay->holding = false;
		return;
	}
	relay->filling = true;
	struct fill *fill = memory_new(sizeof(*fill));
	fill->partition = relay->partition;
	fill->generation = relay->generation;
	fill->at = relay->acked_sequence;
	snprintf(fill->log_stream, sizeof(fill->log_stream), "%s", relay->stream);
	stream_name(fill->events_stream, scheduler->settings->common.prefix, STREAM_EVENTS, -1);
	stream_info(scheduler->bus, fill->events_stream, on_events_info, fill);
}
