/* Terminals: what they can do, coloured and cleaned text, cells, bars, pictures drawn in place. */
#include "term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "utf8.h"

static const char *const shade_codes[] = {
	[SHADE_PLAIN] = "",   [SHADE_BOLD] = "1",    [SHADE_DIM] = "2",      [SHADE_RED] = "31",
	[SHADE_GREEN] = "32", [SHADE_YELLOW] = "33", [SHADE_BLUE] = "34",    [SHADE_MAGENTA] = "35",
	[SHADE_CYAN] = "36",  [SHADE_REVERSE] = "7", [SHADE_HEAD] = "30;42", [SHADE_SELECTED] = "30;46",
	[SHADE_RULE] = "2;4",
};

static bool is_set(const char *name) {
	const char *value = getenv(name);
	return value != NULL && *value != 0;
}

static bool locale_is_utf8(void) {
	const char *names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	for (size_t i = 0; i < 3; i++) {
		if (!is_set(names[i]))
			continue;
		const char *value = getenv(names[i]);
		return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
	}
	return false;
}

static size_t environment_size(const char *name, size_t fallback) {
	const char *value = getenv(name);
	int64_t number = value != NULL ? slice_int(slice_of(value), 0) : 0;
	return number >= 20 && number <= 1000 ? (size_t)number : fallback;
}

