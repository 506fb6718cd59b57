/* task.get, explain, task.list, status, timeline, executable: what a client wants to know. */
#include "../../subjects/subjects.h"
#include "fields.h"
#include "requests.h"

static enum status require(struct json_value root, const char *name, struct error *err) {
	return json_present(json_member(root, name)) ? STATUS_OK : field_missing(root, name, err);
}

enum status task_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                               struct task_request *out, struct error *err) {
	struct json_value root;
	*out = (struct task_request){ SLICE(""), SLICE("") };
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = require(root, "project", err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "project"), &out->project, err);
	if (status == STATUS_OK)
		status = require(root, "task_id", err);
	return status == STATUS_OK ? field_id(json_member(root, "task_id"), &out->task_id, err) : status;
}

static enum status read_status(struct json_value value, char *out, struct error *err) {
	static const char *const words[] = { "blocked", "pending",   "running", "retry", "completed",
		                                 "failed",  "cancelled", "skipped", NULL };
	int chosen = -1;
	enum status status = field_word(value, words, &chosen, err);
	if (status == STATUS_OK && chosen >= 0)
		*out = record_status_letter(slice_of(words[chosen]));
	return status;
}

static enum status read_filters(struct json_value root, struct list_request *out, struct error *err) {
	struct json_value service_name = json_member(root, "service_name");
	enum status status = field_token(json_member(root, "project"), &out->project, err);
	if (status == STATUS_OK)
		status = field_id(json_member(root, "batch_id"), &out->batch_id, err);
	if (status == STATUS_OK)
		status = read_status(json_member(root, "status"), &out->status, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "task_type"), &out->task_type, err);
	out->by_service_name = json_present(service_name);
	return status == STATUS_OK ? field_text(service_name, 0, LIMIT_NAME_CHARS, &out->service_name, err) : status;
}

enum status list_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                               struct list_request *out, struct error *err) {
	struct json_value root;
	*out = (struct list_request){ SLICE(""), SLICE(""), SLICE(""), SLICE(""), .limit = DEFAULT_LIST };
	out->text = out->after = SLICE("");
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = read_filters(root, out, err);
	if (status == STATUS_OK)
		status = field_text(json_member(root, "text"), 1, LIMIT_NAME_CHARS, &out->text, err);
	if (status == STATUS_OK)
		status = field_int(json_member(root, "limit"), 1, LIMIT_LIST, &out->limit, err);
	struct json_value after = status == STATUS_OK ? json_member(root, "after") : (struct json_value){ 0 };
	return json_given(after) ? field_opaque(after, 1, 256, "_.:-", &out->after, err) : status;
}

enum status status_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                 struct status_request *out, struct error *err) {
	struct json_value root;
	*out = (struct status_request){ SLICE(""), SLICE(""), DEFAULT_WINDOW_S };
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "project"), &out->project, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "task_type"), &out->task_type, err);
	return status == STATUS_OK ? field_int(json_member(root, "window_s"), 1, LIMIT_WINDOW_S, &out->window_s, err)
	                           : status;
}

enum status timeline_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                   struct timeline_request *out, struct error *err) {
	struct json_value root;
	*out = (struct timeline_request){ SLICE(""), SLICE("") };
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = require(root, "project", err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "project"), &out->project, err);
	return status == STATUS_OK ? field_id(json_member(root, "batch_id"), &out->batch_id, err) : status;
}

enum status executable_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                     struct executable_request *out, struct error *err) {
	struct json_value root;
	*out = (struct executable_request){ SLICE(""), SLICE(""), DEFAULT_EXECUTABLE };
	enum status status = message_open(json, body, limits, &root, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "task_type"), &out->task_type, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "project"), &out->project, err);
	return status == STATUS_OK ? field_int(json_member(root, "limit"), 1, LIMIT_EXECUTABLE, &out->limit, err) : status;
}
