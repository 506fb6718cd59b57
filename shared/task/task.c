/* A submitted task's fields: one row each, with its range. */
#include "task.h"

#include <string.h>

#include "../../subjects/subjects.h"
#include "fields.h"
#include "ids.h"

const struct task_limits task_limits_default = {
	.max_tasks = LIMIT_TASKS_PER_REQUEST,
	.max_dependencies = LIMIT_DEPENDENCIES,
	.max_context_bytes = LIMIT_EXECUTION_CONTEXT_BYTES,
	.max_result_bytes = LIMIT_RESULT_BYTES,
	.max_depth = LIMIT_JSON_DEPTH,
};

enum { FEW_DEPENDENCIES = 12 };

#define READER(name)                                                                                                   \
	static enum status read_##name(struct json_value value, const struct task_limits *limits, void *out,               \
	                               struct error *err)
#define UNUSED_LIMITS (void)limits

READER(task_id) {
	UNUSED_LIMITS;
	return field_id(value, &((struct task *)out)->task_id, err);
}

READER(service_name) {
	UNUSED_LIMITS;
	return field_text(value, 0, LIMIT_NAME_CHARS, &((struct task *)out)->service_name, err);
}

READER(task_type) {
	UNUSED_LIMITS;
	return field_token(value, &((struct task *)out)->task_type, err);
}

READER(priority) {
	UNUSED_LIMITS;
	return field_int(value, LIMIT_PRIORITY_MIN, LIMIT_PRIORITY_MAX, &((struct task *)out)->priority, err);
}

READER(max_retries) {
	UNUSED_LIMITS;
	return field_int(value, 0, LIMIT_RETRIES, &((struct task *)out)->max_retries, err);
}

READER(execution_context) {
	struct slice raw = json_raw(value);
	if (json_kind(value) != JSON_OBJECT)
		return field_bad(value, err, "an object");
	if ((int64_t)raw.length > limits->max_context_bytes)
		return json_reject(value, NULL, "too_large", err, "has %zu bytes; %lld are the limit", raw.length,
		                   (long long)limits->max_context_bytes);
	((struct task *)out)->execution_context = raw;
	return STATUS_OK;
}

READER(estimated_duration) {
	double seconds;
	UNUSED_LIMITS;
	enum status status = field_double(value, 0, LIMIT_DURATION_S, &seconds, err);
	if (status == STATUS_OK)
		((struct task *)out)->estimated_duration = json_raw(value);
	return status;
}

READER(timeout) {
	double seconds = 0;
	UNUSED_LIMITS;
	enum status status = field_double(value, 0, LIMIT_DURATION_S, &seconds, err);
	if (status != STATUS_OK)
		return status;
	if (seconds <= 0)
		return field_bad(value, err, "more than 0 seconds");
	((struct task *)out)->timeout_us = seconds < 0.001 ? 1000 : (int64_t)(seconds * 1e6 + 0.5);
	return STATUS_OK;
}

READER(not_before) {
	UNUSED_LIMITS;
	return field_time(value, &((struct task *)out)->not_before_us, err);
}

READER(on_dependency_failure) {
	static const char *const words[] = { "skip", "block", "run", NULL };
	int chosen = 0;
	UNUSED_LIMITS;
	enum status status = field_word(value, words, &chosen, err);
	if (status == STATUS_OK)
		((struct task *)out)->on_dependency_failure = words[chosen][0];
	return status;
}

READER(hold) {
	UNUSED_LIMITS;
	return field_bool(value, &((struct task *)out)->hold, err);
}

READER(concurrency_key) {
	UNUSED_LIMITS;
	return field_text(value, 1, LIMIT_NAME_CHARS, &((struct task *)out)->concurrency_key, err);
}

READER(concurrency_limit) {
	UNUSED_LIMITS;
	return field_int(value, 1, LIMIT_CONCURRENCY, &((struct task *)out)->concurrency_limit, err);
}

READER(traceparent) {
	UNUSED_LIMITS;
	return field_traceparent(value, &((struct task *)out)->traceparent, err);
}

