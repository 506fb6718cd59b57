/* The overview: what waits and runs with bars, rates with sparklines, health with its reasons; then the lists, then a line
 * of keys. Exactly as many lines as the terminal has. */
#include <string.h>

#include "../../shared/base/clock.h"
#include "fields.h"
#include "top.h"

enum {
	OPEN_STATUSES = 4, /* of top_status_words */
	LABEL_COLUMNS = 11,
	COUNT_COLUMNS = 10,
	RATE_COLUMNS = 18,
	BAR_LEAST = 6,
	CHECKS_SHOWN = 3,
	STALE_US = 5000000,
	LINES_LEAST = 4 /* for the lists */
};

static int64_t sum_of(const int64_t *counts, size_t from, size_t to) {
	int64_t sum = 0;
	for (size_t i = from; i < to; i++)
		sum += counts[i];
	return sum;
}

void top_add_spark(const struct term *term, struct text *out, enum shade shade, const struct top_rates *rates,
                   int64_t now_s, enum top_rate rate, size_t width) {
	static const char *const fine[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const plain[] = { ".", ":", "-", "=", "+", "*", "#", "@" };
	uint32_t most = 0;
	for (size_t i = 0; i < width; i++) {
		uint32_t count = top_rates_at(rates, now_s, rate, (int64_t)i + 1);
		most = count > most ? count : most;
	}
	term_begin(term, out, shade);
	for (size_t i = width; i > 0; i--) {
		uint32_t count = top_rates_at(rates, now_s, rate, (int64_t)i);
		size_t level = most > 0 ? (size_t)((uint64_t)count * 7 / most) : 0;
		if (count == 0)
			text_add_char(out, ' ');
		else
			text_add(out, term->unicode ? fine[level] : plain[level]);
	}
	term_end(term, out, shade);
}

/* title ---------------------------------------------------------------------------------------------------------- */

static enum shade health_shade(const char *health) {
	return strcmp(health, "ok") == 0 ? SHADE_GREEN : strcmp(health, "degraded") == 0 ? SHADE_YELLOW : SHADE_RED;
}

static void add_freshness(const struct top_data *data, const struct top_view *view, const struct term *term,
                          struct text *out) {
	int64_t age_us = clock_mono_us() - data->answered_us, age_s = age_us / 1000000;
	if (view->frozen) {
		term_say(term, out, SHADE_MAGENTA, "frozen");
	} else if (data->answered_us == 0) {
		term_say(term, out, SHADE_YELLOW, "%s", data->trouble != NULL ? data->trouble : "asking …");
	} else if (data->trouble != NULL || age_us > STALE_US + data->interval_us) {
		term_say(term, out, SHADE_RED, "%s for ", data->trouble != NULL ? data->trouble : "no answer");
		text_add_duration(out, (double)age_s);
	} else {
		term_say(term, out, SHADE_DIM, "live");
	}
}

/* Text that goes to the right end of the line which began at `start`. */
static void add_right(const struct term *term, struct text *out, size_t start, const struct text *right) {
	size_t left = term_visible_columns((struct slice){ out->bytes + start, out->length - start });
	size_t taken = term_visible_columns(text_slice(right));
	if (left + taken + 1 < term->width)
		text_printf(out, "%*s", (int)(term->width - left - taken), "");
	else
		text_add(out, "  ");
	text_add_slice(out, text_slice(right));
}

static void add_title(const struct top_data *data, const struct top_view *view, const struct term *term,
                      struct text *out) {
	struct text right = { 0 };
	size_t start = out->length;
	term_say(term, out, SHADE_BOLD, "corder");
	text_add(out, "  ");
	term_add(term, out, SHADE_CYAN, data->project != NULL ? slice_of(data->project) : SLICE("all projects"));
	if (view->filter[0] != 0)
		term_say(term, out, SHADE_MAGENTA, "  /%s", view->filter);
	text_add(out, "  ");
	add_freshness(data, view, term, out);
	if (data->health != NULL)
		term_say(term, &right, health_shade(data->health), term->unicode ? "● %s" : "* %s", data->health);
	text_add(&right, "  ");
	text_add_clock(&right, clock_wall_us(), false);
	add_right(term, out, start, &right);
	text_add_char(out, '\n');
	text_release(&right);
}

/* counts and rates ----------------------------------------------------------------------------------------------- */

static void add_label(const struct term *term, struct text *out, const char *status) {
	enum shade shade = term_status_shade(slice_of(status));
	text_add_char(out, ' ');
	term_say(term, out, shade, "%s", term_status_mark(term, slice_of(status)));
	text_add_char(out, ' ');
	term_add_cell(term, out, SHADE_PLAIN, slice_of(status), LABEL_COLUMNS - 2, false);
}

static void add_count(const struct term *term, struct text *out, int64_t count, size_t columns, enum shade shade) {
	struct text number = { 0 };
	text_add_thousands(&number, count);
	term_add_cell(term, out, count > 0 ? shade : SHADE_DIM, text_slice(&number), columns, true);
	text_release(&number);
}

static enum shade rate_shade(enum top_rate rate) {
	static const enum shade shades[TOP_RATES] = { SHADE_YELLOW, SHADE_CYAN, SHADE_GREEN, SHADE_RED };
	return shades[rate];
}

static void add_rate(const struct top_data *data, const struct term *term, struct text *out, enum top_rate rate,
                     size_t width) {
	int64_t now_s = clock_mono_us() / 1000000;
	double per_s = top_rates_per_s(&data->rates, now_s, data->since_s, rate);
	term_say(term, out, SHADE_DIM, "  %-8s", top_rate_words[rate]);
	term_say(term, out, per_s > 0 ? rate_shade(rate) : SHADE_DIM, per_s < 100 ? "%6.1f/s" : "%6.0f/s", per_s);
	if (width > RATE_COLUMNS) {
		text_add_char(out, ' ');
		top_add_spark(term, out, rate_shade(rate), &data->rates, now_s, rate, width - RATE_COLUMNS - 1);
	}
}

static void add_open(const struct top_data *data, const struct term *term, struct text *out) {
	int64_t total = sum_of(data->counts, 0, OPEN_STATUSES);
	size_t half = term->width / 2, fixed = LABEL_COLUMNS + 1 + COUNT_COLUMNS + 1;
	size_t bar = half > fixed + BAR_LEAST ? half - fixed : BAR_LEAST;
	size_t before = LABEL_COLUMNS + 1 + bar + COUNT_COLUMNS;
	size_t rest = term->width > before ? term->width - before : 0; /* a narrow terminal cuts what it does not hold */
	for (size_t i = 0; i < OPEN_STATUSES; i++) {
		struct term_part part = { (double)data->counts[i], term_status_shade(slice_of(top_status_words[i])) };
		add_label(term, out, top_status_words[i]);
		term_add_bar(term, out, &part, 1, total > 0 ? (double)total : 1, bar);
		add_count(term, out, data->counts[i], COUNT_COLUMNS, part.shade);
		add_rate(data, term, out, (enum top_rate)i, rest);
		text_add_char(out, '\n');
	}
}

static void add_ended(const struct top_data *data, const struct term *term, struct text *out) {
	for (size_t i = OPEN_STATUSES; i < TOP_STATUSES; i++) {
		enum shade shade = data->counts[i] > 0 ? term_status_shade(slice_of(top_status_words[i])) : SHADE_DIM;
		text_add(out, i == OPEN_STATUSES ? " " : "   ");
		term_say(term, out, shade, "%s ", term_status_mark(term, slice_of(top_status_words[i])));
		term_begin(term, out, shade);
		text_add_thousands(out, data->counts[i]);
		term_end(term, out, shade);
		term_say(term, out, SHADE_DIM, " %s", top_status_words[i]);
	}
	if (data->average_wait_s >= 0) {
		term_say(term, out, SHADE_DIM, "   wait ");
		text_add_duration(out, data->average_wait_s);
	}
	text_add_char(out, '\n');
}

static void add_checks(const struct top_data *data, const struct term *term, struct text *out) {
	for (size_t i = 0; i < data->check_count && i < CHECKS_SHOWN; i++) {
		const struct top_check *check = &data->checks[i];
		enum shade shade = check->is_critical ? SHADE_RED : SHADE_YELLOW;
		term_say(term, out, shade, " ! %s: ", check->name);
		term_add(term, out, SHADE_PLAIN, slice_of(check->message));
		if (check->advice != NULL)
			term_say(term, out, SHADE_DIM, ". %s", check->advice);
		text_add_char(out, '\n');
	}
	if (data->check_count > CHECKS_SHOWN)
		term_say(term, out, SHADE_DIM, "   and %zu more: corder status\n", data->check_count - CHECKS_SHOWN);
}

/* the last line -------------------------------------------------------------------------------------------------- */

static void add_key(const struct term *term, struct text *out, const char *key, const char *what) {
	term_say(term, out, SHADE_REVERSE, term->colour ? " %s " : "[%s]", key);
	text_printf(out, " %s  ", what);
}

static void add_question(const struct top_view *view, const struct term *term, struct text *out, const char *project) {
	if (view->prompt == TOP_CONFIRM_PAUSE) {
		term_say(term, out, SHADE_YELLOW, "%s %s in %s? ", view->resumes ? "Resume" : "Pause", view->subject,
		         project != NULL ? project : "all projects");
		text_add(out, view->resumes ? "y/n" : "What runs goes on. y/n");
		return;
	}
	term_say(term, out, SHADE_BOLD, view->prompt == TOP_ASK_FILTER ? "Show what holds: " : "Project (empty: all): ");
	text_add(out, view->typed);
	term_say(term, out, SHADE_REVERSE, " ");
}

static void add_last_line(const struct top_data *data, const struct top_view *view, const struct term *term,
                          struct text *out) {
	if (view->prompt != TOP_NO_PROMPT) {
		add_question(view, term, out, data->project);
		return;
	}
	if (view->message[0] != 0) {
		term_add(term, out, SHADE_YELLOW, slice_of(view->message));
		return;
	}
	static const char *const keys[][2] = { { "q", "quit" },    { "Tab", "list" }, { "s", "sort" }, { "/", "filter" },
		                                   { "P", "project" }, { "p", "pause" },  { "?", "help" } };
	for (size_t i = 0; i < COUNT(keys); i++)
		add_key(term, out, keys[i][0], keys[i][1]);
}

static void add_help(const struct term *term, struct text *out) {
	static const char *const lines[][2] = {
		{ "Tab", "the next list: queues, what runs, what failed" },
		{ "Up Down PgUp PgDn", "move in it, also Home End j k" },
		{ "s   S   r", "sort by the next or last column; turn the order round" },
		{ "/", "show only what holds a text; Esc shows all" },
		{ "P", "one project, or all" },
		{ "p", "pause or resume the selected type; asks before" },
		{ "+   -", "refresh less often, more often" },
		{ "Space", "freeze the picture" },
		{ "q   Ctrl-C", "leave" },
	};
	text_add_char(out, '\n');
	for (size_t i = 0; i < COUNT(lines); i++) {
		text_add(out, "  ");
		term_add_cell(term, out, SHADE_CYAN, slice_of(lines[i][0]), 24, false);
		text_printf(out, "%s\n", lines[i][1]);
	}
	text_add(out, "\n  in: tasks admitted a second; started, done, failed: tries that did.\n"
	              "  OLDEST: how long the first ready task of a type has waited.\n"
	              "  Any key goes back.\n");
}

static size_t lines_of(const struct text *out) {
	size_t lines = 0;
	for (size_t i = 0; i < out->length; i++)
		lines += out->bytes[i] == '\n';
	return lines;
}

void top_picture_add(const struct top_data *data, struct top_view *view, const struct term *term, struct text *out) {
	add_title(data, view, term, out);
	add_open(data, term, out);
	add_ended(data, term, out);
	add_checks(data, term, out);
	size_t used = lines_of(out) + 1;
	size_t room = term->height > used + LINES_LEAST ? term->height - used : LINES_LEAST;
	if (term->height == 0) { /* as long as it takes */
		top_panes_add(data, view, term, out, 0);
		return;
	}
	if (view->help)
		add_help(term, out);
	else
		top_panes_add(data, view, term, out, room);
	while (lines_of(out) + 1 < term->height)
		text_add_char(out, '\n');
	add_last_line(data, view, term, out);
}
