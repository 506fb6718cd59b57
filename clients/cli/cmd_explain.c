/* `corder explain`: why a task is not running, up the chain; its place in the queue, the terms of its score, when it
 * may start. */
#include <stdio.h>

#include "../../shared/base/clock.h"
#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"

enum { LINES_MAX = 12 };

struct explain_options {
	const char *project;
};

static void add_reason(const struct term *term, struct text *out, struct json_value reason) {
	struct json_value dependency = json_member(reason, "dependency");
	struct slice status = json_text(json_member(dependency, "status"));
	text_add(out, "  ");
	if (status.length > 0)
		term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
	else
		text_add(out, term->unicode ? "• " : "- ");
	term_add(term, out, SHADE_PLAIN, json_text(json_member(reason, "message")));
	text_add_char(out, '\n');
}

/* Of a task with hundreds of dependencies the first tell enough. */
static void add_reasons(const struct term *term, struct text *out, struct json_value reasons) {
	size_t dependencies = 0;
	for (struct json_value reason = json_first(reasons); json_present(reason); reason = json_next(reason)) {
		bool is_dependency = json_given(json_member(reason, "dependency"));
		dependencies += is_dependency;
		if (!is_dependency || dependencies <= LINES_MAX)
			add_reason(term, out, reason);
	}
	if (dependencies > LINES_MAX)
		term_say(term, out, SHADE_DIM, "  and %zu more dependencies (all with --json)\n", dependencies - LINES_MAX);
}

/* What those that it waits for wait for: only then is there something to tell that the reasons do not. */
static void add_chain(const struct term *term, struct text *out, struct json_value chain) {
	size_t count = 0;
	bool deep = false;
	for (struct json_value step = json_first(chain); json_present(step); step = json_next(step), count++)
		deep |= json_int(json_member(step, "depth"), 1) > 1 || json_present(json_first(json_member(step, "waits_for")));
	if (!deep)
		return;
	field_add_label(term, out, "up the chain");
	text_add_char(out, '\n');
	size_t shown = 0;
	for (struct json_value step = json_first(chain); json_present(step) && shown < LINES_MAX; step = json_next(step)) {
		struct slice status = json_text(json_member(step, "status"));
		int depth = (int)json_int(json_member(step, "depth"), 1);
		text_printf(out, "  %*s", 2 * (depth < 9 ? depth : 9), "");
		term_say(term, out, term_status_shade(status), "%s ", term_status_mark(term, status));
		term_add(term, out, SHADE_PLAIN, json_text(json_member(step, "message")));
		text_add_char(out, '\n');
		shown++;
	}
	if (count > shown)
		term_say(term, out, SHADE_DIM, "    and %zu more (all with --json)\n", count - shown);
}

/* "starts in 12.5s, done in 1m05s"; what is due is due now. */
static void add_estimate(const struct term *term, struct text *out, struct json_value root) {
	struct json_value estimate = json_member(root, "estimate");
	int64_t starts_us = field_time(json_member(estimate, "starts_at")), now_us = clock_wall_us();
	int64_t finishes_us = field_time(json_member(estimate, "finishes_at"));
	struct slice basis = json_text(json_member(estimate, "basis"));
	if (!json_given(estimate))
		return;
	field_add_label(term, out, "expected");
	if (!json_bool(json_member(estimate, "known"), false)) {
		text_add(out, "unknown: ");
		term_add(term, out, SHADE_PLAIN, basis);
		text_add_char(out, '\n');
		return;
	}
	bool runs = slice_is(json_text(json_member(root, "status")), "running");
	text_add(out, runs ? "" : starts_us > now_us ? "starts " : "starts now, ");
	if (!runs && starts_us > now_us) {
		field_add_ago(out, starts_us);
		text_add(out, ", ");
	}
	text_add(out, finishes_us > now_us ? "done " : "done any moment");
	if (finishes_us > now_us)
		field_add_ago(out, finishes_us);
	term_say(term, out, SHADE_DIM, "  (%.*s)\n", (int)basis.length, basis.bytes);
}

static void add_term(const struct term *term, struct text *out, const char *name, struct json_value terms,
                     const char *member) {
	term_say(term, out, SHADE_DIM, out->bytes[out->length - 1] == ' ' ? "%s " : " + %s ", name);
	text_printf(out, "%.6g", json_double(json_member(terms, member), 0));
}

static void add_score(const struct term *term, struct text *out, struct json_value root) {
	struct json_value terms = json_member(root, "terms");
	if (json_given(json_member(root, "position"))) {
		field_add_label(term, out, "place");
		text_printf(out, "%lld in the queue of its type\n", (long long)json_int(json_member(root, "position"), 0));
	}
	if (!json_given(json_member(root, "score")))
		return;
	field_add_label(term, out, "score");
	text_printf(out, "%.6g", json_double(json_member(root, "score"), 0));
	if (json_given(terms)) {
		text_add(out, "  = ");
		add_term(term, out, "priority", terms, "priority");
		add_term(term, out, "waiting", terms, "waiting_hours");
		add_term(term, out, "dependencies", terms, "dependencies");
		if (json_double(json_member(terms, "order"), 0) > 0)
			add_term(term, out, "order", terms, "order");
		add_term(term, out, "retries", terms, "retries");
	}
	text_add_char(out, '\n');
}

static void add_explanation(const struct term *term, struct text *out, struct json_value root) {
	field_add_task_head(term, out, root);
	if (json_bool(json_member(root, "runnable"), false))
		term_say(term, out, SHADE_GREEN, "  A worker that asked now would get it.\n");
	add_reasons(term, out, json_member(root, "reasons"));
	add_chain(term, out, json_member(root, "chain"));
	add_score(term, out, root);
	add_estimate(term, out, root);
}

static int explain_run(struct cli *cli, const void *values) {
	const struct explain_options *options = values;
	if (cli->arguments.count == 0)
		return command_usage(&command_explain, "which task?");
	return about_each_task(cli, SUBJECT_EXPLAIN, options->project, add_explanation);
}

static const struct option_row explain_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct explain_options, project), "NAME",
	  "project of a task named without one", 0, 0 },
};

const struct command command_explain = {
	.name = "explain",
	.group = "Look at it",
	.summary = "why a task is not running, and when it will be its turn",
	.usage = "TASK…",
	.examples = "corder explain shop/deploy-7",
	.options = explain_options,
	.option_count = COUNT(explain_options),
	.values_bytes = sizeof(struct explain_options),
	.run = explain_run,
};
