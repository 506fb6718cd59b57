/* Growable text and borrowed slices. Growth doubles, so appending is linear in all that was appended. */
#include "text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"
#include "memory.h"

void text_reserve(struct text *text, size_t more) {
	must(more < SIZE_MAX / 4 && text->length < SIZE_MAX / 4);
	size_t wanted = text->length + more + 1;
	if (wanted <= text->capacity)
		return;
	size_t capacity = text->capacity ? text->capacity * 2 : 64;
	while (capacity < wanted)
		capacity *= 2;
	text->bytes = memory_resize(text->bytes, capacity, 1);
	text->capacity = capacity;
}

/* Two digits a division: events are full of times. */
void text_add_int(struct text *text, int64_t value) {
	static const char pairs[] =
		"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
		"49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
		"9899";
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	for (; rest >= 10; rest /= 100)
		memcpy(digits + (at -= 2), pairs + 2 * (rest % 100), 2);
	if (rest > 0 || at == sizeof(digits))
		digits[--at] = (char)('0' + rest);
	if (value < 0)
		digits[--at] = '-';
	text_append(text, digits + at, sizeof(digits) - at);
}

void text_vprintf(struct text *text, const char *format, va_list arguments) {
	va_list again;
	va_copy(again, arguments);
	text_reserve(text, 64);
	size_t space = text->capacity - text->length;
	int length = vsnprintf(text->bytes + text->length, space, format, arguments);
	must(length >= 0);
	if ((size_t)length >= space) {
		text_reserve(text, (size_t)length);
		vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
	}
	text->length += (size_t)length;
	va_end(again);
}

void text_printf(struct text *text, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	text_vprintf(text, format, arguments);
	va_end(arguments);
}

static void add_escaped(struct text *text, unsigned char c) {
	static const char hex[] = "0123456789abcdef";
	static const char short_names[] = "btn\0fr"; /* 8, 9, 10, none, 12, 13 */
	char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	if (c == '"' || c == '\\')
		escape[1] = (char)c;
	else if (c >= 8 && c <= 13 && short_names[c - 8])
		escape[1] = short_names[c - 8];
	text_append(text, escape, escape[1] == 'u' ? 6 : 2);
}

void text_add_json_body(struct text *text, struct slice slice) {
	text_reserve(text, slice.length);
	size_t done = 0;
	for (size_t i = 0; i < slice.length; i++) {
		unsigned char c = (unsigned char)slice.bytes[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
			continue;
		text_append(text, slice.bytes + done, i - done);
		add_escaped(text, c);
		done = i + 1;
	}
	if (slice.length > done)
		text_append(text, slice.bytes + done, slice.length - done);
}

void text_add_json(struct text *text, struct slice slice) {
	text_add_char(text, '"');
	text_add_json_body(text, slice);
	text_add_char(text, '"');
}

void text_add_json_time(struct text *text, int64_t at_us) {
	char time[CLOCK_TEXT_BYTES];
	if (at_us == 0) {
		text_append(text, "null", 4);
		return;
	}
	clock_format(at_us, time);
	text_add_char(text, '"');
	text_add(text, time);
	text_add_char(text, '"');
}

void text_clear(struct text *text) {
	text->length = 0;
	if (text->bytes)
		text->bytes[0] = '\0';
}

void text_release(struct text *text) {
	free(text->bytes);
	*text = (struct text){ 0 };
}

char *text_take(struct text *text) {
	text_reserve(text, 0);
	char *bytes = text->bytes;
	bytes[text->length] = '\0';
	*text = (struct text){ 0 };
	return bytes;
}

struct slice slice_of(const char *string) {
	return (struct slice){ string, string ? strlen(string) : 0 };
}

bool slice_equal(struct slice a, struct slice b) {
	return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool slice_is(struct slice slice, const char *string) {
	return slice_equal(slice, slice_of(string));
}

struct slice slice_cut(struct slice *rest, char separator) {
	struct slice part = *rest;
	const char *found = rest->length ? memchr(rest->bytes, separator, rest->length) : NULL;
	if (!found) {
		*rest = (struct slice){ NULL, 0 };
		return part;
	}
	part.length = (size_t)(found - part.bytes);
	*rest = (struct slice){ found + 1, rest->length - part.length - 1 };
	return part;
}

int64_t slice_int(struct slice slice, int64_t fallback) {
	bool negative = slice.length > 0 && slice.bytes[0] == '-';
	size_t at = negative ? 1 : 0;
	if (at == slice.length)
		return fallback;
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	uint64_t value = 0;
	for (; at < slice.length; at++) {
		if (slice.bytes[at] < '0' || slice.bytes[at] > '9')
			return fallback;
		uint64_t digit = (uint64_t)(slice.bytes[at] - '0');
		if (value > (limit - digit) / 10)
			return fallback;
		value = value * 10 + digit;
	}
	return negative ? (int64_t)(0 - value) : (int64_t)value;
}

char *slice_copy(struct slice slice) {
	return memory_copy(slice.bytes, slice.length);
}

void slice_fit(char *out, size_t room, struct slice slice) {
	size_t length = slice.length < room ? slice.length : room - 1;
	if (length > 0)
		memcpy(out, slice.bytes, length);
	out[length] = '\0';
}

/* The length of the UTF-8 character that starts at p (Unicode 15, table 3-7), or 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t left) {
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	bool bad = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
	           (p[0] == 0xF4 && p[1] > 0x8F);
	return bad ? 0 : length;
}

bool slice_is_utf8(struct slice slice) {
	const unsigned char *bytes = (const unsigned char *)slice.bytes;
	for (size_t i = 0; i < slice.length;) {
		size_t length = utf8_length(bytes + i, slice.length - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}
