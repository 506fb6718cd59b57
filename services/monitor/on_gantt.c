/* The timeline of a project for the dashboard: tasks, tries, edges, the critical path and when the rest will be done, in
 * rows without names, since there may be thousands. */
#include <stdlib.h>

#include "history.h"
#include "outlook_load.h"
#include "score.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/task/fields.h"
#include "snapshot.h"
#include "subjects/subjects.h"
#include "view.h"

enum { TASKS_DEFAULT = 5000, ATTEMPTS_MAX = 20000 };

/* Kept between the two reads. */
struct attempt {
	int64_t number, attempt, started_at_us, finished_at_us;
	char *worker, *outcome;
};

struct gantt {
	struct timeline_request request;
	int64_t limit;
	size_t partition;
	struct attempt *attempts; /* by number, the newest task first */
	size_t attempt_count;
};

static void release(struct question *question) {
	struct gantt *gantt = question->own;
	for (size_t i = 0; i < gantt->attempt_count; i++) {
		free(gantt->attempts[i].worker);
		free(gantt->attempts[i].outcome);
	}
	free(gantt->attempts);
}

static void refuse(struct question *question, enum status status, const struct error *err) {
	release(question);
	question_fail_status(question, status, err);
}

static void add_ms(struct text *out, int64_t at_us) {
	if (at_us > 0)
		text_printf(out, ",%lld", (long long)(at_us / 1000));
	else
		text_add(out, ",null");
}

static void add_name(struct text *out, struct slice name) {
	text_add_char(out, ',');
	if (name.length > 0)
		text_add_json(out, name);
	else
		text_add(out, "null");
}

static void add_task(struct text *out, const struct outlook_row *row) {
	text_add_char(out, '[');
	text_add_json(out, row->task_id);
	text_add_char(out, ',');
	text_add_json(out, row->task_type);
	text_printf(out, ",\"%s\",%lld,%lld,%lld", record_status_word(row->status), (long long)row->priority,
	            (long long)row->version, (long long)row->attempt);
	add_ms(out, row->created_at_us);
	add_ms(out, row->ready_at_us);
	add_ms(out, row->started_at_us);
	add_ms(out, row->finished_at_us);
	text_add_char(out, ',');
	text_add_slice(out, row->estimated_s.length > 0 ? row->estimated_s : SLICE("null"));
	add_name(out, row->worker);
	add_name(out, row->because);
	text_add_char(out, ',');
	text_add_json(out, row->service_name);
	text_add_char(out, ',');
	text_add_json(out, row->batch_id);
	text_add_char(out, ']');
}

static void add_tasks(struct text *out, const struct outlook_view *view) {
	text_add(out,
	         ",\"fields\":[\"task_id\",\"task_type\",\"status\",\"priority\",\"version\",\"attempt\",\"created_ms\","
	         "\"ready_ms\",\"started_ms\",\"finished_ms\",\"estimated_s\",\"worker\",\"because\",\"service_name\","
	         "\"batch_id\"],\"tasks\":[");
	for (size_t i = 0; i < view->row_count; i++) {
		text_add(out, i > 0 ? "," : "");
		add_task(out, &view->rows[i]);
	}
	text_add_char(out, ']');
}

/* Attempts come newest task first, rows oldest first. */
static void add_attempts(struct text *out, const struct gantt *gantt, const struct outlook_view *view) {
	size_t at = gantt->attempt_count;
	bool first = true;
	text_add(out, ",\"attempts\":[");
	for (size_t i = 0; i < view->row_count; i++) {
		while (at > 0 && gantt->attempts[at - 1].number < view->rows[i].number)
			at--;
		for (; at > 0 && gantt->attempts[at - 1].number == view->rows[i].number; at--) {
			const struct attempt *attempt = &gantt->attempts[at - 1];
			text_printf(out, "%s[%zu,%lld", first ? "" : ",", i, (long long)attempt->attempt);
			first = false;
			add_name(out, slice_of(attempt->worker));
			add_ms(out, attempt->started_at_us);
			add_ms(out, attempt->finished_at_us);
			add_name(out, slice_of(attempt->outcome));
			text_add_char(out, ']');
		}
	}
	text_add_char(out, ']');
}

static void add_edges(struct text *out, const struct outlook_view *view) {
	text_add(out, ",\"edges\":[");
	for (size_t i = 0; i < view->edge_count; i++)
		text_printf(out, "%s[%zu,%zu,\"%s\"]", i > 0 ? "," : "", view->edges[i].from, view->edges[i].to,
		            record_condition_word(view->conditions[i]));
	text_printf(out, "],\"outside_edges\":%zu", view->outside_edges);
}

static void add_critical_path(struct text *out, const struct outlook_view *view) {
	size_t *path = memory_array(view->row_count + 1, sizeof(*path));
	size_t length = outlook_critical_path(&view->outlook, view->row_count, path);
	text_add(out, ",\"critical_path\":[");
	for (size_t i = 0; i < length; i++)
		text_printf(out, "%s%zu", i > 0 ? "," : "", path[i]);
	text_add_char(out, ']');
	free(path);
}

