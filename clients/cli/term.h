/* What is known of a terminal, and text that suits it: colour only where a person looks, widths that fit, control
 * characters of foreign text made harmless. */
#ifndef CORDER_CLI_TERM_H
#define CORDER_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../../shared/base/text.h"

enum shade {
	SHADE_PLAIN,
	SHADE_BOLD,
	SHADE_DIM,
	SHADE_RED,
	SHADE_GREEN,
	SHADE_YELLOW,
	SHADE_BLUE,
	SHADE_MAGENTA,
	SHADE_CYAN,
	SHADE_REVERSE,
	SHADE_HEAD, /* of the list that is looked at */
	SHADE_SELECTED,
	SHADE_RULE /* heads of the other lists */
};

struct term {
	FILE *file;
	bool live; /* a terminal that can move its cursor */
	bool colour;
	bool unicode;         /* the locale is UTF-8 */
	size_t width, height; /* columns and lines; a pipe is 100 wide for drawings and never cuts a table */
};

/* when: "auto" (NULL), "always" or "never". */
void term_open(struct term *term, FILE *file, const char *when);
void term_resize(struct term *term);

/* Appends foreign text: control characters become spaces, broken UTF-8 becomes '?'. */
void term_add(const struct term *term, struct text *out, enum shade shade, struct slice text);
void term_say(const struct term *term, struct text *out, enum shade shade, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same, exactly `width` columns wide: cut with an ellipsis or filled with spaces (on the left when right is true). */
void term_add_cell(const struct term *term, struct text *out, enum shade shade, struct slice text, size_t width,
                   bool right);
size_t term_columns(struct slice text);         /* how many columns it takes */
size_t term_visible_columns(struct slice text); /* the same for text with escape sequences */
/* Appends a finished line, cut to `width` columns, and clears what is behind it. */
void term_add_fitting(const struct term *term, struct text *out, struct slice line, size_t width);
void term_begin(const struct term *term, struct text *out, enum shade shade);
void term_end(const struct term *term, struct text *out, enum shade shade);

/* How a task's status looks. */
enum shade term_status_shade(struct slice status);
const char *term_status_mark(const struct term *term, struct slice status);

/* A bar `width` columns wide; each part is a count of `total` in its shade. */
struct term_part {
	double count;
	enum shade shade;
};
void term_add_bar(const struct term *term, struct text *out, const struct term_part *parts, size_t part_count,
                  double total, size_t width);

void term_write(const struct term *term, struct text *out); /* writes and clears */

/* A picture that is drawn over itself. */
struct live {
	size_t lines; /* of the last picture */
};
void live_draw(struct live *live, struct term *term, struct text *picture); /* clears picture; cuts its lines to fit */
void live_erase(struct live *live, struct term *term);

/* "1,234,567"; from ten millions on "12.3M". */
void text_add_thousands(struct text *out, int64_t number);
/* "412ms", "3.2s", "1m05s", "2h03m", "3d04h". */
void text_add_duration(struct text *out, double seconds);
/* Local time of day, "14:03:07"; with milliseconds when fine. */
void text_add_clock(struct text *out, int64_t at_us, bool fine);

#endif
