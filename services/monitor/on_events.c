/* events, and those of one task, over HTTP: what happened, from MySQL. */
#include "event_json.h"
#include "history.h"
#include "monitor.h"
#include "pages.h"
#include "shared/task/fields.h"
#include "subjects/subjects.h"

struct events {
	struct slice project, batch_id, task_type, text, task_id;
	int status; /* index of words, -1: any */
	int64_t limit, after_version;
	struct page page;
};

static const char *const words[] = { "blocked", "pending",  "running", "retry", "completed",  "failed", "cancelled",
	                                 "skipped", "rejected", "queue",   "graph", "graph_done", NULL };

static enum status read_filters(struct json_value root, struct events *events, struct error *err) {
	*events = (struct events){ .project = SLICE(""), .batch_id = SLICE(""), .status = -1, .limit = DEFAULT_LIST };
	events->task_type = events->text = events->task_id = SLICE("");
	enum status status = field_token(json_member(root, "project"), &events->project, err);
	if (status == STATUS_OK)
		status = field_id(json_member(root, "task_id"), &events->task_id, err);
	if (status == STATUS_OK)
		status = field_id(json_member(root, "batch_id"), &events->batch_id, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "task_type"), &events->task_type, err);
	if (status == STATUS_OK)
		status = field_text(json_member(root, "text"), 1, LIMIT_NAME_CHARS, &events->text, err);
	if (status == STATUS_OK)
		status = field_word(json_member(root, "status"), words, &events->status, err);
	return status == STATUS_OK ? field_int(json_member(root, "limit"), 1, LIMIT_LIST, &events->limit, err) : status;
}

static enum status read_place(const struct monitor *monitor, struct json_value root, struct events *events,
                              struct error *err) {
	struct slice before = SLICE(""), after = SLICE("0");
	enum status status = field_opaque(json_member(root, "before"), 1, 1400, ".-", &before, err);
	if (status == STATUS_OK)
		status = field_opaque(json_member(root, "after"), 1, 18, "", &after, err);
	events->after_version = slice_int(after, -1);
	page_start(&events->page, monitor_partitions(monitor));
	if (status == STATUS_OK && events->after_version < 0)
		status = reject(err, CODE_INVALID_FIELD, "/after", "this is no `next` of an earlier page");
	if (status == STATUS_OK && before.length > 0 && !page_parse(&events->page, monitor_partitions(monitor), before))
		status = reject(err, CODE_INVALID_FIELD, "/before", "this is no `next` of an earlier page");
	return status;
}

static struct question *open_events(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct events), asker);
	struct json_value root;
	struct error error = { 0 };
	if (question == NULL)
		return NULL;
	enum status status = message_open(question->json, question->text, &task_limits_default, &root, &error);
	if (status == STATUS_OK)
		status = read_filters(root, question->own, &error);
	if (status == STATUS_OK)
		status = read_place(monitor, root, question->own, &error);
	if (status == STATUS_OK)
		return question;
	question_fail(question, &error);
	return NULL;
}

static void add_equals(struct text *sql, const char *column, struct slice value) {
	if (value.length == 0)
		return;
	text_printf(sql, " AND e.%s=", column);
	db_quote(sql, value);
}

static void add_filters(struct text *sql, const struct events *events) {
	add_equals(sql, "project", events->project);
	add_equals(sql, "batch_id", events->batch_id);
	add_equals(sql, "task_type", events->task_type);
	add_equals(sql, "status", slice_of(events->status >= 0 ? words[events->status] : ""));
	if (events->text.length == 0)
		return;
	text_add(sql, " AND INSTR(LOWER(CONCAT_WS(' ',e.task_id,e.worker,e.reason,e.error_message)),LOWER(");
	db_quote(sql, events->text);
	text_add(sql, "))>0");
}

/* ------------------------------------------------------------------------------------------------ all, newest first */

/* Begins the reply; returns how many of the rows are told, 0 also when the question was refused. */
static size_t add_events(struct question *question, enum status status, const struct error *err,
                         const struct db_result *result) {
	const struct events *events = question->own;
	if (status != STATUS_OK) {
		question_fail_status(question, status, err);
		return 0;
	}
	text_add(&question->out, "{\"ok\":true,\"events\":[");
	size_t count = db_rows(result) < (size_t)events->limit ? db_rows(result) : (size_t)events->limit;
	for (size_t row = 0; row < count; row++) {
		text_add(&question->out, row > 0 ? "," : "");
		event_add_row(&question->out, result, row);
	}
	return count;
}

static void on_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                    const struct db_result *result) {
	struct question *question = context;
	struct events *events = question->own;
	(void)error_number;
	size_t count = add_events(question, status, err, result);
	if (status != STATUS_OK)
		return; /* question is gone */
	for (size_t row = 0; row < count; row++)
		if (event_row_partition(result, row) < events->page.partitions)
			events->page.below[event_row_partition(result, row)] = event_row_seq(result, row);
	page_end_reply(&question->out, &events->page, db_rows(result) > count);
	question_answer(question);
}

void on_events(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_events(monitor, body, asker);
	struct text sql = { 0 };
	if (question == NULL)
		return;
	const struct events *events = question->own;
	size_t first = 0, end = events->page.partitions;
	if (events->project.length > 0) {
		first = monitor_partition_of(monitor, events->project);
		end = first + 1;
	}
	text_add(&sql, "* FROM (");
	for (size_t i = first; i < end; i++) {
		text_printf(&sql, "%s(SELECT %s FROM task_events e WHERE e.partition_id=%zu", i > first ? " UNION ALL " : "",
		            event_columns, i);
		if (events->page.below[i] != INT64_MAX)
			text_printf(&sql, " AND e.seq<%lld", (long long)events->page.below[i]);
		add_filters(&sql, events);
		text_printf(&sql, " ORDER BY e.seq DESC LIMIT %lld)", (long long)events->limit + 1);
	}
	text_printf(&sql, ") page ORDER BY 3 DESC,2 DESC LIMIT %lld", (long long)events->limit + 1);
	history_select(monitor->history, &sql, on_rows, question);
	text_release(&sql);
}

/* ------------------------------------------------------------------------------------------------ one task, oldest first */

static void on_task_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                         const struct db_result *result) {
	struct question *question = context;
	(void)error_number;
	size_t count = add_events(question, status, err, result);
	if (status != STATUS_OK)
		return;
	if (db_rows(result) > count)
		text_printf(&question->out, "],\"next\":\"%lld\"}", (long long)event_row_version(result, count - 1));
	else
		text_add(&question->out, "],\"next\":null}");
	question_answer(question);
}

void on_task_events(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_events(monitor, body, asker);
	struct text sql = { 0 };
	if (question == NULL)
		return;
	const struct events *events = question->own;
	text_printf(&sql, "%s FROM task_events e WHERE TRUE", event_columns);
	add_equals(&sql, "project", events->project);
	add_equals(&sql, "task_id", events->task_id);
	text_printf(&sql, " AND e.version>%lld ORDER BY e.version LIMIT %lld", (long long)events->after_version,
	            (long long)events->limit + 1);
	history_select(monitor->history, &sql, on_task_rows, question);
	text_release(&sql);
}
