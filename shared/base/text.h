/* A growable piece of text or bytes; always ends in a NUL that is not counted. Out of memory is fatal. */
#ifndef CORDER_BASE_TEXT_H
#define CORDER_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *bytes; /* NULL until the first append */
	size_t length;
	size_t capacity; /* more than length, once there are bytes */
};

/* A borrowed piece of somebody else's bytes; not NUL-terminated. */
struct slice {
	const char *bytes;
	size_t length;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

void text_reserve(struct text *text, size_t more);

/* Here, because most of what Corder does is to put short texts together: as calls they were a third of it. */
static inline void text_append(struct text *text, const char *bytes, size_t length) {
	if (text->capacity - text->length <= length)
		text_reserve(text, length);
	if (length > 0)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

static inline void text_add(struct text *text, const char *string) {
	text_append(text, string, strlen(string));
}

static inline void text_add_slice(struct text *text, struct slice slice) {
	text_append(text, slice.bytes, slice.length);
}

static inline void text_add_char(struct text *text, char c) {
	if (text->capacity - text->length <= 1)
		text_reserve(text, 1);
	text->bytes[text->length++] = c;
	text->bytes[text->length] = '\0';
}

void text_add_int(struct text *text, int64_t value);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
/* Appends a JSON string with its quotes; the bytes must be UTF-8. */
void text_add_json(struct text *text, struct slice slice);
void text_add_json_body(struct text *text, struct slice slice); /* … without them */
/* Appends an RFC 3339 UTC time with microseconds, with its quotes; 0 appends null. */
void text_add_json_time(struct text *text, int64_t at_us);
void text_clear(struct text *text);   /* forgets the content, keeps the memory */
void text_release(struct text *text); /* frees the memory */
char *text_take(struct text *text);   /* the caller owns the bytes (never NULL); the text is empty again */

struct slice slice_of(const char *string); /* of a NUL-terminated string; NULL is empty */
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice slice, const char *string);
/* Cuts the part before the first separator off *rest and returns it; when there is none, all of it, and *rest
 * becomes { NULL, 0 }. Call while rest->bytes is not NULL. */
struct slice slice_cut(struct slice *rest, char separator);
/* A decimal integer that fills the whole slice; fallback when it is empty or no number. */
int64_t slice_int(struct slice slice, int64_t fallback);
char *slice_copy(struct slice slice);                       /* the caller owns the NUL-terminated copy */
void slice_fit(char *out, size_t room, struct slice slice); /* NUL-terminated, cut to what fits; room > 0 */
bool slice_is_utf8(struct slice slice); /* well-formed: no overlong forms, no surrogates, nothing above U+10FFFF */

#endif
