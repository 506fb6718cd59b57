/* What was set aside, written down after all; see late.h. */
#include "late.h"

#include <inttypes.h>
#include <string.h>

#include "sql.h"

void late_open(struct late *late, int64_t partition_id, int64_t seq) {
	*late = (struct late){ .partition_id = partition_id, .seq = seq };
}

void late_release(struct late *late) {
	text_release(&late->raw);
	text_release(&late->event_id);
	text_release(&late->later);
	changes_release(&late->changes);
}

/* ---- the entry ---- */

void late_ask(const struct late *late, struct text *sql) {
	text_printf(sql,
	            "BEGIN;SELECT seq FROM log_position WHERE partition_id=%" PRId64 " FOR UPDATE;"
	            "SELECT raw,event_id FROM poison_events WHERE partition_id=%" PRId64 " AND seq=%" PRId64 " FOR UPDATE",
	            late->partition_id, late->partition_id, late->seq);
}

enum status late_read(struct late *late, const struct db_result *result, struct error *err) {
	if (db_rows(result) == 0)
		return fail(err, STATUS_STALE, "it is not set aside, or not any more");
	text_add_slice(&late->raw, db_value(result, 0, 0));
	text_add_slice(&late->event_id, db_value(result, 0, 1));
	if (!record_parse((struct slice){ late->raw.bytes, late->raw.length }, &late->record))
		return fail(err, STATUS_REJECT, "what was set aside is no record of an event");
	if (!changes_takes(&late->record, late->seq))
		return fail(err, STATUS_REJECT, "what was set aside is not the event that belongs there");
	return STATUS_OK;
}

/* ---- its place among the others ---- */

void late_ask_place(const struct late *late, struct text *sql) {
	const struct record *record = &late->record;
	text_printf(sql, "SELECT (SELECT last_seq FROM tasks WHERE partition_id=%" PRId64 " AND number=%" PRId64 "),",
	            late->partition_id, record->number);
	text_add(sql, "(SELECT seq FROM task_events WHERE project=");
	sql_id(sql, record->project);
	text_add(sql, " AND task_id=");
	sql_id(sql, record->task_id);
	text_printf(sql, " AND version=%" PRId64 " AND %" PRId64 ">0),", record->version, record->number);
	text_printf(sql, "(SELECT COUNT(*) FROM task_events WHERE partition_id=%" PRId64 " AND seq=%" PRId64 ")",
	            late->partition_id, late->seq);
}

enum status late_read_place(struct late *late, const struct db_result *result, struct error *err) {
	const struct record *record = &late->record;
	int64_t same = db_int(result, 0, 1);
	late->row_seq = db_int(result, 0, 0);
	if (db_int(result, 0, 2) > 0)
		return fail(err, STATUS_REJECT, "the tables have this event already");
	if (same > 0)
		return fail(err, STATUS_REJECT,
		            "its task went on without it: event %" PRId64 " is version %" PRId64 " of the task by now", same,
		            record->version);
	if (record->number > 0 && record->previous && late->row_seq == 0)
		return fail(err, STATUS_RETRY,
		            "its task has no row: its first event (seq %" PRId64
		            ") was set aside as well and comes first, or the task was deleted by age",
		            record->number);
	return STATUS_OK;
}

void late_ask_later(const struct late *late, struct text *sql) {
	const struct record *record = &late->record;
	text_printf(
		sql,
		"SELECT seq,status+0,previous+0,version,attempt,TIMESTAMPDIFF(MICROSECOND,'1970-01-01',at),worker,reason,"
		"error_code,error_message,IF(number IS NULL,detail,NULL),task_type FROM task_events WHERE partition_id=%" PRId64
		" AND seq>%" PRId64 " AND project=",
		late->partition_id, late->seq);
	sql_id(sql, record->project);
	text_add(sql, " AND task_id=");
	sql_id(sql, record->task_id);
	if (record->number > 0)
		text_printf(sql, " AND number=%" PRId64, record->number);
	else
		text_add(sql, " AND number IS NULL AND status IN('queue','graph','graph_done')");
	text_add(sql, " ORDER BY seq");
}

