/* SQL and rows; see rows.h. Times travel as microseconds since 1970, because UNIX_TIMESTAMP ends in 2038. */
#include "rows.h"

#include "shared/base/memory.h"
#include "subjects/subjects.h"

#define TIME(column) "TIMESTAMPDIFF(MICROSECOND,'1970-01-01'," column ")"

/* In the order of the enum below; t is the table. */
static const char *const core_columns[] = {
	"t.partition_id",
	"t.number",
	"t.project",
	"t.task_id",
	"t.task_type",
	"t.batch_id",
	"t.status",
	"t.version",
	"t.attempt",
	"t.retry_count",
	"t.priority",
	"t.waits_for",
	TIME("t.created_at"),
	TIME("t.updated_at"),
	TIME("t.ready_at"),
	TIME("t.due_at"),
	TIME("t.started_at"),
	TIME("t.finished_at"),
	TIME("t.lease_until"),
	"t.worker",
	"t.because",
	"t.error_code",
	"t.error_message",
	"t.cancel_requested",
	"t.service_name",
	"t.max_retries",
	"CAST(ROUND(t.timeout*1000000) AS SIGNED)",
	TIME("t.not_before"),
	"t.estimated_duration",
	"t.flags",
	"t.backoff",
	"t.concurrency_key",
	"t.concurrency_limit",
	"t.traceparent",
};

static void add_core_columns(struct text *sql) {
	for (size_t i = 0; i < sizeof(core_columns) / sizeof(*core_columns); i++) {
		text_add(sql, i > 0 ? "," : "");
		text_add(sql, core_columns[i]);
	}
}

enum column {
	COLUMN_PARTITION,
	COLUMN_NUMBER,
	COLUMN_PROJECT,
	COLUMN_TASK_ID,
	COLUMN_TASK_TYPE,
	COLUMN_BATCH_ID,
	COLUMN_STATUS,
	COLUMN_VERSION,
	COLUMN_ATTEMPT,
	COLUMN_RETRY_COUNT,
	COLUMN_PRIORITY,
	COLUMN_WAITS_FOR,
	COLUMN_CREATED_AT,
	COLUMN_UPDATED_AT,
	COLUMN_READY_AT,
	COLUMN_DUE_AT,
	COLUMN_STARTED_AT,
	COLUMN_FINISHED_AT,
	COLUMN_LEASE_UNTIL,
	COLUMN_WORKER,
	COLUMN_BECAUSE,
	COLUMN_ERROR_CODE,
	COLUMN_ERROR_MESSAGE,
	COLUMN_CANCEL_REQUESTED,
	COLUMN_SERVICE_NAME,
	COLUMN_MAX_RETRIES,
	COLUMN_TIMEOUT,
	COLUMN_NOT_BEFORE,
	COLUMN_ESTIMATED_DURATION,
	COLUMN_FLAGS,
	COLUMN_BACKOFF,
	COLUMN_CONCURRENCY_KEY,
	COLUMN_CONCURRENCY_LIMIT,
	COLUMN_TRACEPARENT,
	COLUMN_DEPENDENCIES, /* these only of a single task; the first also of a timeline */
	COLUMN_EXECUTION_CONTEXT,
	COLUMN_RESULT,
};

static void add_equals(struct text *sql, const char *column, struct slice value) {
	text_printf(sql, " AND t.%s=", column);
	db_quote(sql, value);
}

static void add_filters(struct text *sql, const struct list_request *request) {
	if (request->project.length > 0)
		add_equals(sql, "project", request->project);
	if (request->batch_id.length > 0)
		add_equals(sql, "batch_id", request->batch_id);
	if (request->task_type.length > 0)
		add_equals(sql, "task_type", request->task_type);
	if (request->by_service_name) { /* exactly this one: no case folded, no space ignored */
		text_add(sql, " AND t.service_name=BINARY ");
		db_quote(sql, request->service_name.length > 0 ? request->service_name : (struct slice){ "", 0 });
	}
	if (request->status != 0)
		add_equals(sql, "status", slice_of(record_status_word(request->status)));
	if (request->text.length > 0) {
		text_add(sql, " AND INSTR(LOWER(CONCAT_WS(' ',t.task_id,t.service_name,t.worker,t.error_message)),LOWER(");
		db_quote(sql, request->text);
		text_add(sql, "))>0");
	}
}

