/* Filling errors, and dying of our own bugs. Truncated messages stay valid UTF-8, since they end up in JSON. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* Drops the first bytes of a character that vsnprintf has cut in two at the end. */
static void trim_broken_end(char *message, size_t capacity) {
	size_t length = strlen(message);
	if (length + 1 < capacity)
		return;
	size_t start = length;
	while (start > 0 && ((unsigned char)message[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)message[start - 1] >= 0xC0)
		message[start - 1] = '\0';
}

__attribute__((format(printf, 4, 0))) static void fill(struct error *err, const char *code, const char *path,
                                                       const char *format, va_list arguments) {
	if (!err)
		return;
	snprintf(err->code, sizeof(err->code), "%s", code);
	snprintf(err->path, sizeof(err->path), "%s", path);
	for (char *at = err->path; *at != '\0'; at++) /* a client's own names; the log parts its fields by such bytes */
		if ((unsigned char)*at < 0x20)
			*at = '?';
	trim_broken_end(err->path, sizeof(err->path));
	vsnprintf(err->message, sizeof(err->message), format, arguments);
	trim_broken_end(err->message, sizeof(err->message));
}

enum status fail(struct error *err, enum status status, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	fill(err, "", "", format, arguments);
	va_end(arguments);
	return status;
}

enum status reject(struct error *err, const char *code, const char *path, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	fill(err, code, path, format, arguments);
	va_end(arguments);
	return STATUS_REJECT;
}

void must_fail(const char *condition, const char *file, int line) {
	log_error("a condition that must hold does not: this is a bug in Corder", "condition", condition, "file", file,
	          "line", log_int(line), NULL);
	abort();
}
