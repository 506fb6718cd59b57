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

bool feed_event_of(const struct record *record, int64_t ran_us, struct feed_event *event) {
	if (record->number == 0 || record->status == record->previous)
		return false;
	bool starts = record->status == RECORD_RUNNING && record->ready_at_us > 0;
	int64_t waited_us = record->at_us > record->ready_at_us ? record->at_us - record->ready_at_us : 0;
	*event = (struct feed_event){ .project = record->project,
		                          .task_type = record->task_type,
		                          .priority = record->priority,
		                          .status = record->status,
		                          .failed_try = record->previous == RECORD_RUNNING && record->error_code.length > 0,
		                          .previous = record->previous,
		                          .at_us = record->at_us,
		                          .took_us = starts ? waited_us : ran_us };
	return true;
}

bool feed_measure(const struct feed_event *event, struct pulse_event *pulse, struct window_counts *counts) {
	bool tried = event->previous == RECORD_RUNNING;
	*pulse = (struct pulse_event){
		.project = event->project,
		.task_type = event->task_type,
		.priority = event->priority,
		.at_us = event->at_us,
		.came = event->previous == '\0',
		.started = event->status == RECORD_RUNNING,
		.completed = event->status == RECORD_COMPLETED,
		.failed = event->failed_try,
		.ended = record_is_final(event->status),
		.wait_us = event->took_us,
		.run_us = tried ? event->took_us : -1,
	};
	*counts = (struct window_counts){
		.came = pulse->came,
		.started = pulse->started,
		.completed = pulse->completed,
		.failed = event->status == RECORD_FAILED,
		.wait_us = pulse->started && event->took_us > 0 ? (uint64_t)event->took_us : 0,
	};
	return pulse->came || pulse->started || pulse->failed || pulse->ended;
}
