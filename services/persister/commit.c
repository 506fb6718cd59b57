/* The transaction of a batch: position by compare-and-set, rows, COMMIT; in one packet of text when it is small, else a
 * packet of arrays a table. A lost connection says nothing about a COMMIT, so that after one the position is read again;
 * what the database has decides. */
#include <stdlib.h>
#include <string.h>

#include "persister.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "write_changed.h"

enum { SUBQUERY_OF_TWO_ROWS = 1242 };

/* Errors that an event's own values cause: NULL, duplicate, out of range, truncated, wrong value, bad string, too long,
 * bad function result, JSON, row too large, constraint. Anything else is the database's or ours, and stops. */
bool commit_is_data_error(unsigned error_number) {
	static const unsigned numbers[] = { 1048, 1062, 1118, 1264, 1265, 1292, 1301, 1364,
		                                1366, 1367, 1406, 1411, 1441, 1690, 3140, 4025 };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == error_number)
			return true;
	return false;
}

static void committed(struct partition *partition) {
	struct commit *commit = &partition->commit;
	struct persister_counters *counters = &partition->persister->counters;
	counters->transactions++;
	counters->events += commit->changes.event_count + commit->changes.poison_count;
	counters->tasks += commit->changes.new_count;
	counters->poison += commit->changes.poison_count + commit->reason_count;
	partition->position = commit->to;
	partition->searched = false;
	if (partition->batch_events < BATCH_EVENTS)
		partition->batch_events *= 2;
	follow_release(partition, partition->next_take);
	partition_committed(partition);
	follow_step(partition);
	retain_step(partition); /* under load nothing is left to write at no other time */
}

static void on_committed(void *context, enum status status, unsigned error_number, const struct error *err,
                         const struct db_result *result) {
	struct partition *partition = context;
	(void)result;
	if (status == STATUS_REJECT && commit_is_data_error(error_number)) {
		poison_search(partition, err->message);
		return;
	}
	commit_end(partition);
	if (status == STATUS_OK) {
		committed(partition);
	} else if (error_number == SUBQUERY_OF_TWO_ROWS) {
		partition->persister->counters.conflicts++;
		partition_passive(partition);
	} else if (status == STATUS_RETRY) {
		partition_retry(partition, err->message);
	} else {
		partition_stopped(partition, "the database refuses the rows: %s", err->message);
	}
}

/* The others go first, so that a busy partition does not keep the connection. */
void commit_end(struct partition *partition) {
	struct persister *persister = partition->persister;
	int64_t count = persister->options.partitions;
	partition->commit.busy = false;
	if (persister->holder != partition)
		return;
	persister->holder = NULL;
	for (int64_t i = 1; i < count; i++)
		follow_step(&persister->partitions[(partition->id + i) % count]);
}

static void begin(struct partition *partition) {
	struct commit *commit = &partition->commit;
	text_add(&commit->sql, "BEGIN;");
	write_position(&commit->sql, partition->id, &partition->position, &commit->to, clock_wall_us());
}

/* Half of what there may be and of what there was, so that it comes down to one entry whatever the sizes of entries. */
void commit_smaller(struct partition *partition) {
	size_t events = partition->commit.changes.event_count;
	if (events > partition->batch_events)
		events = partition->batch_events;
	partition->batch_events = events > 2 ? events / 2 : 1;
}

/* Fewer events for a server that takes only small packets. */
void commit_too_large(struct partition *partition) {
	struct commit *commit = &partition->commit;
	size_t events = commit->changes.event_count;
	commit_end(partition);
	if (partition->batch_events == 1) {
		partition_stopped(partition, "an entry of %zu events makes a packet of %zu bytes: raise max_allowed_packet",
		                  events, commit->sql.length);
		return;
	}
	commit_smaller(partition);
	partition->next_take = partition->position.stream_seq + 1;
	partition->partial = false;
	gather(partition);
}

static void send_text(struct partition *partition, const struct changes *changes) {
	struct commit *commit = &partition->commit;
	struct db *db = partition->persister->db;
	text_clear(&commit->sql);
	begin(partition);
	write_rows(&commit->sql, changes);
	text_add(&commit->sql, "COMMIT");
	if (commit->sql.length > db_max_query_bytes(db)) {
		commit_too_large(partition);
		return;
	}
	db_query(db, (struct slice){ commit->sql.bytes, commit->sql.length }, on_committed, partition);
}

/* ---- as arrays: BEGIN and the position, a packet a table, the rest and COMMIT ---- */

static void on_step(void *context, enum status status, unsigned error_number, const struct error *err,
                    const struct db_result *result);
static void on_last_step(void *context, enum status status, unsigned error_number, const struct error *err,
                         const struct db_result *result);

