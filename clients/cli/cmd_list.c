/* `corder list`: tasks by filters, newest first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"
#include "grid.h"

struct list_options {
	const char *project, *batch, *status, *type, *service, *after;
	int64_t limit;
	bool all;
};

/* What all pages give together: rows for people, or the tasks of one JSON document. */
struct listing {
	struct grid *grid;
	struct text tasks;
	size_t count;
};

static void add_note(struct text *out, struct json_value task) {
	struct slice message = json_text(json_member(json_member(task, "error"), "message"));
	struct slice because = json_text(json_member(task, "because"));
	struct json_value waits = json_member(task, "waits_for");
	if (json_bool(json_member(task, "cancel_requested"), false))
		text_add(out, "cancel requested");
	else if (message.length > 0)
		text_add_slice(out, message);
	else if (because.length > 0) {
		text_add(out, "because of ");
		text_add_slice(out, because);
	} else if (json_count(waits) > 0) {
		text_add(out, "waits for ");
		bool first = true;
		for (struct json_value wait = json_first(waits); json_present(wait); wait = json_next(wait), first = false) {
			text_add(out, first ? "" : ", ");
			text_add_slice(out, json_text(wait));
		}
	} else {
		text_add_slice(out, json_text(json_member(task, "worker")));
	}
}

static void add_row(const struct term *term, struct grid *grid, struct json_value task) {
	struct text cell = { 0 };
	struct slice status = json_text(json_member(task, "status"));
	text_add_slice(&cell, json_text(json_member(task, "project")));
	text_add_char(&cell, '/');
	text_add_slice(&cell, json_text(json_member(task, "task_id")));
	grid_cell(grid, SHADE_PLAIN, text_slice(&cell));
	grid_cell(grid, SHADE_PLAIN, json_text(json_member(task, "task_type")));
	grid_printf(grid, term_status_shade(status), "%s %.*s", term_status_mark(term, status), (int)status.length,
	            status.bytes);
	grid_printf(grid, SHADE_PLAIN, "%lld", (long long)json_int(json_member(task, "priority"), 0));
	grid_printf(grid, SHADE_PLAIN, "%lld", (long long)json_int(json_member(task, "attempt"), 0));
	text_clear(&cell);
	field_add_ago(&cell, field_time(json_member(task, "updated_at")));
	grid_cell(grid, SHADE_DIM, text_slice(&cell));
	text_clear(&cell);
	if (json_given(json_member(task, "actual_duration")))
		text_add_duration(&cell, json_double(json_member(task, "actual_duration"), 0));
	grid_cell(grid, SHADE_PLAIN, text_slice(&cell));
	text_clear(&cell);
	add_note(&cell, task);
	grid_cell(grid, SHADE_DIM, text_slice(&cell));
	text_release(&cell);
}

static void add_body(struct text *body, const struct list_options *options, const char *after, int64_t limit) {
	body_add(body, "project", client_project(options->project));
	body_add(body, "batch_id", options->batch);
	body_add(body, "status", options->status);
	body_add(body, "task_type", options->type);
	body_add(body, "service_name", options->service);
	body_add(body, "after", after);
	body_add_int(body, "limit", limit);
	body_end(body);
}

/* One page; with --all and --json its tasks are printed at once. *next becomes the place to go on, or NULL. */
static int read_page(struct cli *cli, const struct list_options *options, char **next, int64_t *left,
                     struct listing *listing) {
	struct text body = { 0 };
	struct answer answer;
	add_body(&body, options, *next, *left < LIMIT_LIST ? *left : LIMIT_LIST);
	int code = client_ask(cli, SUBJECT_TASK_LIST, text_slice(&body), 0, &answer);
	struct json_value tasks = json_member(answer.root, "tasks");
	for (struct json_value task = json_first(tasks); json_present(task) && code == EXIT_DONE; task = json_next(task)) {
		struct slice raw = json_raw(task);
		if (cli->common.json && options->all)
			printf("%.*s\n", (int)raw.length, raw.bytes);
		else if (cli->common.json)
			text_printf(&listing->tasks, "%s%.*s", listing->count++ > 0 ? "," : "", (int)raw.length, raw.bytes);
		else
			add_row(&cli->out, listing->grid, task);
	}
	*left -= (int64_t)json_count(tasks);
	free(*next);
	struct slice place = json_text(json_member(answer.root, "next"));
	*next = place.length > 0 ? slice_copy(place) : NULL;
	answer_release(&answer);
	text_release(&body);
	return code;
}

