/* The gap that a failure leaves in CORDER_EVENTS: walks the log backwards to the last event that is there, then forwards, and
 * publishes all behind it. New events wait meanwhile, so that nobody hears of a task out of order. An event is there when the last
 * one on its subject is not older: events are published in their order, and a project lives in one partition.
 *
 * A gap may be as long as the log, so no more than a block of it is held: the next one is asked for behind the events of the one
 * before it, on the same connection, and comes when NATS has taken these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_inside.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"

/* A stream that still has its first message, or none yet, is a new one if the log has more blocks than that. What is older than a
 * while was not meant for it; what is younger may have waited for it, at a relay that leads no more. */
enum { FILL_TRIES = 20, FRESH_BLOCKS = 64, FRESH_S = 60 };
/* A replica of the log that is a little behind does not have the newest blocks yet. */
enum { REPLICA_TRIES = 3 };

struct fill {
	struct partition *partition;
	int generation; /* of the relay: after another look this fill is over */
	char log_stream[STREAM_NAME_BYTES], events_stream[STREAM_NAME_BYTES];
	uint64_t at;           /* the block looked at */
	uint64_t last;         /* the newest one to publish */
	bool forwards;         /* the place is found */
	int64_t kept_from_us;  /* older events are not kept */
	int64_t event_seq;     /* the block's last event */
	int64_t published_seq; /* all events up to this one are there */
	size_t published;      /* blocks */
	int tries;
};

static void look_at_block(struct fill *fill);

static bool is_stale(struct fill *fill) {
	const struct relay *relay = fill->partition->relay;
	if (relay != NULL && relay->generation == fill->generation)
		return false;
	free(fill);
	return true;
}

static void fill_end(struct fill *fill) {
	struct relay *relay = fill->partition->relay;
	if (fill->published > 0)
		log_info("filled a gap in the event stream", "blocks", log_int((long long)fill->published), NULL);
	if (relay_leads_surely(relay)) {
		relay->filling = relay->holding = relay->fills_on = false;
		relay_publish(relay);
	} else {
		relay_look_later(relay, 100);
	}
	free(fill);
}

/* Up to the newest block; what has come meanwhile waits, unless there was too much of it. */
static void step_on(struct fill *fill) {
	struct relay *relay = fill->partition->relay;
	fill->forwards = true;
	fill->tries = 0;
	if (fill->at == fill->last && relay->fills_on) {
		relay->fills_on = false;
		relay_drop_untold(relay);
		fill->last = relay->acked_sequence;
	}
	if (fill->at >= fill->last) {
		fill_end(fill);
		return;
	}
	fill->at++;
	look_at_block(fill);
}

static void publish_block(struct fill *fill, struct slice block) {
	struct relay *relay = fill->partition->relay;
	if (relay_leads_surely(relay)) {
		bus_send_before(fill->partition->scheduler->bus, relay->leads_until_us);
		if (publish_after(fill->partition, block, fill->published_seq)) {
			fill->published++;
			step_on(fill);
			return;
		}
	}
	relay_look_later(relay, 100);
	free(fill);
}

/* No answer: again. When there is none for long, events go on without those of the gap, unless it is being filled. */
static bool tries_again(struct fill *fill, enum status status) {
	if (status != STATUS_RETRY)
		return false;
	if (++fill->tries <= FILL_TRIES) {
		look_at_block(fill);
		return true;
	}
	struct relay *relay = fill->partition->relay;
	if (fill->forwards || relay->fills_on) {
		relay_look_later(relay, 100);
		free(fill);
		return true;
	}
	log_warn("the event stream cannot be read: a gap in it stays until the relay looks again", "partition",
	         log_int(fill->partition->index), NULL);
	fill_end(fill);
	return true;
}

static void step_back(struct fill *fill) {
	fill->tries = 0;
	fill->at--;
	if (fill->at > 0)
		look_at_block(fill);
	else
		step_on(fill);
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
	if (tries_again(fill, status))
		return;
	if (seq >= fill->event_seq && status == STATUS_OK)
		step_on(fill); /* this one is there, whole */
	else
		step_back(fill);
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

static void on_log_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fill *fill = context;
	struct record last;
	(void)sequence;
	if (is_stale(fill) || tries_again(fill, status))
		return;
	if (status != STATUS_OK && fill->forwards && ++fill->tries <= REPLICA_TRIES) {
		look_at_block(fill);
	} else if (status != STATUS_OK) {
		step_on(fill); /* it was purged, and all before it */
	} else if (fill->forwards) {
		publish_block(fill, body);
	} else if (!last_public(body, &last)) {
		step_back(fill);
	} else if (last.at_us <= fill->kept_from_us) {
		step_on(fill);
	} else {
		struct scheduler *scheduler = fill->partition->scheduler;
		fill->event_seq = last.seq;
		stream_get_last(scheduler->bus, fill->events_stream, publish_subject(scheduler, &last), on_event, fill);
	}
}

static void look_at_block(struct fill *fill) {
	stream_get(fill->partition->scheduler->bus, fill->log_stream, fill->at, on_log_block, fill);
}

/* Where the stream begins. */
static int64_t kept_from(const struct fill *fill, const struct stream_state *state, bool may_be_fresh) {
	int64_t now_us = clock_wall_us(), begun_us = 0;
	int64_t kept_us = now_us - fill->partition->scheduler->settings->events_max_age_s * 1000000;
	if (may_be_fresh && state->last_sequence == 0)
		begun_us = now_us - FRESH_S * 1000000;
	else if (may_be_fresh && state->first_sequence == 1)
		begun_us = state->first_at_us - FRESH_S * 1000000;
	return begun_us > kept_us ? begun_us : kept_us;
}

static void on_events_info(void *context, enum status status, const struct stream_state *state) {
	struct fill *fill = context;
	if (is_stale(fill))
		return;
	const struct relay *relay = fill->partition->relay;
	/* What was published, or came before us. */
	uint64_t before = relay->holding && relay->held_behind < fill->last ? relay->held_behind : fill->last;
	fill->kept_from_us = kept_from(fill, state, status == STATUS_OK && before > FRESH_BLOCKS);
	if (status == STATUS_REJECT) { /* there is no stream: who listens live gets what was held back */
		fill->at = before;
		step_on(fill);
	} else {
		look_at_block(fill);
	}
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
	relay->fills_on = false;
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
	fill->at = fill->last = relay->acked_sequence;
	snprintf(fill->log_stream, sizeof(fill->log_stream), "%s", relay->stream);
	stream_name(fill->events_stream, scheduler->settings->common.prefix, STREAM_EVENTS, -1);
	stream_info(scheduler->bus, fill->events_stream, on_events_info, fill);
}
