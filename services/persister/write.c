/* Changes of rows to the rows of five tables, in key order. See changes.h. */
#include <stdio.h>
#include <string.h>

#include "changes.h"
#include "rows.h"
#include "write_changed.h"

static const struct slice nothing = { NULL, 0 };

/* The columns that every change of a task sets, in the order of add_state. */
#define STATE_COLUMNS                                                                                                  \
	"partition_id,number,project,task_id,task_type,status,version,last_seq,attempt,retry_count,priority,waits_for,"    \
	"updated_at,ready_at,due_at,started_at,finished_at,worker,lease,lease_until,cancel_requested,error_code,"          \
	"error_message,because,result"

/* Of a known task a NULL stands for "not told here" where an event may leave it out: the row keeps what it has. What is
 * known already goes as arrays by another way: see write_changed.c. */
static const struct {
	const char *head, *tail;
	const char *array_head; /* NULL: the same */
} sheets[SHEET_COUNT] = {
	[SHEET_EVENTS] = { "INSERT INTO task_events(partition_id,seq,event_id,number,project,task_id,version,batch_id,"
	                   "task_type,status,previous,attempt,at,worker,reason,error_code,error_message,because,detail)"
	                   "VALUES",
	                   "", NULL },
	[SHEET_NEW_TASKS] = { "INSERT INTO tasks(" STATE_COLUMNS ",batch_id,created_at,service_name,max_retries,timeout,"
	                      "not_before,estimated_duration,flags,backoff,concurrency_key,concurrency_limit,spec_hash,"
	                      "traceparent,dependencies,execution_context,reserve)VALUES",
	                      "", NULL },
	[SHEET_KNOWN_TASKS] = { "INSERT INTO tasks(" STATE_COLUMNS ")VALUES",
	                        "ON DUPLICATE KEY UPDATE status=VALUES(status),version=VALUES(version),"
	                        "last_seq=VALUES(last_seq),attempt=VALUES(attempt),retry_count=VALUES(retry_count),"
	                        "priority=VALUES(priority),waits_for=VALUES(waits_for),updated_at=VALUES(updated_at),"
	                        "ready_at=VALUES(ready_at),due_at=VALUES(due_at),"
	                        "started_at=COALESCE(VALUES(started_at),started_at),finished_at=VALUES(finished_at),"
	                        "worker=COALESCE(VALUES(worker),worker),"
	                        "lease_until=IF(VALUES(lease)IS NULL,NULL,COALESCE(VALUES(lease_until),lease_until)),"
	                        "lease=VALUES(lease),"
	                        "cancel_requested=COALESCE(VALUES(cancel_requested),cancel_requested),"
	                        "error_message=IF(VALUES(status)='completed',NULL,IF(VALUES(error_code)IS NULL,"
	                        "error_message,VALUES(error_message))),"
	                        "error_code=IF(VALUES(status)='completed',NULL,COALESCE(VALUES(error_code),error_code)),"
	                        "because=VALUES(because),result=VALUES(result),reserve=NULL",
	                        write_changed_head },
	[SHEET_DEPENDENCIES] = { "INSERT INTO task_dependencies(partition_id,number,position,project,task_id,"
	                         "dependency_id,`condition`,future)VALUES",
	                         "", NULL },
	[SHEET_ATTEMPTS] = { "INSERT INTO task_attempts(partition_id,number,attempt,worker,started_at,finished_at,outcome,"
	                     "error_code,error_message,reserve)VALUES",
	                     "ON DUPLICATE KEY UPDATE finished_at=VALUES(finished_at),outcome=VALUES(outcome),"
	                     "error_code=VALUES(error_code),error_message=VALUES(error_message),reserve=NULL",
	                     NULL },
};

/* What an event tells that comes late and no later one has told; the row keeps its state. See changes.h. */
#define LATE_TASK                                                                                                      \
	"started_at=COALESCE(VALUES(started_at),started_at),worker=COALESCE(VALUES(worker),worker),"                       \
	"lease_until=IF(lease IS NULL,NULL,COALESCE(lease_until,VALUES(lease_until))),"                                    \
	"cancel_requested=COALESCE(VALUES(cancel_requested),cancel_requested),"                                            \
	"error_message=IF(status='completed',NULL,IF(VALUES(error_code)IS NULL,error_message,VALUES(error_message))),"     \
	"error_code=IF(status='completed',NULL,COALESCE(VALUES(error_code),error_code))"

