/* Rows of cells: when each task waited and ran, try by try; the end of a run is as fine as an eighth of a cell. */
#include "timeline_text.h"

#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "fields.h"

/* What is drawn where: `left` columns of names, then `width` columns from from_us to to_us. */
struct scale {
	const struct term *term;
	int64_t from_us, to_us; /* to_us is now while something goes on */
	size_t left, width;
};

enum { NAME_MOST = 32, NAME_LEAST = 8, AFTER_COLUMNS = 12, WIDTH_LEAST = 20, TICK_COLUMNS = 16 };

struct cell {
	const char *mark, *plain;
	enum shade shade;
};

static const struct cell cell_none = { " ", " ", SHADE_PLAIN }, cell_blocked = { "·", ".", SHADE_DIM },
						 cell_waiting = { "░", "-", SHADE_YELLOW };

static const char *const critical_mark[] = { "*", "◆" };

static struct cell cell_of(struct slice outcome) {
	if (outcome.length == 0)
		return (struct cell){ "▒", ">", SHADE_CYAN };
	if (slice_is(outcome, "completed"))
		return (struct cell){ "█", "#", SHADE_GREEN };
	if (slice_is(outcome, "released") || slice_is(outcome, "cancelled"))
		return (struct cell){ "╌", "c", SHADE_DIM };
	return (struct cell){ "▓", "x", SHADE_RED };
}

static size_t column(const struct scale *scale, int64_t at_us) {
	if (at_us <= scale->from_us)
		return 0;
	double part = (double)(at_us - scale->from_us) / (double)(scale->to_us - scale->from_us);
	size_t place = (size_t)(part * (double)scale->width);
	return place < scale->width ? place : scale->width;
}

/* Fills from one time to another; something that happened takes at least one column. */
static void fill(const struct scale *scale, struct cell *cells, int64_t from_us, int64_t to_us, struct cell cell) {
	size_t from = column(scale, from_us), to = column(scale, to_us);
	if (to == from)
		to = from + 1;
	for (size_t i = from; i < to && i < scale->width; i++)
		cells[i] = cell;
}

