/* `corder pause` and `corder resume`: no task of a type, a project, or a type in a project is handed out meanwhile. */
#include <stdio.h>

#include "../../subjects/subjects.h"
#include "commands.h"
#include "fields.h"

struct queue {
	const char *project, *type, *reason;
};

static int change_queue(struct cli *cli, const struct command *command, const char *subject, const char *done,
                        const struct queue *queue) {
	if (queue->type == NULL && queue->project == NULL)
		return command_usage(command, "which queue? Give --type, --project or both");
	struct text body = { 0 };
	struct answer answer;
	body_add(&body, "task_type", queue->type);
	body_add(&body, "project", queue->project);
	body_add(&body, "reason", queue->reason);
	body_end(&body);
	bool printed;
	int code = client_ask_or_print(cli, subject, text_slice(&body), &answer, &printed);
	if (!printed)
		printf("%s: %s%s%s%s\n", done, queue->type != NULL ? "type " : "", queue->type != NULL ? queue->type : "",
		       queue->project != NULL ? (queue->type != NULL ? " in project " : "project ") : "",
		       queue->project != NULL ? queue->project : "");
	answer_release(&answer);
	text_release(&body);
	return code;
}

static int pause_run(struct cli *cli, const void *values) {
	return change_queue(cli, &command_pause, SUBJECT_QUEUE_PAUSE, "Paused", values);
}

static int resume_run(struct cli *cli, const void *values) {
	return change_queue(cli, &command_resume, SUBJECT_QUEUE_RESUME, "Resumed", values);
}

static const struct option_row queue_options[] = {
	{ "type", 't', OPTION_TEXT, offsetof(struct queue, type), "TYPE", "the task type", 0, 0 },
	{ "project", 'p', OPTION_TEXT, offsetof(struct queue, project), "NAME",
	  "only in this project; alone: all its types", 0, 0 },
	{ "reason", 0, OPTION_TEXT, offsetof(struct queue, reason), "TEXT", "why; kept in the events", 0, 0 },
};

const struct command command_pause = {
	.name = "pause",
	.group = "Change it",
	.summary = "hand out no more tasks of a type or project; running ones go on",
	.usage = "--type TYPE | --project NAME [--reason TEXT]",
	.examples = "corder pause --type commit --reason 'release freeze'\ncorder pause --project shop",
	.options = queue_options,
	.option_count = COUNT(queue_options),
	.values_bytes = sizeof(struct queue),
	.run = pause_run,
};

const struct command command_resume = {
	.name = "resume",
	.group = "Change it",
	.summary = "undo a pause",
	.usage = "--type TYPE | --project NAME",
	.examples = "corder resume --type commit",
	.options = queue_options,
	.option_count = COUNT(queue_options),
	.values_bytes = sizeof(struct queue),
	.run = resume_run,
};
