/* Files that `corder submit` reads: tasks in any of its forms, and workflows in WfFormat. What is gathered is a JSON list of as
 * many objects, each with an id; of a workflow also with a
 * type, both of the form that the services take. */
#include <stdlib.h>
#include <string.h>

#include "clients/cli/submit.h"
#include "shared/base/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_gathered(const struct submission *submission, bool ours) {
	struct text list = { 0 };
	text_add_char(&list, '[');
	text_append(&list, submission->tasks.bytes != NULL ? submission->tasks.bytes : "", submission->tasks.length);
	text_add_char(&list, ']');
	struct json *json = json_read((struct slice){ list.bytes, list.length }, NULL);
	must(json != NULL && json_count(json_root(json)) == submission->count);
	for (struct json_value task = json_first(json_root(json)); json_present(task); task = json_next(task)) {
		must(json_kind(task) == JSON_OBJECT && json_present(json_member(task, "task_id")));
		if (!ours)
			continue;
		must(id_is_token(json_text(json_member(task, "task_type"))));
		must(id_is_task_id(json_text(json_member(task, "task_id"))));
	}
	json_close(&json);
	text_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	static const struct wfformat_options options = { NULL, "", 0.01 }, prefixed = { NULL, "w1.", 2 };
	struct slice content = { (const char *)bytes, length };
	struct submission submission = { 0 };
	struct error err = { 0 };
	if (submission_add_file(&submission, content, "a file", &err) == STATUS_OK)
		check_gathered(&submission, false);
	else
		must(err.message[0] != '\0');
	submission_release(&submission);
	for (int i = 0; i < 2; i++) {
		if (wfformat_add(&submission, content, "a file", i == 0 ? &options : &prefixed, &err) == STATUS_OK)
			check_gathered(&submission, true);
		submission_release(&submission);
	}
	return 0;
}
