/* An event that the tables do not take must stand in nobody's way: the transaction is tried with prefixes of the batch,
 * halving, until the first culprit is known. It goes to poison_events with the reason, and the rest is written. */
#include <stdlib.h>
#include <string.h>

#include "persister.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

static void probe(struct partition *partition);

static void add_events(struct commit *commit, size_t end) {
	for (size_t i = 0; i < end; i++) {
		const struct event_change *event = &commit->changes.events[i];
		if (!commit->excluded[i])
			changes_add(&commit->part, &event->record, event->entry_id, event->place);
	}
}

/* The records of the excluded, as the log has them: written into one text first, because it moves while it grows. */
static void add_poisons(struct commit *commit) {
	size_t *starts = memory_array(commit->reason_count + 1, sizeof(*starts));
	size_t found = 0;
	text_clear(&commit->raw);
	for (size_t i = 0; i < commit->changes.event_count; i++)
		if (commit->excluded[i]) {
			starts[found++] = commit->raw.length;
			record_add(&commit->raw, &commit->changes.events[i].record);
		}
	starts[found] = commit->raw.length;
	found = 0;
	for (size_t i = 0; i < commit->changes.event_count; i++)
		if (commit->excluded[i]) {
			const struct event_change *event = &commit->changes.events[i];
			struct poison_change poison = {
				.seq = event->record.seq,
				.entry_id = event->entry_id,
				.place = event->place,
				.raw = { commit->raw.bytes + starts[found], starts[found + 1] - starts[found] },
				.reason = commit->excluded[i],
			};
			changes_add_poison(&commit->part, &poison);
			found++;
		}
	free(starts);
	for (size_t i = 0; i < commit->changes.poison_count; i++)
		changes_add_poison(&commit->part, &commit->changes.poisons[i]);
}

static void write_without_culprits(struct partition *partition) {
	struct commit *commit = &partition->commit;
	changes_clear(&commit->part, partition->id);
	add_events(commit, commit->changes.event_count);
	add_poisons(commit);
	commit_retry(partition);
}

static void exclude(struct partition *partition, size_t index) {
	struct commit *commit = &partition->commit;
	const struct record *record = &commit->changes.events[index].record;
	char *reason = commit->reasons[commit->reason_count - 1];
	commit->excluded[index] = reason;
	commit->found = index + 1;
	log_error("an event cannot be written and was set aside; see the table poison_events", "seq", log_int(record->seq),
	          "partition", log_int(partition->id), "reason", reason, NULL);
	write_without_culprits(partition);
}

static void on_probed(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct partition *partition = context;
	struct commit *commit = &partition->commit;
	size_t middle = commit->low + (commit->high - commit->low) / 2;
	(void)result;
	if (status == STATUS_OK) {
		commit->low = middle;
	} else if (status == STATUS_REJECT && commit_is_data_error(error_number)) {
		commit->high = middle;
		char **known = &commit->reasons[commit->reason_count - 1];
		free(*known);
		*known = memory_copy(err->message, strlen(err->message)); /* in the end the culprit's own */
	} else {
		commit_end(partition);
		partition_retry(partition, err->message);
		return;
	}
	probe(partition);
}

/* Tries the first `middle` events, in a transaction that is rolled back. */
static void probe(struct partition *partition) {
	struct commit *commit = &partition->commit;
	if (commit->high - commit->low <= 1) {
		exclude(partition, commit->low);
		return;
	}
	changes_clear(&commit->part, partition->id);
	add_events(commit, commit->low + (commit->high - commit->low) / 2);
	changes_sort(&commit->part);
	text_clear(&commit->sql);
	text_add(&commit->sql, "BEGIN;");
	write_rows(&commit->sql, &commit->part);
	text_add(&commit->sql, "ROLLBACK");
	if (commit->sql.length > db_max_query_bytes(partition->persister->db)) {
		commit_too_large(partition);
		return;
	}
	db_query(partition->persister->db, (struct slice){ commit->sql.bytes, commit->sql.length }, on_probed, partition);
}

void poison_search(struct partition *partition, const char *reason) {
	struct commit *commit = &partition->commit;
	if (commit->changes.event_count == 0) {
		commit_end(partition);
		partition_stopped(partition, "the database refuses the rows: %s", reason);
		return;
	}
	if (commit->reason_count >= POISON_MOST && partition->batch_events > 1) {
		commit_end(partition);
		partition->batch_events = partition->batch_events / 2; /* searching costs more than a smaller transaction */
		partition_load(partition);
		return;
	}
	if (commit->reason_count == commit->reason_capacity) { /* one entry, which is never parted */
		commit->reason_capacity = commit->reason_capacity > 0 ? commit->reason_capacity * 2 : POISON_MOST;
		commit->reasons = memory_resize(commit->reasons, commit->reason_capacity, sizeof(*commit->reasons));
	}
	commit->reasons[commit->reason_count++] = memory_copy(reason, strlen(reason));
	commit->low =
		commit->reason_count > 1 ? commit->found : 0; /* what stands before the last one is known to be good */
	commit->high = commit->changes.event_count;
	probe(partition);
}
