/* `corder get`: everything about one task: fields, edges, tries, result. */
#include <stdio.h>

#include "../../shared/base/clock.h"
#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"

struct get_options {
	const char *project;
};

enum { RAW_SHOWN_BYTES = 2000, EDGES_SHOWN = 20 };

static void add_text_field(const struct term *term, struct text *out, const char *label, struct slice value) {
	if (value.length == 0)
		return;
	field_add_label(term, out, label);
	term_add(term, out, SHADE_PLAIN, value);
	text_add_char(out, '\n');
}

static void add_time_field(const struct term *term, struct text *out, const char *label, struct json_value value) {
	int64_t at_us = field_time(value);
	if (at_us == 0)
		return;
	field_add_label(term, out, label);
	term_add(term, out, SHADE_PLAIN, json_text(value));
	struct text ago = { 0 };
	field_add_ago(&ago, at_us);
	term_say(term, out, SHADE_DIM, "  %s\n", ago.bytes);
	text_release(&ago);
}

static void add_seconds_field(const struct term *term, struct text *out, const char *label, struct json_value value) {
	if (!json_given(value))
		return;
	field_add_label(term, out, label);
	text_add_duration(out, json_double(value, 0));
	text_add_char(out, '\n');
}

static void add_raw_field(const struct term *term, struct text *out, const char *label, struct json_value value) {
	struct slice raw = json_raw(value);
	if (!json_given(value) || slice_is(raw, "{}"))
		return;
	field_add_label(term, out, label);
	bool cut = term->live && raw.length > RAW_SHOWN_BYTES;
	term_add(term, out, SHADE_PLAIN, (struct slice){ raw.bytes, cut ? RAW_SHOWN_BYTES : raw.length });
	if (cut)
		term_say(term, out, SHADE_DIM, " … %zu bytes; whole with --json", raw.length);
	text_add_char(out, '\n');
}

static void add_edges(const struct term *term, struct text *out, const char *label, struct json_value edges) {
	size_t shown = 0;
	for (struct json_value edge = json_first(edges); json_present(edge) && shown < EDGES_SHOWN;
	     edge = json_next(edge)) {
		struct slice status = json_text(json_member(edge, "status"));
		struct slice when = json_text(json_member(edge, "when"));
		field_add_label(term, out, shown++ == 0 ? label : "");
		if (status.length > 0)
			term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
		term_add(term, out, SHADE_PLAIN, json_text(json_member(edge, "task_id")));
		if (!slice_is(when, "completed")) {
			text_add(out, " when ");
			term_add(term, out, SHADE_PLAIN, when);
		}
		if (status.length == 0 && json_bool(json_member(edge, "future"), false))
			term_say(term, out, SHADE_DIM, " (not submitted yet)");
		text_add_char(out, '\n');
	}
	if (json_count(edges) > shown) {
		field_add_label(term, out, "");
		text_printf(out, "… and %zu more\n", json_count(edges) - shown);
	}
}

static void add_attempt(const struct term *term, struct text *out, struct json_value attempt, bool first) {
	int64_t started_us = field_time(json_member(attempt, "started_at"));
	int64_t finished_us = field_time(json_member(attempt, "finished_at"));
	struct slice outcome = json_text(json_member(attempt, "outcome"));
	struct json_value error = json_member(attempt, "error");
	field_add_label(term, out, first ? "tries" : "");
	text_printf(out, "%lld  ", (long long)json_int(json_member(attempt, "attempt"), 0));
	text_add_clock(out, started_us, true);
	text_add(out, "  ");
	text_add_duration(out, (double)((finished_us > 0 ? finished_us : clock_wall_us()) - started_us) / 1e6);
	text_add(out, "  ");
	enum shade shade = slice_is(outcome, "completed") ? SHADE_GREEN : outcome.length == 0 ? SHADE_CYAN : SHADE_RED;
	term_add(term, out, shade, outcome.length > 0 ? outcome : SLICE("running"));
	text_add(out, "  ");
	term_add(term, out, SHADE_DIM, json_text(json_member(attempt, "worker")));
	if (json_given(error)) {
		text_add(out, "  ");
		term_add(term, out, SHADE_PLAIN, json_text(json_member(error, "message")));
	}
	text_add_char(out, '\n');
}

