/* timeline: what happened when, for each task of a project or batch, in order of submission. Two reads: the tasks, then
 * their tries. Both come newest first, so that it is the oldest that a cut loses. */
#include <stdlib.h>

#include "history.h"
#include "monitor.h"
#include "rows.h"
#include "shared/base/memory.h"
#include "subjects/subjects.h"

enum { ATTEMPTS_MAX = 2 * LIMIT_TIMELINE_TASKS };

/* A task's JSON, still without its tries, as a piece of struct timeline's text. */
struct item {
	int64_t number;
	size_t start, end;
};

struct timeline {
	struct timeline_request request;
	size_t partition;
	struct text text;
	struct item *items; /* newest first */
	size_t count;
	bool truncated;
};

static void release(struct timeline *timeline) {
	text_release(&timeline->text);
	free(timeline->items);
}

static void add_edges(struct text *out, struct slice dependencies) {
	struct record_dependency dependency;
	bool first = true;
	text_add(out, ",\"dependencies\":[");
	while (record_next_dependency(&dependencies, &dependency)) {
		struct view_edge edge = { dependency.task_id, dependency.condition, dependency.future, 0 };
		if (!first)
			text_add_char(out, ',');
		first = false;
		view_add_dependency(out, &edge, false);
	}
	text_add_char(out, ']');
}

/* Everything but the tries and the closing brace. */
static void add_task(struct text *out, const struct view *view) {
	text_add(out, "{\"task_id\":");
	text_add_json(out, view->task_id);
	text_add(out, ",\"task_type\":");
	text_add_json(out, view->task_type);
	text_add(out, ",\"service_name\":");
	text_add_json(out, view->specification.service_name);
	text_printf(out, ",\"status\":\"%s\"", record_status_word(view->status));
	view_add_time(out, "created_at", view->created_at_us);
	view_add_time(out, "ready_at", view->ready_at_us);
	view_add_time(out, "started_at", view->started_at_us);
	view_add_time(out, "finished_at", view->finished_at_us);
	text_add(out, ",\"estimated_duration\":");
	const struct slice *estimate = &view->specification.estimated_duration;
	text_add_slice(out, estimate->length > 0 ? *estimate : SLICE("null"));
	view_add_optional(out, "because", view->because);
	add_edges(out, view->specification.dependencies);
}

static void keep_tasks(struct question *question, const struct db_result *result) {
	struct timeline *timeline = question->own;
	struct text scratch = { 0 };
	size_t most = question->most_bytes;
	timeline->items = memory_array(db_rows(result) + 1, sizeof(*timeline->items));
	for (size_t row = 0; row < db_rows(result); row++) {
		struct view view;
		size_t start = timeline->text.length;
		rows_read_view(result, row, &scratch, &view);
		add_task(&timeline->text, &view);
		if (row >= LIMIT_TIMELINE_TASKS || timeline->text.length > most) {
			timeline->truncated = true;
			break;
		}
		timeline->items[timeline->count++] = (struct item){ view.number, start, timeline->text.length };
	}
	text_release(&scratch);
}

/* Appends the tries of one task; *row goes on to the next task's. */
static void add_attempts(struct text *out, const struct db_result *result, size_t *row, int64_t number) {
	bool first = true;
	text_add(out, ",\"attempts\":[");
	while (*row < db_rows(result) && db_int(result, *row, 0) > number)
		(*row)++;
	for (; *row < db_rows(result) && db_int(result, *row, 0) == number; (*row)++) {
		struct view_attempt attempt;
		rows_read_attempt(result, *row, 1, &attempt);
		if (!first)
			text_add_char(out, ',');
		first = false;
		view_add_attempt(out, &attempt);
	}
	text_add(out, "]}");
}

/* Where not all tries were read, those of the oldest of their tasks may be missing: it goes, and so do the older ones. */
static void drop_cut(struct timeline *timeline, const struct db_result *result) {
	if (db_rows(result) <= ATTEMPTS_MAX)
		return;
	int64_t cut = db_int(result, ATTEMPTS_MAX, 0);
	while (timeline->count > 1 && timeline->items[timeline->count - 1].number <= cut)
		timeline->count--;
	timeline->truncated = true;
}

/* Completes each item in a new text, as far as the reply has room. */
static void complete_items(struct question *question, const struct db_result *result) {
	struct timeline *timeline = question->own;
	struct text text = { 0 };
	size_t most = question->most_bytes - 512;
	size_t row = 0;
	for (size_t i = 0; i < timeline->count; i++) {
		struct item *item = &timeline->items[i];
		size_t start = text.length;
		text_append(&text, timeline->text.bytes + item->start, item->end - item->start);
		add_attempts(&text, result, &row, item->number);
		if (text.length + i > most) { /* a comma each */
			timeline->count = i;
			timeline->truncated = true;
			break;
		}
		item->start = start;
		item->end = text.length;
	}
	text_release(&timeline->text);
	timeline->text = text;
}

static void answer(struct question *question) {
	struct timeline *timeline = question->own;
	struct text *out = &question->out;
	text_add(out, "{\"ok\":true,\"project\":");
	text_add_json(out, timeline->request.project);
	view_add_optional(out, "batch_id", timeline->request.batch_id);
	text_add(out, ",\"tasks\":[");
	for (size_t i = timeline->count; i > 0; i--) {
		const struct item *item = &timeline->items[i - 1];
		text_append(out, timeline->text.bytes + item->start, item->end - item->start);
		if (i > 1)
			text_add_char(out, ',');
	}
	text_printf(out, "],\"truncated\":%s}", timeline->truncated ? "true" : "false");
	release(timeline);
	question_answer(question);
}

static void refuse(struct question *question, enum status status, const struct error *err) {
	release(question->own);
	question_fail_status(question, status, err);
}

static void on_attempts(void *context, enum status status, unsigned error_number, const struct error *err,
                        const struct db_result *result) {
	struct question *question = context;
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	drop_cut(question->own, result);
	complete_items(question, result);
	answer(question);
}

static void on_tasks(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct question *question = context;
	struct timeline *timeline = question->own;
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	keep_tasks(question, result);
	if (timeline->count == 0) {
		answer(question);
		return;
	}
	struct text sql = { 0 };
	rows_ask_timeline_attempts(&sql, &timeline->request, timeline->partition,
	                           timeline->items[timeline->count - 1].number, timeline->items[0].number,
	                           ATTEMPTS_MAX + 1);
	history_select(question->monitor->history, &sql, on_attempts, question);
	text_release(&sql);
}

void on_timeline(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct timeline), asker);
	if (question == NULL)
		return;
	struct timeline *timeline = question->own;
	struct error error = { 0 };
	if (timeline_request_parse(question->json, question->text, &task_limits_default, &timeline->request, &error) !=
	    STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	timeline->partition = monitor_partition_of(monitor, timeline->request.project);
	struct text sql = { 0 };
	rows_ask_timeline(&sql, &timeline->request, timeline->partition, LIMIT_TIMELINE_TASKS + 1);
	history_select(monitor->history, &sql, on_tasks, question);
	text_release(&sql);
}