static const char *const late_tails[SHEET_COUNT] = {
	[SHEET_EVENTS] = "",
	[SHEET_NEW_TASKS] =
		"ON DUPLICATE KEY UPDATE batch_id=VALUES(batch_id),created_at=VALUES(created_at),"
		"service_name=VALUES(service_name),max_retries=VALUES(max_retries),timeout=VALUES(timeout),"
		"not_before=VALUES(not_before),estimated_duration=VALUES(estimated_duration),flags=VALUES(flags),"
		"backoff=VALUES(backoff),concurrency_key=VALUES(concurrency_key),concurrency_limit=VALUES(concurrency_limit),"
		"spec_hash=VALUES(spec_hash),traceparent=VALUES(traceparent),dependencies=VALUES(dependencies),"
		"execution_context=VALUES(execution_context)," LATE_TASK,
	[SHEET_KNOWN_TASKS] = "ON DUPLICATE KEY UPDATE " LATE_TASK,
	[SHEET_DEPENDENCIES] = "",
	[SHEET_ATTEMPTS] =
		"ON DUPLICATE KEY UPDATE worker=COALESCE(VALUES(worker),worker),"
		"started_at=COALESCE(VALUES(started_at),started_at),"
		"finished_at=COALESCE(VALUES(finished_at),finished_at),outcome=COALESCE(VALUES(outcome),outcome),"
		"error_code=COALESCE(VALUES(error_code),error_code),"
		"error_message=COALESCE(VALUES(error_message),error_message),reserve=NULL",
};

/* ENUM columns take the place of the word as a number, which is shorter to send and cheaper to read. */
static void add_status(struct rows *rows, char status) {
	static const char letters[] = "bprtcfxsjqgh"; /* in the order of the column's words */
	const char *found = status ? strchr(letters, status) : NULL;
	cell_int(rows, found ? found - letters + 1 : 0);
}

static void add_number_or_null(struct rows *rows, int64_t value) {
	if (value > 0)
		cell_int(rows, value);
	else
		cell_null(rows);
}

/* ---- task_events ---- */

/* Three of four cells of this kind are written a task: no printf. */
static void add_event_id(struct rows *rows, const struct event_change *event) {
	char id[96];
	char digits[24];
	size_t at = sizeof(digits);
	size_t length = event->entry_id.length < 64 ? event->entry_id.length : 64;
	int64_t rest = event->place;
	memcpy(id, event->entry_id.bytes, length);
	id[length++] = '-';
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	memcpy(id + length, digits + at, sizeof(digits) - at);
	cell_copy(rows, (struct slice){ id, length + sizeof(digits) - at });
}

static void add_event(struct rows *rows, int64_t partition_id, const struct event_change *event) {
	const struct record *r = &event->record;
	cell_int(rows, partition_id);
	cell_int(rows, r->seq);
	add_event_id(rows, event);
	add_number_or_null(rows, r->number);
	cell_id(rows, r->project);
	cell_id(rows, r->task_id);
	add_number_or_null(rows, r->version);
	cell_id(rows, r->batch_id);
	cell_id(rows, r->task_type);
	add_status(rows, r->status);
	if (r->previous)
		add_status(rows, r->previous);
	else
		cell_null(rows);
	cell_int(rows, r->attempt);
	cell_time(rows, r->at_us);
	cell_id_or_null(rows, r->worker);
	cell_text_or_null(rows, r->reason);
	cell_id_or_null(rows, r->error_code);
	cell_json_or_null(rows, r->error_message);
	cell_id_or_null(rows, r->because);
	cell_text_or_null(rows, r->extra);
	rows_next(rows);
}

static void write_events(struct rows *rows, const struct changes *changes) {
	for (size_t i = 0; i < changes->event_count; i++)
		add_event(rows, changes->partition_id, &changes->events[i]);
}

/* ---- tasks ---- */

