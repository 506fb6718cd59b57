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
#include "shared/state/packed.h"
#include "shared/task/record.h"

void relay_free_block(struct relay_block *block) {
	loop_timer_stop(block->relay->partition->scheduler->loop, &block->timer);
	text_release(&block->body);
	text_release(&block->ids);
	free(block);
}

void relay_drop_blocks(struct relay *relay) {
	struct relay_block *block = relay->first;
	while (block != NULL) {
		struct relay_block *next = block->next;
		if (block->acked || block->heard)
			relay_free_block(block); /* the others are freed when their answers come, with an older generation */
		block = next;
	}
	relay->first = relay->last = NULL;
	relay->under_way = 0;
	memset(relay->direct, 0, sizeof(relay->direct)); /* the log may have lost them since they were heard */
}

void relay_drop_untold(struct relay *relay) {
	loop_timer_stop(relay->partition->scheduler->loop, &relay->tell_timer);
	while (relay->untold != NULL) {
		struct relay_block *block = relay->untold;
		relay->untold = block->next;
		relay_free_block(block);
	}
	relay->untold_last = NULL;
	relay->untold_count = 0;
}

static void publish_mark(struct relay *relay) {
	struct partition *partition = relay->partition;
	struct scheduler *scheduler = partition->scheduler;
	struct log_block last = { partition->index, relay->epoch, relay->acked_seq, "" };
	struct text mark = { 0 };
	log_ear_add_mark(&mark, &last, relay->acked_sequence, (struct slice){ relay->unsaid.bytes, relay->unsaid.length });
	bus_publish(scheduler->bus,
	            service_full_subject(scheduler->service, "internal.mark.%lld", (long long)partition->index),
	            (struct slice){ mark.bytes, mark.length });
	text_release(&mark);
	text_clear(&relay->unsaid);
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

static void on_mark_timer(void *context) {
	struct relay *relay = context;
	relay->mark_timer = NULL;
	if (relay->phase == RELAY_SENDING)
		relay_mark(relay);
}

/* Nobody waits for Redis to know how far the log is: several blocks are said in one call. */
static bool is_too_soon(struct relay *relay) {
	struct loop *loop = relay->partition->scheduler->loop;
	if (loop_now(loop) >= relay->next_mark_us)
		return false;
	if (relay->mark_timer == NULL)
		relay->mark_timer = loop_timer_start(loop, relay->next_mark_us, on_mark_timer, relay);
	return true;
}

void relay_mark(struct relay *relay) {
	struct partition *partition = relay->partition;
	if (teeth_without("trim-after-database") && relay->acked_seq > 0) {
		partition->persisted_seq = relay->acked_seq;
		memcpy(partition->persisted_entry, relay->acked_id, sizeof(partition->persisted_entry));
	}
	bool trims = partition->persisted_seq > relay->trimmed_seq && partition->persisted_seq <= relay->acked_seq;
	if (relay->marking || (relay->marked_seq >= relay->acked_seq && !trims) || is_too_soon(relay))
		return;
	char mark[24], trim[24];
	snprintf(mark, sizeof(mark), "%" PRId64, relay->acked_seq);
	snprintf(trim, sizeof(trim), "%" PRId64, partition->persisted_seq);
	struct slice arguments[] = { slice_of(mark), slice_of(relay->acked_id), trims ? slice_of(trim) : SLICE(""),
		                         slice_of(partition->persisted_entry) };
	if (relay->unsaid.length > 0)
		publish_mark(relay);
	relay->marking = true;
	relay->next_mark_us = loop_now(partition->scheduler->loop) + MARK_EVERY_US;
	relay->marked_seq = relay->acked_seq;
	if (trims)
		relay->trimmed_seq = partition->persisted_seq;
	state_call(partition->state, &state_script_mark, arguments, 4, on_marked, relay);
}

/* The ids of a block are said at once when nobody has heard them, and else together with those of others, for those who are
 * not in a hurry. Here they are known already. */
static void tell(struct relay *relay, const struct relay_block *block) {
	struct partition *partition = relay->partition;
	struct log_block named = { partition->index, relay->epoch, block->last_seq, block->name };
	struct slice ids = { block->ids.bytes, block->ids.length };
	struct text mark = { 0 };
	log_ear_add_mark(&mark, &named, block->sequence, ids);
	marks_note(partition->marks, (struct slice){ mark.bytes, mark.length });
	text_release(&mark);
	if (relay->unsaid.length > 0)
		text_add_char(&relay->unsaid, '\n');
	text_add_slice(&relay->unsaid, ids);
	if (!block->heard)
		publish_mark(relay);
}

static void publish_now(void *context) {
	struct relay *relay = context;
	relay->tell_timer = NULL;
	relay_publish(relay);
}

static void tell_after(struct relay *relay, int64_t at_us) {
	relay->tell_timer = loop_timer_start(relay->partition->scheduler->loop, at_us, publish_now, relay);
}

void relay_publish(struct relay *relay) {
	struct relay_block *block = relay->untold;
	loop_timer_stop(relay->partition->scheduler->loop, &relay->tell_timer);
	if (relay->filling) {
		if (!relay->partition->scheduler->streams_settled)
			relay_drop_untold(relay); /* maybe for long: they come from the log */
		return;
	}
	if (!relay_leads_surely(relay)) { /* another may have told them, and more */
		tell_after(relay, loop_now(relay->partition->scheduler->loop) + TELL_AGAIN_US);
		return;
	}
	bus_send_before(relay->partition->scheduler->bus, relay->leads_until_us);
	relay->untold = relay->untold_last = NULL;
	relay->untold_count = 0;
	relay->next_tell_us = loop_now(relay->partition->scheduler->loop) + TELL_EVERY_US;
	bool taken = true;
	while (block != NULL) {
		struct relay_block *next = block->next;
		taken = taken && publish_after(relay->partition, (struct slice){ block->body.bytes, block->body.length }, 0);
		relay_free_block(block);
		block = next;
	}
	if (!taken)
		relay_look_later(relay, TELL_AGAIN_US / 1000); /* which fills the gap */
}

/* In the next turn: those who wait for the log do not wait for the events to be written out too. And not too often, since each
 * time wakes the server and all who listen. */
static void publish_soon(struct relay *relay, struct relay_block *block) {
	block->next = NULL;
	if (relay->filling && relay->untold_count >= UNTOLD_MOST) {
		relay_drop_untold(relay);
		relay->fills_on = true;
	}
	relay->untold_count++;
	if (relay->untold_last != NULL)
		relay->untold_last->next = block;
	else
		relay->untold = block;
	relay->untold_last = block;
	if (relay->tell_timer == NULL)
		tell_after(relay, relay->next_tell_us);
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
		tell(relay, block);
		publish_soon(relay, block);
	}
	relay_mark(relay);
	relay_send(relay);
}

