/* JSON as it comes from outside, read strictly: one pass over the bytes checks everything and notes where each value
 * stands, so that a value can be handed on byte for byte. Refused: a message over the limit, a BOM, bad UTF-8, U+0000,
 * lone surrogates, raw control characters, one key twice in any object, numbers like 01, numbers beyond a double's
 * range, too deep nesting, anything after the value. Linear in the bytes, however wide the objects are.
 *
 * Ownership: a json *borrows* the bytes it was parsed from; values, names, texts and raw slices live as long as those
 * bytes and until the next json_parse or json_close. Values are small: pass them by value. An absent value is a fine
 * argument for every function here, so that json_member(json_member(v, "error"), "message") needs no checks. */
#ifndef CORDER_TASK_JSON_H
#define CORDER_TASK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/text.h"

struct json;

struct json_value {
	struct json *json; /* NULL: absent */
	uint32_t node;
};

enum json_kind { JSON_ABSENT, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT };

#define JSON_DEFAULT_DEPTH 64
struct json_limits {
	size_t max_bytes; /* 0: none (1 GiB at most) */
	size_t max_depth; /* nested lists and objects, the outermost counts as 1; 0: JSON_DEFAULT_DEPTH */
};

struct json *json_open(void);
void json_close(struct json **json);
/* Parses, forgetting what was parsed before but keeping the memory. limits may be NULL. STATUS_REJECT with a code:
 * too_large, bad_json, limit_exceeded (depth), invalid_field (a number too large); path: where, if it is known. */
enum status json_parse(struct json *json, struct slice bytes, const struct json_limits *limits, struct error *err);
/* Both in one, without limits, for clients and tests: NULL when it is no JSON. */
struct json *json_read(struct slice bytes, struct error *err);

struct json_value json_root(struct json *json);
enum json_kind json_kind(struct json_value value);
bool json_present(struct json_value value); /* not absent; null is present */
bool json_given(struct json_value value);   /* neither absent nor null */

struct json_value json_member(struct json_value object, const char *name);
/* for (struct json_value item = json_first(list); json_present(item); item = json_next(item)); objects too. */
struct json_value json_first(struct json_value container);
struct json_value json_next(struct json_value item);
struct slice json_name(struct json_value member); /* decoded; { NULL, 0 } for what is no member */
size_t json_count(struct json_value container);   /* items or members */

struct slice json_text(struct json_value value); /* a string, decoded; { NULL, 0 } for anything else */
struct slice json_raw(
	struct json_value value); /* any value as it came, a string with its quotes; { NULL, 0 } when absent */
/* The fallback is for what is absent or of another kind. An integer may be written 5, 5.0 or 5e0; it is read exactly, and
 * beyond 2^53, where many programs round, it is none. */
int64_t json_int(struct json_value value, int64_t fallback);
double json_double(struct json_value value, double fallback);
bool json_bool(struct json_value value, bool fallback);
bool json_is_int(struct json_value value);

/* The JSON pointer (RFC 6901) of a value, cut to fit; linear in the siblings on the way. */
void json_pointer(struct json_value value, char *out, size_t capacity);
/* reject() with the value's pointer as the path; with a name: the pointer of that member, whether it is there or not. */
enum status json_reject(struct json_value value, const char *name, const char *code, struct error *err,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Memory that lives as long as the parsed message; zeroed. */
void *json_allocate(struct json *json, size_t count, size_t item_bytes);

#endif