/* The part of the last column that a try which completed took, if nothing else is drawn there. */
static void fill_end(const struct scale *scale, struct cell *cells, int64_t from_us, int64_t to_us, struct cell cell) {
	static const char *const eighths[] = { " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	double columns = (double)(to_us - scale->from_us) / (double)(scale->to_us - scale->from_us) * (double)scale->width;
	size_t last = (size_t)columns;
	if (last >= scale->width || last == column(scale, from_us) || !scale->term->unicode)
		return;
	cell.mark = eighths[(size_t)((columns - (double)last) * 8) & 7];
	if (cell.mark[0] != ' ')
		cells[last] = cell;
}

static void add_cells(const struct term *term, struct text *out, const struct cell *cells, size_t count) {
	for (size_t i = 0; i < count;) {
		size_t end = i;
		term_begin(term, out, cells[i].shade);
		for (; end < count && cells[end].shade == cells[i].shade; end++)
			text_add(out, term->unicode ? cells[end].mark : cells[end].plain);
		term_end(term, out, cells[i].shade);
		i = end;
	}
}

static int64_t end_of(const struct plan_node *node, int64_t now_us) {
	return node->finished_us > 0 ? node->finished_us : now_us;
}

static void paint(const struct scale *scale, const struct plan *plan, const struct plan_node *node,
                  struct cell *cells) {
	int64_t ready_us = plan_first_ready_us(plan, node);
	int64_t end_us = end_of(node, scale->to_us);
	for (size_t i = 0; i < scale->width; i++)
		cells[i] = cell_none;
	fill(scale, cells, node->created_us, ready_us > 0 ? ready_us : end_us, cell_blocked);
	if (ready_us > 0)
		fill(scale, cells, ready_us, end_us, cell_waiting);
	struct json_value attempts = json_member(node->task, "attempts");
	for (struct json_value attempt = json_first(attempts); json_present(attempt); attempt = json_next(attempt)) {
		int64_t started_us = field_time(json_member(attempt, "started_at"));
		int64_t finished_us = field_time(json_member(attempt, "finished_at"));
		int64_t until_us = finished_us > 0 ? finished_us : scale->to_us;
		struct cell cell = cell_of(json_text(json_member(attempt, "outcome")));
		fill(scale, cells, started_us, until_us, cell);
		if (cell.shade == SHADE_GREEN)
			fill_end(scale, cells, started_us, until_us, cell);
	}
}

static void add_row(const struct scale *scale, struct text *out, const struct plan *plan, const struct plan_node *node,
                    struct cell *cells) {
	const struct term *term = scale->term;
	size_t tries = json_count(json_member(node->task, "attempts"));
	term_say(term, out, term_status_shade(node->status), "%s ", term_status_mark(term, node->status));
	term_add_cell(term, out, node->is_critical ? SHADE_BOLD : SHADE_PLAIN, node->task_id, scale->left - 2, false);
	if (node->is_critical)
		term_say(term, out, SHADE_BOLD, "%s", critical_mark[term->unicode]);
	else
		text_add_char(out, ' ');
	paint(scale, plan, node, cells);
	add_cells(term, out, cells, scale->width);
	text_add_char(out, ' ');
	if (node->started_us > 0)
		text_add_duration(out, (double)(end_of(node, scale->to_us) - node->started_us) / 1e6);
	if (tries > 1)
		term_say(term, out, SHADE_MAGENTA, term->unicode ? " ×%zu" : " x%zu", tries);
	text_add_char(out, '\n');
}

/* When it began, and how much later the places are that stand under a mark. */
static void add_axis(const struct scale *scale, struct text *out) {
	struct text line = { 0 };
	double length_s = (double)(scale->to_us - scale->from_us) / 1e6;
	size_t ticks = scale->width / TICK_COLUMNS;
	ticks = ticks < 1 ? 1 : ticks;
	text_add_clock(&line, scale->from_us, false);
	for (size_t i = 1; i <= ticks; i++) {
		struct text label = { 0 };
		text_add(&label, " +");
		text_add_duration(&label, length_s * (double)i / (double)ticks);
		text_add_char(&label, '|');
		size_t columns = term_columns(text_slice(&label)), end = scale->width * i / ticks + 1;
		size_t used = term_columns(text_slice(&line));
		if (used + columns <= end)
			text_printf(&line, "%*s%s", (int)(end - used - columns), "", label.bytes);
		text_release(&label);
	}
	text_printf(out, "%*s", (int)scale->left + 1, "");
	term_add(scale->term, out, SHADE_DIM, text_slice(&line));
	text_add_char(out, '\n');
	text_release(&line);
}

static void add_legend(const struct term *term, struct text *out) {
	const struct cell cells[] = { cell_blocked, cell_waiting, cell_of(SLICE("completed")), cell_of(SLICE("")),
		                          cell_of(SLICE("failed")) };
	static const char *const words[] = { "blocked", "waiting", "ran", "running", "failed try" };
	for (size_t i = 0; i < COUNT(cells); i++) {
		text_add(out, i > 0 ? "   " : "");
		add_cells(term, out, &cells[i], 1);
		term_say(term, out, SHADE_DIM, " %s", words[i]);
	}
	term_say(term, out, SHADE_BOLD, "   %s", critical_mark[term->unicode]);
	term_say(term, out, SHADE_DIM, " critical path");
	text_add_char(out, '\n');
}

static struct scale measure(const struct term *term, const struct plan *plan, size_t first) {
	struct scale scale = { .term = term, .from_us = INT64_MAX, .left = NAME_LEAST };
	int64_t now_us = clock_wall_us();
	for (size_t i = first; i < plan->count; i++) {
		const struct plan_node *node = &plan->nodes[i];
		size_t columns = term_columns(node->task_id) + 2;
		scale.from_us = node->created_us < scale.from_us ? node->created_us : scale.from_us;
		scale.to_us = end_of(node, now_us) > scale.to_us ? end_of(node, now_us) : scale.to_us;
		scale.left = columns > scale.left ? columns : scale.left;
	}
	if (scale.to_us <= scale.from_us)
		scale.to_us = scale.from_us + 1;
	scale.left = scale.left > NAME_MOST ? NAME_MOST : scale.left;
	size_t taken = scale.left + 1 + AFTER_COLUMNS;
	scale.width = term->width > taken + WIDTH_LEAST ? term->width - taken : WIDTH_LEAST;
	return scale;
}

void timeline_text_add(const struct plan *plan, size_t first, const struct term *term, struct text *out) {
	struct scale scale = measure(term, plan, first);
	struct cell *cells = memory_array(scale.width, sizeof *cells);
	add_axis(&scale, out);
	for (size_t i = first; i < plan->count; i++)
		add_row(&scale, out, plan, &plan->nodes[i], cells);
	add_legend(term, out);
	free(cells);
}
