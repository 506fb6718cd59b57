/* Holds the validators in C to the verdicts of subjects/examples: what is valid is taken, what is not is refused with
 * the code and the path that expected.json names. The same files are held against the schemas by validate.mjs. */
#include "../support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/ingest/plan.h"
#include "shared/base/memory.h"
#include "shared/task/requests.h"

#define EXAMPLES CORDER_SOURCE_DIR "/subjects/examples/"

static const struct task_limits *const limits = &task_limits_default;

/* As ingest does it: fields first, then the graph. */
static enum status judge_submission(struct json *json, struct slice body, struct slice project, struct error *err) {
	struct submit_request request;
	struct plan plan = { 0 };
	struct text records = { 0 }, tasks = { 0 };
	enum status status = submit_request_parse(json, body, project, limits, &request, err);
	for (size_t i = 0; status == STATUS_OK && i < request.task_count; i++) {
		char id[32];
		snprintf(id, sizeof(id), "generated-%zu", i);
		if (request.tasks[i].task_id.length == 0)
			request.tasks[i].task_id = slice_of(id);
		if (i > 0)
			text_add_char(&records, RECORD_RS);
		task_add_record(&records, &request.tasks[i], SLICE(""));
	}
	if (records.length > 0) {
		assert_true(plan_take(&plan, &records));
		status = plan_sort(&plan, err, &tasks);
	}
	text_release(&records);
	text_release(&tasks);
	plan_close(&plan);
	return status;
}

static enum status judge_work(struct json *json, struct slice body, const char *name, struct error *err) {
	struct work_request work;
	struct settle_request settle;
	struct renew_request renew;
	if (strcmp(name, "work") == 0)
		return work_request_parse(json, body, limits, &work, err);
	if (strcmp(name, "settle") == 0)
		return settle_request_parse(json, body, limits, &settle, err);
	return renew_request_parse(json, body, limits, &renew, err);
}

static enum status judge_command(struct json *json, struct slice body, const char *name, struct error *err) {
	static const char *const names[] = { "task-cancel", "task-retry", "task-approve", "task-reject", "task-update" };
	struct command_request command;
	struct queue_request queue;
	for (int i = 0; i < 5; i++)
		if (strcmp(name, names[i]) == 0)
			return command_request_parse(json, body, (enum command)i, limits, &command, err);
	return queue_request_parse(json, body, limits, &queue, err);
}

static enum status judge_question(struct json *json, struct slice body, const char *name, struct error *err) {
	struct task_request task;
	struct list_request list;
	struct status_request counts;
	struct timeline_request timeline;
	struct executable_request executable;
	if (strcmp(name, "task-list") == 0)
		return list_request_parse(json, body, limits, &list, err);
	if (strcmp(name, "status") == 0)
		return status_request_parse(json, body, limits, &counts, err);
	if (strcmp(name, "timeline") == 0)
		return timeline_request_parse(json, body, limits, &timeline, err);
	if (strcmp(name, "executable") == 0)
		return executable_request_parse(json, body, limits, &executable, err);
	return task_request_parse(json, body, limits, &task, err);
}

enum group { SUBMISSIONS, WORKERS, COMMANDS, QUESTIONS, GROUPS };

/* Which group of requests a schema belongs to; GROUPS for replies and events, which are no input of ours. */
static enum group group_of(const char *name) {
	static const char *const names[GROUPS] = {
		" submit enqueue ",
		" work settle renew ",
		" task-cancel task-retry task-approve task-reject task-update queue-pause queue-resume ",
		" task-get task-list status timeline executable explain ",
	};
	char wanted[80];
	int group = 0;
	snprintf(wanted, sizeof(wanted), " %s ", name);
	while (group < GROUPS && strstr(names[group], wanted) == NULL)
		group++;
	return (enum group)group;
}

