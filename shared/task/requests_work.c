/* work, settle, renew: what a worker says. An item of `done` whose result is too large fails alone; whatever is malformed
 * refuses the whole message. */
#include <string.h>

#include "../../subjects/subjects.h"
#include "fields.h"
#include "requests.h"

#define READER(name)                                                                                                   \
	static enum status read_##name(struct json_value value, const struct task_limits *limits, void *out,               \
	                               struct error *err)
#define COUNT(rows) (sizeof(rows) / sizeof(*(rows)))
#define OTHERS_OF_LEASES "_.:-"

READER(archived) {
	static const char *const words[] = { "logged", "archived", NULL };
	int chosen = 0;
	(void)limits;
	enum status status = field_word(value, words, &chosen, err);
	*(bool *)out = chosen == 1;
	return status;
}

/* settle items --------------------------------------------------------------------------------------------------- */

struct settle_error {
	struct json_value message;
	bool retryable;
};

READER(item_project) {
	(void)limits;
	return field_token(value, &((struct settle_item *)out)->project, err);
}

READER(item_task_id) {
	(void)limits;
	return field_id(value, &((struct settle_item *)out)->task_id, err);
}

READER(item_lease) {
	(void)limits;
	return field_opaque(value, 0, LIMIT_LEASE_CHARS, OTHERS_OF_LEASES, &((struct settle_item *)out)->lease, err);
}

READER(outcome) {
	static const char *const words[] = { "completed", "failed", "released", NULL };
	int chosen = 0;
	(void)limits;
	enum status status = field_word(value, words, &chosen, err);
	((struct settle_item *)out)->outcome = "cfr"[chosen];
	return status;
}

READER(result) {
	struct settle_item *item = out;
	struct slice raw = json_raw(value);
	(void)err;
	if ((int64_t)raw.length > limits->max_result_bytes) {
		item->error_code = CODE_TOO_LARGE;
		item->error_text = "the result has more bytes than the limit";
	} else if (json_given(value)) {
		item->result = raw;
	}
	return STATUS_OK;
}

READER(message) {
	(void)limits;
	if (json_kind(value) != JSON_STRING)
		return field_bad(value, err, "a string");
	((struct settle_error *)out)->message = value;
	return STATUS_OK;
}

READER(retryable) {
	(void)limits;
	return field_bool(value, &((struct settle_error *)out)->retryable, err);
}

/* The most bytes of text, not more than most, that end between two characters. */
static size_t cut_length(struct slice text, size_t most) {
	if (text.length <= most)
		return text.length;
	while (most > 0 && ((unsigned char)text.bytes[most] & 0xC0) == 0x80)
		most--;
	return most;
}

/* As records hold it: the body of a JSON string. What fits stays as it came. */
static struct slice message_body(struct json_value message) {
	struct slice raw = json_raw(message);
	if (!json_present(message))
		return SLICE("");
	if (raw.length - 2 <= LIMIT_ERROR_MESSAGE_BYTES)
		return (struct slice){ raw.bytes + 1, raw.length - 2 };
	struct slice text = json_text(message);
	struct text escaped = { 0 };
	text.length = cut_length(text, LIMIT_ERROR_MESSAGE_BYTES);
	text_add_json_body(&escaped, text);
	struct slice body = { json_allocate(message.json, escaped.length + 1, 1), escaped.length };
	memcpy((char *)body.bytes, escaped.bytes, body.length);
	text_release(&escaped);
	return body;
}

READER(item_error) {
	static const struct field fields[] = {
		{ .name = "message", .read = read_message },
		{ .name = "retryable", .read = read_retryable },
	};
	struct settle_item *item = out;
	struct settle_error error = { .retryable = true };
	enum status status = fields_read(value, fields, COUNT(fields), limits, &error, err);
	item->error_message = message_body(error.message);
	item->retryable = error.retryable;
	return status;
}

static enum status read_settle_item(struct json_value value, const struct task_limits *limits, struct settle_item *item,
                                    struct error *err) {
	static const struct field fields[] = {
		{ .name = "project", .read = read_item_project, .required = true },
		{ .name = "task_id", .read = read_item_task_id, .required = true },
		{ .name = "lease", .read = read_item_lease, .required = true },
		{ .name = "outcome", .read = read_outcome, .required = true },
		{ .name = "result", .read = read_result },
		{ .name = "error", .read = read_item_error, .nullable = true },
	};
	*item = (struct settle_item){
		.result = SLICE(""), .error_message = SLICE(""), .retryable = true, .error_code = "", .error_text = ""
	};
	return fields_read(value, fields, COUNT(fields), limits, item, err);
}

static enum status check_list(struct json_value list, size_t least, size_t most, struct error *err) {
	if (json_kind(list) != JSON_LIST)
		return field_bad(list, err, "a list");
	if (json_count(list) < least)
		return json_reject(list, NULL, "invalid_field", err, "is empty");
	if (json_count(list) > most)
		return json_reject(list, NULL, "limit_exceeded", err, "has %zu items; %zu are the limit", json_count(list),
		                   most);
	return STATUS_OK;
}

static enum status read_done(struct json_value list, size_t least, const struct task_limits *limits,
                             struct settle_item **items, size_t *count, struct error *err) {
	enum status status = check_list(list, least, LIMIT_DONE, err);
	if (status != STATUS_OK)
		return status;
	*items = json_allocate(list.json, json_count(list), sizeof(**items));
	*count = 0;
	struct json_value item = json_first(list);
	for (; json_present(item) && status == STATUS_OK; item = json_next(item))
		status = read_settle_item(item, limits, &(*items)[(*count)++], err);
	return status;
}