void rows_ask_list(struct text *sql, const struct list_request *request, const struct page *page,
                   size_t first_partition, size_t end_partition) {
	text_add(sql, "* FROM (");
	for (size_t i = first_partition; i < end_partition; i++) {
		text_add(sql, i > first_partition ? " UNION ALL (SELECT " : "(SELECT ");
		add_core_columns(sql);
		text_printf(sql, " FROM tasks t WHERE t.partition_id=%zu", i);
		if (page->below[i] != INT64_MAX)
			text_printf(sql, " AND t.number<%lld", (long long)page->below[i]);
		add_filters(sql, request);
		text_printf(sql, " ORDER BY t.number DESC LIMIT %lld)", (long long)request->limit + 1);
	}
	text_add(sql, ") page ORDER BY partition_id,number DESC");
}

void rows_ask_task(struct text *sql, const struct task_request *request) {
	add_core_columns(sql);
	text_add(sql, ",t.dependencies,t.execution_context,t.result FROM tasks t WHERE TRUE");
	add_equals(sql, "project", request->project);
	add_equals(sql, "task_id", request->task_id);
}

static const char attempt_columns[] =
	"a.attempt,a.worker," TIME("a.started_at") "," TIME("a.finished_at") ",a.outcome,a.error_code,a.error_message";

void rows_ask_attempts(struct text *sql, size_t partition, int64_t number) {
	text_printf(sql, "%s FROM task_attempts a WHERE a.partition_id=%zu AND a.number=%lld ORDER BY a.attempt",
	            attempt_columns, partition, (long long)number);
}

void rows_ask_dependents(struct text *sql, const struct task_request *request, int64_t limit) {
	text_add(sql, "d.task_id,d.`condition`,t.status FROM task_dependencies d JOIN tasks t"
	              " ON t.partition_id=d.partition_id AND t.number=d.number WHERE d.project=");
	db_quote(sql, request->project);
	text_add(sql, " AND d.dependency_id=");
	db_quote(sql, request->task_id);
	text_printf(sql, " ORDER BY d.partition_id,d.number LIMIT %lld", (long long)limit);
}

void rows_ask_statuses(struct text *sql, struct slice project, const struct slice *task_ids, size_t count) {
	text_add(sql, "t.task_id,t.status FROM tasks t WHERE t.project=");
	db_quote(sql, project);
	text_add(sql, " AND t.task_id IN ('-'");
	for (size_t i = 0; i < count; i++) {
		text_add_char(sql, ',');
		db_quote(sql, task_ids[i]);
	}
	text_add_char(sql, ')');
}

static void add_timeline_filters(struct text *sql, const struct timeline_request *request, size_t partition) {
	text_printf(sql, " WHERE t.partition_id=%zu", partition);
	add_equals(sql, "project", request->project);
	if (request->batch_id.length > 0)
		add_equals(sql, "batch_id", request->batch_id);
}

void rows_ask_timeline(struct text *sql, const struct timeline_request *request, size_t partition, int64_t limit) {
	add_core_columns(sql);
	text_add(sql, ",t.dependencies FROM tasks t");
	add_timeline_filters(sql, request, partition);
	text_printf(sql, " ORDER BY t.number DESC LIMIT %lld", (long long)limit);
}

void rows_ask_timeline_attempts(struct text *sql, const struct timeline_request *request, size_t partition,
                                int64_t least, int64_t most, int64_t limit) {
	text_printf(sql,
	            "a.number,%s FROM tasks t JOIN task_attempts a ON a.partition_id=t.partition_id AND a.number=t.number",
	            attempt_columns);
	add_timeline_filters(sql, request, partition);
	text_printf(sql, " AND t.number BETWEEN %lld AND %lld ORDER BY a.number DESC,a.attempt LIMIT %lld",
	            (long long)least, (long long)most, (long long)limit);
}

size_t rows_partition(const struct db_result *result, size_t row) {
	return (size_t)db_int(result, row, COLUMN_PARTITION);
}

int64_t rows_version(const struct db_result *result, size_t row) {
	return db_int(result, row, COLUMN_VERSION);
}

int64_t rows_created_at(const struct db_result *result, size_t row) {
	return db_int(result, row, COLUMN_CREATED_AT);
}