/* retry_backoff -------------------------------------------------------------------------------------------------- */

struct backoff {
	int64_t initial_ms, max_ms;
	double factor;
};

READER(initial_ms) {
	UNUSED_LIMITS;
	return field_int(value, 0, LIMIT_BACKOFF_MS, &((struct backoff *)out)->initial_ms, err);
}

READER(max_ms) {
	UNUSED_LIMITS;
	return field_int(value, 0, LIMIT_BACKOFF_MS, &((struct backoff *)out)->max_ms, err);
}

READER(factor) {
	struct backoff *backoff = out;
	UNUSED_LIMITS;
	return field_double(value, LIMIT_BACKOFF_FACTOR_MIN, LIMIT_BACKOFF_FACTOR_MAX, &backoff->factor, err);
}

READER(retry_backoff) {
	static const struct field fields[] = {
		{ .name = "initial_ms", .read = read_initial_ms },
		{ .name = "factor", .read = read_factor },
		{ .name = "max_ms", .read = read_max_ms },
	};
	struct backoff backoff = { DEFAULT_BACKOFF_INITIAL_MS, DEFAULT_BACKOFF_MAX_MS, DEFAULT_BACKOFF_FACTOR };
	enum status status = fields_read(value, fields, sizeof(fields) / sizeof(*fields), limits, &backoff, err);
	if (status != STATUS_OK)
		return status;
	bool usual = backoff.initial_ms == DEFAULT_BACKOFF_INITIAL_MS && backoff.max_ms == DEFAULT_BACKOFF_MAX_MS &&
	             backoff.factor == DEFAULT_BACKOFF_FACTOR;
	if (usual)
		return STATUS_OK;
	struct text text = { 0 };
	text_printf(&text, "%lld,%.15g,%lld", (long long)backoff.initial_ms, backoff.factor, (long long)backoff.max_ms);
	char *kept = json_allocate(value.json, text.length, 1);
	memcpy(kept, text.bytes, text.length);
	((struct task *)out)->backoff = (struct slice){ kept, text.length };
	text_release(&text);
	return STATUS_OK;
}

/* dependencies --------------------------------------------------------------------------------------------------- */

READER(when) {
	static const char *const words[] = { "completed", "failed", "finished", NULL };
	int chosen = 0;
	UNUSED_LIMITS;
	enum status status = field_word(value, words, &chosen, err);
	if (status == STATUS_OK)
		((struct task_dependency *)out)->condition = "cfx"[chosen];
	return status;
}

READER(future) {
	UNUSED_LIMITS;
	return field_bool(value, &((struct task_dependency *)out)->future, err);
}

READER(dependency_id) {
	UNUSED_LIMITS;
	return field_id(value, &((struct task_dependency *)out)->task_id, err);
}

static enum status read_dependency(struct json_value item, const struct task_limits *limits,
                                   struct task_dependency *out, struct error *err) {
	static const struct field fields[] = {
		{ .name = "task_id", .read = read_dependency_id, .required = true },
		{ .name = "when", .read = read_when },
		{ .name = "future", .read = read_future },
	};
	*out = (struct task_dependency){ .condition = 'c' };
	if (json_kind(item) == JSON_STRING)
		return field_id(item, &out->task_id, err);
	if (json_kind(item) != JSON_OBJECT)
		return field_bad(item, err, "a task_id or an object with one");
	return fields_read(item, fields, sizeof(fields) / sizeof(*fields), limits, out, err);
}

/* The earlier edge to the same task, IDS_NONE when this is the first. */
static uint32_t earlier_edge(struct ids *ids, const struct task_dependency *edges, uint32_t at) {
	if (ids->slots != NULL)
		return ids_add(ids, at);
	for (uint32_t i = 0; i < at; i++)
		if (slice_equal(edges[i].task_id, edges[at].task_id))
			return i;
	return IDS_NONE;
}

