/* `corder timeline`: a Gantt chart: when each task waited and ran, try by try. */
#include <stdio.h>
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"

struct timeline_options {
	const char *project, *batch;
	int64_t limit;
};

/* What is drawn where: `left` columns of names, then `width` columns from from_us to to_us. */
struct scale {
	const struct term *term;
	int64_t from_us, to_us;
	size_t left, width;
};

enum { NAME_MOST = 32, NAME_LEAST = 8, AFTER_COLUMNS = 10, WIDTH_LEAST = 20 };

struct cell {
	const char *mark, *plain;
	enum shade shade;
};

static const struct cell cell_none = { " ", " ", SHADE_PLAIN }, cell_blocked = { "·", ".", SHADE_DIM },
						 cell_waiting = { "░", "-", SHADE_YELLOW };

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

static int64_t end_of(struct json_value task, int64_t now_us) {
	int64_t finished_us = field_time(json_member(task, "finished_at"));
	return finished_us > 0 ? finished_us : now_us;
}

static void paint(const struct scale *scale, struct json_value task, struct cell *cells) {
	int64_t created_us = field_time(json_member(task, "created_at"));
	int64_t ready_us = field_time(json_member(task, "ready_at"));
	int64_t end_us = end_of(task, scale->to_us);
	for (size_t i = 0; i < scale->width; i++)
		cells[i] = cell_none;
	fill(scale, cells, created_us, ready_us > 0 ? ready_us : end_us, cell_blocked);
	if (ready_us > 0)
		fill(scale, cells, ready_us, end_us, cell_waiting);
	struct json_value attempts = json_member(task, "attempts");
	for (struct json_value attempt = json_first(attempts); json_present(attempt); attempt = json_next(attempt)) {
		int64_t started_us = field_time(json_member(attempt, "started_at"));
		int64_t finished_us = field_time(json_member(attempt, "finished_at"));
		int64_t until_us = finished_us > 0 ? finished_us : scale->to_us;
		if (ready_us > started_us || ready_us == 0) /* a later try made it ready again: before this one it waited */
			fill(scale, cells, created_us, started_us, cell_waiting);
		fill(scale, cells, started_us, until_us, cell_of(json_text(json_member(attempt, "outcome"))));
	}
}

static void add_row(const struct scale *scale, struct text *out, struct json_value task, struct cell *cells) {
	const struct term *term = scale->term;
	struct slice status = json_text(json_member(task, "status"));
	struct slice id = json_text(json_member(task, "task_id"));
	int64_t started_us = field_time(json_member(task, "started_at"));
	size_t tries = json_count(json_member(task, "attempts"));
	term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
	term_add_cell(term, out, SHADE_PLAIN, id, scale->left - 2, false);
	text_add_char(out, ' ');
	paint(scale, task, cells);
	add_cells(term, out, cells, scale->width);
	text_add_char(out, ' ');
	if (started_us > 0)
		text_add_duration(out, (double)(end_of(task, scale->to_us) - started_us) / 1e6);
	if (tries > 1)
		term_say(term, out, SHADE_MAGENTA, term->unicode ? " ×%zu" : " x%zu", tries);
	text_add_char(out, '\n');
}

/* The ends of the scale and a mark in the middle. */
static void add_axis(const struct scale *scale, struct text *out) {
	struct text from = { 0 }, middle = { 0 }, to = { 0 };
	double length_s = (double)(scale->to_us - scale->from_us) / 1e6;
	text_add_clock(&from, scale->from_us, false);
	text_add_char(&middle, '+');
	text_add_duration(&middle, length_s / 2);
	text_add_char(&to, '+');
	text_add_duration(&to, length_s);
	size_t half = scale->width / 2;
	text_printf(out, "%*s", (int)scale->left + 1, "");
	term_add_cell(scale->term, out, SHADE_DIM, text_slice(&from), half, false);
	term_add_cell(scale->term, out, SHADE_DIM, text_slice(&middle), scale->width - half - to.length, false);
	term_add(scale->term, out, SHADE_DIM, text_slice(&to));
	text_add_char(out, '\n');
	text_release(&from);
	text_release(&middle);
	text_release(&to);
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
	text_add_char(out, '\n');
}