/* false when the file is none of a request. */
static bool judge(const char *file, struct slice body, enum status *status, struct error *err) {
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "."), file);
	struct json *json = json_open();
	*err = (struct error){ 0 };
	enum group group = group_of(name);
	switch (group) {
	case SUBMISSIONS:
		*status =
			judge_submission(json, body, strcmp(name, "enqueue") == 0 ? SLICE("shop") : (struct slice){ NULL, 0 }, err);
		break;
	case WORKERS: *status = judge_work(json, body, name, err); break;
	case COMMANDS: *status = judge_command(json, body, name, err); break;
	case QUESTIONS: *status = judge_question(json, body, name, err); break;
	case GROUPS: break;
	}
	json_close(&json);
	return group != GROUPS;
}

/* An exact copy on the heap, so that the sanitizer sees a read behind its end. */
static struct slice read_file(const char *folder, const char *name) {
	char path[512];
	struct text text = { 0 };
	char chunk[8192];
	size_t got;
	snprintf(path, sizeof(path), EXAMPLES "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		fail_msg("cannot read %s", path);
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		text_append(&text, chunk, got);
	fclose(file);
	char *exact = malloc(text.length > 0 ? text.length : 1);
	if (text.length > 0)
		memcpy(exact, text.bytes, text.length);
	struct slice slice = { exact, text.length };
	text_release(&text);
	return slice;
}

static void valid_examples_are_taken(void **state) {
	(void)state;
	DIR *folder = opendir(EXAMPLES "valid");
	size_t count = 0;
	assert_non_null(folder);
	for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		enum status status = STATUS_OK;
		struct error err;
		if (strstr(entry->d_name, ".json") == NULL)
			continue;
		struct slice body = read_file("valid", entry->d_name);
		if (judge(entry->d_name, body, &status, &err))
			count++;
		if (status != STATUS_OK)
			fail_msg("%s: %s at %s: %s", entry->d_name, err.code, err.path, err.message);
		free((void *)body.bytes);
	}
	closedir(folder);
	print_message("%zu valid requests\n", count);
	assert_true(count > 50);
}

static size_t check_verdict(const char *folder, const char *file, struct json_value expected) {
	enum status status = STATUS_OK;
	struct error err;
	struct slice body = read_file(folder, file);
	bool ours = judge(file, body, &status, &err);
	free((void *)body.bytes);
	if (!ours)
		return 0;
	struct slice code = json_text(json_member(expected, "code"));
	struct json_value path = json_member(expected, "path");
	bool as_expected = status == STATUS_REJECT && slice_is(code, err.code) &&
	                   (!json_present(path) || slice_is(json_text(path), err.path));
	if (as_expected)
		return 1;
	print_error("%s: %s at \"%s\" (%s), not %.*s at %.*s\n", file, status == STATUS_OK ? "ok" : err.code, err.path,
	            err.message, (int)code.length, code.bytes, (int)json_raw(path).length, json_raw(path).bytes);
	return SIZE_MAX / 2;
}

static void check_folder(const char *folder) {
	struct slice expected = read_file(folder, "expected.json");
	struct json *json = json_read(expected, NULL);
	size_t right = 0, wrong = 0;
	assert_non_null(json);
	for (struct json_value item = json_first(json_root(json)); json_present(item); item = json_next(item)) {
		char *file = slice_copy(json_name(item));
		size_t verdict = check_verdict(folder, file, item);
		right += verdict == 1;
		wrong += verdict > 1;
		free(file);
	}
	json_close(&json);
	free((void *)expected.bytes);
	print_message("%zu refused requests\n", right);
	assert_int_equal(wrong, 0);
	assert_true(right > 50);
}

static void invalid_examples_are_refused_with_code_and_path(void **state) {
	(void)state;
	check_folder("invalid");
}

static void invalid_bytes_are_refused_with_code_and_path(void **state) {
	(void)state;
	check_folder("invalid_bytes");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_examples_are_taken),
		cmocka_unit_test(invalid_examples_are_refused_with_code_and_path),
		cmocka_unit_test(invalid_bytes_are_refused_with_code_and_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
