/* `corder watch`: a project or a batch, live: counts, what runs, what just happened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "commands.h"
#include "event_line.h"
#include "fields.h"
#include "follow.h"

struct watch_options {
	const char *project, *batch;
	bool until_done;
};

enum { LAST_LINES = 8, RUNNING_LEAST = 3, FRAME_LINES = 5, BAR_COLUMNS = 40, DRAW_US = 100000, NAME_COLUMNS = 32 };

struct watch {
	struct cli *cli;
	const struct watch_options *options;
	const char *project;
	struct tracker *tracker;
	struct text last[LAST_LINES]; /* a ring of lines */
	size_t events;
	struct live live;
	int64_t drawn_us;
};

static void on_changed(void *context, const struct tracked_task *task, struct json_value event) {
	struct watch *watch = context;
	struct cli *cli = watch->cli;
	(void)task;
	if (cli->common.json) {
		struct slice raw = json_raw(event);
		printf("%.*s\n", (int)raw.length, raw.bytes);
		return;
	}
	struct text *line = &watch->last[watch->events++ % LAST_LINES];
	text_clear(line);
	event_line_add(&cli->out, line, event, false);
	if (!cli->out.live)
		printf("%s\n", line->bytes);
}

static int by_start(const void *a, const void *b) {
	const struct tracked_task *first = *(const struct tracked_task *const *)a;
	const struct tracked_task *second = *(const struct tracked_task *const *)b;
	return first->since_us < second->since_us ? -1 : first->since_us > second->since_us;
}

/* The tasks that run, the longest first; how many of them are in *count. */
static struct tracked_task **running_tasks(const struct tracker *tracker, size_t *count) {
	struct tracked_task **tasks = memory_array(tracker_counts(tracker)[TRACKED_RUNNING] + 1, sizeof *tasks);
	struct tracked_task *task;
	size_t at = 0;
	*count = 0;
	while (tracker_next(tracker, &at, &task))
		if (task->status == TRACKED_RUNNING)
			tasks[(*count)++] = task;
	qsort(tasks, *count, sizeof(struct tracked_task *), by_start);
	return tasks;
}

static void add_running(const struct watch *watch, struct text *out) {
	const struct term *term = &watch->cli->out;
	size_t count;
	struct tracked_task **tasks = running_tasks(watch->tracker, &count);
	size_t taken = FRAME_LINES + LAST_LINES;
	size_t room = term->height > taken + RUNNING_LEAST ? term->height - taken : RUNNING_LEAST;
	for (size_t i = 0; i < count && i < room; i++) {
		const struct tracked_task *task = tasks[i];
		term_say(term, out, SHADE_CYAN, "%s ", term_status_mark(term, SLICE("running")));
		term_add_cell(term, out, SHADE_PLAIN, slice_of(task->task_id), NAME_COLUMNS, false);
		text_add_char(out, ' ');
		text_add_duration(out, (double)(clock_wall_us() - task->since_us) / 1e6);
		term_say(term, out, SHADE_DIM, "  %s", task->task_type != NULL ? task->task_type : "");
		if (task->attempt > 1)
			term_say(term, out, SHADE_MAGENTA, "  try %lld", (long long)task->attempt);
		if (task->progress != NULL) {
			text_add(out, "  ");
			term_add(term, out, SHADE_PLAIN, slice_of(task->progress));
		}
		text_add_char(out, '\n');
	}
	if (count > room)
		text_printf(out, "… and %zu more running\n", count - room);
	free(tasks);
}