static struct scale measure(const struct term *term, struct json_value tasks) {
	struct scale scale = { .term = term, .from_us = INT64_MAX, .left = NAME_LEAST };
	int64_t now_us = clock_wall_us();
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task)) {
		int64_t created_us = field_time(json_member(task, "created_at")), end_us = end_of(task, now_us);
		size_t columns = term_columns(json_text(json_member(task, "task_id"))) + 2;
		scale.from_us = created_us < scale.from_us ? created_us : scale.from_us;
		scale.to_us = end_us > scale.to_us ? end_us : scale.to_us;
		scale.left = columns > scale.left ? columns : scale.left;
	}
	if (scale.to_us <= scale.from_us)
		scale.to_us = scale.from_us + 1;
	scale.left = scale.left > NAME_MOST ? NAME_MOST : scale.left;
	size_t taken = scale.left + 1 + AFTER_COLUMNS;
	scale.width = term->width > taken + WIDTH_LEAST ? term->width - taken : WIDTH_LEAST;
	return scale;
}

static void draw(struct cli *cli, const struct timeline_options *options, struct json_value root) {
	struct json_value tasks = json_member(root, "tasks");
	struct text out = { 0 };
	size_t count = json_count(tasks), skip = count > (size_t)options->limit ? count - (size_t)options->limit : 0;
	if (count == 0) {
		printf("No tasks.\n");
		return;
	}
	struct scale scale = measure(&cli->out, tasks);
	struct cell *cells = memory_array(scale.width, sizeof *cells);
	add_axis(&scale, &out);
	size_t index = 0;
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task))
		if (index++ >= skip)
			add_row(&scale, &out, task, cells);
	add_legend(&cli->out, &out);
	if (skip > 0)
		text_printf(&out, "The newest %lld of %zu tasks; --limit N shows more, --batch ID one batch.\n",
		            (long long)options->limit, count);
	if (json_bool(json_member(root, "truncated"), false))
		text_add(&out, "There are more tasks than a message holds: look at one batch with --batch ID.\n");
	term_write(&cli->out, &out);
	text_release(&out);
	free(cells);
}

static int timeline_run(struct cli *cli, const void *values) {
	const struct timeline_options *options = values;
	const char *project = client_project(options->project);
	if (project == NULL || cli->arguments.count > 0)
		return command_usage(&command_timeline, "of which project? Give --project NAME or set CORDER_PROJECT");
	struct text body = { 0 };
	struct answer answer;
	body_add(&body, "project", project);
	body_add(&body, "batch_id", options->batch);
	body_end(&body);
	bool printed;
	int code = client_ask_or_print(cli, SUBJECT_TIMELINE, text_slice(&body), &answer, &printed);
	if (!printed)
		draw(cli, options, answer.root);
	answer_release(&answer);
	text_release(&body);
	return code;
}

static const struct option_row timeline_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct timeline_options, project), "NAME",
	  "the project; else CORDER_PROJECT", 0, 0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct timeline_options, batch), "ID", "only this batch", 0, 0 },
	{ "limit", 'n', OPTION_INT, offsetof(struct timeline_options, limit), "N", "so many tasks, the newest (200)", 1,
	  1000000 },
};

static const struct timeline_options timeline_defaults = { .limit = 200 };

const struct command command_timeline = {
	.name = "timeline",
	.group = "Look at it",
	.summary = "a Gantt chart: when each task waited and ran, try by try",
	.usage = "--project NAME [--batch ID]",
	.examples = "corder timeline --project shop --batch nightly-12",
	.options = timeline_options,
	.option_count = COUNT(timeline_options),
	.values_bytes = sizeof(struct timeline_options),
	.defaults = &timeline_defaults,
	.run = timeline_run,
};
