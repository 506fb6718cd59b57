/* Changes of known rows, by way of a temporary table. See write_changed.h. */
#include "write_changed.h"

enum { SPARSE = 4 }; /* numbers a row, from where on a range reads too much */

#define ASCII "CHARACTER SET ascii COLLATE ascii_bin NULL"
#define UTF8 "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"

const char write_changed_head[] =
	"INSERT INTO "
	"changed_tasks(number,status,version,last_seq,attempt,retry_count,priority,waits_for,updated_at,ready_at,"
	"due_at,started_at,finished_at,worker,lease,lease_until,cancel_requested,error_code,error_message,because,result,"
	"ended_attempt,ended_at,ended_outcome,ended_error_code,ended_error_message)VALUES";

/* The columns are as wide as those they go to, so that what does not fit is refused here. MySQL has no Aria, and takes its
 * own. */
static const char table_sql[] =
	"CREATE TEMPORARY TABLE IF NOT EXISTS changed_tasks("
	"number BIGINT UNSIGNED NOT NULL PRIMARY KEY,status TINYINT UNSIGNED NOT NULL,version INT UNSIGNED NOT NULL,"
	"last_seq BIGINT UNSIGNED NOT NULL,attempt INT UNSIGNED NOT NULL,retry_count INT UNSIGNED NOT NULL,"
	"priority TINYINT UNSIGNED NOT NULL,waits_for VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT "
	"'',"
	"updated_at DATETIME(6) NOT NULL,ready_at DATETIME(6) NULL,due_at DATETIME(6) NULL,started_at DATETIME(6) NULL,"
	"finished_at DATETIME(6) NULL,worker VARCHAR(64) " ASCII ",lease VARCHAR(64) " ASCII
	",lease_until DATETIME(6) NULL,"
	"cancel_requested BOOLEAN NULL,error_code VARCHAR(32) " ASCII ",error_message TEXT " UTF8
	",because VARCHAR(128) " ASCII ",result LONGTEXT " UTF8
	",ended_attempt INT UNSIGNED NULL,ended_at DATETIME(6) NULL,ended_outcome VARCHAR(16) " ASCII
	",ended_error_code VARCHAR(32) " ASCII ",ended_error_message TEXT " UTF8 ")/*M! ENGINE=Aria*/;\n"
	"DELETE FROM changed_tasks;\n";

static const char set_tasks[] =
	" SET t.status=c.status,t.version=c.version,t.last_seq=c.last_seq,t.attempt=c.attempt,t.retry_count=c.retry_count,"
	"t.priority=c.priority,t.waits_for=c.waits_for,t.updated_at=c.updated_at,t.ready_at=c.ready_at,t.due_at=c.due_at,"
	"t.started_at=COALESCE(c.started_at,t.started_at),t.finished_at=c.finished_at,t.worker=COALESCE(c.worker,t.worker),"
	"t.lease_until=IF(c.lease IS NULL,NULL,COALESCE(c.lease_until,t.lease_until)),t.lease=c.lease,"
	"t.cancel_requested=COALESCE(c.cancel_requested,t.cancel_requested),"
	"t.error_message=IF(c.status=5,NULL,IF(c.error_code IS NULL,t.error_message,c.error_message)),"
	"t.error_code=IF(c.status=5,NULL,COALESCE(c.error_code,t.error_code)),t.because=c.because,t.result=c.result,"
	"t.reserve=NULL WHERE ";

static const char set_attempts[] =
	" SET a.finished_at=c.ended_at,a.outcome=c.ended_outcome,a.error_code=c.ended_error_code,"
	"a.error_message=c.ended_error_message,a.reserve=NULL WHERE a.attempt=c.ended_attempt AND ";

static bool is_known(const struct task_change *task) {
	return task->first == NO_EVENT;
}

static bool began_before(const struct attempt_change *attempt) {
	return attempt->started_at_us == 0;
}

static void add_ended(struct rows *rows, const struct attempt_change *attempt) {
	static const struct attempt_change none;
	if (attempt)
		cell_int(rows, attempt->attempt);
	else
		cell_null(rows), attempt = &none;
	cell_time_or_null(rows, attempt->finished_at_us);
	cell_id_or_null(rows, slice_of(attempt->outcome));
	cell_id_or_null(rows, attempt->error_code);
	cell_json_or_null(rows, attempt->error_message);
}

/* Both lists are in the order of their numbers, and a task has at most one try that began before. */
void write_changed(struct rows *rows, const struct changes *changes) {
	const struct attempt_change *attempt = changes->attempts, *end = attempt + changes->attempt_count;
	for (size_t i = 0; i < changes->task_count; i++) {
		const struct task_change *task = &changes->tasks[i];
		while (attempt < end && (attempt->number < task->number || !began_before(attempt)))
			attempt++;
		if (!is_known(task))
			continue;
		cell_int(rows, task->number);
		write_state(rows, task, &changes->events[task->last].record);
		add_ended(rows, attempt < end && attempt->number == task->number ? attempt : NULL);
		rows_next(rows);
	}
}

void write_changed_table(struct text *sql) {
	text_add(sql, table_sql);
}

/* The numbers of the rows that change, and how many they are. */
struct numbers {
	size_t count;
	int64_t first, last;
	struct text list; /* parted by ',' */
};

static void add_number(struct numbers *numbers, int64_t number) {
	text_add(&numbers->list, numbers->count ? "," : "");
	text_add_int(&numbers->list, number);
	numbers->first = numbers->count++ ? numbers->first : number;
	numbers->last = number;
}

/* The changed table comes first, so that its rows are changed while they are read: in any other order the server keeps them
 * in a table of its own, and finds each of them twice. A range is cheaper than a list, but reads what lies between. */
static void add_update(struct text *sql, const char *table, char alias, const char *set, int64_t partition_id,
                       struct numbers *numbers) {
	if (numbers->count > 0) {
		text_printf(sql, "UPDATE %s %c FORCE INDEX(PRIMARY)STRAIGHT_JOIN changed_tasks c ON c.number=%c.number", table,
		            alias, alias);
		text_add(sql, set);
		text_printf(sql, "%c.partition_id=%lld AND %c.number", alias, (long long)partition_id, alias);
		if (numbers->last - numbers->first < (int64_t)numbers->count * SPARSE)
			text_printf(sql, " BETWEEN %lld AND %lld", (long long)numbers->first, (long long)numbers->last);
		else
			text_printf(sql, " IN(%s)", numbers->list.bytes);
		text_printf(sql, ";SET @found=IF(ROW_COUNT()=%zu,1,(SELECT 1 UNION SELECT 2));\n", numbers->count);
	}
	text_release(&numbers->list);
}

/* Every change moves last_seq, and a try ends once: a row that was found is a row that was changed. */
void write_changed_rows(struct text *sql, const struct changes *changes) {
	struct numbers known = { 0 }, ended = { 0 };
	for (size_t i = 0; i < changes->task_count; i++)
		if (is_known(&changes->tasks[i]))
			add_number(&known, changes->tasks[i].number);
	for (size_t i = 0; i < changes->attempt_count; i++)
		if (began_before(&changes->attempts[i]))
			add_number(&ended, changes->attempts[i].number);
	add_update(sql, "tasks", 't', set_tasks, changes->partition_id, &known);
	add_update(sql, "task_attempts", 'a', set_attempts, changes->partition_id, &ended);
}
