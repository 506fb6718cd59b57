/* The chain of the log: each entry names the one before it, and seqs have no gaps. Pure. */
#include "changes.h"

static enum chain check_entry(const struct position *position, const struct record_entry *entry) {
	if (entry->last_seq < position->seq)
		return CHAIN_OLD;
	if (entry->last_seq == position->seq)
		return slice_is(entry->id, position->entry_id) ? CHAIN_OLD : CHAIN_OTHER;
	if (entry->first_seq > position->seq + 1)
		return CHAIN_GAP;
	if (entry->first_seq < position->seq + 1)
		return CHAIN_OTHER;
	return slice_is(entry->previous, position->entry_id) ? CHAIN_NEXT : CHAIN_OTHER;
}

/* After a log lost its tail the relay goes on from what the database has: (seq, id) must be a place we know. */
static enum chain check_continue(const struct position *position, const struct record *record) {
	if (record->seq > position->seq)
		return CHAIN_GAP;
	if (record->seq == position->seq && !slice_is(record->extra, position->entry_id))
		return CHAIN_OTHER;
	return CHAIN_OLD;
}

enum chain chain_check(const struct position *position, const struct record_entry *entry) {
	struct slice rest = entry->records;
	struct record record;
	bool valid = false;
	if (entry->first_seq == entry->last_seq && record_next(&rest, &record, &valid) && valid &&
	    record.status == RECORD_CONTINUE)
		return check_continue(position, &record);
	return check_entry(position, entry);
}
