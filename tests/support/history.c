/* See history.h. */
#include "history.h"

#include <stdio.h>
#include <string.h>

int64_t history_add(struct history *history, struct record record) {
	if (history->records.length)
		text_add_char(&history->records, RECORD_RS);
	else
		history->first_seq = history->seq + 1;
	record.seq = ++history->seq;
	record.at_us = record.at_us ? record.at_us : HISTORY_START_US + record.seq * 1000;
	if (!record.previous && strchr("bps", record.status) && !record.number)
		record.number = record.seq;
	record_add(&history->records, &record);
	return record.seq;
}

static struct record task_record(char status, char previous, int64_t number, const char *task_id, int64_t version) {
	return (struct record){ .status = status,
		                    .previous = previous,
		                    .number = number,
		                    .project = SLICE("demo"),
		                    .task_id = slice_of(task_id),
		                    .task_type = SLICE("coding"),
		                    .batch_id = SLICE("batch-1"),
		                    .version = version,
		                    .priority = 5,
		                    .ready_at_us = HISTORY_START_US };
}

int64_t history_submit(struct history *history, const char *task_id, const char *dependencies) {
	struct text extra = { 0 };
	const char *context = history->execution_context ? history->execution_context : "{\"n\":1}";
	struct specification specification = {
		.flags = SLICE("s"),
		.max_retries = 3,
		.timeout_us = 1500000,
		.concurrency_limit = 1,
		.hash = SLICE("0123456789abcdef"),
		.service_name = SLICE("svc"),
		.estimated_duration = SLICE("2.5"),
		.dependencies = slice_of(dependencies),
		.execution_context = slice_of(context),
	};
	struct record record = task_record(*dependencies ? 'b' : 'p', 0, 0, task_id, 1);
	record.waits = *dependencies ? SLICE("d") : SLICE("");
	record_add_specification(&extra, &specification);
	record.extra = (struct slice){ extra.bytes, extra.length };
	int64_t number = history_add(history, record);
	text_release(&extra);
	return number;
}

void history_lease(struct history *history, int64_t number, const char *task_id, int64_t attempt) {
	struct record record = task_record('r', 'p', number, task_id, attempt * 2);
	record.attempt = attempt;
	record.worker = SLICE("worker-1");
	record.lease = SLICE("lease-1");
	record.lease_until_us = HISTORY_START_US + 30000000;
	record.due_at_us = record.lease_until_us;
	history_add(history, record);
}

void history_complete(struct history *history, int64_t number, const char *task_id, int64_t attempt) {
	struct record record = task_record('c', 'r', number, task_id, attempt * 2 + 1);
	record.attempt = attempt;
	record.worker = SLICE("worker-1");
	record.lease = SLICE("lease-1");
	record.extra = SLICE("{\"ok\":true}");
	history_add(history, record);
}

void history_end_entry(struct history *history) {
	char id[32];
	snprintf(id, sizeof(id), "ENTRY%019lld", (long long)++history->entries);
	struct record_entry entry = { .id = slice_of(id),
		                          .previous = slice_of(history->entry_id),
		                          .first_seq = history->first_seq,
		                          .last_seq = history->seq,
		                          .epoch = SLICE("epoch") };
	if (history->block.length)
		text_add_char(&history->block, RECORD_FS);
	record_add_entry_header(&history->block, &entry);
	text_append(&history->block, history->records.bytes, history->records.length);
	memcpy(history->entry_id, id, sizeof(history->entry_id));
	text_clear(&history->records);
}

void history_clear_block(struct history *history) {
	text_clear(&history->block);
}

void history_release(struct history *history) {
	text_release(&history->records);
	text_release(&history->block);
}