static void answered(struct relay_block *block, enum status status, uint64_t sequence) {
	struct relay *relay = block->relay;
	bool in_place = sequence == block->expected + 1 || teeth_without("append-by-position");
	block->acked = true;
	if (status != STATUS_OK || !in_place) {
		log_debug("a block was not appended: looking where the log ends", "status", log_int(status), NULL);
		relay_look_later(relay, status == STATUS_STALE ? 0 : 50); /* drops it with the rest */
		return;
	}
	block->sequence = sequence;
	advance(relay);
}

void relay_block_in_log(struct relay_block *block, uint64_t sequence) {
	loop_timer_stop(block->relay->partition->scheduler->loop, &block->timer);
	answered(block, STATUS_OK, sequence);
}

static void on_appended(void *context, enum status status, uint64_t sequence) {
	struct relay_block *block = context;
	if (block->generation != block->relay->generation)
		relay_free_block(block);
	else
		answered(block, status, sequence);
}

void relay_on_silence(void *context) {
	struct relay_block *block = context;
	block->timer = NULL;
	block->relay->all_ours = block->direct;
	answered(block, STATUS_RETRY, 0);
}

bool relay_hears(struct relay *relay, const struct log_answer *answer) {
	struct relay_block *block = relay != NULL ? relay->first : NULL;
	while (block != NULL && !slice_is(answer->block, block->name))
		block = block->next;
	if (block == NULL || !block->heard || block->acked)
		return false;
	loop_timer_stop(relay->partition->scheduler->loop, &block->timer);
	answered(block, answer->status, answer->sequence);
	return true;
}

/* The answer of a small one is heard by all who wait for an entry of it. */
static void send_heard(struct relay *relay, struct relay_block *block, const char *after) {
	struct scheduler *scheduler = relay->partition->scheduler;
	struct log_block named = { relay->partition->index, relay->epoch, block->last_seq, block->name };
	struct text subject = { 0 };
	block->heard = true;
	log_ear_add_answer(&subject, scheduler->settings->common.prefix, &named,
	                   (struct slice){ block->ids.bytes, block->ids.length });
	enum status status = stream_append_heard(scheduler->bus, relay->subject, block->expected, block->name, after,
	                                         subject.bytes, (struct slice){ block->body.bytes, block->body.length });
	int64_t wait_us = status == STATUS_RETRY ? 0 : RELAY_APPEND_MS * 1000; /* too large: no sooner than others */
	block->timer = loop_timer_start(scheduler->loop, loop_now(scheduler->loop) + wait_us, relay_on_silence, block);
	text_release(&subject);
}