static void read_specification(const struct db_result *result, size_t row, struct specification *specification) {
	*specification = (struct specification){
		.flags = db_value(result, row, COLUMN_FLAGS),
		.max_retries = db_int(result, row, COLUMN_MAX_RETRIES),
		.timeout_us = db_int(result, row, COLUMN_TIMEOUT),
		.not_before_us = db_int(result, row, COLUMN_NOT_BEFORE),
		.backoff = db_value(result, row, COLUMN_BACKOFF),
		.concurrency_key = db_value(result, row, COLUMN_CONCURRENCY_KEY),
		.concurrency_limit = db_int(result, row, COLUMN_CONCURRENCY_LIMIT),
		.service_name = db_value(result, row, COLUMN_SERVICE_NAME),
		.estimated_duration = db_value(result, row, COLUMN_ESTIMATED_DURATION),
		.traceparent = db_value(result, row, COLUMN_TRACEPARENT),
		.dependencies = db_value(result, row, COLUMN_DEPENDENCIES),
		.execution_context = db_value(result, row, COLUMN_EXECUTION_CONTEXT),
	};
}

static void read_times(const struct db_result *result, size_t row, struct view *view) {
	view->created_at_us = db_int(result, row, COLUMN_CREATED_AT);
	view->updated_at_us = db_int(result, row, COLUMN_UPDATED_AT);
	view->ready_at_us = db_int(result, row, COLUMN_READY_AT);
	view->due_at_us = db_int(result, row, COLUMN_DUE_AT);
	view->started_at_us = db_int(result, row, COLUMN_STARTED_AT);
	view->finished_at_us = db_int(result, row, COLUMN_FINISHED_AT);
	view->lease_until_us = db_int(result, row, COLUMN_LEASE_UNTIL);
	if (view->created_at_us == 0)
		view->created_at_us = view->updated_at_us;
}

void rows_read_view(const struct db_result *result, size_t row, struct text *scratch, struct view *view) {
	text_clear(scratch);
	view_waits_letters(scratch, db_value(result, row, COLUMN_WAITS_FOR));
	*view = (struct view){
		.project = db_value(result, row, COLUMN_PROJECT),
		.task_id = db_value(result, row, COLUMN_TASK_ID),
		.task_type = db_value(result, row, COLUMN_TASK_TYPE),
		.batch_id = db_value(result, row, COLUMN_BATCH_ID),
		.status = record_status_letter(db_value(result, row, COLUMN_STATUS)),
		.waits = { scratch->bytes, scratch->length },
		.number = db_int(result, row, COLUMN_NUMBER),
		.version = db_int(result, row, COLUMN_VERSION),
		.attempt = db_int(result, row, COLUMN_ATTEMPT),
		.priority = db_int(result, row, COLUMN_PRIORITY),
		.retry_count = db_int(result, row, COLUMN_RETRY_COUNT),
		.worker = db_value(result, row, COLUMN_WORKER),
		.because = db_value(result, row, COLUMN_BECAUSE),
		.error_code = db_value(result, row, COLUMN_ERROR_CODE),
		.error_message = db_value(result, row, COLUMN_ERROR_MESSAGE),
		.message_is_plain = true,
		.result = db_value(result, row, COLUMN_RESULT),
		.cancel_requested = db_int(result, row, COLUMN_CANCEL_REQUESTED) != 0,
	};
	read_times(result, row, view);
	read_specification(result, row, &view->specification);
	view->degree = view_dependency_count(view->specification.dependencies);
}

/* The letter of "completed", "failed" or "finished". */
static char condition_letter(struct slice word) {
	return slice_is(word, "finished") ? 'x' : (slice_is(word, "failed") ? 'f' : 'c');
}

struct view_edge rows_read_dependent(const struct db_result *result, size_t row) {
	return (struct view_edge){ .task_id = db_value(result, row, 0),
		                       .condition = condition_letter(db_value(result, row, 1)),
		                       .status = record_status_letter(db_value(result, row, 2)) };
}

struct view_edge rows_read_status(const struct db_result *result, size_t row) {
	return (struct view_edge){ .task_id = db_value(result, row, 0),
		                       .status = record_status_letter(db_value(result, row, 1)) };
}

void rows_read_attempt(const struct db_result *result, size_t row, size_t column, struct view_attempt *attempt) {
	*attempt = (struct view_attempt){
		.attempt = db_int(result, row, column),
		.worker = db_value(result, row, column + 1),
		.started_at_us = db_int(result, row, column + 2),
		.finished_at_us = db_int(result, row, column + 3),
		.outcome = db_value(result, row, column + 4),
		.error_code = db_value(result, row, column + 5),
		.error_message = db_value(result, row, column + 6),
		.message_is_plain = true,
	};
}
