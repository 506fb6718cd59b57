/* A walk over the members of one object: names are compared, values are skipped by counting brackets outside of strings. */
#include "bus_json.h"

#include <string.h>

static void skip_space(struct slice *json) {
	while (json->length && strchr(" \t\r\n", *json->bytes) && *json->bytes) {
		json->bytes++;
		json->length--;
	}
}

static bool skip_char(struct slice *json, char c) {
	skip_space(json);
	if (json->length == 0 || *json->bytes != c)
		return false;
	json->bytes++;
	json->length--;
	return true;
}

/* The length of the string at the start, quotes included; 0 when there is no whole one. */
static size_t string_length(struct slice json) {
	if (json.length == 0 || *json.bytes != '"')
		return 0;
	for (size_t i = 1; i < json.length; i++) {
		if (json.bytes[i] == '\\')
			i++;
		else if (json.bytes[i] == '"')
			return i + 1;
	}
	return 0;
}

static size_t value_length(struct slice json) {
	size_t depth = 0;
	for (size_t i = 0; i < json.length; i++) {
		char c = json.bytes[i];
		if (c == '"') {
			size_t length = string_length((struct slice){ json.bytes + i, json.length - i });
			if (length == 0)
				return 0;
			i += length - 1;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
			return i;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return depth == 0 ? json.length : 0;
}

static struct slice take(struct slice *json, size_t length) {
	struct slice part = { json->bytes, length };
	json->bytes += length;
	json->length -= length;
	return part;
}

struct slice bus_json_member(struct slice json, const char *name) {
	const struct slice none = { NULL, 0 };
	if (!skip_char(&json, '{'))
		return none;
	do {
		skip_space(&json);
		struct slice key = take(&json, string_length(json));
		if (key.length < 2 || !skip_char(&json, ':'))
			return none;
		skip_space(&json);
		struct slice value = take(&json, value_length(json));
		if (value.length == 0)
			return none;
		if (slice_is((struct slice){ key.bytes + 1, key.length - 2 }, name)) {
			while (value.length > 1 && strchr(" \t\r\n", value.bytes[value.length - 1]))
				value.length--;
			return value;
		}
	} while (skip_char(&json, ','));
	return none;
}

uint64_t bus_json_number(struct slice json, const char *name, uint64_t fallback) {
	struct slice value = bus_json_member(json, name);
	uint64_t number = 0;
	if (value.length == 0 || value.length > 20)
		return fallback;
	for (size_t i = 0; i < value.length; i++) {
		uint64_t digit = (uint64_t)(unsigned char)value.bytes[i] - '0';
		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return fallback;
		number = number * 10 + digit;
	}
	return number;
}

struct slice bus_json_text(struct slice json, const char *name) {
	struct slice value = bus_json_member(json, name);
	if (value.length < 2 || *value.bytes != '"')
		return (struct slice){ NULL, 0 };
	return (struct slice){ value.bytes + 1, value.length - 2 };
}
