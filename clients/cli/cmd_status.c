/* `corder status`: the seven numbers, health, and a line a task type. */
#include <stdio.h>

#include "../../shared/base/clock.h"
#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"
#include "grid.h"

struct status_options {
	const char *project, *type;
	int64_t window_s;
	double interval_s;
	bool watch;
};

enum { COUNT_COLUMNS = 23 };

static enum shade health_shade(struct slice health) {
	return slice_is(health, "ok") ? SHADE_GREEN : slice_is(health, "degraded") ? SHADE_YELLOW : SHADE_RED;
}

static void add_health(const struct term *term, struct text *out, struct json_value health) {
	struct slice status = json_text(json_member(health, "status"));
	field_add_label(term, out, "health");
	term_add(term, out, health_shade(status), status);
	text_add_char(out, '\n');
	struct json_value checks = json_member(health, "checks");
	for (struct json_value check = json_first(checks); json_present(check); check = json_next(check)) {
		struct slice verdict = json_text(json_member(check, "status"));
		if (slice_is(verdict, "ok"))
			continue;
		field_add_label(term, out, "");
		term_add(term, out, health_shade(verdict), json_text(json_member(check, "name")));
		text_add(out, ": ");
		term_add(term, out, SHADE_PLAIN, json_text(json_member(check, "message")));
		text_add_char(out, '\n');
		if (json_text(json_member(check, "advice")).length > 0) {
			field_add_label(term, out, "");
			term_add(term, out, SHADE_DIM, json_text(json_member(check, "advice")));
			text_add_char(out, '\n');
		}
	}
}

static void add_counts(const struct term *term, struct text *out, struct json_value root) {
	static const char *const words[] = { "pending", "running", "completed", "failed",
		                                 "blocked", "retry",   "skipped",   "cancelled" };
	size_t in_row = !term->live || term->width >= 4 * COUNT_COLUMNS ? 4 : term->width >= 2 * COUNT_COLUMNS ? 2 : 1;
	for (size_t i = 0; i < COUNT(words); i++) {
		char name[32];
		snprintf(name, sizeof name, "%s_count", words[i]);
		int64_t count = json_int(json_member(root, name), 0);
		enum shade shade = count > 0 ? term_status_shade(slice_of(words[i])) : SHADE_DIM;
		term_say(term, out, SHADE_DIM, i % in_row == 0 ? "  %-10s" : "   %-10s", words[i]);
		term_say(term, out, shade, "%10lld", (long long)count);
		if (i % in_row == in_row - 1)
			text_add_char(out, '\n');
	}
}

static void add_rates(const struct term *term, struct text *out, struct json_value root) {
	struct json_value wait = json_member(root, "average_wait_time");
	field_add_label(term, out, "average wait");
	if (json_given(wait))
		text_add_duration(out, json_double(wait, 0));
	else
		text_add_char(out, '-');
	text_add(out, "      ");
	term_say(term, out, SHADE_DIM, "throughput ");
	text_printf(out, "%.4g", json_double(json_member(root, "throughput"), 0));
	text_add(out, " tasks/s");
	term_say(term, out, SHADE_DIM, "   in the last ");
	text_add_duration(out, json_double(json_member(root, "window_s"), 0));
	text_add_char(out, '\n');
}

static void add_queues(const struct term *term, struct text *out, struct json_value queues) {
	static const struct grid_column columns[] = {
		{ "  TYPE", false, true }, { "PENDING", true, false }, { "RUNNING", true, false }, { "", false, false }
	};
	struct grid *grid = grid_open(columns, COUNT(columns));
	for (struct json_value queue = json_first(queues); json_present(queue); queue = json_next(queue)) {
		struct slice type = json_text(json_member(queue, "task_type"));
		grid_printf(grid, SHADE_PLAIN, "  %.*s", (int)type.length, type.bytes);
		grid_printf(grid, SHADE_YELLOW, "%lld", (long long)json_int(json_member(queue, "pending_count"), 0));
		grid_printf(grid, SHADE_CYAN, "%lld", (long long)json_int(json_member(queue, "running_count"), 0));
		grid_cell(grid, SHADE_MAGENTA, json_bool(json_member(queue, "paused"), false) ? SLICE("paused") : SLICE(""));
	}
	if (grid_rows(grid) > 0) {
		text_add_char(out, '\n');
		grid_add(grid, term, out);
	}
	grid_close(&grid);
}

