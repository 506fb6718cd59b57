/* Changes of rows to SQL: one statement a table, all rows of it in key order. See changes.h. */
#include <string.h>

#include "changes.h"
#include "sql.h"

/* Begins a row; the first one ends the head of its statement. */
static void row(struct text *sql, size_t *rows, const char *head)
{
	if ((*rows)++ == 0)
		text_add(sql, head);
	else
		text_add_char(sql, ',');
	text_add_char(sql, '(');
}

static void end(struct text *sql, size_t rows, const char *tail)
{
	if (rows == 0)
		return;
	text_add(sql, tail);
	text_append(sql, ";\n", 2);
}

static void comma(struct text *sql)
{
	text_add_char(sql, ',');
}

static void number(struct text *sql, int64_t value)
{
	text_add_int(sql, value);
	text_add_char(sql, ',');
}

/* ENUM columns take the place of the word as a number, which is shorter to send and cheaper to read. */
static char status_place(char status)
{
	static const char letters[] = "bprtcfxsj";
	const char *found = status ? strchr(letters, status) : NULL;
	return (char)('1' + (found ? found - letters : 0));
}

static void add_status(struct text *sql, char status)
{
	switch (status) {
	case RECORD_QUEUE:
		text_add(sql, "10,");
		return;
	case RECORD_GRAPH:
		text_add(sql, "11,");
		return;
	case RECORD_GRAPH_DONE:
		text_add(sql, "12,");
		return;
	default:
		text_append(sql, (char[]){ status_place(status), ',' }, 2);
	}
}

/* ---- task_events ---- */

static void add_event_id(struct text *sql, const struct event_change *event)
{
	text_add_char(sql, '\'');
	text_add_slice(sql, event->entry_id);
	text_add_char(sql, '-');
	text_add_int(sql, event->place);
	text_append(sql, "',", 2);
}

static void add_number_or_null(struct text *sql, int64_t value)
{
	if (value > 0)
		text_add_int(sql, value);
	else
		text_append(sql, "NULL", 4);
	comma(sql);
}

static void add_event(struct text *sql, int64_t partition_id, const struct event_change *event)
{
	const struct record *r = &event->record;
	number(sql, partition_id);
	number(sql, r->seq);
	add_event_id(sql, event);
	add_number_or_null(sql, r->number);
	sql_id(sql, r->project), comma(sql);
	sql_id(sql, r->task_id), comma(sql);
	add_number_or_null(sql, r->version);
	sql_id(sql, r->batch_id), comma(sql);
	sql_id(sql, r->task_type), comma(sql);
	add_status(sql, r->status);
	if (r->previous)
		add_status(sql, r->previous);
	else
		text_append(sql, "NULL,", 5);
	number(sql, r->attempt);
	sql_time(sql, r->at_us), comma(sql);
	sql_id_or_null(sql, r->worker), comma(sql);
	sql_text_or_null(sql, r->reason), comma(sql);
	sql_id_or_null(sql, r->error_code), comma(sql);
	sql_json_body_or_null(sql, r->error_message), comma(sql);
	sql_id_or_null(sql, r->because), comma(sql);
	sql_text_or_null(sql, r->extra);
	text_add_char(sql, ')');
}

static void write_events(struct text *sql, const struct changes *changes)
{
	static const char head[] =
		"INSERT INTO task_events(partition_id,seq,event_id,number,project,task_id,version,batch_id,task_type,"
		"status,previous,attempt,at,worker,reason,error_code,error_message,because,detail)VALUES";
	size_t rows = 0;
	for (size_t i = 0; i < changes->event_count; i++) {
		row(sql, &rows, head);
		add_event(sql, changes->partition_id, &changes->events[i]);
	}
	end(sql, rows, "");
}

/* ---- tasks ---- */