/* settle --------------------------------------------------------------------------------------------------------- */

READER(settle_worker) {
	(void)limits;
	return field_token(value, &((struct settle_request *)out)->worker, err);
}

READER(settle_done) {
	struct settle_request *settle = out;
	return read_done(value, 1, limits, &settle->done, &settle->done_count, err);
}

READER(settle_ack) {
	return read_archived(value, limits, &((struct settle_request *)out)->archived, err);
}

enum status settle_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                 struct settle_request *out, struct error *err) {
	static const struct field fields[] = {
		{ .name = "worker", .read = read_settle_worker, .required = true },
		{ .name = "done", .read = read_settle_done, .required = true },
		{ .name = "ack", .read = read_settle_ack },
	};
	struct json_value root;
	*out = (struct settle_request){ 0 };
	enum status status = message_open(json, body, limits, &root, err);
	return status == STATUS_OK ? fields_read(root, fields, COUNT(fields), limits, out, err) : status;
}

/* work ----------------------------------------------------------------------------------------------------------- */

READER(work_worker) {
	(void)limits;
	return field_token(value, &((struct work_request *)out)->worker, err);
}

READER(max) {
	(void)limits;
	return field_int(value, 1, LIMIT_WORK_MAX, &((struct work_request *)out)->max, err);
}

READER(wait_ms) {
	(void)limits;
	return field_int(value, 0, LIMIT_WAIT_MS, &((struct work_request *)out)->wait_ms, err);
}

READER(work_lease_ms) {
	(void)limits;
	return field_int(value, LIMIT_LEASE_MS_MIN, LIMIT_LEASE_MS, &((struct work_request *)out)->lease_ms, err);
}

READER(request_id) {
	(void)limits;
	return field_opaque(value, 1, LIMIT_LEASE_CHARS, "_-", &((struct work_request *)out)->request_id, err);
}

READER(work_done) {
	struct work_request *work = out;
	return read_done(value, 0, limits, &work->done, &work->done_count, err);
}

READER(work_ack) {
	return read_archived(value, limits, &((struct work_request *)out)->archived, err);
}

enum status work_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                               struct work_request *out, struct error *err) {
	static const struct field fields[] = {
		{ .name = "worker", .read = read_work_worker, .required = true },
		{ .name = "max", .read = read_max },
		{ .name = "wait_ms", .read = read_wait_ms },
		{ .name = "lease_ms", .read = read_work_lease_ms },
		{ .name = "request_id", .read = read_request_id },
		{ .name = "done", .read = read_work_done },
		{ .name = "ack", .read = read_work_ack },
	};
	struct json_value root;
	*out = (struct work_request){ .max = DEFAULT_WORK_MAX, .wait_ms = DEFAULT_WAIT_MS, .request_id = SLICE("") };
	enum status status = message_open(json, body, limits, &root, err);
	return status == STATUS_OK ? fields_read(root, fields, COUNT(fields), limits, out, err) : status;
}

/* renew ---------------------------------------------------------------------------------------------------------- */

READER(lease_project) {
	(void)limits;
	return field_token(value, &((struct renew_item *)out)->project, err);
}

READER(lease_task_id) {
	(void)limits;
	return field_id(value, &((struct renew_item *)out)->task_id, err);
}

READER(lease_lease) {
	(void)limits;
	return field_opaque(value, 0, LIMIT_LEASE_CHARS, OTHERS_OF_LEASES, &((struct renew_item *)out)->lease, err);
}

READER(progress) {
	struct slice raw = json_raw(value);
	(void)limits;
	if (json_kind(value) != JSON_OBJECT)
		return field_bad(value, err, "an object");
	if (raw.length > LIMIT_PROGRESS_BYTES)
		return json_reject(value, NULL, "too_large", err, "has %zu bytes; %d are the limit", raw.length,
		                   LIMIT_PROGRESS_BYTES);
	((struct renew_item *)out)->progress = raw;
	return STATUS_OK;
}

READER(renew_worker) {
	(void)limits;
	return field_token(value, &((struct renew_request *)out)->worker, err);
}

READER(leases) {
	static const struct field fields[] = {
		{ .name = "project", .read = read_lease_project, .required = true },
		{ .name = "task_id", .read = read_lease_task_id, .required = true },
		{ .name = "lease", .read = read_lease_lease, .required = true },
		{ .name = "progress", .read = read_progress, .nullable = true },
	};
	struct renew_request *renew = out;
	enum status status = check_list(value, 1, LIMIT_DONE, err);
	if (status != STATUS_OK)
		return status;
	renew->leases = json_allocate(value.json, json_count(value), sizeof(*renew->leases));
	struct json_value item = json_first(value);
	for (; json_present(item) && status == STATUS_OK; item = json_next(item)) {
		struct renew_item *lease = &renew->leases[renew->lease_count++];
		lease->progress = SLICE("");
		status = fields_read(item, fields, COUNT(fields), limits, lease, err);
	}
	return status;
}

READER(renew_lease_ms) {
	(void)limits;
	return field_int(value, LIMIT_LEASE_MS_MIN, LIMIT_LEASE_MS, &((struct renew_request *)out)->lease_ms, err);
}

enum status renew_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                struct renew_request *out, struct error *err) {
	static const struct field fields[] = {
		{ .name = "worker", .read = read_renew_worker, .required = true },
		{ .name = "leases", .read = read_leases, .required = true },
		{ .name = "lease_ms", .read = read_renew_lease_ms },
	};
	struct json_value root;
	*out = (struct renew_request){ 0 };
	enum status status = message_open(json, body, limits, &root, err);
	return status == STATUS_OK ? fields_read(root, fields, COUNT(fields), limits, out, err) : status;
}
