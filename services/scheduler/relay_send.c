/* The relay at work: waits in XREAD for new entries of the outbox, packs them into blocks, appends each behind the one
 * before it by sequence and by name, and tells everybody once a block is in the log. Any doubt (a refusal, a time-out, a broken chain): look again,
 * never "retry the one that failed". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_inside.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"
#include "shared/task/record.h"

static void free_block(struct relay_block *block) {
	text_release(&block->body);
	free(block);
}

void relay_drop_blocks(struct relay *relay) {
	struct relay_block *block = relay->first;
	while (block != NULL) {
		struct relay_block *next = block->next;
		if (block->acked)
			free_block(block); /* the others are freed when their answers come, with an older generation */
		block = next;
	}
	relay->first = relay->last = NULL;
	relay->under_way = 0;
}

void relay_drop_untold(struct relay *relay) {
	loop_timer_stop(relay->partition->scheduler->loop, &relay->tell_timer);
	while (relay->untold != NULL) {
		struct relay_block *block = relay->untold;
		relay->untold = block->next;
		free_block(block);
	}
	relay->untold_last = NULL;
}

static void on_marked(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                      const struct error *err) {
	struct relay *relay = context;
	(void)head;
	(void)err;
	relay->marking = false;
	if (relay->phase != RELAY_SENDING)
		return;
	if (status != STATUS_OK || !slice_is(kv_text(kv_at(reply, 1)), "ok")) {
		relay->marked_seq = -1;
		relay->trimmed_seq = 0;
		if (status == STATUS_OK)
			relay_look(relay);
		return;
	}
	if (relay->marked_seq < relay->acked_seq)
		relay_mark(relay);
}

void relay_mark(struct relay *relay) {
	struct partition *partition = relay->partition;
	if (teeth_without("trim-after-database") && relay->acked_seq > 0) {
		partition->persisted_seq = relay->acked_seq;
		memcpy(partition->persisted_entry, relay->acked_id, sizeof(partition->persisted_entry));
	}
	bool trims = partition->persisted_seq > relay->trimmed_seq && partition->persisted_seq <= relay->acked_seq;
	if (relay->marking || (relay->marked_seq >= relay->acked_seq && !trims))
		return;
	char mark[24], trim[24];
	snprintf(mark, sizeof(mark), "%" PRId64, relay->acked_seq);
	snprintf(trim, sizeof(trim), "%" PRId64, partition->persisted_seq);
	struct slice arguments[] = { slice_of(mark), slice_of(relay->acked_id), trims ? slice_of(trim) : SLICE(""),
		                         slice_of(partition->persisted_entry) };
	relay->marking = true;
	relay->marked_seq = relay->acked_seq;
	if (trims)
		relay->trimmed_seq = partition->persisted_seq;
	state_call(partition->state, &state_script_mark, arguments, 4, on_marked, relay);
}

void relay_tell(struct relay *relay, struct slice block, uint64_t sequence) {
	struct partition *partition = relay->partition;
	struct scheduler *scheduler = partition->scheduler;
	struct text mark = { 0 };
	struct slice rest = block;
	struct record_entry entry;
	bool valid = true;
	text_printf(&mark, "%s %" PRId64 " %" PRIu64, relay->epoch, relay->acked_seq, sequence);
	while (record_next_entry(&rest, &entry, &valid) && valid) {
		text_add_char(&mark, '\n');
		text_add_slice(&mark, entry.id);
	}
	struct slice body = { mark.bytes, mark.length };
	bus_publish(scheduler->bus,
	            service_full_subject(scheduler->service, "internal.mark.%lld", (long long)partition->index), body);
	marks_note(partition->marks, body);
	text_release(&mark);
}

void relay_publish(struct relay *relay) {
	struct relay_block *block = relay->untold;
	loop_timer_stop(relay->partition->scheduler->loop, &relay->tell_timer);
	if (relay->filling)
		return;
	relay->untold = relay->untold_last = NULL;
	while (block != NULL) {
		struct relay_block *next = block->next;
		publish_events(relay->partition, (struct slice){ block->body.bytes, block->body.length });
		free_block(block);
		block = next;
	}
}

static void publish_now(void *context) {
	struct relay *relay = context;
	relay->tell_timer = NULL;
	relay_publish(relay);
}

/* In the next turn: those who wait for the mark do not wait for the events to be written out too. */
static void publish_soon(struct relay *relay, struct relay_block *block) {
	struct loop *loop = relay->partition->scheduler->loop;
	block->next = NULL;
	if (relay->untold_last != NULL)
		relay->untold_last->next = block;
	else
		relay->untold = block;
	relay->untold_last = block;
	if (relay->tell_timer == NULL)
		relay->tell_timer = loop_timer_start(loop, loop_now(loop), publish_now, relay);
}

/* Blocks are told in order, as far as all before them are in the log too. */
static void advance(struct relay *relay) {
	while (relay->first != NULL && relay->first->acked) {
		struct relay_block *block = relay->first;
		relay->first = block->next;
		if (relay->first == NULL)
			relay->last = NULL;
		relay->under_way--;
		relay->acked_seq = block->last_seq;
		relay->acked_sequence = block->sequence;
		snprintf(relay->acked_id, sizeof(relay->acked_id), "%s", block->last_id);
		relay_tell(relay, (struct slice){ block->body.bytes, block->body.length }, block->sequence);
		publish_soon(relay, block);
	}
	relay_mark(relay);
	relay_send(relay);
}