static void add_waits(struct text *sql, struct slice waits)
{
	static const char letters[] = "dtak";
	static const char *const words[] = { "dependency", "time", "approval", "key" };
	text_add_char(sql, '\'');
	for (size_t i = 0; i < waits.length; i++) {
		const char *found = memchr(letters, waits.bytes[i], sizeof(letters) - 1);
		if (i > 0)
			comma(sql);
		text_add(sql, found ? words[found - letters] : "");
	}
	text_append(sql, "',", 2);
}

/* The columns that every change of a task sets, in the order of STATE_COLUMNS. */
#define STATE_COLUMNS                                                                                               \
	"partition_id,number,project,task_id,task_type,status,version,last_seq,attempt,retry_count,priority,waits_for," \
	"updated_at,ready_at,due_at,started_at,finished_at,worker,lease,lease_until,cancel_requested,error_code,"    \
	"error_message,because,result"

static void add_cancel(struct text *sql, const struct task_change *task)
{
	if (task->cancel_requested < 0)
		text_append(sql, "NULL,", 5);
	else
		number(sql, task->cancel_requested);
}

static void add_progress(struct text *sql, const struct task_change *task, const struct record *last)
{
	bool completed = last->status == RECORD_COMPLETED;
	sql_time(sql, last->at_us), comma(sql);
	sql_time_or_null(sql, last->ready_at_us), comma(sql);
	sql_time_or_null(sql, last->due_at_us), comma(sql);
	sql_time_or_null(sql, task->started_at_us), comma(sql);
	sql_time_or_null(sql, record_is_final(last->status) ? last->at_us : 0), comma(sql);
	sql_id_or_null(sql, task->worker), comma(sql);
	sql_id_or_null(sql, last->status == RECORD_RUNNING ? last->lease : (struct slice){ NULL, 0 }), comma(sql);
	sql_time_or_null(sql, task->lease_until_us), comma(sql);
	add_cancel(sql, task);
	sql_id_or_null(sql, completed ? (struct slice){ NULL, 0 } : task->error_code), comma(sql);
	sql_json_body_or_null(sql, completed ? (struct slice){ NULL, 0 } : task->error_message), comma(sql);
	sql_id_or_null(sql, last->because), comma(sql);
	sql_text_or_null(sql, completed ? last->extra : (struct slice){ NULL, 0 });
}

static void add_state(struct text *sql, const struct changes *changes, const struct task_change *task)
{
	const struct record *last = &changes->events[task->last].record;
	number(sql, changes->partition_id);
	number(sql, task->number);
	sql_id(sql, last->project), comma(sql);
	sql_id(sql, last->task_id), comma(sql);
	sql_id(sql, last->task_type), comma(sql);
	add_status(sql, last->status);
	number(sql, last->version);
	number(sql, last->seq);
	number(sql, last->attempt);
	number(sql, last->retry_count);
	number(sql, last->priority);
	add_waits(sql, last->waits);
	add_progress(sql, task, last);
}

/* The columns that only the first event knows. */
static void add_specification(struct text *sql, const struct record *first)
{
	struct specification s = { 0 };
	(void)record_parse_specification(first->extra, &s); /* what is no specification leaves the defaults */
	comma(sql);
	sql_id(sql, first->batch_id), comma(sql);
	sql_time(sql, first->at_us), comma(sql);
	sql_text(sql, s.service_name), comma(sql);
	number(sql, s.max_retries);
	sql_seconds_or_null(sql, s.timeout_us), comma(sql);
	sql_time_or_null(sql, s.not_before_us), comma(sql);
	sql_id_or_null(sql, s.estimated_duration), comma(sql);
	sql_id(sql, s.flags), comma(sql);
	sql_id(sql, s.backoff), comma(sql);
	sql_text_or_null(sql, s.concurrency_key), comma(sql);
	number(sql, s.concurrency_limit);
	sql_id(sql, s.hash), comma(sql);
	sql_id_or_null(sql, s.traceparent), comma(sql);
	sql_text_or_null(sql, s.dependencies), comma(sql);
	sql_text_or_null(sql, s.execution_context);
}

