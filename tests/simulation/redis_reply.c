/* Replies of the Redis in memory. They lie in pieces of memory that are used again for the next call. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "redis_inside.h"
#include "shared/base/memory.h"

enum { PIECE_BYTES = 1 << 16, PIECES = 512 };

static char *pieces[PIECES];
static size_t piece_sizes[PIECES];
static size_t piece, used;

size_t replies_mark(void) {
	return piece << 32 | used;
}

void replies_release(size_t mark) {
	piece = mark >> 32;
	used = mark & UINT32_MAX;
}

void *reply_bytes(size_t count) {
	size_t aligned = (count + 15) & ~(size_t)15;
	while (!pieces[piece] || used + aligned > piece_sizes[piece]) {
		if (pieces[piece])
			piece++;
		must(piece < PIECES);
		used = 0;
		if (!pieces[piece]) {
			piece_sizes[piece] = aligned > PIECE_BYTES ? aligned : PIECE_BYTES;
			pieces[piece] = memory_new(piece_sizes[piece]);
		}
	}
	used += aligned;
	return pieces[piece] + used - aligned;
}

struct kv_reply reply_text(struct slice text) {
	return (struct kv_reply){ .kind = REPLY_TEXT, .text = text };
}

struct kv_reply reply_copy(struct slice text) {
	char *bytes = reply_bytes(text.length + 1);
	if (text.length)
		memcpy(bytes, text.bytes, text.length);
	bytes[text.length] = '\0';
	return reply_text((struct slice){ bytes, text.length });
}

struct kv_reply reply_int(int64_t number) {
	return (struct kv_reply){ .kind = REPLY_INT, .number = number };
}

struct kv_reply reply_error(const char *format, ...) {
	char *bytes = reply_bytes(512);
	va_list list;
	va_start(list, format);
	vsnprintf(bytes, 512, format, list);
	va_end(list);
	return (struct kv_reply){ .kind = REPLY_ERROR, .text = slice_of(bytes) };
}

struct kv_reply reply_status(const char *text) {
	return (struct kv_reply){ .kind = REPLY_STATUS, .text = slice_of(text) };
}

struct kv_reply reply_nil(void) {
	return (struct kv_reply){ .kind = REPLY_NIL };
}

struct kv_reply reply_list(size_t count) {
	struct kv_reply *items = reply_bytes(count * sizeof(*items));
	memset(items, 0, count * sizeof(*items));
	return (struct kv_reply){ .kind = REPLY_LIST, .items = items, .count = count };
}

struct kv_reply reply_double(double value) {
	char text[64];
	if (fabs(value) < 1e17 && floor(value) == value)
		snprintf(text, sizeof(text), "%lld", (long long)value);
	else
		snprintf(text, sizeof(text), "%.17g", value);
	return reply_copy(slice_of(text));
}
