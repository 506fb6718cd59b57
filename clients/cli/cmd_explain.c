/* `corder explain`: why a task is not running, its place in the queue, the terms of its score. */
#include <stdio.h>

#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"

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
	int64_t until_us = field_time(json_member(reason, "until"));
	if (until_us > 0) {
		struct text ago = { 0 };
		field_add_ago(&ago, until_us);
		term_say(term, out, SHADE_DIM, "  (%s)", ago.bytes);
		text_release(&ago);
	}
	text_add_char(out, '\n');
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
		add_term(term, out, "retries", terms, "retries");
	}
	text_add_char(out, '\n');
}

static void add_explanation(const struct term *term, struct text *out, struct json_value root) {
	field_add_task_head(term, out, root);
	if (json_bool(json_member(root, "runnable"), false))
		term_say(term, out, SHADE_GREEN, "  A worker that asked now would get it.\n");
	struct json_value reasons = json_member(root, "reasons");
	for (struct json_value reason = json_first(reasons); json_present(reason); reason = json_next(reason))
		add_reason(term, out, reason);
	add_score(term, out, root);
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
