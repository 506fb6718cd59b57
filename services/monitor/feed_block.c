/* Blocks as counts; pure. A block that lost the race for its place in the log is seen here too, so that only numbers
 * not seen before count. */
#include "feed.h"

static int64_t read_entry(const struct record_entry *entry, int64_t *last_seq, feed_each *each, void *context) {
	struct slice rest = entry->records;
	struct record record;
	bool valid;
	int64_t first = 0;
	while (record_next(&rest, &record, &valid)) {
		if (!valid || record.seq <= *last_seq)
			continue;
		first = first == 0 ? record.seq : first;
		*last_seq = record.seq;
		each(context, &record);
	}
	return first;
}

int64_t feed_read_block(struct slice block, int64_t *last_seq, feed_each *each, void *context) {
	struct record_entry entry;
	bool valid;
	int64_t first = 0;
	while (record_next_entry(&block, &entry, &valid)) {
		int64_t began = valid && entry.last_seq > *last_seq ? read_entry(&entry, last_seq, each, context) : 0;
		first = first == 0 ? began : first;
	}
	return first;
}

bool feed_counts(const struct record *record, struct window_counts *counts) {
	*counts = (struct window_counts){ 0 };
	if (record->number == 0 || record->status == record->previous)
		return false;
	counts->started = record->status == RECORD_RUNNING;
	counts->completed = record->status == RECORD_COMPLETED;
	counts->failed = record->status == RECORD_FAILED;
	if (counts->started && record->ready_at_us > 0 && record->at_us > record->ready_at_us)
		counts->wait_us = (uint64_t)(record->at_us - record->ready_at_us);
	return counts->started || counts->completed || counts->failed;
}
