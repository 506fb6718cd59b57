/* Events that the tables do not take must stand in nobody's way: pieces of the batch are tried, each in a transaction that is
 * rolled back, until all culprits are known. They go to poison_events with their reasons, and the rest is written.
 *
 * A piece begins behind the last culprit and doubles while it passes, then it is halved: what a culprit costs hangs on how far
 * it is from the one before, not on the size of the batch, because a whole entry may be culprits, and is never parted. A row
 * that is refused only because of another one of the batch is not seen that way: if the rest is refused as well, pieces begin
 * at the start of the batch for once. */
#include <stdlib.h>
#include <string.h>

#include "persister.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

static void add_events(struct commit *commit, size_t begin, size_t end) {
	for (size_t i = begin; i < end; i++) {
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
	add_events(commit, 0, commit->changes.event_count);
	add_poisons(commit);
	commit_retry(partition);
}

/* ---- the search ---- */

static void probe(struct partition *partition);

static void begin_piece(struct commit *commit, size_t begin) {
	commit->low = begin;
	commit->high = 0;
	commit->stride = 1;
}

static size_t middle_of(const struct commit *commit) {
	size_t left = commit->changes.event_count - commit->low;
	if (commit->high > 0)
		return commit->low + (commit->high - commit->low) / 2;
	return commit->low + (commit->stride < left ? commit->stride : left);
}

static void keep_reason(struct commit *commit) {
	if (commit->reason_count == commit->reason_capacity) {
		commit->reason_capacity = commit->reason_capacity > 0 ? commit->reason_capacity * 2 : POISON_MOST;
		commit->reasons = memory_resize(commit->reasons, commit->reason_capacity, sizeof(*commit->reasons));
	}
	commit->reasons[commit->reason_count++] = commit->reason;
	commit->reason = NULL;
}

static void exclude(struct partition *partition, size_t index) {
	struct commit *commit = &partition->commit;
	const struct record *record = &commit->changes.events[index].record;
	commit->excluded[index] = commit->reason;
	log_error("an event cannot be written and was set aside; see the table poison_events", "seq", log_int(record->seq),
	          "partition", log_int(partition->id), "reason", commit->reason, NULL);
	keep_reason(commit);
	begin_piece(commit, index + 1);
}

static bool has_several_entries(const struct changes *changes) {
	return changes->event_count > 1 &&
	       !slice_equal(changes->events[0].entry_id, changes->events[changes->event_count - 1].entry_id);
}

/* Nothing else is written meanwhile: where a smaller transaction is possible, it is better than a long search. */
static bool give_up(struct partition *partition) {
	struct commit *commit = &partition->commit;
	if (commit->reason_count < POISON_MOST || !has_several_entries(&commit->changes))
		return false;
	commit_end(partition);
	commit_smaller(partition);
	partition_load(partition);
	return true;
}

static void search_on(struct partition *partition) {
	struct commit *commit = &partition->commit;
	if (commit->high > 0 && commit->high - commit->low == 1) {
		exclude(partition, commit->low);
		if (give_up(partition))
			return;
	}
	if (commit->low == commit->changes.event_count)
		write_without_culprits(partition);
	else
		probe(partition);
}

static void on_probed(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct partition *partition = context;
	struct commit *commit = &partition->commit;
	size_t middle = middle_of(commit);
	(void)result;
	if (status == STATUS_OK) {
		commit->low = middle;
		commit->stride *= 2;
	} else if (status == STATUS_REJECT && commit_is_data_error(error_number)) {
		commit->high = middle;
		free(commit->reason);
		commit->reason = memory_copy(err->message, strlen(err->message)); /* in the end the culprit's own */
	} else {
		commit_end(partition);
		partition_retry(partition, err->message);
		return;
	}
	search_on(partition);
}

/* Tries the piece up to the middle, in a transaction that is rolled back. */
static void probe(struct partition *partition) {
	struct commit *commit = &partition->commit;
	size_t begin = commit->low;
	if (commit->culprits == CULPRITS_TOGETHER)
		begin = 0;
	changes_clear(&commit->part, partition->id);
	add_events(commit, begin, middle_of(commit));
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
	if (commit->changes.event_count == 0 || commit->culprits == CULPRITS_TOGETHER) {
		commit_end(partition);
		partition_stopped(partition, "the database refuses the rows: %s", reason);
		return;
	}
	commit->culprits = commit->culprits == CULPRITS_UNKNOWN ? CULPRITS_ALONE : CULPRITS_TOGETHER;
	begin_piece(commit, 0);
	probe(partition);
}