static void add_document(const struct listing *listing, const char *next, struct text *out) {
	text_printf(out, "{\"ok\":true,\"tasks\":[%s],\"next\":", listing->count > 0 ? listing->tasks.bytes : "");
	if (next != NULL)
		text_add_json(out, slice_of(next));
	else
		text_add(out, "null");
	text_add(out, "}\n");
}

static int list_run(struct cli *cli, const void *values) {
	static const struct grid_column columns[] = {
		{ "TASK", false, true }, { "TYPE", false, true },    { "STATUS", false, false }, { "PRIO", true, false },
		{ "TRY", true, false },  { "CHANGED", true, false }, { "TOOK", true, false },    { "", false, true },
	};
	const struct list_options *options = values;
	if (cli->arguments.count > 0)
		return command_usage(&command_list, "'%s': filters are options, like --project %s", cli->arguments.words[0],
		                     cli->arguments.words[0]);
	struct listing listing = { .grid = grid_open(columns, COUNT(columns)) };
	struct text out = { 0 };
	char *next = options->after != NULL ? slice_copy(slice_of(options->after)) : NULL;
	int64_t left = options->all ? INT64_MAX : options->limit;
	int code;
	do
		code = read_page(cli, options, &next, &left, &listing);
	while (code == EXIT_DONE && next != NULL && left > 0);
	if (code == EXIT_DONE && !cli->common.json) {
		if (grid_rows(listing.grid) > 0)
			grid_add(listing.grid, &cli->out, &out);
		else
			text_add(&out, "No task matches.\n");
		term_write(&cli->out, &out);
		if (next != NULL)
			fprintf(stderr, "More: --after %s (or --limit N, --all)\n", next);
	}
	if (code == EXIT_DONE && cli->common.json && !options->all) {
		add_document(&listing, next, &out);
		term_write(&cli->out, &out);
	}
	free(next);
	text_release(&out);
	text_release(&listing.tasks);
	grid_close(&listing.grid);
	return code;
}

static const struct option_row list_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct list_options, project), "NAME",
	  "of this project; else CORDER_PROJECT, else all", 0, 0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct list_options, batch), "ID", "of this batch", 0, 0 },
	{ "status", 's', OPTION_TEXT, offsetof(struct list_options, status), "STATUS",
	  "blocked, pending, running, retry, completed, failed, …", 0, 0 },
	{ "type", 't', OPTION_TEXT, offsetof(struct list_options, type), "TYPE", "of this task type", 0, 0 },
	{ "service", 0, OPTION_TEXT, offsetof(struct list_options, service), "NAME", "of this service", 0, 0 },
	{ "limit", 'n', OPTION_INT, offsetof(struct list_options, limit), "N", "at most so many (50)", 1, 1000000 },
	{ "all", 'a', OPTION_FLAG, offsetof(struct list_options, all), NULL, "all of them; with --json a line a task", 0,
	  0 },
	{ "after", 0, OPTION_TEXT, offsetof(struct list_options, after), "PLACE", "go on where the page before ended", 0,
	  0 },
};

static const struct list_options list_defaults = { .limit = 50 };

const struct command command_list = {
	.name = "list",
	.group = "Look at it",
	.summary = "tasks that match filters, newest first",
	.usage = "[--project NAME] [--status STATUS] [--type TYPE] …",
	.examples =
		"corder list --project shop --status failed\ncorder list --batch nightly-12 --all --json | jq -r .task_id",
	.options = list_options,
	.option_count = COUNT(list_options),
	.values_bytes = sizeof(struct list_options),
	.defaults = &list_defaults,
	.run = list_run,
};