static enum status add_dependency(struct json_value item, const struct task_limits *limits, struct ids *ids,
                                  struct task *task, struct error *err) {
	uint32_t at = (uint32_t)task->dependency_count;
	struct task_dependency *edge = &task->dependencies[at];
	enum status status = read_dependency(item, limits, edge, err);
	if (status != STATUS_OK)
		return status;
	uint32_t earlier = earlier_edge(ids, task->dependencies, at);
	if (earlier == IDS_NONE) {
		task->dependency_count++;
		return STATUS_OK;
	}
	if (task->dependencies[earlier].condition != edge->condition)
		return json_reject(item, NULL, "invalid_field", err, "names %.*s a second time, with another \"when\"",
		                   (int)edge->task_id.length, edge->task_id.bytes);
	task->dependencies[earlier].future |= edge->future;
	return STATUS_OK;
}

/* The form of records: condition letter, upper case for the future, and id. */
static void list_dependencies(struct json *json, struct task *task) {
	size_t length = 0;
	for (size_t i = 0; i < task->dependency_count; i++)
		length += task->dependencies[i].task_id.length + 2;
	char *bytes = json_allocate(json, length, 1);
	task->dependency_list.bytes = bytes;
	for (size_t i = 0; i < task->dependency_count; i++) {
		const struct task_dependency *edge = &task->dependencies[i];
		if (i > 0)
			*bytes++ = ',';
		*bytes++ = (char)(edge->future ? edge->condition & ~0x20 : edge->condition);
		memcpy(bytes, edge->task_id.bytes, edge->task_id.length);
		bytes += edge->task_id.length;
	}
	task->dependency_list.length = (size_t)(bytes - task->dependency_list.bytes);
}

READER(dependencies) {
	struct task *task = out;
	size_t count = json_count(value);
	struct ids ids = { 0 };
	enum status status = STATUS_OK;
	if (json_kind(value) != JSON_LIST)
		return field_bad(value, err, "a list");
	if ((int64_t)count > limits->max_dependencies)
		return json_reject(value, NULL, "limit_exceeded", err, "has %zu items; %lld are the limit", count,
		                   (long long)limits->max_dependencies);
	if (count == 0)
		return STATUS_OK;
	task->dependencies = json_allocate(value.json, count, sizeof(*task->dependencies));
	if (count > FEW_DEPENDENCIES)
		ids_open(&ids, task->dependencies, sizeof(*task->dependencies), count);
	struct json_value item = json_first(value);
	for (; json_present(item) && status == STATUS_OK; item = json_next(item))
		status = add_dependency(item, limits, &ids, task, err);
	ids_close(&ids);
	if (status == STATUS_OK)
		list_dependencies(value.json, task);
	return status;
}

enum status task_parse(struct json_value object, const struct task_limits *limits, struct task *task,
                       struct error *err) {
	static const struct field fields[] = {
		{ .name = "task_id", .read = read_task_id },
		{ .name = "task_type", .read = read_task_type, .required = true },
		{ .name = "service_name", .read = read_service_name },
		{ .name = "priority", .read = read_priority },
		{ .name = "dependencies", .read = read_dependencies },
		{ .name = "execution_context", .read = read_execution_context },
		{ .name = "max_retries", .read = read_max_retries },
		{ .name = "estimated_duration", .read = read_estimated_duration, .nullable = true },
		{ .name = "timeout", .read = read_timeout, .nullable = true },
		{ .name = "not_before", .read = read_not_before, .nullable = true },
		{ .name = "retry_backoff", .read = read_retry_backoff },
		{ .name = "on_dependency_failure", .read = read_on_dependency_failure },
		{ .name = "hold", .read = read_hold },
		{ .name = "concurrency_key", .read = read_concurrency_key, .nullable = true },
		{ .name = "concurrency_limit", .read = read_concurrency_limit },
		{ .name = "traceparent", .read = read_traceparent, .nullable = true },
	};
	*task = (struct task){
		.priority = DEFAULT_PRIORITY,
		.max_retries = DEFAULT_MAX_RETRIES,
		.execution_context = SLICE("{}"),
		.on_dependency_failure = 's',
		.concurrency_limit = DEFAULT_CONCURRENCY_LIMIT,
	};
	return fields_read(object, fields, sizeof(fields) / sizeof(*fields), limits, task, err);
}
