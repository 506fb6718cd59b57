/* Blocks to a batch: entries are taken in order while each one's predecessor is the entry before it. What is known already
 * is passed over; a gap or a foreign history is never passed over. */
#include <string.h>

#include "persister.h"
#include "shared/base/log.h"

static void add_unreadable(struct changes *changes, const struct record_entry *entry, int64_t seq, struct slice raw) {
	struct poison_change poison = { .seq = seq,
		                            .entry_id = entry->id,
		                            .place = seq - entry->first_seq,
		                            .raw = raw,
		                            .reason = "it is no record, or not the one that belongs here" };
	log_error("a record of the log cannot be read and is set aside; see the table poison_events", "seq", log_int(seq),
	          "partition", log_int(changes->partition_id), NULL);
	changes_add_poison(changes, &poison);
}

/* Does it hold as many records as it says? Asked before anything of it is taken. */
static bool is_whole(const struct record_entry *entry) {
	int64_t count = 0;
	for (struct slice rest = entry->records; rest.bytes != NULL; count++)
		slice_cut(&rest, RECORD_RS);
	return count == entry->last_seq - entry->first_seq + 1;
}

/* An entry's records carry first_seq, first_seq + 1, …; one that does not is set aside under the number it should have. */
static void take_entry(struct changes *changes, const struct record_entry *entry) {
	struct slice rest = entry->records;
	int64_t seq = entry->first_seq;
	while (rest.bytes) {
		struct slice before = rest;
		struct record record;
		bool valid = false;
		if (!record_next(&rest, &record, &valid))
			break;
		struct slice raw = { before.bytes, rest.bytes ? (size_t)(rest.bytes - before.bytes) - 1 : before.length };
		if (!valid || !changes_takes(&record, seq))
			add_unreadable(changes, entry, seq, raw);
		else
			changes_add(changes, &record, entry->id, seq - entry->first_seq);
		seq++;
	}
}

static void move_cursor(struct position *cursor, const struct record_entry *entry) {
	cursor->seq = entry->last_seq;
	size_t length = entry->id.length < sizeof(cursor->entry_id) - 1 ? entry->id.length : sizeof(cursor->entry_id) - 1;
	memcpy(cursor->entry_id, entry->id.bytes, length);
	cursor->entry_id[length] = 0;
}

static const char *chain_word(enum chain chain) {
	return chain == CHAIN_GAP ? "events are missing" : "it belongs to another history";
}

/* What fits is written first; what does not is looked at again right behind the position. There the hint may be old (the
 * stream was made anew): the place is searched once, and only then the partition stops. */
static void does_not_fit(struct partition *partition, const struct record_entry *entry, enum chain chain) {
	if (partition->cursor.seq != partition->position.seq)
		return;
	if (!partition->searched) {
		partition->wants_search = true;
		return;
	}
	partition_stopped(partition,
	                  "the log does not go on from the database: %s before event %lld (the database has %lld). Nothing "
	                  "is skipped: restore the log or the database to one history, or see docs/operations.md",
	                  chain_word(chain), (long long)entry->first_seq, (long long)partition->position.seq);
}

static bool is_full(const struct partition *partition, size_t more_bytes) {
	const struct commit *commit = &partition->commit;
	size_t events = commit->changes.event_count + commit->changes.poison_count;
	return events > 0 && (events >= partition->batch_events || commit->bytes + more_bytes > BATCH_BYTES);
}

/* Takes what it can of one block; true when all of it was taken. */
static bool take_block(struct partition *partition, const struct block *block) {
	struct commit *commit = &partition->commit;
	struct slice rest = partition->partial ? partition->rest : (struct slice){ block->bytes, block->length };
	struct record_entry entry;
	bool valid = false;
	partition->partial = false;
	for (struct slice before = rest; record_next_entry(&rest, &entry, &valid); before = rest) {
		if (!valid) {
			partition_stopped(partition, "message %llu of %s is no block of the log; restore the stream",
			                  (unsigned long long)block->stream_seq, partition->stream);
			return false;
		}
		enum chain chain = chain_check(&partition->cursor, &entry);
		if (chain == CHAIN_OLD)
			continue;
		if (chain != CHAIN_NEXT) {
			does_not_fit(partition, &entry, chain);
			return false;
		}
		if (is_full(partition, entry.records.length)) {
			partition->rest = before;
			partition->partial = true;
			return false;
		}
		if (!is_whole(&entry)) {
			partition_stopped(partition, "entry %.*s of %s does not hold the events it says; restore the stream",
			                  (int)entry.id.length, entry.id.bytes, partition->stream);
			return false;
		}
		take_entry(&commit->changes, &entry);
		commit->bytes += entry.records.length;
		move_cursor(&partition->cursor, &entry);
		partition->searched = false;
	}
	return true;
}

void gather(struct partition *partition) {
	struct commit *commit = &partition->commit;
	if (commit->busy || partition->state != PARTITION_FOLLOW || partition->persister->stopping ||
	    partition->persister->holder)
		return; /* whoever holds the connection gives it on */
	changes_clear(&commit->changes, partition->id);
	commit->bytes = 0;
	partition->wants_search = false;
	partition->cursor = partition->position;
	struct block *block = NULL;
	while ((block = follow_block(partition, partition->next_take)) && take_block(partition, block))
		partition->cursor.stream_seq = partition->next_take++;
	if (commit->changes.event_count + commit->changes.poison_count > 0) {
		commit_start(partition);
		return;
	}
	if (partition->state != PARTITION_FOLLOW)
		return;
	if (partition->wants_search) {
		search_start(partition);
		return;
	}
	if (partition->cursor.stream_seq != partition->position.stream_seq) {
		partition->position.stream_seq = partition->cursor.stream_seq; /* nothing new in them: nothing to write */
		follow_release(partition, partition->next_take);
	}
	if (partition->next_take > partition->head)
		partition_fine(partition);
}