static void write_new_tasks(struct text *sql, const struct changes *changes)
{
	static const char head[] =
		"INSERT INTO tasks(" STATE_COLUMNS ",batch_id,created_at,service_name,max_retries,timeout,not_before,"
		"estimated_duration,flags,backoff,concurrency_key,concurrency_limit,spec_hash,traceparent,dependencies,"
		"execution_context)VALUES";
	size_t rows = 0;
	for (size_t i = 0; i < changes->task_count; i++) {
		const struct task_change *task = &changes->tasks[i];
		if (task->first == NO_EVENT)
			continue;
		row(sql, &rows, head);
		add_state(sql, changes, task);
		add_specification(sql, &changes->events[task->first].record);
		text_add_char(sql, ')');
	}
	end(sql, rows, "");
}

/* A NULL stands for "not told here" where an event may leave it out: the row keeps what it has. */
static void write_known_tasks(struct text *sql, const struct changes *changes)
{
	static const char head[] = "INSERT INTO tasks(" STATE_COLUMNS ")VALUES";
	static const char tail[] =
		"ON DUPLICATE KEY UPDATE status=VALUES(status),version=VALUES(version),last_seq=VALUES(last_seq),"
		"attempt=VALUES(attempt),retry_count=VALUES(retry_count),priority=VALUES(priority),"
		"waits_for=VALUES(waits_for),updated_at=VALUES(updated_at),ready_at=VALUES(ready_at),due_at=VALUES(due_at),"
		"started_at=COALESCE(VALUES(started_at),started_at),finished_at=VALUES(finished_at),"
		"worker=COALESCE(VALUES(worker),worker),"
		"lease_until=IF(VALUES(lease)IS NULL,NULL,COALESCE(VALUES(lease_until),lease_until)),lease=VALUES(lease),"
		"cancel_requested=COALESCE(VALUES(cancel_requested),cancel_requested),"
		"error_message=IF(VALUES(status)='completed',NULL,IF(VALUES(error_code)IS NULL,error_message,"
		"VALUES(error_message))),"
		"error_code=IF(VALUES(status)='completed',NULL,COALESCE(VALUES(error_code),error_code)),"
		"because=VALUES(because),result=VALUES(result)";
	size_t rows = 0;
	for (size_t i = 0; i < changes->task_count; i++) {
		const struct task_change *task = &changes->tasks[i];
		if (task->first != NO_EVENT)
			continue;
		row(sql, &rows, head);
		add_state(sql, changes, task);
		text_add_char(sql, ')');
	}
	end(sql, rows, tail);
}

/* ---- task_dependencies ---- */

static void add_dependencies(struct text *sql, size_t *rows, int64_t partition_id, const struct record *first)
{
	static const char head[] = "INSERT INTO task_dependencies(partition_id,number,position,project,task_id,"
				   "dependency_id,`condition`,future)VALUES";
	struct specification s = { 0 };
	struct record_dependency dependency;
	int64_t position = 0;
	if (!record_parse_specification(first->extra, &s))
		return;
	while (record_next_dependency(&s.dependencies, &dependency)) {
		row(sql, rows, head);
		number(sql, partition_id);
		number(sql, first->number);
		number(sql, position++);
		sql_id(sql, first->project), comma(sql);
		sql_id(sql, first->task_id), comma(sql);
		sql_id(sql, dependency.task_id), comma(sql);
		sql_id(sql, slice_of(record_condition_word(dependency.condition)));
		text_add(sql, dependency.future ? ",1)" : ",0)");
	}
}

static void write_dependencies(struct text *sql, const struct changes *changes)
{
	size_t rows = 0;
	for (size_t i = 0; i < changes->task_count; i++)
		if (changes->tasks[i].first != NO_EVENT)
			add_dependencies(sql, &rows, changes->partition_id, &changes->events[changes->tasks[i].first].record);
	end(sql, rows, "");
}