static void add_waits(const struct term *term, struct text *out, struct json_value waits) {
	if (json_count(waits) == 0)
		return;
	const char *gap = "";
	field_add_label(term, out, "waits for");
	for (struct json_value wait = json_first(waits); json_present(wait); wait = json_next(wait), gap = ", ") {
		text_add(out, gap);
		term_add(term, out, SHADE_PLAIN, json_text(wait));
	}
	text_add_char(out, '\n');
}

static void add_head(const struct term *term, struct text *out, struct json_value task) {
	field_add_task_head(term, out, task);
	add_text_field(term, out, "type", json_text(json_member(task, "task_type")));
	add_text_field(term, out, "service", json_text(json_member(task, "service_name")));
	add_text_field(term, out, "batch", json_text(json_member(task, "batch_id")));
	field_add_label(term, out, "priority");
	text_printf(out, "%lld", (long long)json_int(json_member(task, "priority"), 0));
	term_say(term, out, SHADE_DIM, "   tries %lld of %lld", (long long)json_int(json_member(task, "attempt"), 0),
	         (long long)json_int(json_member(task, "max_retries"), 0) + 1);
	text_add_char(out, '\n');
	add_text_field(term, out, "key", json_text(json_member(task, "concurrency_key")));
}

static void add_ends(const struct term *term, struct text *out, struct json_value task) {
	struct json_value error = json_member(task, "error");
	if (json_given(error)) {
		field_add_label(term, out, "error");
		term_add(term, out, SHADE_RED, json_text(json_member(error, "code")));
		text_add(out, ": ");
		term_add(term, out, SHADE_PLAIN, json_text(json_member(error, "message")));
		text_add_char(out, '\n');
	}
	add_text_field(term, out, "because of", json_text(json_member(task, "because")));
	add_raw_field(term, out, "context", json_member(task, "execution_context"));
	add_raw_field(term, out, "result", json_member(task, "result"));
}

static void add_task(const struct term *term, struct text *out, struct json_value root) {
	struct json_value task = json_member(root, "task");
	add_head(term, out, task);
	add_waits(term, out, json_member(task, "waits_for"));
	add_time_field(term, out, "created", json_member(task, "created_at"));
	add_time_field(term, out, "not before", json_member(task, "not_before"));
	add_time_field(term, out, "ready", json_member(task, "ready_at"));
	add_time_field(term, out, "started", json_member(task, "started_at"));
	add_time_field(term, out, "finished", json_member(task, "finished_at"));
	add_time_field(term, out, "lease until", json_member(task, "lease_until"));
	add_seconds_field(term, out, "took", json_member(task, "actual_duration"));
	add_seconds_field(term, out, "estimated", json_member(task, "estimated_duration"));
	add_seconds_field(term, out, "timeout", json_member(task, "timeout"));
	add_edges(term, out, "after", json_member(task, "dependencies"));
	add_edges(term, out, "before", json_member(task, "dependents"));
	struct json_value attempts = json_member(task, "attempts");
	bool first = true;
	for (struct json_value attempt = json_first(attempts); json_present(attempt); attempt = json_next(attempt)) {
		add_attempt(term, out, attempt, first);
		first = false;
	}
	add_ends(term, out, task);
}

static int get_run(struct cli *cli, const void *values) {
	const struct get_options *options = values;
	if (cli->arguments.count == 0)
		return command_usage(&command_get, "which task?");
	return about_each_task(cli, SUBJECT_TASK_GET, options->project, add_task);
}

static const struct option_row get_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct get_options, project), "NAME", "project of tasks named without one",
	  0, 0 },
};

const struct command command_get = {
	.name = "get",
	.group = "Look at it",
	.summary = "everything about a task: fields, edges, tries, result",
	.usage = "TASK…",
	.about = "TASK is PROJECT/TASK_ID, or TASK_ID with --project or CORDER_PROJECT.",
	.examples = "corder get shop/test-3\ncorder get shop/test-3 --json | jq .task.result",
	.options = get_options,
	.option_count = COUNT(get_options),
	.values_bytes = sizeof(struct get_options),
	.run = get_run,
};
