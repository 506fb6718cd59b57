/* Where does the log end, and where does Redis stand to it? The log decides:
 *
 *   Redis behind the log, or with another entry at its end   -> rebuild from the database
 *   the log behind Redis                                     -> send what the outbox still holds
 *   the log behind the outbox (it lost a tail)               -> say "continue" from what the database has, then send
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_inside.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"
#include "shared/task/record.h"

/* In a row: what was just named as the log's last message and is still not found then has been deleted. Before that, it is a
 * replica that answers, and is behind. */
enum { NOT_FOUND_MOST = 50 };

/* One look; dropped when the relay has looked anew since. */
struct look {
	struct relay *relay;
	int generation;
	uint64_t sequence; /* of the log's last message */
	int64_t log_seq;
	char log_id[64];
	char epoch[STATE_EPOCH_BYTES];
	int64_t seq, trim;
	char trim_id[64];
	bool missed;         /* the outbox did not have the log's last entry … */
	int64_t missed_trim; /* … when it had been trimmed to this */
	bool readable;       /* Redis holds our format */
};

static bool is_stale(struct look *look) {
	if (look->generation == look->relay->generation)
		return false;
	free(look);
	return true;
}

static void give_up(struct look *look, const char *why) {
	log_debug("looking again for the end of the log", "why", why, NULL);
	relay_look_later(look->relay, 100);
	free(look);
}

static void start_sending(struct look *look, int64_t seq, const char *id, uint64_t sequence) {
	struct relay *relay = look->relay;
	memcpy(relay->epoch, look->epoch, sizeof(relay->epoch));
	relay->log_sequence = relay->acked_sequence = sequence;
	relay->sent_seq = relay->acked_seq = seq;
	relay->marked_seq = -1;
	relay->trimmed_seq = 0; /* what this Redis was told, if it is another one, or an older state */
	snprintf(relay->sent_id, sizeof(relay->sent_id), "%s", id);
	snprintf(relay->acked_id, sizeof(relay->acked_id), "%s", id);
	relay_phase_is(relay, RELAY_SENDING);
	log_info("relaying", "partition", log_int(relay->partition->index), "from_seq", log_int(seq), NULL);
	id_make(relay->run);
	relay->run_blocks = 0;
	relay->behind[0] = '\0';
	relay->ours_to = relay->all_ours ? look->seq : 0;
	relay->all_ours = false;
	publish_fill(relay);
	free(look);
	relay_mark(relay);
	relay_send(relay);
}

static void rebuild(struct look *look, const char *why) {
	struct relay *relay = look->relay;
	if (look->log_seq > 0 && teeth_without("rebuild")) {
		give_up(look, why);
		return;
	}
	if (look->log_seq > 0)
		log_warn("Redis does not hold what the log says: rebuilding it from the database", "why", why, "partition",
		         log_int(relay->partition->index), NULL);
	relay_phase_is(relay, RELAY_REBUILD);
	rebuild_start(relay->partition, look->epoch, look->log_seq);
	free(look);
}

static void on_continued(void *context, enum status status, uint64_t sequence) {
	struct look *look = context;
	if (is_stale(look))
		return;
	if (status != STATUS_OK) {
		give_up(look, "the log did not take the continuation");
		return;
	}
	start_sending(look, look->trim, look->trim_id, sequence);
}

/* The log ends before what the outbox still holds; the database has what lies between (only that is ever trimmed). */
static void say_continue(struct look *look) {
	struct relay *relay = look->relay;
	struct text block = { 0 };
	struct slice id = slice_of(look->trim_id);
	struct record_entry entry = { id, slice_of(look->log_id), look->trim, look->trim, slice_of(look->epoch), { 0 } };
	struct record record = { .seq = look->trim, .status = RECORD_CONTINUE, .extra = id };
	log_warn("the log lost its tail: it goes on from what the database has", "log_seq", log_int(look->log_seq),
	         "database_seq", log_int(look->trim), NULL);
	record_add_entry_header(&block, &entry);
	record_add(&block, &record);
	stream_append(relay->partition->scheduler->bus, relay->subject, look->sequence,
	              (struct slice){ block.bytes, block.length }, 2000, on_continued, look);
	text_release(&block);
}

static void ask_redis(struct look *look);

static void on_outbox_entry(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct look *look = context;
	(void)err;
	if (is_stale(look))
		return;
	if (status != STATUS_OK) {
		give_up(look, "Redis is away");
		return;
	}
	/* It may have been trimmed since we asked how far: that is no divergence. */
	if (kv_count(reply) == 0 && !(look->missed && look->missed_trim == look->trim)) {
		look->missed = true;
		look->missed_trim = look->trim;
		ask_redis(look);
		return;
	}
	struct slice header = kv_text(kv_at(kv_at(kv_at(reply, 0), 1), 1));
	struct slice id = header.bytes != NULL ? slice_cut(&header, RECORD_US) : (struct slice){ 0 };
	if (slice_is(id, look->log_id) || teeth_without("predecessor"))
		start_sending(look, look->log_seq, look->log_id, look->sequence);
	else
		rebuild(look, "it has diverged");
}

