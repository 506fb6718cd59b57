/* Reads a partition's log ahead, a window of blocks by their sequence. Nothing here trusts a consumer: what is asked for
 * again comes again, and what comes twice is dropped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persister.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

static struct block *slot_of(struct partition *partition, uint64_t stream_seq) {
	return &partition->blocks[stream_seq % WINDOW_BLOCKS];
}

static void free_block(struct block *block) {
	if (block->here)
		block->partition->window_bytes -= block->length;
	if (block->asked)
		block->partition->asked--;
	free(block->bytes);
	block->bytes = NULL;
	block->length = 0;
	block->stream_seq = 0;
	block->asked = block->here = false;
}

struct block *follow_block(struct partition *partition, uint64_t stream_seq) {
	struct block *block = slot_of(partition, stream_seq);
	return block->here && block->stream_seq == stream_seq ? block : NULL;
}

void follow_release(struct partition *partition, uint64_t below) {
	for (size_t i = 0; i < WINDOW_BLOCKS; i++)
		if (partition->blocks[i].stream_seq && partition->blocks[i].stream_seq < below)
			free_block(&partition->blocks[i]);
}

void follow_reset(struct partition *partition) {
	follow_release(partition, UINT64_MAX);
	partition->cursor = partition->position;
	partition->next_take = partition->next_ask = partition->position.stream_seq + 1;
	partition->partial = false;
}

static void on_got(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct block *block = context;
	struct partition *partition = block->partition;
	bool foreign = status == STATUS_OK && block->stream_seq != sequence;
	if (!partition || !block->asked || foreign)
		return; /* asked for before a reset */
	block->asked = false;
	partition->asked--;
	if (status != STATUS_OK) {
		if (block->stream_seq < partition->next_ask)
			partition->next_ask = block->stream_seq;
		free_block(block);
		if (status == STATUS_REJECT)
			partition->missing = true;
		return; /* the next tick asks again */
	}
	block->bytes = memory_copy(body.bytes, body.length);
	block->length = body.length;
	block->here = true;
	partition->window_bytes += body.length;
	size_t usual = partition->block_bytes - partition->block_bytes / 8;
	partition->block_bytes = body.length > usual ? body.length : usual;
	partition->persister->counters.blocks++;
	if (partition->asked == 0)
		follow_step(partition); /* all that were asked for together are written together */
}

/* Of the window, if those that are on their way are as large as the largest of late. */
static bool has_room(const struct partition *partition) {
	return partition->window_bytes + partition->asked * partition->block_bytes < WINDOW_BYTES ||
	       partition->next_ask == partition->next_take;
}

static void ask(struct partition *partition) {
	uint64_t end = partition->next_take + WINDOW_BLOCKS;
	for (; partition->next_ask <= partition->head && partition->next_ask < end; partition->next_ask++) {
		struct block *block = slot_of(partition, partition->next_ask);
		if (block->stream_seq == partition->next_ask && (block->asked || block->here))
			continue;
		if (block->stream_seq || !has_room(partition))
			return;
		block->partition = partition;
		block->stream_seq = partition->next_ask;
		block->asked = true;
		partition->asked++;
		stream_get(partition->persister->bus, partition->stream, partition->next_ask, on_got, block);
	}
}

static void on_paced(void *context) {
	struct partition *partition = context;
	partition->paced = NULL;
	follow_step(partition);
}

/* A transaction costs the same for one event as for many, its work is in the way of what people wait for, and a task whose whole
 * life it holds is written once. Blocks are not read before it is time either, so that they come together. */
static bool is_too_soon(struct partition *partition) {
	struct loop *loop = partition->persister->loop;
	bool is_full = partition->log_seq - partition->position.seq >= (int64_t)partition->batch_events;
	if (is_full || clock_mono_us() >= partition->next_write_us)
		return false;
	if (partition->paced == NULL)
		partition->paced = loop_timer_start(loop, partition->next_write_us, on_paced, partition);
	return true;
}

void follow_step(struct partition *partition) {
	if (partition->state != PARTITION_FOLLOW || partition->persister->stopping || is_too_soon(partition))
		return;
	ask(partition);
	gather(partition);
	ask(partition);
}

static void on_info(void *context, enum status status, const struct stream_state *state) {
	struct partition *partition = context;
	partition->asking_info = false;
	if (partition->state != PARTITION_FOLLOW)
		return;
	partition->stream_trouble = NULL;
	if (status == STATUS_REJECT)
		partition->stream_trouble = "its stream does not exist yet; a scheduler makes it";
	else if (status != STATUS_OK)
		partition->stream_trouble = "JetStream does not answer";
	if (status != STATUS_OK)
		return;
	bool lost = state->last_sequence + 1 < partition->next_take || state->first_sequence > partition->next_take;
	partition->head = state->last_sequence;
	if ((lost || partition->missing) && !partition->commit.busy) {
		partition->missing = false;
		search_start(partition);
	} else {
		follow_step(partition);
	}
}

void follow_look(struct partition *partition) {
	if (partition->asking_info)
		return;
	partition->asking_info = true;
	stream_info(partition->persister->bus, partition->stream, on_info, partition);
}
