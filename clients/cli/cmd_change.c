/* The commands that change tasks: cancel, retry, approve, reject, update. One request shape, one verdict a task. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/id.h"
#include "../../subjects/subjects.h"
#include "client.h"
#include "commands.h"

struct change {
	const char *project, *batch, *reason;
	int64_t priority; /* 0: not given */
	bool cascade;
};

/* The body of a request without its end; names holds the tasks, all of one project. */
static void add_body(struct text *body, const struct change *change, struct slice project,
                     const struct task_name *names, size_t count) {
	text_add(body, "{\"project\":");
	text_add_json(body, project);
	if (change->batch != NULL) {
		text_add(body, ",\"batch_id\":");
		text_add_json(body, slice_of(change->batch));
	} else {
		text_add(body, ",\"task_ids\":[");
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				text_add_char(body, ',');
			text_add_json(body, names[i].task_id);
		}
		text_add_char(body, ']');
	}
	if (change->reason != NULL) {
		text_add(body, ",\"reason\":");
		text_add_json(body, slice_of(change->reason));
	}
	if (change->priority > 0)
		text_printf(body, ",\"priority\":%lld", (long long)change->priority);
	if (change->cascade)
		text_add(body, ",\"cascade\":true");
	text_add_char(body, '}');
}

enum { CHANGED_SHOWN = 20 };

static void add_verdict(const struct term *term, struct text *out, struct slice project, struct json_value task) {
	struct slice status = json_text(json_member(task, "status"));
	bool ok = json_bool(json_member(task, "ok"), false);
	if (ok)
		term_say(term, out, term_status_shade(status), "%s", term_status_mark(term, status));
	else
		term_say(term, out, SHADE_RED, "%s", term->unicode ? "✘" : "x");
	text_add_char(out, ' ');
	term_add(term, out, SHADE_PLAIN, project);
	text_add_char(out, '/');
	term_add(term, out, SHADE_PLAIN, json_text(json_member(task, "task_id")));
	text_add(out, "  ");
	if (ok) {
		term_add(term, out, term_status_shade(status), status);
	} else {
		struct json_value error = json_member(task, "error");
		term_add(term, out, SHADE_RED, json_text(json_member(error, "code")));
		text_add(out, ": ");
		term_add(term, out, SHADE_PLAIN, json_text(json_member(error, "message")));
	}
	text_add_char(out, '\n');
}

/* Every task that was not changed, and the first of those that were. */
static int print_verdicts(struct cli *cli, struct slice project, struct json_value root) {
	struct json_value tasks = json_member(root, "tasks");
	struct text out = { 0 };
	int code = EXIT_DONE;
	int64_t changed = 0;
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task)) {
		bool ok = json_bool(json_member(task, "ok"), false);
		changed += ok;
		if (!ok)
			code = EXIT_REFUSED;
		if (!ok || changed <= CHANGED_SHOWN)
			add_verdict(&cli->out, &out, project, task);
	}
	changed = json_int(json_member(root, "total"), changed);
	if (changed > CHANGED_SHOWN)
		text_printf(&out, "… and %lld more\n", (long long)changed - CHANGED_SHOWN);
	if (json_count(tasks) == 0)
		text_add(&out, "No task of the batch is in a status that this changes.\n");
	if (!cli->common.json)
		term_write(&cli->out, &out);
	text_release(&out);
	return code;
}

static int send(struct cli *cli, const char *subject, const struct change *change, struct slice project,
                const struct task_name *names, size_t count) {
	struct text body = { 0 };
	struct answer answer;
	add_body(&body, change, project, names, count);
	bool printed;
	int code = client_ask_or_print(cli, subject, (struct slice){ body.bytes, body.length }, &answer, &printed);
	if (code == EXIT_DONE)
		code = print_verdicts(cli, project, answer.root);
	answer_release(&answer);
	text_release(&body);
	return code;
}

static int change_batch(struct cli *cli, const struct command *command, const char *subject,
                        const struct change *change) {
	const char *project = client_project(change->project);
	if (cli->arguments.count > 0)
		return command_usage(command, "name tasks or give --batch, not both");
	if (project == NULL)
		return command_usage(command, "of which project is the batch? Give --project NAME or set CORDER_PROJECT");
	return send(cli, subject, change, slice_of(project), NULL, 0);
}

/* Tasks of several projects go in one request a project, neighbours together. */
static int change_tasks(struct cli *cli, const struct command *command, const char *subject,
                        const struct change *change) {
	if (change->batch != NULL)
		return change_batch(cli, command, subject, change);
	size_t count = cli->arguments.count;
	if (count == 0)
		return command_usage(command, "name at least one task, or a batch with --batch");
	struct task_name *names = calloc(count, sizeof *names);
	int code = EXIT_DONE;
	for (size_t i = 0; i < count && code == EXIT_DONE; i++)
		code = client_task_name(cli->arguments.words[i], change->project, &names[i]);
	for (size_t i = 0, end; i < count && (code == EXIT_DONE || code == EXIT_REFUSED); i = end) {
		for (end = i + 1; end < count && end - i < LIMIT_TASK_IDS && slice_equal(names[end].project, names[i].project);)
			end++;
		int sent = send(cli, subject, change, names[i].project, names + i, end - i);
		code = sent != EXIT_DONE ? sent : code;
	}
	free(names);
	return code;
}