static void on_appended(void *context, enum status status, uint64_t sequence) {
	struct relay_block *block = context;
	struct relay *relay = block->relay;
	if (block->generation != relay->generation) {
		free_block(block);
		return;
	}
	bool in_place = sequence == block->expected + 1 || teeth_without("append-by-position");
	if (status != STATUS_OK || !in_place) {
		log_debug("a block was not appended: looking where the log ends", "status", log_int(status), NULL);
		block->acked = true; /* answered: dropped with the rest */
		relay_look_later(relay, status == STATUS_STALE ? 0 : 50);
		return;
	}
	block->acked = true;
	block->sequence = sequence;
	advance(relay);
}

static void append(struct relay *relay, struct relay_block *block) {
	block->relay = relay;
	block->generation = relay->generation;
	block->expected = relay->log_sequence;
	block->last_seq = relay->sent_seq;
	snprintf(block->last_id, sizeof(block->last_id), "%s", relay->sent_id);
	relay->log_sequence++;
	if (relay->last != NULL)
		relay->last->next = block;
	else
		relay->first = block;
	relay->last = block;
	relay->under_way++;
	(*relay->partition->scheduler->appended)++;
	char id[ID_BYTES + 24], after[ID_BYTES + 24] = "";
	if (relay->run_blocks > 0)
		snprintf(after, sizeof(after), "%s-%" PRIu64, relay->run, relay->run_blocks);
	snprintf(id, sizeof(id), "%s-%" PRIu64, relay->run, ++relay->run_blocks);
	stream_append_after(relay->partition->scheduler->bus, relay->subject, block->expected, id, after,
	                    (struct slice){ block->body.bytes, block->body.length }, 2000, on_appended, block);
}

/* The entry's events: fields[2..] are texts that belong together by twos (write_outbox() in prelude_moves.lua). */
static void add_records(struct text *out, const struct kv_reply *fields) {
	for (size_t i = 2; i + 1 < kv_count(fields); i += 2) {
		if (i > 2)
			text_add_char(out, RECORD_RS);
		text_add_slice(out, kv_text(kv_at(fields, i)));
		text_add_slice(out, kv_text(kv_at(fields, i + 1)));
	}
}

/* Adds one entry of the outbox to the block; false when it does not follow the one before it. */
static bool add_entry(struct relay *relay, struct relay_block *block, const struct kv_reply *fields) {
	struct slice header = kv_text(kv_at(fields, 1));
	struct slice rest = header;
	struct slice id = slice_cut(&rest, RECORD_US);
	struct slice previous = rest.bytes != NULL ? slice_cut(&rest, RECORD_US) : (struct slice){ 0 };
	int64_t first_seq = rest.bytes != NULL ? slice_int(slice_cut(&rest, RECORD_US), -1) : -1;
	int64_t last_seq = rest.bytes != NULL ? slice_int(slice_cut(&rest, RECORD_US), -1) : -1;
	bool follows = slice_is(previous, relay->sent_id) || teeth_without("predecessor");
	if (!follows || first_seq != relay->sent_seq + 1 || last_seq < first_seq)
		return false;
	if (block->body.length > 0)
		text_add_char(&block->body, RECORD_FS);
	text_add_slice(&block->body, header);
	text_add_char(&block->body, RECORD_GS);
	add_records(&block->body, fields);
	relay->sent_seq = last_seq;
	snprintf(relay->sent_id, sizeof(relay->sent_id), "%.*s", (int)id.length, id.bytes);
	return true;
}

static size_t entry_bytes(const struct kv_reply *fields) {
	size_t bytes = 0;
	for (size_t i = 1; i < kv_count(fields); i++)
		bytes += kv_text(kv_at(fields, i)).length + 1;
	return bytes;
}

static bool send_entries(struct relay *relay, const struct kv_reply *entries) {
	struct relay_block *block = NULL;
	for (size_t i = 0; i < kv_count(entries); i++) {
		const struct kv_reply *fields = kv_at(kv_at(entries, i), 1);
		if (block != NULL && block->body.length + entry_bytes(fields) > RELAY_BLOCK_BYTES) {
			append(relay, block);
			block = NULL;
		}
		if (block == NULL)
			block = memory_new(sizeof(*block));
		if (!add_entry(relay, block, fields)) {
			free_block(block);
			return false;
		}
	}
	if (block != NULL)
		append(relay, block);
	return true;
}

static void on_read(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct relay *relay = context;
	(void)err;
	relay->reading = false;
	if (relay->phase != RELAY_SENDING)
		return;
	if (status != STATUS_OK) {
		relay_look_later(relay, 100);
		return;
	}
	if (!kv_is_nil(reply) && !send_entries(relay, kv_at(kv_at(reply, 0), 1))) {
		/* A read that began before the last look may answer after it; a look tells the difference. */
		relay_look_later(relay, 0);
		return;
	}
	relay_send(relay);
}

void relay_send(struct relay *relay) {
	if (relay->phase != RELAY_SENDING || relay->reading || relay->under_way >= RELAY_WINDOW)
		return;
	char key[32], after[40], most[16], wait[16];
	snprintf(key, sizeof(key), "%sob", state_prefix(relay->partition->state));
	snprintf(after, sizeof(after), "%" PRId64 "-0", relay->sent_seq);
	snprintf(most, sizeof(most), "%d", RELAY_READ_ENTRIES);
	snprintf(wait, sizeof(wait), "%d", RELAY_READ_MS);
	struct slice words[] = { SLICE("XREAD"), SLICE("COUNT"),   slice_of(most), SLICE("BLOCK"),
		                     slice_of(wait), SLICE("STREAMS"), slice_of(key),  slice_of(after) };
	relay->reading = true;
	kv_command(relay->kv, words, 8, RELAY_READ_MS + 5000, on_read, relay);
}
