/* Tasks that ended long ago have left Redis. Their end is looked up in the database, not guessed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

struct lookup {
	struct partition *partition;
	struct submission *submission;
	char by[48]; /* see admit.lua */
};

#define US_OF(column) "TIMESTAMPDIFF(MICROSECOND,'1970-01-01'," column ")"

static void fail_submission(struct submission *submission, const char *why) {
	struct error err = { 0 };
	fail(&err, STATUS_RETRY, "%s", why);
	snprintf(err.code, sizeof(err.code), "%s", CODE_UNAVAILABLE);
	admit_end(submission, STATUS_RETRY, NULL, (struct slice){ 0 }, &err);
}

/* A ghost as admit.lua takes it: number, task_id, type, batch, status, version, hash, created, ended, seq, attempt, result;
 * they follow the database's position. */
static bool add_ghost(struct text *ghosts, const struct db_result *result, size_t row) {
	char letter = record_status_letter(db_value(result, row, 5));
	if (!record_is_final(letter))
		return false;
	if (ghosts->length > 0)
		text_add_char(ghosts, RECORD_RS);
	for (size_t column = 1; column <= 12; column++) {
		if (column == 5)
			text_add_char(ghosts, letter);
		else
			text_add_slice(ghosts, db_value(result, row, column));
		if (column < 12)
			text_add_char(ghosts, RECORD_US);
	}
	return true;
}

static void on_found(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *result) {
	struct lookup *lookup = context;
	struct submission *submission = lookup->submission;
	(void)number;
	(void)err;
	if (status != STATUS_OK) {
		fail_submission(submission, "the database is away, and some of these ids have left memory: repeat later");
		free(lookup);
		return;
	}
	for (size_t row = 0; row < db_rows(result) && db_value(result, row, 1).bytes != NULL; row++) {
		if (!add_ghost(&submission->ghosts, result, row)) {
			fail_submission(submission, "a task is known to the database and not to memory: repeat later");
			free(lookup);
			return;
		}
		submission->ghost_count++;
	}
	snprintf(submission->looked, sizeof(submission->looked), "%s%c%lld", lookup->by, RECORD_US,
	         (long long)db_int(result, 0, 0));
	admit_submit(lookup->partition, submission);
	free(lookup);
}

void lookup_ended(struct partition *partition, struct submission *submission, struct slice task_ids, struct slice by) {
	struct lookup *lookup = memory_new(sizeof(*lookup));
	*lookup = (struct lookup){ .partition = partition, .submission = submission };
	snprintf(lookup->by, sizeof(lookup->by), "%.*s", (int)by.length, by.bytes);
	/* What an earlier look-up found stays: the script does not ask for it again. */
	struct text sql = { 0 };
	text_add(
		&sql,
		"SELECT p.seq, t.number, t.task_id, t.task_type, t.batch_id, t.status, t.version, t.spec_hash, " US_OF(
			"t.created_at") ", " US_OF("t.finished_at") ", t.last_seq, t.attempt, IF(t.status='completed', t.result, "
														"NULL) FROM log_position p LEFT JOIN tasks t ON t.project=");
	db_quote(&sql, submission->project);
	text_add(&sql, " AND t.task_id IN (");
	for (bool first = true; task_ids.bytes != NULL; first = false) {
		struct slice id = slice_cut(&task_ids, RECORD_RS);
		if (!first)
			text_add_char(&sql, ',');
		db_quote(&sql, id);
	}
	text_printf(&sql, ") WHERE p.partition_id=%lld", (long long)partition->index);
	db_query(partition->scheduler->db, (struct slice){ sql.bytes, sql.length }, on_found, lookup);
	text_release(&sql);
}