static void add_picture(const struct term *term, struct text *out, const struct status_options *options,
                        struct json_value root) {
	term_say(term, out, SHADE_BOLD, "%s", options->project != NULL ? options->project : "all projects");
	if (options->type != NULL)
		term_say(term, out, SHADE_BOLD, ", type %s", options->type);
	text_add(out, "  ");
	struct text clock = { 0 };
	text_add_clock(&clock, clock_wall_us(), false);
	term_add(term, out, SHADE_DIM, text_slice(&clock));
	text_release(&clock);
	text_add_char(out, '\n');
	add_counts(term, out, root);
	add_rates(term, out, root);
	add_health(term, out, json_member(root, "queue_health"));
	add_queues(term, out, json_member(root, "queues"));
}

static int show_once(struct cli *cli, const struct status_options *options, struct live *live) {
	struct text body = { 0 }, picture = { 0 };
	struct answer answer;
	body_add(&body, "project", options->project);
	body_add(&body, "task_type", options->type);
	if (options->window_s > 0)
		body_add_int(&body, "window_s", options->window_s);
	body_end(&body);
	bool printed;
	int code = client_ask_or_print(cli, SUBJECT_STATUS, text_slice(&body), &answer, &printed);
	if (!printed) {
		add_picture(&cli->out, &picture, options, answer.root);
		if (live != NULL && cli->out.live)
			live_draw(live, &cli->out, &picture);
		else
			term_write(&cli->out, &picture);
	}
	answer_release(&answer);
	text_release(&picture);
	text_release(&body);
	return code;
}

static int status_run(struct cli *cli, const void *values) {
	struct status_options options = *(const struct status_options *)values;
	if (cli->arguments.count > 0)
		return command_usage(&command_status, "'%s': name a project with --project", cli->arguments.words[0]);
	options.project = client_project(options.project);
	struct live live = { 0 };
	int code = show_once(cli, &options, options.watch ? &live : NULL);
	while (options.watch && code == EXIT_DONE) {
		int64_t until_us = clock_mono_us() + (int64_t)(options.interval_s * 1e6), now_us;
		while ((now_us = clock_mono_us()) < until_us && client_turn(cli, until_us - now_us))
			;
		code = client_interrupted() ? EXIT_INTERRUPTED : show_once(cli, &options, &live);
		fflush(stdout);
	}
	return code;
}

static const struct option_row status_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct status_options, project), "NAME",
	  "of this project; else CORDER_PROJECT, else all", 0, 0 },
	{ "type", 't', OPTION_TEXT, offsetof(struct status_options, type), "TYPE", "of this task type", 0, 0 },
	{ "window", 0, OPTION_INT, offsetof(struct status_options, window_s), "SECONDS",
	  "how far wait time and throughput look back (300)", 1, LIMIT_WINDOW_S },
	{ "watch", 'w', OPTION_FLAG, offsetof(struct status_options, watch), NULL, "again and again, until Ctrl-C", 0, 0 },
	{ "interval", 0, OPTION_NUMBER, offsetof(struct status_options, interval_s), "SECONDS",
	  "with --watch: how often (1)", 0, 3600 },
};

static const struct status_options status_defaults = { .interval_s = 1 };

const struct command command_status = {
	.name = "status",
	.group = "Look at it",
	.summary = "counts, wait time, throughput, health; a line a task type",
	.usage = "[--project NAME] [--type TYPE] [--watch]",
	.examples = "corder status\ncorder status --project shop --watch\ncorder status --json | jq .pending_count",
	.options = status_options,
	.option_count = COUNT(status_options),
	.values_bytes = sizeof(struct status_options),
	.defaults = &status_defaults,
	.run = status_run,
};
