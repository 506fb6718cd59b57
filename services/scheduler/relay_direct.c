/* What others append: a dispatcher that is awake anyway appends a small entry right behind the log's last one itself, and its
 * entry says so. The relay takes it as one of its own blocks, which it need not send: it hears JetStream's answer as everybody
 * does, before or after it has read the entry. When nothing is heard, it looks, and appends what is not there itself. */
#include <string.h>

#include "relay_inside.h"
#include "shared/base/memory.h"
#include "shared/state/packed.h"

enum { DIRECT_MS = 200, REST_US = 2000 };

static struct loop *loop_of(const struct relay *relay) {
	return relay->partition->scheduler->loop;
}

bool relay_is_direct(const struct relay *relay, const struct kv_reply *fields) {
	struct outbox_header header;
	return outbox_is_direct(fields) && outbox_read_header(fields, &header) && header.last_seq > relay->ours_to;
}

bool relay_expects(const struct relay *relay) {
	return relay->last != NULL && relay->last->direct && !relay->last->acked;
}

/* While others append, nobody waits for this process, which would only be in their way: it reads many entries at once. */
static void rest(struct relay *relay) {
	relay->rests_until_us = loop_now(loop_of(relay)) + REST_US;
}

static void on_rested(void *context) {
	struct relay *relay = context;
	relay->rest_timer = NULL;
	relay_send(relay);
}

bool relay_rests(struct relay *relay) {
	if (loop_now(loop_of(relay)) >= relay->rests_until_us)
		return false;
	if (relay->rest_timer == NULL)
		relay->rest_timer = loop_timer_start(loop_of(relay), relay->rests_until_us, on_rested, relay);
	return true;
}

void relay_wake(struct relay *relay) {
	relay->rests_until_us = 0;
	relay_send(relay);
}

static void is_in_log(struct relay *relay, struct slice name, uint64_t sequence) {
	struct relay_block *block = relay->last;
	relay->idle_ticks = 0;
	slice_fit(block->name, sizeof(block->name), name);
	memcpy(relay->behind, block->name, sizeof(relay->behind));
	rest(relay);
	relay_block_in_log(block, sequence);
}

bool relay_expect(struct relay *relay, const struct kv_reply *fields) {
	struct relay_block *block = memory_new(sizeof(*block));
	block->relay = relay;
	block->direct = block->heard = true;
	if (!relay_add_entry(relay, block, fields)) {
		relay_free_block(block);
		return false;
	}
	relay_line_up(relay, block);
	for (size_t i = 0; i < DIRECT_HEARD; i++) {
		const struct relay_direct *heard = &relay->direct[i];
		if (strcmp(heard->id, relay->sent_id) == 0) {
			is_in_log(relay, slice_of(heard->name), heard->sequence);
			return true;
		}
	}
	block->timer =
		loop_timer_start(loop_of(relay), loop_now(loop_of(relay)) + DIRECT_MS * 1000, relay_on_silence, block);
	return true;
}

void relay_hears_other(struct relay *relay, struct slice mark, const struct log_answer *answer) {
	uint64_t sequence;
	struct slice id;
	if (!log_ear_read_mark(mark, &sequence, &id))
		return;
	if (relay_expects(relay) && slice_is(id, relay->last->last_id)) {
		is_in_log(relay, answer->block, sequence);
		return;
	}
	struct relay_direct *heard = &relay->direct[relay->direct_count++ % DIRECT_HEARD];
	slice_fit(heard->id, sizeof(heard->id), id);
	slice_fit(heard->name, sizeof(heard->name), answer->block);
	heard->sequence = sequence;
}