static void compare(struct look *look) {
	struct relay *relay = look->relay;
	if (look->epoch[0] == '\0' || !look->readable) {
		rebuild(look, look->epoch[0] == '\0' ? "it is empty" : "it was written by another version");
	} else if (look->log_seq > look->seq && teeth_without("notice-behind")) {
		start_sending(look, look->log_seq, look->log_id, look->sequence);
	} else if (look->log_seq > look->seq) {
		rebuild(look, "it is behind");
	} else if (look->log_seq < look->trim) {
		say_continue(look);
	} else if (look->log_seq == look->trim) {
		if (strcmp(look->log_id, look->trim_id) == 0 || teeth_without("predecessor"))
			start_sending(look, look->log_seq, look->log_id, look->sequence);
		else
			rebuild(look, "it has diverged");
	} else {
		char key[32], id[40];
		snprintf(key, sizeof(key), "%sob", state_prefix(relay->partition->state));
		snprintf(id, sizeof(id), "%" PRId64 "-0", look->log_seq);
		struct slice words[] = { SLICE("XRANGE"), slice_of(key), slice_of(id), slice_of(id) };
		kv_command(state_kv(relay->partition->state), words, 4, 0, on_outbox_entry, look);
	}
}

static void on_meta(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct look *look = context;
	(void)err;
	if (is_stale(look))
		return;
	if (status != STATUS_OK) {
		give_up(look, "Redis is away");
		return;
	}
	slice_fit(look->epoch, sizeof(look->epoch), kv_text(kv_at(reply, 0)));
	look->seq = kv_int(kv_at(reply, 1));
	look->trim = kv_int(kv_at(reply, 2));
	slice_fit(look->trim_id, sizeof(look->trim_id), kv_text(kv_at(reply, 3)));
	look->readable = slice_is(kv_text(kv_at(reply, 4)), STATE_FORMAT);
	compare(look);
}

static void ask_redis(struct look *look) {
	char key[32];
	snprintf(key, sizeof(key), "%sm", state_prefix(look->relay->partition->state));
	struct slice words[] = { SLICE("HMGET"), slice_of(key),   SLICE("epoch"), SLICE("seq"),
		                     SLICE("trim"),  SLICE("trimid"), SLICE("format") };
	kv_command(state_kv(look->relay->partition->state), words, 7, 0, on_meta, look);
}

static void on_last_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct look *look = context;
	(void)sequence;
	if (is_stale(look))
		return;
	struct record_entry entry;
	if (status == STATUS_OK && record_last_entry(body, &entry)) {
		look->log_seq = entry.last_seq;
		slice_fit(look->log_id, sizeof(look->log_id), entry.id);
	} else if (status == STATUS_OK) {
		log_error("the log's last message is no block of ours: is the stream shared with something else?", "stream",
		          look->relay->stream, NULL);
		give_up(look, "unreadable log");
		return;
	} else if (status == STATUS_RETRY) {
		give_up(look, "the log is away");
		return;
	} else if (look->relay->not_found++ < NOT_FOUND_MOST) {
		give_up(look, "a replica does not have the log's last message yet");
		return;
	}
	look->relay->not_found = 0;
	ask_redis(look);
}

static void on_info(void *context, enum status status, const struct stream_state *state) {
	struct look *look = context;
	if (is_stale(look))
		return;
	if (status != STATUS_OK) {
		give_up(look, "no answer about the log");
		return;
	}
	look->sequence = state->last_sequence;
	look->relay->partition->log_bytes = state->bytes;
	if (state->last_sequence == 0 || state->messages == 0)
		ask_redis(look);
	else
		stream_get(look->relay->partition->scheduler->bus, look->relay->stream, state->last_sequence, on_last_block,
		           look);
}

static void on_ensured(void *context, enum status status, const struct error *err) {
	struct look *look = context;
	if (is_stale(look))
		return;
	if (status != STATUS_OK) {
		log_warn("cannot make or reach the log's stream: is JetStream on?", "stream", look->relay->stream, "why",
		         err->message, NULL);
		relay_look_later(look->relay, 1000);
		free(look);
		return;
	}
	stream_info(look->relay->partition->scheduler->bus, look->relay->stream, on_info, look);
}

void relay_look(struct relay *relay) {
	const struct scheduler_settings *settings = relay->partition->scheduler->settings;
	relay->generation++;
	relay->filling = true;
	relay_drop_blocks(relay);
	relay_phase_is(relay, RELAY_LOOKING);
	struct look *look = memory_new(sizeof(*look));
	look->relay = relay;
	look->generation = relay->generation;
	struct stream_config config = {
		.name = relay->stream,
		.subjects = { relay->subject },
		.subject_count = 1,
		.discard_new = true,
		.max_bytes = settings->log_max_bytes,
		.replicas = settings->stream_replicas,
		.duplicate_window_s =
			10, /* blocks are named for the one behind them, not against doubles: a short memory will do */
	};
	stream_ensure(relay->partition->scheduler->bus, &config, on_ensured, look);
}
