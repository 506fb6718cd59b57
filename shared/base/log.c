/* Writing log lines: each is built whole and leaves in one write, so that lines of several processes do not mix. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

static const char *program_name = "corder";
static enum log_level least_level = LOG_LEVEL_INFO;

void log_open(const char *program, enum log_level least) {
	program_name = program;
	least_level = least;
}

static bool is_plain(struct slice value) {
	for (size_t i = 0; i < value.length; i++) {
		unsigned char c = (unsigned char)value.bytes[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
			return false;
	}
	return value.length > 0;
}

/* Foreign bytes must not break a line of JSON: what is no UTF-8 loses its high bytes. */
static void add_json_value(struct text *line, struct slice value) {
	if (slice_is_utf8(value)) {
		text_add_json(line, value);
		return;
	}
	struct text clean = { 0 };
	for (size_t i = 0; i < value.length; i++)
		text_add_char(&clean, (unsigned char)value.bytes[i] < 0x80 ? value.bytes[i] : '?');
	text_add_json(line, (struct slice){ clean.bytes, clean.length });
	text_release(&clean);
}

static void add_field(struct text *line, bool json, const char *name, const char *value) {
	struct slice bytes = slice_of(value ? value : "");
	if (json) {
		text_add(line, line->length > 1 ? ",\"" : "\"");
		text_add(line, name);
		text_add(line, "\":");
		add_json_value(line, bytes);
		return;
	}
	text_printf(line, "%s%s=", line->length ? " " : "", name);
	if (is_plain(bytes))
		text_add_slice(line, bytes);
	else
		add_json_value(line, bytes);
}

static void add_task(struct text *line, bool json, va_list fields) {
	for (const char *name = va_arg(fields, const char *); name; name = va_arg(fields, const char *)) {
		const char *value = va_arg(fields, const char *);
		if (strcmp(name, "task") == 0)
			add_field(line, json, name, value);
	}
}

static void add_others(struct text *line, bool json, va_list fields) {
	for (const char *name = va_arg(fields, const char *); name; name = va_arg(fields, const char *)) {
		const char *value = va_arg(fields, const char *);
		if (strcmp(name, "task") != 0)
			add_field(line, json, name, value);
	}
}

static void write_whole(const struct text *line) {
	size_t done = 0;
	while (done < line->length) {
		ssize_t written = write(STDERR_FILENO, line->bytes + done, line->length - done);
		if (written <= 0)
			return;
		done += (size_t)written;
	}
}

static void log_line(enum log_level level, const char *message, va_list fields) {
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static struct text line;
	if (level < least_level)
		return;
	bool json = !isatty(STDERR_FILENO);
	char now[CLOCK_TEXT_BYTES];
	clock_format(clock_wall_us(), now);
	text_clear(&line);
	if (json)
		text_add_char(&line, '{');
	va_list again;
	va_copy(again, fields);
	add_task(&line, json, again);
	va_end(again);
	add_field(&line, json, "time", now);
	add_field(&line, json, "level", names[level]);
	add_field(&line, json, "program", program_name);
	add_field(&line, json, "message", message);
	add_others(&line, json, fields);
	text_add(&line, json ? "}\n" : "\n");
	write_whole(&line);
}

void log_debug(const char *message, ...) {
	va_list fields;
	va_start(fields, message);
	log_line(LOG_LEVEL_DEBUG, message, fields);
	va_end(fields);
}

void log_info(const char *message, ...) {
	va_list fields;
	va_start(fields, message);
	log_line(LOG_LEVEL_INFO, message, fields);
	va_end(fields);
}

void log_warn(const char *message, ...) {
	va_list fields;
	va_start(fields, message);
	log_line(LOG_LEVEL_WARN, message, fields);
	va_end(fields);
}

void log_error(const char *message, ...) {
	va_list fields;
	va_start(fields, message);
	log_line(LOG_LEVEL_ERROR, message, fields);
	va_end(fields);
}

const char *log_int(long long value) {
	static char buffers[8][24];
	static unsigned next;
	char *buffer = buffers[next++ % 8];
	snprintf(buffer, sizeof(buffers[0]), "%lld", value);
	return buffer;
}