static char letter_of(int64_t place) {
	static const char letters[] = "bprtcfxsjqgh"; /* in the order of the column's words */
	return place > 0 && place < (int64_t)sizeof(letters) ? letters[place - 1] : 0;
}

/* The body of a JSON string, as records have it. */
static struct slice as_body(struct text *json, struct slice plain) {
	if (plain.length == 0)
		return (struct slice){ "", 0 };
	text_clear(json);
	text_add_json_body(json, plain);
	return (struct slice){ json->bytes, json->length };
}

enum status late_read_later(struct late *late, const struct db_result *result, struct error *err) {
	struct text json = { 0 };
	for (size_t row = 0; row < db_rows(result); row++) {
		struct record record = {
			.seq = db_int(result, row, 0),
			.status = letter_of(db_int(result, row, 1)),
			.previous = letter_of(db_int(result, row, 2)),
			.number = late->record.number,
			.project = late->record.project,
			.task_id = late->record.task_id,
			.task_type = db_value(result, row, 11),
			.version = db_int(result, row, 3),
			.attempt = db_int(result, row, 4),
			.at_us = db_int(result, row, 5),
			.worker = db_value(result, row, 6),
			.reason = db_value(result, row, 7),
			.error_code = db_value(result, row, 8),
			.error_message = as_body(&json, db_value(result, row, 9)),
			.extra = db_value(result, row, 10),
		};
		if (late->later.length > 0)
			text_add_char(&late->later, RECORD_RS);
		record_add(&late->later, &record);
	}
	text_release(&json);
	if (late->row_seq > late->seq && db_rows(result) == 0)
		return fail(err, STATUS_RETRY,
		            "the row of its task is of event %" PRId64 ", which task_events does not have: restore that first",
		            late->row_seq);
	return STATUS_OK;
}

/* ---- writing ---- */

static struct slice cut_place(struct slice event_id, int64_t *place) {
	size_t dash = event_id.length;
	while (dash > 0 && event_id.bytes[dash - 1] != '-')
		dash--;
	if (dash == 0)
		return SLICE("");
	*place = slice_int((struct slice){ event_id.bytes + dash, event_id.length - dash }, 0);
	return (struct slice){ event_id.bytes, dash - 1 };
}

/* Of the events about no task only those about the same queue, or the same graph, count. */
static bool is_about_the_same(const struct record *late, const struct record *later) {
	struct slice left = late->extra, right = later->extra;
	if (late->number > 0)
		return true;
	if (late->status == RECORD_QUEUE)
		return later->status == RECORD_QUEUE && slice_equal(late->task_type, later->task_type);
	if (late->status == RECORD_GRAPH || late->status == RECORD_GRAPH_DONE)
		return (later->status == RECORD_GRAPH || later->status == RECORD_GRAPH_DONE) &&
		       slice_equal(slice_cut(&left, RECORD_US), slice_cut(&right, RECORD_US));
	return false;
}

void late_write(struct late *late, struct text *sql) {
	struct slice rest = { late->later.length > 0 ? late->later.bytes : NULL, late->later.length };
	struct record later;
	bool valid = false;
	int64_t place = late->seq;
	struct slice entry_id = cut_place((struct slice){ late->event_id.bytes, late->event_id.length }, &place);
	if (entry_id.length == 0) /* set aside by a persister that did not keep the name */
		entry_id = SLICE("set-aside");
	changes_clear(&late->changes, late->partition_id);
	changes_add(&late->changes, &late->record, entry_id, place);
	while (record_next(&rest, &later, &valid))
		if (valid && is_about_the_same(&late->record, &later))
			changes_add(&late->changes, &later, entry_id, 0);
	changes_sort(&late->changes);
	if (late->changes.event_count == 1)
		write_rows(sql, &late->changes);
	else
		write_late(sql, &late->changes);
	text_printf(sql, "DELETE FROM poison_events WHERE partition_id=%" PRId64 " AND seq=%" PRId64 ";COMMIT",
	            late->partition_id, late->seq);
}
