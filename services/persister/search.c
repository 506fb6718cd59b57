/* Finds the block that the position's next event should be in, when the remembered sequence does not help: the stream was
 * made anew, or lost its head. First seqs rise from block to block, so that halving finds the place. */
#include <string.h>

#include "persister.h"
#include "shared/base/log.h"

static void step(struct partition *partition);

static void found(struct partition *partition, uint64_t stream_seq) {
	partition->state = PARTITION_FOLLOW;
	partition->position.stream_seq = stream_seq - 1;
	partition->searched = true;
	partition->missing = false;
	follow_reset(partition);
	log_info("found the place in the log", "stream", partition->stream, "message", log_int((long long)stream_seq),
	         "seq", log_int(partition->position.seq), NULL);
	follow_step(partition);
}

static void on_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct partition *partition = context;
	struct search *search = &partition->search;
	struct record_entry entry;
	bool valid = false;
	if (partition->state != PARTITION_SEARCH || !search->asked || (status == STATUS_OK && sequence != search->middle))
		return;
	search->asked = false;
	if (status == STATUS_RETRY)
		return; /* the tick starts over */
	bool readable = status == STATUS_OK && record_next_entry(&body, &entry, &valid) && valid;
	if (readable && entry.first_seq <= partition->position.seq + 1)
		search->low = search->middle;
	else
		search->high = search->middle;
	step(partition);
}

static void step(struct partition *partition) {
	struct search *search = &partition->search;
	if (search->high - search->low <= 1) {
		found(partition, search->low);
		return;
	}
	search->middle = search->low + (search->high - search->low) / 2;
	search->asked = true;
	stream_get(partition->persister->bus, partition->stream, search->middle, on_block, partition);
}

static void on_info(void *context, enum status status, const struct stream_state *state) {
	struct partition *partition = context;
	partition->asking_info = false;
	if (partition->state != PARTITION_SEARCH || status != STATUS_OK)
		return;
	partition->head = state->last_sequence;
	if (state->messages == 0) {
		found(partition, state->last_sequence + 1);
		return;
	}
	partition->search = (struct search){ .low = state->first_sequence, .high = state->last_sequence + 1 };
	step(partition);
}

void search_start(struct partition *partition) {
	if (partition->asking_info)
		return; /* its answer comes back here */
	partition->state = PARTITION_SEARCH;
	partition->state_since_us = loop_now(partition->persister->loop);
	partition->asking_info = true;
	stream_info(partition->persister->bus, partition->stream, on_info, partition);
}