#define CHANGE_OPTIONS                                                                                                 \
	{                                                                                                                  \
		"project", 'p', OPTION_TEXT, offsetof(struct change, project), "NAME", "project of tasks named without one",   \
		0,         0                                                                                                   \
	},                                                                                                                 \
		{ "batch",     'b',                                                                                            \
		  OPTION_TEXT, offsetof(struct change, batch),                                                                 \
		  "ID",        "every task of this batch that it applies to",                                                  \
		  0,           0 },                                                                                            \
	{                                                                                                                  \
		"reason", 0, OPTION_TEXT, offsetof(struct change, reason), "TEXT", "why; kept in the events", 0, 0             \
	}

static const struct option_row change_options[] = { CHANGE_OPTIONS };

static const struct option_row retry_options[] = {
	CHANGE_OPTIONS,
	{ "cascade", 0, OPTION_FLAG, offsetof(struct change, cascade), NULL,
	  "take those along that were skipped because of it", 0, 0 },
};

static const struct option_row update_options[] = {
	CHANGE_OPTIONS,
	{ "priority", 0, OPTION_INT, offsetof(struct change, priority), "1…10", "10 is the most urgent", LIMIT_PRIORITY_MIN,
	  LIMIT_PRIORITY_MAX },
};

static int cancel_run(struct cli *cli, const void *values) {
	return change_tasks(cli, &command_cancel, SUBJECT_TASK_CANCEL, values);
}

static int retry_run(struct cli *cli, const void *values) {
	return change_tasks(cli, &command_retry, SUBJECT_TASK_RETRY, values);
}

static int approve_run(struct cli *cli, const void *values) {
	return change_tasks(cli, &command_approve, SUBJECT_TASK_APPROVE, values);
}

static int reject_run(struct cli *cli, const void *values) {
	return change_tasks(cli, &command_reject, SUBJECT_TASK_REJECT, values);
}

static int update_run(struct cli *cli, const void *values) {
	const struct change *change = values;
	if (change->priority == 0)
		return command_usage(&command_update, "what shall change? Give --priority 1…10");
	return change_tasks(cli, &command_update, SUBJECT_TASK_UPDATE, change);
}

const struct command command_cancel = {
	.name = "cancel",
	.group = "Change it",
	.summary = "cancel tasks; a running one ends when its worker hears of it",
	.usage = "TASK… | --batch ID [options]",
	.about = "A task that is not running is cancelled at once. A running one learns of it when its worker renews the "
			 "lease.\n"
			 "What depends on a cancelled task is skipped, held or run, as its on_dependency_failure says.",
	.examples = "corder cancel shop/deploy-7 --reason 'wrong branch'\ncorder cancel --project shop --batch nightly-12",
	.options = change_options,
	.option_count = COUNT(change_options),
	.values_bytes = sizeof(struct change),
	.run = cancel_run,
};

const struct command command_retry = {
	.name = "retry",
	.group = "Change it",
	.summary = "start failed, cancelled or skipped tasks over",
	.usage = "TASK… | --batch ID [options]",
	.examples = "corder retry shop/test-3 --cascade\ncorder retry --project shop --batch nightly-12",
	.options = retry_options,
	.option_count = COUNT(retry_options),
	.values_bytes = sizeof(struct change),
	.run = retry_run,
};

const struct command command_approve = {
	.name = "approve",
	.group = "Change it",
	.summary = "let tasks go that were submitted on hold",
	.usage = "TASK… | --batch ID [options]",
	.examples = "corder approve shop/release-2.0",
	.options = change_options,
	.option_count = COUNT(change_options),
	.values_bytes = sizeof(struct change),
	.run = approve_run,
};

const struct command command_reject = {
	.name = "reject",
	.group = "Change it",
	.summary = "refuse tasks that wait for approval; they end as cancelled",
	.usage = "TASK… | --batch ID [options]",
	.examples = "corder reject shop/release-2.0 --reason 'tests are red'",
	.options = change_options,
	.option_count = COUNT(change_options),
	.values_bytes = sizeof(struct change),
	.run = reject_run,
};

const struct command command_update = {
	.name = "update",
	.group = "Change it",
	.summary = "change the priority of waiting tasks",
	.usage = "TASK… | --batch ID --priority 1…10",
	.examples = "corder update shop/fix-99 --priority 10",
	.options = update_options,
	.option_count = COUNT(update_options),
	.values_bytes = sizeof(struct change),
	.run = update_run,
};