static void next_step(struct partition *partition) {
	struct commit *commit = &partition->commit;
	struct db *db = partition->persister->db;
	while (commit->sheet < SHEET_COUNT && db_bulk_rows(commit->bulks[commit->sheet]) == 0)
		commit->sheet++;
	if (commit->sheet < SHEET_COUNT) {
		db_bulk_run(db, commit->bulks[commit->sheet++], on_step, partition);
		return;
	}
	text_clear(&commit->sql);
	write_changed_rows(&commit->sql, commit->sent);
	write_others(&commit->sql, commit->sent);
	text_add(&commit->sql, "COMMIT");
	db_query(db, (struct slice){ commit->sql.bytes, commit->sql.length }, on_last_step, partition);
}

/* As text a row that should be there and is not (its first event was set aside) is added. */
static void on_last_step(void *context, enum status status, unsigned error_number, const struct error *err,
                         const struct db_result *result) {
	struct partition *partition = context;
	if (error_number == SUBQUERY_OF_TWO_ROWS)
		send_text(partition, partition->commit.sent);
	else
		on_committed(partition, status, error_number, err, result);
}

static void on_step(void *context, enum status status, unsigned error_number, const struct error *err,
                    const struct db_result *result) {
	if (status == STATUS_OK)
		next_step(context);
	else
		on_committed(context, status, error_number, err, result);
}

static void send_bulk(struct partition *partition, const struct changes *changes) {
	struct commit *commit = &partition->commit;
	struct db *db = partition->persister->db;
	for (int sheet = 0; sheet < SHEET_COUNT; sheet++) {
		if (!commit->bulks[sheet]) {
			write_bulk_statement(&commit->statements[sheet], (enum sheet)sheet);
			commit->bulks[sheet] = db_bulk_open(commit->statements[sheet].bytes);
		}
		struct rows rows = { .bulk = commit->bulks[sheet] };
		db_bulk_clear(rows.bulk);
		write_sheet(&rows, (enum sheet)sheet, changes);
		if (db_bulk_bytes(rows.bulk) > db_max_query_bytes(db)) {
			commit_too_large(partition);
			return;
		}
	}
	commit->sheet = 0;
	commit->sent = changes;
	text_clear(&commit->sql);
	if (changes->task_count > changes->new_count)
		write_changed_table(&commit->sql);
	begin(partition);
	db_query(db, (struct slice){ commit->sql.bytes, commit->sql.length }, on_step, partition);
}

static void send(struct partition *partition, struct changes *changes) {
	changes_sort(changes);
	if (changes->event_count >= BULK_EVENTS && db_can_bulk(partition->persister->db))
		send_bulk(partition, changes);
	else
		send_text(partition, changes);
}

static void forget_reasons(struct commit *commit) {
	for (size_t i = 0; i < commit->reason_count; i++)
		free(commit->reasons[i]);
	commit->reason_count = 0;
	free(commit->reason);
	commit->reason = NULL;
}

/* Until the next one. The more comes in, the more is worth waiting for; where much could not be taken, there is enough. */
static int64_t pause_us(const struct partition *partition, size_t events) {
	const struct persister_options *options = &partition->persister->options;
	int64_t pause = (int64_t)events * EVENT_PAUSE_US, left = partition->log_seq - partition->cursor.seq;
	if (left > (int64_t)events / 2 || pause < options->write_every_us)
		return options->write_every_us;
	int64_t most =
		options->write_gathered_us > options->write_every_us ? options->write_gathered_us : options->write_every_us;
	return pause < most ? pause : most;
}

void commit_start(struct partition *partition) {
	struct commit *commit = &partition->commit;
	size_t count = commit->changes.event_count;
	must(persister_take(partition));
	commit->busy = true;
	partition->next_write_us = clock_mono_us() + pause_us(partition, count);
	commit->to = partition->cursor;
	forget_reasons(commit);
	commit->culprits = CULPRITS_UNKNOWN;
	if (commit->excluded_capacity < count) {
		commit->excluded = memory_resize(commit->excluded, count, sizeof(*commit->excluded));
		commit->excluded_capacity = count;
	}
	if (count)
		memset(commit->excluded, 0, count * sizeof(*commit->excluded));
	send(partition, &commit->changes);
}

void commit_retry(struct partition *partition) {
	changes_sort(&partition->commit.part);
	send_text(partition, &partition->commit.part);
}

void commit_release(struct commit *commit) {
	forget_reasons(commit);
	changes_release(&commit->changes);
	changes_release(&commit->part);
	free(commit->excluded);
	free(commit->reasons);
	text_release(&commit->sql);
	text_release(&commit->raw);
	for (int sheet = 0; sheet < SHEET_COUNT; sheet++) {
		db_bulk_close(&commit->bulks[sheet]);
		text_release(&commit->statements[sheet]);
	}
}
