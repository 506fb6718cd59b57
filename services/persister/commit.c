/* The transaction of a batch: position by compare-and-set, rows, COMMIT, in one packet. A lost connection says nothing
 * about a COMMIT, so that after one the position is read again; what the database has decides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persister.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { SUBQUERY_OF_TWO_ROWS = 1242 };

/* Errors that an event's own values cause: NULL, duplicate, out of range, truncated, wrong value, bad string, too long,
 * bad function result, JSON, row too large, constraint. Anything else is the database's or ours, and stops. */
bool commit_is_data_error(unsigned error_number)
{
	static const unsigned numbers[] = { 1048, 1062, 1118, 1264, 1265, 1292, 1301, 1364, 1366,
		                            1367, 1406, 1411, 1441, 1690, 3140, 4025 };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == error_number)
			return true;
	return false;
}

static void committed(struct partition *partition)
{
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
}

static void on_committed(void *context, enum status status, unsigned error_number, const struct error *err,
                         const struct db_result *result)
{
	struct partition *partition = context;
	(void)result;
	if (status == STATUS_REJECT && commit_is_data_error(error_number)) {
		poison_search(partition, err->message);
		return;
	}
	partition->commit.busy = false;
	if (status == STATUS_OK) {
		committed(partition);
	} else if (error_number == SUBQUERY_OF_TWO_ROWS) {
		partition->persister->counters.conflicts++;
		partition_passive(partition);
	} else if (status == STATUS_RETRY) {
		snprintf(partition->trouble, sizeof(partition->trouble), "%s", err->message);
		partition_load(partition);
	} else {
		partition_stopped(partition, "the database refuses the rows: %s", err->message);
	}
}

static void begin(struct partition *partition)
{
	struct commit *commit = &partition->commit;
	text_clear(&commit->sql);
	text_add(&commit->sql, "BEGIN;");
	write_position(&commit->sql, partition->id, &partition->position, &commit->to, clock_wall_us());
}

/* Fewer events for a server that takes only small packets. */
static void too_large(struct partition *partition)
{
	struct commit *commit = &partition->commit;
	size_t events = commit->changes.event_count;
	commit->busy = false;
	if (partition->batch_events == 1) {
		partition_stopped(partition, "an entry of %zu events makes a packet of %zu bytes: raise max_allowed_packet",
		                  events, commit->sql.length);
		return;
	}
	partition->batch_events = events > 2 ? events / 2 : 1;
	partition->next_take = partition->position.stream_seq + 1;
	partition->partial = false;
	gather(partition);
}

static void send(struct partition *partition, struct changes *changes)
{
	struct commit *commit = &partition->commit;
	struct db *db = partition->persister->db;
	changes_sort(changes);
	begin(partition);
	write_rows(&commit->sql, changes);
	text_add(&commit->sql, "COMMIT");
	if (commit->sql.length > db_max_query_bytes(db)) {
		too_large(partition);
		return;
	}
	db_query(db, (struct slice){ commit->sql.bytes, commit->sql.length }, on_committed, partition);
}

static void forget_reasons(struct commit *commit)
{
	for (size_t i = 0; i < commit->reason_count; i++)
		free(commit->reasons[i]);
	commit->reason_count = 0;
}

void commit_start(struct partition *partition)
{
	struct commit *commit = &partition->commit;
	size_t count = commit->changes.event_count;
	commit->busy = true;
	commit->to = partition->cursor;
	forget_reasons(commit);
	if (commit->excluded_capacity < count) {
		commit->excluded = memory_resize(commit->excluded, count, sizeof(*commit->excluded));
		commit->excluded_capacity = count;
	}
	if (count)
		memset(commit->excluded, 0, count * sizeof(*commit->excluded));
	send(partition, &commit->changes);
}

void commit_retry(struct partition *partition)
{
	send(partition, &partition->commit.part);
}

void commit_release(struct commit *commit)
{
	forget_reasons(commit);
	changes_release(&commit->changes);
	changes_release(&commit->part);
	free(commit->excluded);
	text_release(&commit->sql);
	text_release(&commit->raw);
}
