/* Members and their ranges. Owns nothing. */
#include "fields.h"

#include <string.h>

#include "../base/clock.h"
#include "../base/id.h"

enum status field_bad(struct json_value value, struct error *err, const char *what) {
	return json_reject(value, NULL, "invalid_field", err, "must be %s", what);
}

enum status field_missing(struct json_value object, const char *name, struct error *err) {
	return json_reject(object, name, "invalid_field", err, "is missing");
}

enum status field_token(struct json_value value, struct slice *out, struct error *err) {
	struct slice text = json_text(value);
	if (!json_present(value))
		return STATUS_OK;
	if (!id_is_token(text))
		return field_bad(value, err, "1 to 64 letters, digits, _ or -");
	*out = text;
	return STATUS_OK;
}

enum status field_id(struct json_value value, struct slice *out, struct error *err) {
	struct slice text = json_text(value);
	if (!json_present(value))
		return STATUS_OK;
	if (!id_is_task_id(text))
		return field_bad(value, err, "1 to 128 letters, digits, _ . : or -, and begin with a letter or digit");
	*out = text;
	return STATUS_OK;
}

enum status field_text(struct json_value value, size_t least, size_t most, struct slice *out, struct error *err) {
	struct slice text = json_text(value);
	if (!json_present(value))
		return STATUS_OK;
	if (json_kind(value) != JSON_STRING)
		return field_bad(value, err, "a string");
	size_t characters = 0;
	for (size_t i = 0; i < text.length; i++) {
		unsigned char c = (unsigned char)text.bytes[i];
		if (c < 0x20 || c == 0x7F)
			return field_bad(value, err, "a string without control characters");
		characters += (c & 0xC0) != 0x80;
	}
	if (characters < least || characters > most)
		return json_reject(value, NULL, "invalid_field", err, "must be %zu to %zu characters", least, most);
	*out = text;
	return STATUS_OK;
}