/* ---- task_attempts ---- */

static void write_attempts(struct text *sql, const struct changes *changes)
{
	static const char head[] = "INSERT INTO task_attempts(partition_id,number,attempt,worker,started_at,finished_at,"
				   "outcome,error_code,error_message)VALUES";
	size_t rows = 0;
	for (size_t i = 0; i < changes->attempt_count; i++) {
		const struct attempt_change *attempt = &changes->attempts[i];
		row(sql, &rows, head);
		number(sql, changes->partition_id);
		number(sql, attempt->number);
		number(sql, attempt->attempt);
		sql_id_or_null(sql, attempt->worker), comma(sql);
		sql_time_or_null(sql, attempt->started_at_us), comma(sql);
		sql_time_or_null(sql, attempt->finished_at_us), comma(sql);
		sql_id_or_null(sql, slice_of(attempt->outcome)), comma(sql);
		sql_id_or_null(sql, attempt->error_code), comma(sql);
		sql_json_body_or_null(sql, attempt->error_message);
		text_add_char(sql, ')');
	}
	end(sql, rows,
	    "ON DUPLICATE KEY UPDATE finished_at=VALUES(finished_at),outcome=VALUES(outcome),"
	    "error_code=VALUES(error_code),error_message=VALUES(error_message)");
}

/* ---- what is about no task: few rows, a statement each ---- */

static void write_graph(struct text *sql, int64_t partition_id, const struct record *r)
{
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

static void write_pause(struct text *sql, int64_t partition_id, const struct record *r)
{
	bool paused = slice_is(r->reason, "paused");
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

static void write_others(struct text *sql, const struct changes *changes)
{
	for (size_t i = 0; i < changes->event_count; i++) {
		const struct record *r = &changes->events[i].record;
		if (r->status == RECORD_QUEUE)
			write_pause(sql, changes->partition_id, r);
		else if (r->status == RECORD_GRAPH || r->status == RECORD_GRAPH_DONE)
			write_graph(sql, changes->partition_id, r);
	}
}

static void write_poisons(struct text *sql, const struct changes *changes)
{
	size_t rows = 0;
	for (size_t i = 0; i < changes->poison_count; i++) {
		const struct poison_change *poison = &changes->poisons[i];
		row(sql, &rows, "INSERT INTO poison_events(partition_id,seq,reason,raw,at)VALUES");
		number(sql, changes->partition_id);
		number(sql, poison->seq);
		sql_text(sql, slice_of(poison->reason));
		text_add(sql, ",_binary");
		sql_text(sql, poison->raw);
		text_add(sql, ",UTC_TIMESTAMP(6))");
	}
	end(sql, rows, "ON DUPLICATE KEY UPDATE reason=VALUES(reason)");
}

void write_rows(struct text *sql, const struct changes *changes)
{
	write_events(sql, changes);
	write_new_tasks(sql, changes);
	write_known_tasks(sql, changes);
	write_dependencies(sql, changes);
	write_attempts(sql, changes);
	write_others(sql, changes);
	write_poisons(sql, changes);
}

void write_position(struct text *sql, int64_t partition_id, const struct position *from, const struct position *to,
                    int64_t now_us)
{
	text_printf(sql, "UPDATE log_position SET seq=%lld,stream_seq=%llu,entry_id=", (long long)to->seq,
	            (unsigned long long)to->stream_seq);
	sql_id(sql, slice_of(to->entry_id));
	text_add(sql, ",updated_at=");
	sql_time(sql, now_us);
	text_printf(sql, " WHERE partition_id=%lld AND seq=%lld AND entry_id=", (long long)partition_id,
	            (long long)from->seq);
	sql_id(sql, slice_of(from->entry_id));
	text_add(sql, ";SET @moved=IF(ROW_COUNT()=1,1,(SELECT 1 UNION SELECT 2));\n");
}
