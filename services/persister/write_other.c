/* Changes of rows to SQL, for what is about no task (few rows, a statement each) and for the position. See changes.h. */
#include "changes.h"
#include "shared/base/teeth.h"
#include "sql.h"

static void comma(struct text *sql) {
	text_add_char(sql, ',');
}

static void number(struct text *sql, int64_t value) {
	text_add_int(sql, value);
	text_add_char(sql, ',');
}

/* ---- what is about no task: few rows, a statement each ---- */

static void write_graph(struct text *sql, int64_t partition_id, const struct record *r) {
	struct slice rest = r->extra;
	struct slice token = slice_cut(&rest, RECORD_US);
	if (r->status == RECORD_GRAPH_DONE) {
		text_add(sql, "UPDATE batches SET state='admitted',seq=");
		text_add_int(sql, r->seq);
		text_printf(sql, " WHERE partition_id=%lld AND token=", (long long)partition_id);
		sql_id(sql, token);
		text_append(sql, ";\n", 2);
		return;
	}
	struct slice slices = rest.bytes ? slice_cut(&rest, RECORD_US) : (struct slice){ "0", 1 };
	struct slice tasks = rest.bytes ? slice_cut(&rest, RECORD_US) : (struct slice){ "0", 1 };
	text_add(sql, "INSERT INTO batches(partition_id,token,project,batch_id,slices,tasks,state,seq)VALUES(");
	number(sql, partition_id);
	sql_id(sql, token), comma(sql);
	sql_id(sql, r->project), comma(sql);
	sql_id(sql, r->batch_id), comma(sql);
	number(sql, slice_int(slices, 0));
	number(sql, slice_int(tasks, 0));
	text_add(sql, "'admitting',");
	text_add_int(sql, r->seq);
	text_add(sql, ")ON DUPLICATE KEY UPDATE seq=VALUES(seq);\n");
}

static void write_pause(struct text *sql, int64_t partition_id, const struct record *r) {
	bool paused = record_reason_is(r, "paused");
	if (paused) {
		text_add(sql, "INSERT INTO queue_pauses(partition_id,task_type,project,seq,paused_at)VALUES(");
		number(sql, partition_id);
		sql_id(sql, r->task_type), comma(sql);
		sql_id(sql, r->project), comma(sql);
		number(sql, r->seq);
		sql_time(sql, r->at_us);
		text_add(sql, ")ON DUPLICATE KEY UPDATE seq=VALUES(seq);\n");
		return;
	}
	text_printf(sql, "DELETE FROM queue_pauses WHERE partition_id=%lld AND task_type=", (long long)partition_id);
	sql_id(sql, r->task_type);
	text_add(sql, " AND project=");
	sql_id(sql, r->project);
	text_append(sql, ";\n", 2);
}

static void write_events_about_no_task(struct text *sql, const struct changes *changes) {
	for (size_t i = 0; i < changes->event_count; i++) {
		const struct record *r = &changes->events[i].record;
		if (r->status == RECORD_QUEUE)
			write_pause(sql, changes->partition_id, r);
		else if (r->status == RECORD_GRAPH || r->status == RECORD_GRAPH_DONE)
			write_graph(sql, changes->partition_id, r);
	}
}

/* Begins a row; the first one ends the head of its statement. */
static void row(struct text *sql, size_t *rows, const char *head) {
	if ((*rows)++ == 0)
		text_add(sql, head);
	else
		text_add_char(sql, ',');
	text_add_char(sql, '(');
}

static void write_poisons(struct text *sql, const struct changes *changes) {
	struct text event_id = { 0 };
	size_t rows = 0;
	for (size_t i = 0; i < changes->poison_count; i++) {
		const struct poison_change *poison = &changes->poisons[i];
		row(sql, &rows, "INSERT INTO poison_events(partition_id,seq,event_id,reason,raw,at)VALUES");
		number(sql, changes->partition_id);
		number(sql, poison->seq);
		text_clear(&event_id);
		text_add_slice(&event_id, poison->entry_id);
		text_printf(&event_id, "-%lld", (long long)poison->place);
		sql_id(sql, (struct slice){ event_id.bytes, event_id.length }), comma(sql);
		sql_text(sql, slice_of(poison->reason));
		text_add(sql, ",_binary");
		sql_text(sql, poison->raw);
		text_add(sql, ",UTC_TIMESTAMP(6))");
	}
	if (rows)
		text_add(sql, "ON DUPLICATE KEY UPDATE reason=VALUES(reason);\n");
	text_release(&event_id);
}

void write_others(struct text *sql, const struct changes *changes) {
	write_events_about_no_task(sql, changes);
	write_poisons(sql, changes);
}

void write_position(struct text *sql, int64_t partition_id, const struct position *from, const struct position *to,
                    int64_t now_us) {
	text_printf(sql, "UPDATE log_position SET seq=%lld,stream_seq=%llu,entry_id=", (long long)to->seq,
	            (unsigned long long)to->stream_seq);
	sql_id(sql, slice_of(to->entry_id));
	text_add(sql, ",updated_at=");
	sql_time(sql, now_us);
	if (teeth_without("position-compare")) {
		text_printf(sql, " WHERE partition_id=%lld;\n", (long long)partition_id);
		return;
	}
	text_printf(sql, " WHERE partition_id=%lld AND seq=%lld AND entry_id=", (long long)partition_id,
	            (long long)from->seq);
	sql_id(sql, slice_of(from->entry_id));
	text_add(sql, ";SET @moved=IF(ROW_COUNT()=1,1,(SELECT 1 UNION SELECT 2));\n");
}