static void add_waits(struct rows *rows, struct slice waits) {
	static const char letters[] = "dtak";
	static const char *const words[] = { "dependency", "time", "approval", "key" };
	char list[64] = "";
	size_t length = 0;
	for (size_t i = 0; i < waits.length && length + 12 < sizeof(list); i++) {
		const char *found = memchr(letters, waits.bytes[i], sizeof(letters) - 1);
		if (found)
			length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", length ? "," : "",
			                           words[found - letters]);
	}
	cell_copy(rows, (struct slice){ list, length });
}

static void add_progress(struct rows *rows, const struct task_change *task, const struct record *last) {
	bool completed = last->status == RECORD_COMPLETED;
	cell_time(rows, last->at_us);
	cell_time_or_null(rows, last->ready_at_us);
	cell_time_or_null(rows, last->due_at_us);
	cell_time_or_null(rows, task->started_at_us);
	cell_time_or_null(rows, record_is_final(last->status) ? last->at_us : 0);
	cell_id_or_null(rows, task->worker);
	cell_id_or_null(rows, last->status == RECORD_RUNNING ? last->lease : nothing);
	cell_time_or_null(rows, task->lease_until_us);
	if (task->cancel_requested < 0)
		cell_null(rows);
	else
		cell_int(rows, task->cancel_requested);
	cell_id_or_null(rows, completed ? nothing : task->error_code);
	cell_json_or_null(rows, completed ? nothing : task->error_message);
	cell_id_or_null(rows, last->because);
	cell_text_or_null(rows, completed ? last->extra : nothing);
}

/* From status to result, in the order of STATE_COLUMNS. */
void write_state(struct rows *rows, const struct task_change *task, const struct record *last) {
	add_status(rows, last->status);
	cell_int(rows, last->version);
	cell_int(rows, last->seq);
	cell_int(rows, last->attempt);
	cell_int(rows, last->retry_count);
	cell_int(rows, last->priority);
	add_waits(rows, last->waits);
	add_progress(rows, task, last);
}

static void add_state(struct rows *rows, const struct changes *changes, const struct task_change *task) {
	const struct record *last = &changes->events[task->last].record;
	cell_int(rows, changes->partition_id);
	cell_int(rows, task->number);
	cell_id(rows, last->project);
	cell_id(rows, last->task_id);
	cell_id(rows, last->task_type);
	write_state(rows, task, last);
}

/* The columns that only the first event knows. */
static void add_specification(struct rows *rows, const struct record *first) {
	struct specification s = { 0 };
	(void)record_parse_specification(first->extra, &s); /* what is no specification leaves the defaults */
	cell_id(rows, first->batch_id);
	cell_time(rows, first->at_us);
	cell_text(rows, s.service_name);
	cell_int(rows, s.max_retries);
	cell_seconds_or_null(rows, s.timeout_us);
	cell_time_or_null(rows, s.not_before_us);
	cell_id_or_null(rows, s.estimated_duration);
	cell_id(rows, s.flags);
	cell_id(rows, s.backoff);
	cell_text_or_null(rows, s.concurrency_key);
	cell_int(rows, s.concurrency_limit);
	cell_id(rows, s.hash);
	cell_id_or_null(rows, s.traceparent);
	cell_text_or_null(rows, s.dependencies);
	cell_text_or_null(rows, s.execution_context);
}

/* See the column's comment. A task that runs or has ended has its size already. */
static void add_reserve(struct rows *rows, char status) {
	static const char spaces[] = "                                                                        ";
	if (status == RECORD_RUNNING || record_is_final(status))
		cell_null(rows);
	else
		cell_text(rows, (struct slice){ spaces, sizeof(spaces) - 1 });
}

static void write_new_tasks(struct rows *rows, const struct changes *changes) {
	for (size_t i = 0; i < changes->task_count; i++) {
		const struct task_change *task = &changes->tasks[i];
		if (task->first == NO_EVENT)
			continue;
		add_state(rows, changes, task);
		add_specification(rows, &changes->events[task->first].record);
		add_reserve(rows, changes->events[task->last].record.status);
		rows_next(rows);
	}
}

