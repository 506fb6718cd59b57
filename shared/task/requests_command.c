/* task.cancel and its kin, queue.pause and .resume: what a client wants changed. */
#include "../../subjects/subjects.h"
#include "fields.h"
#include "requests.h"

static enum status read_ids(struct json_value list, struct command_request *out, struct error *err) {
	size_t count = json_count(list);
	enum status status = STATUS_OK;
	if (json_kind(list) != JSON_LIST)
		return field_bad(list, err, "a list");
	if (count == 0)
		return json_reject(list, NULL, "invalid_field", err, "is empty");
	if (count > LIMIT_TASK_IDS)
		return json_reject(list, NULL, "limit_exceeded", err, "has %zu items; %d are the limit", count, LIMIT_TASK_IDS);
	out->task_ids = json_allocate(list.json, count, sizeof(*out->task_ids));
	struct json_value item = json_first(list);
	for (; json_present(item) && status == STATUS_OK; item = json_next(item))
		status = field_id(item, &out->task_ids[out->task_id_count++], err);
	return status;
}

/* Exactly one of task_id, task_ids, batch_id. */
static enum status read_which(struct json_value root, struct command_request *out, struct error *err) {
	struct json_value one = json_member(root, "task_id"), some = json_member(root, "task_ids");
	struct json_value batch = json_member(root, "batch_id");
	const char *only = "stands beside another one of task_id, task_ids and batch_id; only one may";
	if (json_present(some) && (json_present(one) || json_present(batch)))
		return json_reject(json_present(one) ? one : batch, NULL, "invalid_field", err, "%s", only);
	if (json_present(batch) && json_present(one))
		return json_reject(one, NULL, "invalid_field", err, "%s", only);
	if (json_present(some))
		return read_ids(some, out, err);
	if (json_present(batch))
		return field_id(batch, &out->batch_id, err);
	if (!json_present(one))
		return json_reject(root, "task_id", "invalid_field", err,
		                   "one of task_id, task_ids and batch_id must be there");
	out->task_ids = json_allocate(root.json, 1, sizeof(*out->task_ids));
	out->task_id_count = 1;
	return field_id(one, out->task_ids, err);
}

static enum status read_project(struct json_value root, struct slice *project, struct error *err) {
	struct json_value value = json_member(root, "project");
	return json_present(value) ? field_token(value, project, err) : field_missing(root, "project", err);
}

static enum status read_special(struct json_value root, enum command command, struct command_request *out,
                                struct error *err) {
	struct json_value priority = json_member(root, "priority");
	if (command == COMMAND_RETRY)
		return field_bool(json_member(root, "cascade"), &out->cascade, err);
	if (command != COMMAND_UPDATE)
		return STATUS_OK;
	if (!json_present(priority))
		return field_missing(root, "priority", err);
	return field_int(priority, LIMIT_PRIORITY_MIN, LIMIT_PRIORITY_MAX, &out->priority, err);
}

enum status command_request_parse(struct json *json, struct slice body, enum command command,
                                  const struct task_limits *limits, struct command_request *out, struct error *err) {
	struct json_value root;
	*out = (struct command_request){ .batch_id = SLICE(""), .reason = SLICE("") };
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = read_project(root, &out->project, err);
	if (status == STATUS_OK)
		status = read_which(root, out, err);
	if (status == STATUS_OK)
		status = field_text(json_member(root, "reason"), 0, LIMIT_REASON_CHARS, &out->reason, err);
	return status == STATUS_OK ? read_special(root, command, out, err) : status;
}

enum status queue_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                struct queue_request *out, struct error *err) {
	struct json_value root;
	*out = (struct queue_request){ SLICE(""), SLICE(""), SLICE("") };
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "task_type"), &out->task_type, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "project"), &out->project, err);
	if (status == STATUS_OK)
		status = field_text(json_member(root, "reason"), 0, LIMIT_REASON_CHARS, &out->reason, err);
	if (status == STATUS_OK && out->task_type.length == 0 && out->project.length == 0)
		return json_reject(root, "task_type", "invalid_field", err, "task_type, project or both must be there");
	return status;
}
