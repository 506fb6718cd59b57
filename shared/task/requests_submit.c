/* submit and enqueue: one task, a batch, a part of one, a seal. */
#include <string.h>

#include "../../subjects/subjects.h"
#include "fields.h"
#include "requests.h"

static enum status read_flags(struct json_value root, struct submit_request *out, struct error *err) {
	static const char *const acks[] = { "logged", "archived", NULL };
	int ack = 0, order = SUBMIT_ORDER_UNSAID - SUBMIT_ORDER_SCORE;
	enum status status = field_bool(json_member(root, "dry_run"), &out->dry_run, err);
	if (status == STATUS_OK)
		status = field_int(json_member(root, "workers"), 1, LIMIT_WORKERS, &out->workers, err);
	if (status == STATUS_OK)
		status = field_word(json_member(root, "ack"), acks, &ack, err);
	if (status == STATUS_OK && (out->kind == SUBMIT_BATCH || out->kind == SUBMIT_SEAL))
		status = field_word(json_member(root, "order"), submit_order_words, &order, err);
	out->archived = ack == 1;
	out->order = (enum submit_order)(SUBMIT_ORDER_SCORE + order);
	return status;
}

/* The subject's project counts; the body may repeat it. */
static enum status read_project(struct json_value root, struct slice expected, struct submit_request *out,
                                struct error *err) {
	struct json_value project = json_member(root, "project");
	enum status status = field_token(project, &out->project, err);
	if (status != STATUS_OK)
		return status;
	if (expected.bytes == NULL)
		return json_present(project) ? STATUS_OK : field_missing(root, "project", err);
	if (json_present(project) && !slice_equal(out->project, expected))
		return json_reject(project, NULL, "invalid_field", err, "is not the project of the subject, %.*s",
		                   (int)expected.length, expected.bytes);
	out->project = expected;
	return STATUS_OK;
}

static enum status read_batch_id(struct json_value root, bool required, struct submit_request *out, struct error *err) {
	struct json_value batch_id = json_member(root, "batch_id");
	if (required && !json_present(batch_id))
		return field_missing(root, "batch_id", err);
	return field_id(batch_id, &out->batch_id, err);
}

static enum status read_tasks(struct json_value root, const struct task_limits *limits, struct submit_request *out,
                              struct error *err) {
	struct json_value tasks = json_member(root, "tasks");
	size_t count = json_count(tasks);
	enum status status = STATUS_OK;
	if (!json_present(tasks))
		return field_missing(root, "tasks", err);
	if (json_kind(tasks) != JSON_LIST)
		return field_bad(tasks, err, "a list");
	if (count == 0)
		return json_reject(tasks, NULL, "invalid_field", err, "is empty");
	if ((int64_t)count > limits->max_tasks)
		return json_reject(tasks, NULL, "limit_exceeded", err, "has %zu tasks; %lld are the limit: send parts", count,
		                   (long long)limits->max_tasks);
	out->tasks = json_allocate(root.json, count, sizeof(*out->tasks));
	struct json_value task = json_first(tasks);
	for (; json_present(task) && status == STATUS_OK; task = json_next(task))
		status = task_parse(task, limits, &out->tasks[out->task_count++], err);
	return status;
}

static enum status read_one_task(struct json_value root, const struct task_limits *limits, struct submit_request *out,
                                 struct error *err) {
	out->tasks = json_allocate(root.json, 1, sizeof(*out->tasks));
	out->task_count = 1;
	return task_parse(root, limits, out->tasks, err);
}

static enum submit_kind kind_of(struct json_value root) {
	if (json_present(json_member(root, "seal")))
		return SUBMIT_SEAL;
	if (json_present(json_member(root, "part")))
		return SUBMIT_PART;
	return json_present(json_member(root, "tasks")) ? SUBMIT_BATCH : SUBMIT_TASK;
}

static enum status read_content(struct json_value root, const struct task_limits *limits, struct submit_request *out,
                                struct error *err) {
	enum status status;
	switch (out->kind) {
	case SUBMIT_SEAL: return field_int(json_member(root, "seal"), 1, LIMIT_PARTS, &out->seal, err);
	case SUBMIT_PART:
		status = field_int(json_member(root, "part"), 1, LIMIT_PARTS, &out->part, err);
		return status == STATUS_OK ? read_tasks(root, limits, out, err) : status;
	case SUBMIT_BATCH: return read_tasks(root, limits, out, err);
	case SUBMIT_TASK: break;
	}
	return read_one_task(root, limits, out, err);
}

enum status submit_request_parse(struct json *json, struct slice body, struct slice project,
                                 const struct task_limits *limits, struct submit_request *out, struct error *err) {
	struct json_value root;
	*out = (struct submit_request){ .batch_id = SLICE("") };
	enum status status = message_open(json, body, limits, &root, err);
	if (status != STATUS_OK)
		return status;
	out->kind = kind_of(root);
	status = read_project(root, project, out, err);
	if (status == STATUS_OK)
		status = read_batch_id(root, out->kind == SUBMIT_PART || out->kind == SUBMIT_SEAL, out, err);
	if (status == STATUS_OK)
		status = out->kind == SUBMIT_PART ? field_bool(json_member(root, "dry_run"), &out->dry_run, err)
		                                  : read_flags(root, out, err);
	if (status == STATUS_OK && out->kind == SUBMIT_PART && out->dry_run)
		return json_reject(root, "dry_run", "invalid_field", err, "a part is stored; the seal takes dry_run");
	return status == STATUS_OK ? read_content(root, limits, out, err) : status;
}