static void add_forecast(struct text *out, const struct outlook_view *view) {
	int64_t finish_us = 0;
	size_t unknown = 0, told = 0;
	text_add(out, ",\"forecast\":[");
	for (size_t i = 0; i < view->row_count; i++) {
		const struct outlook_task *task = &view->outlook.tasks[i];
		finish_us = task->finish_us > finish_us ? task->finish_us : finish_us;
		unknown += task->finish_us == 0;
		if (record_is_final(task->status) || task->finish_us == 0)
			continue;
		text_printf(out, "%s[%zu,%lld,%lld]", told++ > 0 ? "," : "", i, (long long)(task->start_us / 1000),
		            (long long)(task->finish_us / 1000));
	}
	text_add(out, "],\"finish_ms\":");
	if (finish_us > 0)
		text_printf(out, "%lld", (long long)(finish_us / 1000));
	else
		text_add(out, "null");
	text_printf(out, ",\"without_forecast\":%zu,\"forecast_basis\":\"", unknown);
	outlook_add_basis(out, view);
	text_add(out, "\"}");
}

/* 3: the tasks */
static void on_tasks(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct question *question = context;
	struct gantt *gantt = question->own;
	struct text *out = &question->out;
	struct outlook_view view;
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	outlook_load(&view, question->monitor, gantt->request.project, result, (size_t)gantt->limit);
	text_add(out, "{\"ok\":true,\"project\":");
	text_add_json(out, gantt->request.project);
	view_add_optional(out, "batch_id", gantt->request.batch_id);
	text_printf(out, ",\"at_ms\":%lld,\"truncated\":%s", (long long)(clock_wall_us() / 1000),
	            db_rows(result) > view.row_count ? "true" : "false");
	add_tasks(out, &view);
	add_attempts(out, gantt, &view);
	add_edges(out, &view);
	add_critical_path(out, &view);
	add_forecast(out, &view);
	outlook_release(&view);
	release(question);
	question_answer(question);
}

static void add_filters(struct text *sql, const struct gantt *gantt) {
	text_printf(sql, " WHERE t.partition_id=%zu AND t.project=", gantt->partition);
	db_quote(sql, gantt->request.project);
	if (gantt->request.batch_id.length > 0) {
		text_add(sql, " AND t.batch_id=");
		db_quote(sql, gantt->request.batch_id);
	}
}

static const char *index_hint(const struct question *question) {
	const struct gantt *gantt = question->own;
	return monitor_index_hint(question->monitor, gantt->request.project, gantt->request.batch_id);
}

static void keep_attempts(struct gantt *gantt, const struct db_result *result) {
	gantt->attempt_count = db_rows(result);
	gantt->attempts = memory_array(gantt->attempt_count + 1, sizeof(*gantt->attempts));
	for (size_t row = 0; row < gantt->attempt_count; row++)
		gantt->attempts[row] = (struct attempt){ .number = db_int(result, row, 0),
			                                     .attempt = db_int(result, row, 1),
			                                     .started_at_us = db_int(result, row, 2),
			                                     .finished_at_us = db_int(result, row, 3),
			                                     .worker = slice_copy(db_value(result, row, 4)),
			                                     .outcome = slice_copy(db_value(result, row, 5)) };
}

/* 2: the tries of tasks that had more than one */
static void on_attempts(void *context, enum status status, unsigned error_number, const struct error *err,
                        const struct db_result *result) {
	struct question *question = context;
	struct gantt *gantt = question->own;
	struct text sql = { 0 };
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	keep_attempts(gantt, result);
	text_printf(&sql, "%s FROM tasks t%s", outlook_columns, index_hint(question));
	add_filters(&sql, gantt);
	text_printf(&sql, " ORDER BY t.number DESC LIMIT %lld", (long long)gantt->limit + 1);
	history_select(question->monitor->history, &sql, on_tasks, question);
	text_release(&sql);
}

/* 1: what is so now: pauses, queues */
static void on_fresh(void *context, struct monitor *monitor) {
	struct question *question = context;
	struct text sql = { 0 };
	text_printf(&sql,
	            "a.number,a.attempt,TIMESTAMPDIFF(MICROSECOND,'1970-01-01',a.started_at),"
	            "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',a.finished_at),a.worker,a.outcome"
	            " FROM tasks t%s STRAIGHT_JOIN task_attempts a ON a.partition_id=t.partition_id AND a.number=t.number",
	            index_hint(question));
	add_filters(&sql, question->own);
	text_printf(&sql,
	            " AND (t.attempt>1 OR (t.attempt=1 AND t.status IN ('blocked','pending','retry')))"
	            " ORDER BY a.number DESC,a.attempt DESC LIMIT %d",
	            ATTEMPTS_MAX);
	history_select(monitor->history, &sql, on_attempts, question);
	text_release(&sql);
}

void on_gantt(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct gantt), asker);
	struct error error = { 0 };
	if (question == NULL)
		return;
	struct gantt *gantt = question->own;
	gantt->limit = TASKS_DEFAULT;
	enum status status =
		timeline_request_parse(question->json, question->text, &task_limits_default, &gantt->request, &error);
	if (status == STATUS_OK)
		status =
			field_int(json_member(json_root(question->json), "limit"), 1, LIMIT_TIMELINE_TASKS, &gantt->limit, &error);
	if (status != STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	gantt->partition = monitor_partition_of(monitor, gantt->request.project);
	snapshot_refresh(monitor->snapshot, on_fresh, question);
}
