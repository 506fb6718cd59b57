/* Reading one member with its range: what task.c and the requests share. Each function leaves *out as it was when the
 * member is absent (so that a default can stand there) and fails with the member's path. Inner to shared/task. */
#ifndef CORDER_TASK_FIELDS_H
#define CORDER_TASK_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"
#include "json.h"
#include "task.h"

enum status field_bad(struct json_value value, struct error *err, const char *what);
enum status field_missing(struct json_value object, const char *name, struct error *err);

enum status field_token(struct json_value value, struct slice *out, struct error *err);
enum status field_id(struct json_value value, struct slice *out, struct error *err);
/* A string of least to most characters without control characters. */
enum status field_text(struct json_value value, size_t least, size_t most, struct slice *out, struct error *err);
/* A string of least to most of the characters of ids, tokens and leases: letters, digits and some of `others`. */
enum status field_opaque(struct json_value value, size_t least, size_t most, const char *others, struct slice *out,
                         struct error *err);
enum status field_int(struct json_value value, int64_t least, int64_t most, int64_t *out, struct error *err);
enum status field_double(struct json_value value, double least, double most, double *out, struct error *err);
enum status field_bool(struct json_value value, bool *out, struct error *err);
/* One of the words (NULL at the end): its index. */
enum status field_word(struct json_value value, const char *const *words, int *out, struct error *err);
/* RFC 3339 in UTC, at most six digits of a second; 1 for what is before 1970. */
enum status field_time(struct json_value value, int64_t *out_us, struct error *err);
enum status field_traceparent(struct json_value value, struct slice *out, struct error *err);

/* The members of an object, one row each, looked up in one pass over what the message has. */
struct field {
	const char *name;
	enum status (*read)(struct json_value value, const struct task_limits *limits, void *out, struct error *err);
	bool required;
	bool nullable; /* null counts as absent */
};
#define FIELDS_MOST 32
enum status fields_read(struct json_value object, const struct field *fields, size_t count,
                        const struct task_limits *limits, void *out, struct error *err);

/* json_parse under the limits; the root must be an object. */
enum status message_open(struct json *json, struct slice body, const struct task_limits *limits,
                         struct json_value *root, struct error *err);

#endif