static bool is_opaque(struct slice text, const char *others) {
	for (size_t i = 0; i < text.length; i++) {
		char c = text.bytes[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (!plain && (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return true;
}

enum status field_opaque(struct json_value value, size_t least, size_t most, const char *others, struct slice *out,
                         struct error *err) {
	struct slice text = json_text(value);
	if (!json_present(value))
		return STATUS_OK;
	if (json_kind(value) != JSON_STRING || text.length < least || text.length > most || !is_opaque(text, others))
		return json_reject(value, NULL, "invalid_field", err, "must be %zu to %zu letters, digits or one of %s", least,
		                   most, others);
	*out = text;
	return STATUS_OK;
}

enum status field_int(struct json_value value, int64_t least, int64_t most, int64_t *out, struct error *err) {
	if (!json_present(value))
		return STATUS_OK;
	int64_t number = json_int(value, INT64_MIN);
	if (number < least || number > most)
		return json_reject(value, NULL, "invalid_field", err, "must be a whole number from %lld to %lld",
		                   (long long)least, (long long)most);
	*out = number;
	return STATUS_OK;
}

enum status field_double(struct json_value value, double least, double most, double *out, struct error *err) {
	if (!json_present(value))
		return STATUS_OK;
	double number = json_double(value, least - 1);
	if (json_kind(value) != JSON_NUMBER || number < least || number > most)
		return json_reject(value, NULL, "invalid_field", err, "must be a number from %.15g to %.15g", least, most);
	*out = number;
	return STATUS_OK;
}

enum status field_bool(struct json_value value, bool *out, struct error *err) {
	enum json_kind kind = json_kind(value);
	if (kind == JSON_ABSENT)
		return STATUS_OK;
	if (kind != JSON_TRUE && kind != JSON_FALSE)
		return field_bad(value, err, "true or false");
	*out = kind == JSON_TRUE;
	return STATUS_OK;
}

enum status field_word(struct json_value value, const char *const *words, int *out, struct error *err) {
	if (!json_present(value))
		return STATUS_OK;
	struct slice text = json_text(value);
	char known[160] = "";
	for (int i = 0; words[i] != NULL; i++) {
		if (text.bytes != NULL && slice_is(text, words[i])) {
			*out = i;
			return STATUS_OK;
		}
		strncat(known, i > 0 ? ", " : "", sizeof(known) - strlen(known) - 1);
		strncat(known, words[i], sizeof(known) - strlen(known) - 1);
	}
	return json_reject(value, NULL, "invalid_field", err, "must be one of %s", known);
}

/* 0000-00-00T00:00:00[.0…]Z; which days and hours there are says clock_parse. */
static bool looks_like_utc(struct slice text) {
	static const char form[] = "0000-00-00T00:00:00";
	const size_t seconds = sizeof(form) - 1;
	if (text.length < seconds + 1 || text.bytes[text.length - 1] != 'Z')
		return false;
	size_t fraction = text.length - seconds - 1;
	for (size_t i = 0; i + 1 < text.length; i++) {
		char wanted = i < seconds ? form[i] : i == seconds ? '.' : '0';
		bool digit = text.bytes[i] >= '0' && text.bytes[i] <= '9';
		if (wanted == '0' ? !digit : text.bytes[i] != wanted)
			return false;
	}
	return fraction != 1 && fraction <= 7 && text.bytes[17] < '6';
}

enum status field_time(struct json_value value, int64_t *out_us, struct error *err) {
	struct slice text = json_text(value);
	int64_t at_us = 0;
	if (!json_present(value))
		return STATUS_OK;
	if (!looks_like_utc(text) || !clock_parse(text.bytes, text.length, &at_us))
		return field_bad(value, err, "a time like 2026-01-31T12:00:00.123456Z");
	*out_us = at_us > 0 ? at_us : 1;
	return STATUS_OK;
}

enum status field_traceparent(struct json_value value, struct slice *out, struct error *err) {
	static const char form[] = "00-00000000000000000000000000000000-0000000000000000-00";
	struct slice text = json_text(value);
	if (!json_present(value))
		return STATUS_OK;
	bool good = text.length == sizeof(form) - 1;
	for (size_t i = 0; good && i < text.length; i++) {
		char c = text.bytes[i];
		good = form[i] == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	}
	if (!good)
		return field_bad(value, err, "a W3C traceparent (version-trace-span-flags in lower-case hex)");
	*out = text;
	return STATUS_OK;
}

static size_t find_field(const struct field *fields, size_t count, struct slice name) {
	size_t at = 0;
	while (at < count && !(fields[at].name[0] == name.bytes[0] && slice_is(name, fields[at].name)))
		at++;
	return at;
}

enum status fields_read(struct json_value object, const struct field *fields, size_t count,
                        const struct task_limits *limits, void *out, struct error *err) {
	uint32_t seen = 0;
	must(count <= FIELDS_MOST);
	if (json_kind(object) != JSON_OBJECT)
		return field_bad(object, err, "an object");
	for (struct json_value member = json_first(object); json_present(member); member = json_next(member)) {
		struct slice name = json_name(member);
		size_t at = name.length > 0 ? find_field(fields, count, name) : count;
		if (at == count || (fields[at].nullable && !json_given(member)))
			continue;
		seen |= UINT32_C(1) << at;
		enum status status = fields[at].read(member, limits, out, err);
		if (status != STATUS_OK)
			return status;
	}
	for (size_t i = 0; i < count; i++)
		if (fields[i].required && !(seen & (UINT32_C(1) << i)))
			return field_missing(object, fields[i].name, err);
	return STATUS_OK;
}

enum status message_open(struct json *json, struct slice body, const struct task_limits *limits,
                         struct json_value *root, struct error *err) {
	struct json_limits bounds = { .max_bytes = (size_t)limits->max_bytes, .max_depth = (size_t)limits->max_depth };
	enum status status = json_parse(json, body, &bounds, err);
	if (status != STATUS_OK)
		return status;
	*root = json_root(json);
	if (json_kind(*root) != JSON_OBJECT)
		return reject(err, "bad_json", "", "the message must be a JSON object");
	return STATUS_OK;
}
