/* `corder top`: the queue live in a terminal, or once, or as lines for a program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "commands.h"
#include "top.h"

struct top_options {
	const char *project;
	double interval_s;
	bool once;
};

struct top {
	struct top_data data;
	struct top_view view;
	bool gone;     /* the terminal */
	bool has_keys; /* came in this turn: the picture follows at once */
};

enum { DRAW_US = 1000000, TURN_US = 100000 };

static const double INTERVAL_LEAST_S = 0.1;

static int say_silent(const struct top *top) {
	fprintf(stderr, "corder: %s at %s: 'corder services' lists what runs\n",
	        top->data.trouble != NULL ? top->data.trouble : "no monitor answers", top->data.cli->url);
	return EXIT_UNREACHABLE;
}

/* for programs and pipes ----------------------------------------------------------------------------------------- */

/* Gathers for an interval, and until the first answers are there. */
static int gather(struct top *top, double interval_s) {
	struct cli *cli = top->data.cli;
	int64_t began_us = clock_mono_us(), until_us = began_us + (int64_t)(interval_s * 1e6);
	int64_t patience_us = began_us + (int64_t)(client_timeout_s(cli, interval_s) * 1e6);
	for (;;) { /* a turn at least: it hears signals, and that nobody reads any more */
		top_data_refresh(&top->data);
		if (!client_turn(cli, TURN_US))
			return EXIT_INTERRUPTED;
		int64_t now_us = clock_mono_us();
		bool answered = top->data.answered_us > 0 && !top->data.is_listing;
		if (answered && now_us >= until_us)
			return EXIT_DONE;
		if (now_us >= patience_us)
			return top->data.answered_us > 0 ? EXIT_DONE : say_silent(top);
	}
}

static void print(struct top *top) {
	struct cli *cli = top->data.cli;
	struct text out = { 0 };
	struct term term = cli->out;
	if (cli->common.json) {
		top_json_add(&top->data, &out);
	} else {
		term.live = false; /* nothing is selected */
		term.height = 0;
		top_picture_add(&top->data, &top->view, &term, &out);
	}
	term_write(&cli->out, &out);
	text_release(&out);
}

static int run_plain(struct top *top, const struct top_options *options) {
	int code = gather(top, options->interval_s);
	while (code == EXIT_DONE) {
		print(top);
		if (options->once)
			break;
		code = gather(top, options->interval_s);
	}
	return code;
}

/* live ----------------------------------------------------------------------------------------------------------- */

static void on_key(void *context, int fd, int events) {
	struct top *top = context;
	char bytes[256];
	(void)events;
	ssize_t length = read(fd, bytes, sizeof bytes);
	if (length > 0)
		top_keys_take(&top->data, &top->view, (struct slice){ bytes, (size_t)length });
	else if (length == 0 || errno != EINTR)
		top->gone = true;
	top->has_keys = true;
}

static void draw(struct top *top) {
	struct cli *cli = top->data.cli;
	struct text picture = { 0 };
	term_resize(&cli->out);
	top_picture_add(&top->data, &top->view, &cli->out, &picture);
	top_screen_draw(&cli->out, &picture);
	text_release(&picture);
}

static int run_live(struct top *top) {
	struct cli *cli = top->data.cli;
	int64_t drawn_us = 0;
	int code = EXIT_DONE;
	if (!top_screen_open()) {
		fputs("corder: this terminal cannot be set up\n", stderr);
		return EXIT_USAGE;
	}
	loop_watch(cli->loop, STDIN_FILENO, LOOP_READ, on_key, top);
	while (!top->view.quit && !top->gone) {
		int64_t now_us = clock_mono_us();
		int64_t every_us = top->data.interval_us < DRAW_US ? top->data.interval_us : DRAW_US;
		bool due = now_us - drawn_us >= every_us && !top->view.frozen;
		if (top->view.changed)
			top->data.asked_us = 0;
		top_data_refresh(&top->data);
		if (top_screen_resized() || top->has_keys || top->view.changed || due || drawn_us == 0) {
			top->has_keys = top->view.changed = false;
			draw(top);
			drawn_us = now_us;
		}
		if (!client_turn(cli, TURN_US)) {
			code = EXIT_INTERRUPTED;
			break;
		}
	}
	loop_watch(cli->loop, STDIN_FILENO, 0, NULL, NULL);
	top_screen_close();
	return code;
}

static int top_run(struct cli *cli, const void *values) {
	const struct top_options *options = values;
	bool is_live = !options->once && !cli->common.json;
	if (cli->arguments.count > 0)
		return command_usage(&command_top, "'%s': name a project with --project", cli->arguments.words[0]);
	if (options->interval_s < INTERVAL_LEAST_S)
		return command_usage(&command_top, "--interval takes 0.1 to 3600 seconds");
	if (is_live && (!cli->out.live || isatty(STDIN_FILENO) != 1))
		return command_usage(&command_top, "the live picture needs a terminal; elsewhere use --once or --json");
	int code = client_connect(cli);
	if (code != EXIT_DONE)
		return code;
	struct top *top = memory_new(sizeof *top);
	top->view.sort[TOP_QUEUES] = 1;
	top->view.sort[TOP_WORKERS] = 3;
	code = top_data_open(&top->data, cli, client_project(options->project), options->interval_s);
	if (code == EXIT_DONE)
		code = is_live ? run_live(top) : run_plain(top, options);
	bus_unsubscribe_all(cli->bus);
	client_close(cli); /* what was asked is answered by this, before its place goes */
	top_data_close(&top->data);
	free(top);
	return code;
}

static const struct option_row top_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct top_options, project), "NAME",
	  "only this project; else CORDER_PROJECT, else all", 0, 0 },
	{ "interval", 'i', OPTION_NUMBER, offsetof(struct top_options, interval_s), "SECONDS",
	  "how often it asks (1), 0.1 at the least", 0, 3600 },
	{ "once", '1', OPTION_FLAG, offsetof(struct top_options, once), NULL,
	  "watch for one interval, print one picture, end", 0, 0 },
};

static const struct top_options top_defaults = { .interval_s = 1 };

const struct command command_top = {
	.name = "top",
	.group = "Look at it",
	.summary = "the whole queue, live: counts, rates, queues, what runs, what failed, health",
	.usage = "[--project NAME] [--interval SECONDS] [--once]",
	.about =
		"Keys: Tab goes to the next list, s sorts, / filters, P chooses a project, p pauses a type (and asks first),\n"
		"? tells the rest, q leaves. With --json a line each interval, with --once --json one.",
	.examples = "corder top\ncorder top --project shop\ncorder top --once --json | jq '.queues[].pending_count'",
	.options = top_options,
	.option_count = COUNT(top_options),
	.values_bytes = sizeof(struct top_options),
	.defaults = &top_defaults,
	.run = top_run,
};
