/* failures over HTTP: the tasks that are failed now, by what their error says. */
#include <stdlib.h>

#include "alike.h"
#include "failed.h"
#include "history.h"
#include "monitor.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "snapshot.h"
#include "subjects/subjects.h"

enum { IDS_MAX = LIMIT_TASK_IDS, TYPES_MAX = 20 };

struct failures {
	struct list_request request;
};

/* Rows of one group stand in a list, in the order of the result: newest first. */
struct group {
	char *key;
	struct text message;
	size_t *rows, count, capacity;
};

static struct group *group_of(struct table *groups, const struct db_result *result, size_t row) {
	struct text key = { 0 }, message = { 0 };
	alike_add(&message, db_value(result, row, FAILED_MESSAGE));
	text_add_slice(&key, db_value(result, row, FAILED_CODE));
	text_add_char(&key, '\n');
	text_append(&key, message.bytes, message.length);
	struct slice name = { key.bytes, key.length };
	struct group *group = table_get(groups, name);
	if (group == NULL) {
		group = memory_new(sizeof(*group));
		group->key = slice_copy(name);
		group->message = message;
		message = (struct text){ 0 };
		table_put(groups, name, group);
	}
	text_release(&key);
	text_release(&message);
	return group;
}

static void add_row(struct group *group, size_t row) {
	if (group->count == group->capacity) {
		group->capacity = group->capacity > 0 ? group->capacity * 2 : 8;
		group->rows = memory_resize(group->rows, group->capacity, sizeof(*group->rows));
	}
	group->rows[group->count++] = row;
}

static int compare(const void *left, const void *right) {
	const struct group *a = *(struct group *const *)left, *b = *(struct group *const *)right;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return (a->rows[0] > b->rows[0]) - (a->rows[0] < b->rows[0]);
}

static void add_types(struct text *out, const struct group *group, const struct db_result *result) {
	struct table *seen = table_open();
	text_add(out, ",\"task_types\":[");
	for (size_t i = 0; i < group->count && table_count(seen) < TYPES_MAX; i++) {
		struct slice type = db_value(result, group->rows[i], FAILED_TASK_TYPE);
		if (table_get(seen, type) != NULL)
			continue;
		text_add(out, table_count(seen) > 0 ? "," : "");
		text_add_json(out, type);
		table_put(seen, type, seen);
	}
	text_add_char(out, ']');
	table_close(&seen);
}

/* The ids of one project: of the row where it comes first and of those that follow it; 0 ends them. */
static void add_project(struct text *out, const struct group *group, const struct db_result *result, size_t first,
                        const size_t *following) {
	size_t count = 0, i = first;
	text_add(out, "{\"project\":");
	text_add_json(out, db_value(result, group->rows[first], FAILED_PROJECT));
	text_add(out, ",\"task_ids\":[");
	do {
		text_add(out, count++ > 0 ? "," : "");
		text_add_json(out, db_value(result, group->rows[i], FAILED_TASK_ID));
		i = following[i];
	} while (i > 0 && count < IDS_MAX);
	text_add(out, "]}");
}

/* Each row is looked at once to find the next one of its project. */
static void add_projects(struct text *out, const struct group *group, const struct db_result *result) {
	struct table *last = table_open(); /* by project: the place for what follows its last row so far */
	size_t *following = memory_array(group->count, sizeof(*following));
	bool *follows = memory_array(group->count, sizeof(*follows)), any = false;
	for (size_t i = 0; i < group->count; i++) {
		struct slice project = db_value(result, group->rows[i], FAILED_PROJECT);
		size_t *before = table_get(last, project);
		follows[i] = before != NULL;
		if (before != NULL)
			*before = i;
		table_put(last, project, &following[i]);
	}
	for (size_t i = 0; i < group->count; i++) {
		if (follows[i])
			continue;
		text_add(out, any ? "," : "");
		any = true;
		add_project(out, group, result, i, following);
	}
	table_close(&last);
	free(following);
	free(follows);
}

static void add_group(struct text *out, const struct group *group, const struct db_result *result) {
	size_t newest = group->rows[0], oldest = group->rows[group->count - 1];
	text_printf(out, "{\"key\":\"%016llx\",\"code\":", (unsigned long long)id_hash(slice_of(group->key)));
	text_add_json(out, db_value(result, newest, FAILED_CODE));
	text_add(out, ",\"message\":");
	text_add_json(out, (struct slice){ group->message.bytes, group->message.length });
	text_add(out, ",\"example\":");
	text_add_json(out, db_value(result, newest, FAILED_MESSAGE));
	text_printf(out, ",\"count\":%zu,\"first_at\":", group->count);
	text_add_json_time(out, db_int(result, oldest, FAILED_AT));
	text_add(out, ",\"last_at\":");
	text_add_json_time(out, db_int(result, newest, FAILED_AT));
	add_types(out, group, result);
	text_add(out, ",\"projects\":[");
	add_projects(out, group, result);
	text_add(out, "]}");
}

static void add_groups(struct question *question, struct table *groups, const struct db_result *result) {
	const struct failures *failures = question->own;
	struct group **list = memory_array(table_count(groups) + 1, sizeof(*list));
	size_t at = 0, count = 0;
	struct slice key;
	void *value;
	while (table_next(groups, &at, &key, &value))
		list[count++] = value;
	qsort(list, count, sizeof(*list), compare);
	text_printf(&question->out, "{\"ok\":true,\"tasks\":%zu,\"truncated\":%s,\"groups\":[", db_rows(result),
	            db_rows(result) >= FAILED_TASKS_MAX ? "true" : "false");
	for (size_t i = 0; i < count; i++) {
		if (i < (size_t)failures->request.limit) {
			text_add(&question->out, i > 0 ? "," : "");
			add_group(&question->out, list[i], result);
		}
		text_release(&list[i]->message);
		free(list[i]->rows);
		free(list[i]->key);
		free(list[i]);
	}
	text_add(&question->out, "]}");
	free(list);
}

static void on_rows(void *context, enum status status, unsigned error_number, const struct error *err,
                    const struct db_result *result) {
	struct question *question = context;
	(void)error_number;
	if (status != STATUS_OK) {
		question_fail_status(question, status, err);
		return;
	}
	struct table *groups = table_open();
	for (size_t row = 0; row < db_rows(result); row++)
		add_row(group_of(groups, result, row), row);
	add_groups(question, groups, result);
	table_close(&groups);
	question_answer(question);
}

/* The counts say where failed tasks are. */
static void on_counts(void *context, struct monitor *monitor) {
	struct question *question = context;
	const struct failures *failures = question->own;
	struct text sql = { 0 };
	failed_ask(&sql, monitor, &failures->request);
	history_select(monitor->history, &sql, on_rows, question);
	text_release(&sql);
}

void on_failures(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct failures), asker);
	struct error error = { 0 };
	if (question == NULL)
		return;
	struct failures *failures = question->own;
	if (list_request_parse(question->json, question->text, &task_limits_default, &failures->request, &error) !=
	    STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	snapshot_refresh(monitor->snapshot, on_counts, question);
}
