/* Every other request on any bytes: refused with a code, or what came out fits where it goes next: subjects, keys,
 * records. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/id.h"
#include "shared/task/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct task_limits *const limits = &task_limits_default;

static bool is_plain(struct slice text) {
	for (size_t i = 0; i < text.length; i++)
		if ((unsigned char)text.bytes[i] < 0x20)
			return false;
	return true;
}

static bool is_empty_or_token(struct slice text) {
	return text.length == 0 || id_is_token(text);
}

/* With quotes around it, it is a JSON string again. */
static void check_message(struct slice body) {
	struct text quoted = { 0 };
	text_add_char(&quoted, '"');
	text_add_slice(&quoted, body);
	text_add_char(&quoted, '"');
	struct json *json = json_read((struct slice){ quoted.bytes, quoted.length }, NULL);
	must(json != NULL && json_kind(json_root(json)) == JSON_STRING);
	json_close(&json);
	text_release(&quoted);
}

static void check_done(const struct settle_item *items, size_t count) {
	for (size_t i = 0; i < count; i++) {
		must(id_is_token(items[i].project) && id_is_task_id(items[i].task_id) && is_plain(items[i].lease));
		must(strchr("cfr", items[i].outcome) != NULL && items[i].lease.length <= 64);
		check_message(items[i].error_message);
		struct json *json = items[i].result.length > 0 ? json_read(items[i].result, NULL) : json_open();
		must(json != NULL);
		json_close(&json);
	}
}

static void try_workers(struct json *json, struct slice body, struct error *err) {
	struct work_request work;
	struct settle_request settle;
	struct renew_request renew;
	if (work_request_parse(json, body, limits, &work, err) == STATUS_OK) {
		must(id_is_token(work.worker) && work.max >= 1 && work.wait_ms >= 0 && is_empty_or_token(work.request_id));
		check_done(work.done, work.done_count);
	}
	if (settle_request_parse(json, body, limits, &settle, err) == STATUS_OK)
		check_done(settle.done, settle.done_count);
	if (renew_request_parse(json, body, limits, &renew, err) == STATUS_OK)
		for (size_t i = 0; i < renew.lease_count; i++)
			must(id_is_token(renew.leases[i].project) && id_is_task_id(renew.leases[i].task_id));
}

static void try_commands(struct json *json, struct slice body, struct error *err) {
	struct command_request command;
	struct queue_request queue;
	for (int which = COMMAND_CANCEL; which <= COMMAND_UPDATE; which++) {
		if (command_request_parse(json, body, (enum command)which, limits, &command, err) != STATUS_OK)
			continue;
		must(id_is_token(command.project) && is_plain(command.reason));
		must((command.task_id_count > 0) != id_is_task_id(command.batch_id));
		for (size_t i = 0; i < command.task_id_count; i++)
			must(id_is_task_id(command.task_ids[i]));
	}
	if (queue_request_parse(json, body, limits, &queue, err) == STATUS_OK)
		must(is_empty_or_token(queue.project) && is_empty_or_token(queue.task_type) && is_plain(queue.reason));
}

static void try_questions(struct json *json, struct slice body, struct error *err) {
	struct task_request task;
	struct list_request list;
	struct status_request counts;
	struct timeline_request timeline;
	struct executable_request executable;
	if (task_request_parse(json, body, limits, &task, err) == STATUS_OK)
		must(id_is_token(task.project) && id_is_task_id(task.task_id));
	if (list_request_parse(json, body, limits, &list, err) == STATUS_OK)
		must(is_empty_or_token(list.project) && is_plain(list.service_name) && list.limit > 0);
	if (status_request_parse(json, body, limits, &counts, err) == STATUS_OK)
		must(is_empty_or_token(counts.project) && counts.window_s > 0);
	if (timeline_request_parse(json, body, limits, &timeline, err) == STATUS_OK)
		must(id_is_token(timeline.project));
	if (executable_request_parse(json, body, limits, &executable, err) == STATUS_OK)
		must(is_empty_or_token(executable.task_type) && executable.limit > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	static struct json *json;
	struct slice body = { (const char *)bytes, length };
	struct error err = { 0 };
	if (json == NULL)
		json = json_open();
	try_workers(json, body, &err);
	try_commands(json, body, &err);
	try_questions(json, body, &err);
	return 0;
}
