/* `corder timeline`: a Gantt chart: when each task waited and ran, try by try; in text, or as a picture. */
#include <stdio.h>

#include "../../shared/base/clock.h"
#include "commands.h"
#include "fields.h"
#include "svg.h"
#include "timeline_svg.h"
#include "timeline_text.h"

struct timeline_options {
	const char *project, *batch, *svg;
	int64_t limit; /* 0: not given */
};

enum { ROWS = 200 };

static int write_svg(const struct plan *plan, size_t first, const struct timeline_options *options,
                     const char *project) {
	struct text svg = { 0 }, title = { 0 };
	field_add_title(&title, project, options->batch);
	timeline_svg_add(plan, first, title.bytes, &svg);
	int code = svg_write(&svg, options->svg);
	text_release(&title);
	text_release(&svg);
	return code;
}

static void print(struct cli *cli, const struct plan *plan, size_t first, struct json_value root) {
	struct text out = { 0 };
	timeline_text_add(plan, first, &cli->out, &out);
	if (first > 0)
		text_printf(&out, "The newest %zu of %zu tasks; --limit N shows more, --batch ID one batch.\n",
		            plan->count - first, plan->count);
	if (json_bool(json_member(root, "truncated"), false))
		text_add(&out, "There are more tasks than a message holds: look at one batch with --batch ID.\n");
	term_write(&cli->out, &out);
	text_release(&out);
}

static int show(struct cli *cli, const void *values, const char *project, struct json_value root) {
	const struct timeline_options *options = values;
	struct plan plan;
	int code = EXIT_DONE;
	plan_make(&plan, json_member(root, "tasks"));
	plan_find_critical(&plan, clock_wall_us());
	size_t rows = options->limit > 0 ? (size_t)options->limit : options->svg != NULL ? plan.count : ROWS;
	size_t first = plan.count > rows ? plan.count - rows : 0;
	if (plan.count == 0)
		printf("No tasks.\n");
	else if (options->svg != NULL)
		code = write_svg(&plan, first, options, project);
	else
		print(cli, &plan, first, root);
	plan_release(&plan);
	return code;
}

static int timeline_run(struct cli *cli, const void *values) {
	const struct timeline_options *options = values;
	return about_timeline(cli, &command_timeline, options->project, options->batch, show, options);
}

static const struct option_row timeline_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct timeline_options, project), "NAME",
	  "the project; else CORDER_PROJECT", 0, 0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct timeline_options, batch), "ID", "only this batch", 0, 0 },
	{ "limit", 'n', OPTION_INT, offsetof(struct timeline_options, limit), "N",
	  "so many tasks, the newest (200; in a picture: all)", 1, 1000000 },
	{ "svg", 0, OPTION_TEXT, offsetof(struct timeline_options, svg), "FILE", "as a picture for a browser; - is stdout",
	  0, 0 },
};

const struct command command_timeline = {
	.name = "timeline",
	.group = "Look at it",
	.summary = "a Gantt chart: when each task waited and ran, try by try",
	.usage = "--project NAME [--batch ID] [--svg FILE]",
	.examples = "corder timeline --project shop --batch nightly-12\n"
				"corder timeline --project shop --svg shop.svg",
	.options = timeline_options,
	.option_count = COUNT(timeline_options),
	.values_bytes = sizeof(struct timeline_options),
	.run = timeline_run,
};
