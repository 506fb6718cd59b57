/* poison and the batches of a project over HTTP: two plain lists from MySQL. */
#include "history.h"
#include "monitor.h"
#include "pages.h"
#include "subjects/subjects.h"
#include "view.h"

enum { RAW_BYTES = 2000 };

struct plain_list {
	struct list_request request;
	struct page page;
};

static struct question *open_list(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct plain_list), asker);
	struct error error = { 0 };
	if (question == NULL)
		return NULL;
	struct plain_list *list = question->own;
	page_start(&list->page, monitor_partitions(monitor));
	enum status status =
		list_request_parse(question->json, question->text, &task_limits_default, &list->request, &error);
	if (status == STATUS_OK && list->request.after.length > 0 &&
	    !page_parse(&list->page, monitor_partitions(monitor), list->request.after))
		status = reject(&error, CODE_INVALID_FIELD, "/after", "this is no `next` of an earlier page");
	if (status == STATUS_OK)
		return question;
	question_fail(question, &error);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------ poison */

enum poison_column { PARTITION, SEQ, AT, REASON, RAW };

/* Bytes that are no plain text become \xNN. */
static void add_escaped(struct text *out, struct slice bytes) {
	struct text plain = { 0 };
	for (size_t i = 0; i < bytes.length && i < RAW_BYTES; i++) {
		unsigned char byte = (unsigned char)bytes.bytes[i];
		if (byte >= 0x20 && byte < 0x7F)
			text_add_char(&plain, (char)byte);
		else
			text_printf(&plain, "\\x%02x", byte);
	}
	text_add_json(out, (struct slice){ plain.bytes, plain.length });
	text_release(&plain);
}

static void add_poison(struct text *out, const struct db_result *result, size_t row) {
	struct slice raw = db_value(result, row, RAW);
	struct record record = { 0 };
	bool known = record_parse(raw, &record) && slice_is_utf8(record.project) && slice_is_utf8(record.task_id);
	text_printf(out, "{\"partition\":%lld,\"seq\":%lld", (long long)db_int(result, row, PARTITION),
	            (long long)db_int(result, row, SEQ));
	view_add_time(out, "at", db_int(result, row, AT));
	text_add(out, ",\"reason\":");
	text_add_json(out, db_value(result, row, REASON));
	view_add_optional(out, "project", known ? record.project : SLICE(""));
	view_add_optional(out, "task_id", known ? record.task_id : SLICE(""));
	text_add(out, ",\"raw\":");
	add_escaped(out, raw);
	text_add_char(out, '}');
}

static void on_poison_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                           const struct db_result *result) {
	struct question *question = context;
	struct plain_list *list = question->own;
	(void)error_number;
	if (status != STATUS_OK) {
		question_fail_status(question, status, err);
		return;
	}
	size_t most = (size_t)list->request.limit, count = db_rows(result) < most ? db_rows(result) : most;
	text_add(&question->out, "{\"ok\":true,\"events\":[");
	for (size_t row = 0; row < count; row++) {
		size_t partition = (size_t)db_int(result, row, PARTITION);
		text_add(&question->out, row > 0 ? "," : "");
		add_poison(&question->out, result, row);
		if (partition < list->page.partitions)
			list->page.below[partition] = db_int(result, row, SEQ);
	}
	page_end_reply(&question->out, &list->page, db_rows(result) > count);
	question_answer(question);
}

void on_poison(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_list(monitor, body, asker);
	struct text sql = { 0 };
	if (question == NULL)
		return;
	const struct plain_list *list = question->own;
	text_add(&sql, "p.partition_id,p.seq,TIMESTAMPDIFF(MICROSECOND,'1970-01-01',p.at),p.reason,LEFT(p.raw,65536)"
	               " FROM poison_events p WHERE FALSE");
	for (size_t i = 0; i < list->page.partitions; i++) {
		text_printf(&sql, " OR (p.partition_id=%zu", i);
		if (list->page.below[i] != INT64_MAX)
			text_printf(&sql, " AND p.seq<%lld", (long long)list->page.below[i]);
		text_add_char(&sql, ')');
	}
	text_printf(&sql, " ORDER BY p.at DESC,p.seq DESC LIMIT %lld", (long long)list->request.limit + 1);
	history_select(monitor->history, &sql, on_poison_rows, question);
	text_release(&sql);
}

/* ------------------------------------------------------------------------------------------------ batches */

enum batch_column { BATCH, TASKS, OPEN, FAILED, CREATED, UPDATED };

static void on_batch_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                          const struct db_result *result) {
	struct question *question = context;
	struct text *out = &question->out;
	(void)error_number;
	if (status != STATUS_OK) {
		question_fail_status(question, status, err);
		return;
	}
	text_add(out, "{\"ok\":true,\"batches\":[");
	for (size_t row = 0; row < db_rows(result); row++) {
		text_add(out, row > 0 ? ",{\"batch_id\":" : "{\"batch_id\":");
		text_add_json(out, db_value(result, row, BATCH));
		text_printf(out, ",\"tasks\":%lld,\"open\":%lld,\"failed\":%lld", (long long)db_int(result, row, TASKS),
		            (long long)db_int(result, row, OPEN), (long long)db_int(result, row, FAILED));
		view_add_time(out, "created_at", db_int(result, row, CREATED));
		view_add_time(out, "updated_at", db_int(result, row, UPDATED));
		text_add_char(out, '}');
	}
	text_add(out, "]}");
	question_answer(question);
}

void on_batches(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = open_list(monitor, body, asker);
	struct text sql = { 0 };
	if (question == NULL)
		return;
	const struct plain_list *list = question->own;
	text_add(&sql, "t.batch_id,COUNT(*),CAST(SUM(t.status IN ('blocked','pending','running','retry')) AS SIGNED),"
	               "CAST(SUM(t.status='failed') AS SIGNED),"
	               "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',MIN(t.created_at)),"
	               "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',MAX(t.updated_at))"
	               " FROM tasks t WHERE t.batch_id<>'' AND t.project=");
	db_quote(&sql, list->request.project);
	text_printf(&sql, " GROUP BY t.batch_id ORDER BY MAX(t.number) DESC LIMIT %lld", (long long)list->request.limit);
	history_select(monitor->history, &sql, on_batch_rows, question);
	text_release(&sql);
}