void term_resize(struct term *term) {
	struct winsize size;
	term->width = environment_size("COLUMNS", 100);
	term->height = environment_size("LINES", 24);
	if (term->live && ioctl(fileno(term->file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
		term->width = size.ws_col < 20 ? 20 : size.ws_col;
		term->height = size.ws_row < 4 ? 4 : size.ws_row;
	}
}

void term_open(struct term *term, FILE *file, const char *when) {
	const char *kind = getenv("TERM");
	bool dumb = kind == NULL || strcmp(kind, "dumb") == 0;
	*term = (struct term){ .file = file, .unicode = locale_is_utf8() };
	term->live = isatty(fileno(file)) == 1 && !dumb;
	term->colour = term->live && !is_set("NO_COLOR");
	if (when != NULL && strcmp(when, "always") == 0)
		term->colour = true;
	if (when != NULL && strcmp(when, "never") == 0)
		term->colour = false;
	term_resize(term);
}

/* Appends the next character of *rest in a harmless form; it always takes one column. */
static void add_character(const struct term *term, struct text *out, struct slice *rest) {
	size_t length = utf8_character(*rest);
	unsigned char first = (unsigned char)rest->bytes[0];
	bool control =
		first < 0x20 || first == 0x7F || (first == 0xC2 && length == 2 && (unsigned char)rest->bytes[1] < 0xA0);
	if (control)
		text_add_char(out, ' ');
	else if (length == 0 || (length > 1 && !term->unicode && term->live))
		text_add_char(out, '?');
	else
		text_append(out, rest->bytes, length);
	if (length == 0)
		length = 1;
	rest->bytes += length;
	rest->length -= length;
}

size_t term_columns(struct slice text) {
	size_t columns = 0;
	while (text.length > 0) {
		size_t length = utf8_character(text);
		length = length == 0 ? 1 : length;
		text.bytes += length;
		text.length -= length;
		columns++;
	}
	return columns;
}

void term_begin(const struct term *term, struct text *out, enum shade shade) {
	if (term->colour && shade != SHADE_PLAIN)
		text_printf(out, "\x1b[%sm", shade_codes[shade]);
}

void term_end(const struct term *term, struct text *out, enum shade shade) {
	if (term->colour && shade != SHADE_PLAIN)
		text_add(out, "\x1b[0m");
}

void term_add(const struct term *term, struct text *out, enum shade shade, struct slice text) {
	term_begin(term, out, shade);
	while (text.length > 0)
		add_character(term, out, &text);
	term_end(term, out, shade);
}

void term_say(const struct term *term, struct text *out, enum shade shade, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	term_begin(term, out, shade);
	text_vprintf(out, format, arguments);
	term_end(term, out, shade);
	va_end(arguments);
}

void term_add_cell(const struct term *term, struct text *out, enum shade shade, struct slice text, size_t width,
                   bool right) {
	size_t columns = term_columns(text);
	size_t fill = columns < width ? width - columns : 0;
	if (right)
		text_printf(out, "%*s", (int)fill, "");
	term_begin(term, out, shade);
	size_t room = columns > width && width > 0 ? width - 1 : width;
	for (size_t i = 0; i < room && text.length > 0; i++)
		add_character(term, out, &text);
	if (columns > width && width > 0)
		text_add(out, term->unicode ? "…" : "~");
	term_end(term, out, shade);
	if (!right)
		text_printf(out, "%*s", (int)fill, "");
}

struct look {
	const char *status;
	enum shade shade;
	const char *mark, *plain_mark;
};

static const struct look looks[] = {
	{ "blocked", SHADE_DIM, "·", "." },   { "pending", SHADE_YELLOW, "○", "o" },  { "running", SHADE_CYAN, "▶", ">" },
	{ "retry", SHADE_MAGENTA, "↻", "r" }, { "completed", SHADE_GREEN, "✔", "+" }, { "failed", SHADE_RED, "✘", "x" },
	{ "cancelled", SHADE_DIM, "⊘", "c" }, { "skipped", SHADE_DIM, "⤼", "s" },     { "rejected", SHADE_RED, "✘", "x" },
};

static const struct look *look_of(struct slice status) {
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
		if (slice_is(status, looks[i].status))
			return &looks[i];
	return NULL;
}

enum shade term_status_shade(struct slice status) {
	const struct look *look = look_of(status);
	return look != NULL ? look->shade : SHADE_PLAIN;
}

const char *term_status_mark(const struct term *term, struct slice status) {
	const struct look *look = look_of(status);
	if (look == NULL)
		return "?";
	return term->unicode ? look->mark : look->plain_mark;
}

void term_add_bar(const struct term *term, struct text *out, const struct term_part *parts, size_t part_count,
                  double total, size_t width) {
	static const char *const plain = "=-#+*";
	size_t used = 0;
	double sum = 0;
	for (size_t i = 0; i < part_count && total > 0; i++) {
		sum += parts[i].count;
		size_t end = (size_t)((double)width * sum / total + (i == 0 || sum >= total ? 0.0 : 0.5));
		end = end > width ? width : end;
		term_begin(term, out, parts[i].shade);
		for (; used < end; used++)
			text_append(out, term->unicode ? "█" : &plain[i % 5], term->unicode ? 3 : 1);
		term_end(term, out, parts[i].shade);
	}
	term_begin(term, out, SHADE_DIM);
	for (; used < width; used++)
		text_add(out, term->unicode ? "░" : ".");
	term_end(term, out, SHADE_DIM);
}

void term_write(const struct term *term, struct text *out) {
	if (out->length > 0)
		fwrite(out->bytes, 1, out->length, term->file);
	fflush(term->file);
	text_clear(out);
}

/* The length of the next character, or of the next escape sequence, which takes no column. */
static size_t piece_length(struct slice text) {
	if (text.bytes[0] == '\x1b') {
		const char *end = memchr(text.bytes, 'm', text.length);
		return end != NULL ? (size_t)(end - text.bytes) + 1 : text.length;
	}
	size_t length = utf8_character(text);
	return length == 0 ? 1 : length;
}

void term_add_fitting(const struct term *term, struct text *out, struct slice line, size_t width) {
	size_t columns = 0;
	bool cut = false;
	while (line.length > 0) {
		size_t length = piece_length(line);
		bool is_escape = line.bytes[0] == '\x1b';
		if (is_escape || columns < width)
			text_append(out, line.bytes, length);
		else
			cut = true;
		columns += !is_escape;
		line.bytes += length;
		line.length -= length;
	}
	if (cut && term->colour)
		text_add(out, "\x1b[0m");
	if (columns < width) /* in the last column it would clear what was just written */
		text_add(out, "\x1b[K");
}

size_t term_visible_columns(struct slice text) {
	size_t columns = 0;
	while (text.length > 0) {
		size_t length = piece_length(text);
		columns += text.bytes[0] != '\x1b';
		text.bytes += length;
		text.length -= length;
	}
	return columns;
}

void live_draw(struct live *live, struct term *term, struct text *picture) {
	term_resize(term);
	struct text out = { 0 };
	if (live->lines > 0)
		text_printf(&out, "\x1b[%zuA\r", live->lines);
	live->lines = 0;
	struct slice rest = { picture->bytes, picture->length };
	while (rest.bytes != NULL && rest.length > 0 && live->lines + 1 < term->height) {
		term_add_fitting(term, &out, slice_cut(&rest, '\n'), term->width);
		text_add_char(&out, '\n');
		live->lines++;
	}
	text_add(&out, "\x1b[J");
	term_write(term, &out);
	text_release(&out);
	text_clear(picture);
}

void live_erase(struct live *live, struct term *term) {
	if (live->lines > 0)
		fprintf(term->file, "\x1b[%zuA\r\x1b[J", live->lines);
	fflush(term->file);
	live->lines = 0;
}

void text_add_thousands(struct text *out, int64_t number) {
	char digits[24];
	if (number >= 10000000) {
		text_printf(out, "%.1fM", (double)number / 1e6);
		return;
	}
	int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
			text_add_char(out, ',');
		text_add_char(out, digits[i]);
	}
}

void text_add_duration(struct text *out, double seconds) {
	if (seconds < 0)
		seconds = 0;
	long long whole = (long long)seconds;
	if (seconds < 0.9995)
		text_printf(out, "%.0fms", seconds * 1000);
	else if (seconds < 59.95)
		text_printf(out, "%.1fs", seconds);
	else if (whole < 3600)
		text_printf(out, "%lldm%02llds", whole / 60, whole % 60);
	else if (whole < 86400)
		text_printf(out, "%lldh%02lldm", whole / 3600, whole % 3600 / 60);
	else
		text_printf(out, "%lldd%02lldh", whole / 86400, whole % 86400 / 3600);
}

void text_add_clock(struct text *out, int64_t at_us, bool fine) {
	time_t seconds = (time_t)(at_us / 1000000);
	struct tm local;
	localtime_r(&seconds, &local);
	text_printf(out, "%02d:%02d:%02d", local.tm_hour, local.tm_min, local.tm_sec);
	if (fine)
		text_printf(out, ".%03d", (int)(at_us % 1000000 / 1000));
}