static void write_known_tasks(struct rows *rows, const struct changes *changes) {
	if (rows->bulk) {
		write_changed(rows, changes);
		return;
	}
	for (size_t i = 0; i < changes->task_count; i++) {
		if (changes->tasks[i].first != NO_EVENT)
			continue;
		add_state(rows, changes, &changes->tasks[i]);
		rows_next(rows);
	}
}

/* ---- task_dependencies ---- */

static void add_dependencies(struct rows *rows, int64_t partition_id, const struct record *first) {
	struct specification s = { 0 };
	struct record_dependency dependency;
	int64_t position = 0;
	if (!record_parse_specification(first->extra, &s))
		return;
	while (record_next_dependency(&s.dependencies, &dependency)) {
		cell_int(rows, partition_id);
		cell_int(rows, first->number);
		cell_int(rows, position++);
		cell_id(rows, first->project);
		cell_id(rows, first->task_id);
		cell_id(rows, dependency.task_id);
		cell_id(rows, slice_of(record_condition_word(dependency.condition)));
		cell_int(rows, dependency.future);
		rows_next(rows);
	}
}

static void write_dependencies(struct rows *rows, const struct changes *changes) {
	for (size_t i = 0; i < changes->task_count; i++)
		if (changes->tasks[i].first != NO_EVENT)
			add_dependencies(rows, changes->partition_id, &changes->events[changes->tasks[i].first].record);
}

/* ---- task_attempts ---- */

static void write_attempts(struct rows *rows, const struct changes *changes) {
	for (size_t i = 0; i < changes->attempt_count; i++) {
		const struct attempt_change *attempt = &changes->attempts[i];
		if (rows->bulk && attempt->started_at_us == 0)
			continue; /* stands with its task, see write_changed.c */
		cell_int(rows, changes->partition_id);
		cell_int(rows, attempt->number);
		cell_int(rows, attempt->attempt);
		cell_id_or_null(rows, attempt->worker);
		cell_time_or_null(rows, attempt->started_at_us);
		cell_time_or_null(rows, attempt->finished_at_us);
		cell_id_or_null(rows, slice_of(attempt->outcome));
		cell_id_or_null(rows, attempt->error_code);
		cell_json_or_null(rows, attempt->error_message);
		cell_id_or_null(rows, attempt->finished_at_us ? nothing : SLICE("         "));
		rows_next(rows);
	}
}

/* ---- sheets ---- */

static void (*const writers[SHEET_COUNT])(struct rows *, const struct changes *) = {
	[SHEET_EVENTS] = write_events,           [SHEET_NEW_TASKS] = write_new_tasks,
	[SHEET_KNOWN_TASKS] = write_known_tasks, [SHEET_DEPENDENCIES] = write_dependencies,
	[SHEET_ATTEMPTS] = write_attempts,
};

void write_sheet(struct rows *rows, enum sheet sheet, const struct changes *changes) {
	rows->head = sheets[sheet].head;
	writers[sheet](rows, changes);
	rows_end(rows, sheets[sheet].tail);
}

void write_late(struct text *sql, const struct changes *changes) {
	struct changes late = *changes; /* only the late event has no row yet */
	late.event_count = 1;
	for (int sheet = 0; sheet < SHEET_COUNT; sheet++) {
		struct rows rows = { .sql = sql, .head = sheets[sheet].head };
		writers[sheet](&rows, sheet == SHEET_EVENTS ? &late : changes);
		rows_end(&rows, late_tails[sheet]);
	}
	write_others(sql, changes);
}

void write_bulk_statement(struct text *sql, enum sheet sheet) {
	bool same = sheets[sheet].array_head == NULL;
	const char *head = same ? sheets[sheet].head : sheets[sheet].array_head;
	text_add(sql, head);
	text_add(sql, "(?");
	for (const char *at = head; *at; at++)
		if (*at == ',')
			text_add(sql, ",?");
	text_add_char(sql, ')');
	text_add(sql, same ? sheets[sheet].tail : "");
}

void write_rows(struct text *sql, const struct changes *changes) {
	for (int sheet = 0; sheet < SHEET_COUNT; sheet++) {
		struct rows rows = { .sql = sql };
		write_sheet(&rows, (enum sheet)sheet, changes);
	}
	write_others(sql, changes);
}