/* What the scripts write fits (ENTRY_BYTES in prelude_data.lua), unless NATS takes less than it does as it comes. */
static void say_if_too_large(const struct relay *relay, const struct relay_block *block) {
	size_t most = bus_max_payload(relay->partition->scheduler->bus);
	if (block->body.length > most)
		log_error(
			"an entry is larger than what NATS takes in one message: nothing goes on before its max_payload is raised",
			"partition", log_int(relay->partition->index), "bytes", log_int((int64_t)block->body.length), "max_payload",
			log_int((int64_t)most), NULL);
}

void relay_line_up(struct relay *relay, struct relay_block *block) {
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
}

static void append(struct relay *relay, struct relay_block *block) {
	char after[LOG_BLOCK_NAME_BYTES];
	say_if_too_large(relay, block);
	relay_line_up(relay, block);
	(*relay->partition->scheduler->appended)++;
	memcpy(after, relay->behind, sizeof(after));
	snprintf(block->name, sizeof(block->name), "%s-%" PRIu64, relay->run, ++relay->run_blocks);
	memcpy(relay->behind, block->name, sizeof(relay->behind));
	if (block->entries <= LOG_EAR_ENTRIES)
		send_heard(relay, block, after);
	else
		stream_append_after(relay->partition->scheduler->bus, relay->subject, block->expected, block->name, after,
		                    (struct slice){ block->body.bytes, block->body.length }, RELAY_APPEND_MS, on_appended,
		                    block);
}

/* Adds one entry of the outbox to the block; false when it does not follow the one before it. */
bool relay_add_entry(struct relay *relay, struct relay_block *block, const struct kv_reply *fields) {
	struct outbox_header header;
	if (!outbox_read_header(fields, &header))
		return false;
	bool follows = slice_is(header.previous, relay->sent_id) || teeth_without("predecessor");
	if (!follows || header.first_seq != relay->sent_seq + 1)
		return false;
	if (block->body.length > 0)
		text_add_char(&block->body, RECORD_FS);
	if (!outbox_add_entry(&block->body, &header, fields))
		return false;
	if (block->entries++ > 0)
		text_add_char(&block->ids, '\n');
	text_add_slice(&block->ids, header.id);
	relay->sent_seq = header.last_seq;
	snprintf(relay->sent_id, sizeof(relay->sent_id), "%.*s", (int)header.id.length, header.id.bytes);
	return true;
}

static size_t entry_bytes(const struct kv_reply *fields) {
	size_t bytes = 0;
	for (size_t i = 1; i < kv_count(fields); i++)
		bytes += kv_text(kv_at(fields, i)).length + 1;
	return bytes;
}

/* False: the chain is broken. What stands behind an entry that another appends is read again when that is in the log. */
static bool send_entries(struct relay *relay, const struct kv_reply *entries) {
	struct relay_block *block = NULL;
	for (size_t i = 0; i < kv_count(entries) && relay->phase == RELAY_SENDING && !relay_expects(relay); i++) {
		const struct kv_reply *fields = kv_at(kv_at(entries, i), 1);
		if (relay_is_direct(relay, fields)) {
			if (block != NULL)
				append(relay, block);
			block = NULL;
			if (!relay_expect(relay, fields))
				return false;
			continue;
		}
		if (block != NULL && block->body.length + entry_bytes(fields) > RELAY_BLOCK_BYTES) {
			append(relay, block);
			block = NULL;
		}
		if (block == NULL) {
			block = memory_new(sizeof(*block));
			block->relay = relay;
		}
		if (!relay_add_entry(relay, block, fields)) {
			relay_free_block(block);
			return false;
		}
	}
	if (block != NULL)
		append(relay, block);
	return true;
}

static void read_entries(struct relay *relay, enum status status, const struct kv_reply *reply) {
	if (relay->phase != RELAY_SENDING)
		return;
	if (status != STATUS_OK)
		relay_look_later(relay, 100);
	/* A read that began before the last look may answer after it; a look tells the difference. */
	else if (!kv_is_nil(reply) && !send_entries(relay, kv_at(kv_at(reply, 0), 1)))
		relay_look_later(relay, 0);
}

static void on_read(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct relay *relay = context;
	(void)err;
	read_entries(relay, status, reply);
	relay->reading = false;
	relay_send(relay);
}

void relay_send(struct relay *relay) {
	if (relay->phase != RELAY_SENDING || relay->reading || relay->under_way >= RELAY_WINDOW || relay_expects(relay) ||
	    relay_rests(relay))
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