static void draw(struct watch *watch) {
	const struct term *term = &watch->cli->out;
	const size_t *counts = tracker_counts(watch->tracker);
	size_t total = tracker_total(watch->tracker);
	struct text picture = { 0 };
	term_say(term, &picture, SHADE_BOLD, "%s", watch->project);
	if (watch->options->batch != NULL)
		term_say(term, &picture, SHADE_DIM, "  batch %s", watch->options->batch);
	text_add_char(&picture, '\n');
	follow_add_bar(term, &picture, counts, BAR_COLUMNS);
	text_printf(&picture, " %zu/%zu ended\n", total - tracker_open_count(watch->tracker), total);
	follow_add_counts(term, &picture, counts);
	text_add(&picture, "\n");
	if (counts[TRACKED_RUNNING] > 0)
		text_add_char(&picture, '\n');
	add_running(watch, &picture);
	size_t shown = watch->events < LAST_LINES ? watch->events : LAST_LINES;
	if (shown > 0)
		text_add_char(&picture, '\n');
	for (size_t i = watch->events - shown; i < watch->events; i++) {
		text_add_slice(&picture, text_slice(&watch->last[i % LAST_LINES]));
		text_add_char(&picture, '\n');
	}
	live_draw(&watch->live, &watch->cli->out, &picture);
	text_release(&picture);
	watch->drawn_us = clock_mono_us();
}

static bool is_done(const struct watch *watch) {
	return tracker_open_count(watch->tracker) == 0 && tracker_total(watch->tracker) > 0;
}

static void show(struct watch *watch, bool now) {
	if (watch->cli->out.live && !watch->cli->common.json && (now || clock_mono_us() - watch->drawn_us >= DRAW_US))
		draw(watch);
	else
		fflush(stdout);
}

static int follow(struct watch *watch) {
	int code = tracker_load(watch->tracker);
	while (code == EXIT_DONE) {
		bool done = watch->options->until_done && (is_done(watch) || tracker_rejected(watch->tracker));
		if (done && !tracker_rejected(watch->tracker)) {
			code = tracker_complete(watch->tracker);
			done = code == EXIT_DONE && is_done(watch);
		}
		show(watch, done);
		if (done)
			break;
		code = tracker_turn(watch->tracker, DRAW_US);
	}
	show(watch, true);
	if (code != EXIT_DONE || !watch->options->until_done)
		return code;
	if (!watch->cli->out.live || watch->cli->common.json)
		follow_print_result(watch->cli, watch->tracker, watch->project, watch->options->batch);
	if (tracker_rejected(watch->tracker))
		return EXIT_REFUSED;
	return tracker_counts(watch->tracker)[TRACKED_COMPLETED] == tracker_total(watch->tracker) ? EXIT_DONE : EXIT_FAILED;
}

static int watch_run(struct cli *cli, const void *values) {
	const struct watch_options *options = values;
	struct watch watch = { .cli = cli, .options = options, .project = client_project(options->project) };
	if (watch.project == NULL || cli->arguments.count > 0)
		return command_usage(&command_watch, "which project? Give --project NAME or set CORDER_PROJECT");
	int code = tracker_open(cli, watch.project, options->batch, on_changed, &watch, &watch.tracker);
	if (code == EXIT_DONE)
		code = follow(&watch);
	tracker_close(&watch.tracker);
	for (size_t i = 0; i < LAST_LINES; i++)
		text_release(&watch.last[i]);
	return code;
}

static const struct option_row watch_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct watch_options, project), "NAME", "the project; else CORDER_PROJECT",
	  0, 0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct watch_options, batch), "ID", "only this batch", 0, 0 },
	{ "until-done", 'd', OPTION_FLAG, offsetof(struct watch_options, until_done), NULL,
	  "end when all tasks have; exit 1 unless all completed", 0, 0 },
};

const struct command command_watch = {
	.name = "watch",
	.group = "Look at it",
	.summary = "a project or batch, live; plain lines when piped",
	.usage = "--project NAME [--batch ID] [--until-done]",
	.examples = "corder watch --project shop\ncorder watch --project shop --batch nightly-12 --until-done && deploy",
	.options = watch_options,
	.option_count = COUNT(watch_options),
	.values_bytes = sizeof(struct watch_options),
	.run = watch_run,
};
