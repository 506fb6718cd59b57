/* `corder submit`: gathers tasks from files, stdin, a workflow or options, sends them whole, and may wait for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/id.h"
#include "../../subjects/subjects.h"
#include "commands.h"
#include "follow.h"
#include "submit.h"

struct submit {
	const char *project, *batch, *wfformat, *id_prefix, *order;
	double time_scale;
	int64_t workers;
	bool dry_run, wait, enqueue, archived;
	struct task_options task;
};

enum { ENVELOPE_SPARE_BYTES = 4096, SHOWN_TASKS = 10 };

static enum status gather(struct cli *cli, const struct submit *submit, struct submission *submission,
                          struct error *err) {
	enum status status = STATUS_OK;
	submission->project_fixed = submit->project != NULL;
	submission->batch_fixed = submit->batch != NULL;
	submission->dry_run = submit->dry_run;
	submission->archived = submit->archived;
	if (submit->project != NULL)
		submission->project = slice_copy(slice_of(submit->project));
	if (submit->batch != NULL)
		submission->batch_id = slice_copy(slice_of(submit->batch));
	for (size_t i = 0; i < cli->arguments.count && status == STATUS_OK; i++)
		status = submission_read_path(submission, cli->arguments.words[i], err);
	if (status == STATUS_OK && submit->wfformat != NULL) {
		struct wfformat_options options = { submit->task.type, submit->id_prefix != NULL ? submit->id_prefix : "",
			                                submit->time_scale };
		status = wfformat_read(submission, submit->wfformat, &options, err);
	} else if (status == STATUS_OK && submit->task.type != NULL) {
		status = submission_add_options(submission, &submit->task, err);
	}
	return status;
}

/* What neither the command line nor a file said. */
static enum status complete(struct submission *submission, struct error *err) {
	const char *project = client_project(NULL);
	if (submission->count == 0)
		return fail(err, STATUS_REJECT, "there is no task to submit");
	if (submission->project == NULL && project != NULL)
		submission->project = slice_copy(slice_of(project));
	if (submission->project == NULL)
		return fail(err, STATUS_REJECT,
		            "for which project? Give --project NAME, set CORDER_PROJECT, or write \"project\" into the file");
	if (!id_is_token(slice_of(submission->project)))
		return fail(err, STATUS_REJECT, "'%.80s' is no project name: 1 to 64 letters, digits, '_' or '-'",
		            submission->project);
	if (submission->batch_id == NULL) {
		char id[ID_BYTES];
		id_make(id);
		submission->batch_id = slice_copy(slice_of(id));
	}
	if (!id_is_task_id(slice_of(submission->batch_id)))
		return fail(err, STATUS_REJECT, "'%.80s' is no batch id: up to 128 letters, digits and _ . : -",
		            submission->batch_id);
	return STATUS_OK;
}

static void print_tasks(const struct cli *cli, struct text *out, const char *project, struct json_value tasks) {
	size_t shown = 0;
	for (struct json_value task = json_first(tasks); json_present(task) && shown < SHOWN_TASKS;
	     task = json_next(task)) {
		struct slice status = json_text(json_member(task, "status"));
		struct slice result = json_text(json_member(task, "result"));
		term_say(&cli->out, out, term_status_shade(status), "%s", term_status_mark(&cli->out, status));
		text_printf(out, " %s/", project);
		term_add(&cli->out, out, SHADE_PLAIN, json_text(json_member(task, "task_id")));
		text_add(out, "  ");
		term_add(&cli->out, out, term_status_shade(status), status);
		text_add(out, slice_is(result, "duplicate") ? "  (was there already)\n" : "\n");
		shown++;
	}
	if (json_count(tasks) > shown)
		text_printf(out, "… and %zu more\n", json_count(tasks) - shown);
}

static void print_reply(struct cli *cli, const struct submit *submit, const struct submission *submission,
                        struct json_value root) {
	struct text out = { 0 };
	size_t duplicates = 0;
	struct json_value tasks = json_member(root, "tasks");
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task))
		duplicates += slice_is(json_text(json_member(task, "result")), "duplicate");
	print_tasks(cli, &out, submission->project, tasks);
	size_t new = submission->count - duplicates;
	const char *verb = submission->dry_run ? "would be accepted"
	                   : submit->enqueue   ? "stored for admission"
	                                       : "accepted";
	if (new == 0)
		text_printf(&out, "Nothing new: %s there already in project %s\n",
		            duplicates == 1 ? "the task was" : "all tasks were", submission->project);
	else
		text_printf(&out, "%zu task%s %s%s: project %s, batch %s\n", new, new == 1 ? "" : "s", verb,
		            duplicates > 0                           ? " (the others were there already)"
		            : json_present(tasks) || submit->enqueue ? ""
		                                                     : ", or there already",
		            submission->project, submission->batch_id);
	forecast_add_text(&cli->out, &out, json_member(root, "forecast"), submission->count);
	if (submission->types.length > 0 && !submit->wait && !submission->dry_run)
		text_printf(&out, "Work on them: corder work --type %s --exec 'eval \"$CORDER_CONTEXT_COMMAND\"'\n",
		            submission->types.bytes);
	if (new > 1 && !submit->wait && !submission->dry_run)
		text_printf(&out, "Watch them:   corder watch --project %s --batch %s\n", submission->project,
		            submission->batch_id);
	term_write(&cli->out, &out);
	text_release(&out);
}

static void print_enqueued_json(const struct submission *submission) {
	printf("{\"ok\":true,\"enqueued\":%zu,\"project\":\"%s\",\"batch_id\":\"%s\"}\n", submission->count,
	       submission->project, submission->batch_id);
}

static void expect_all(const struct submission *submission, struct tracker *tracker) {
	struct json *json = json_open();
	for (size_t i = 0, start = 0; i < submission->count; start = submission->ends[i++] + 1) { /* + 1: the comma */
		struct slice task = { submission->tasks.bytes + start, submission->ends[i] - start };
		if (json_parse(json, task, NULL, NULL) == STATUS_OK)
			tracker_expect(tracker, json_text(json_member(json_root(json), "task_id")));
	}
	json_close(&json);
}

/* What was only stored may still be refused, so that tasks of its names that are there say nothing yet: they are looked up
 * when all has been quiet for a while. */
static int wait_for(struct cli *cli, const struct submission *submission, struct tracker *tracker,
                    const struct answer *answer) {
	struct json_value tasks = json_member(answer->root, "tasks");
	int code = EXIT_DONE;
	expect_all(submission, tracker);
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task))
		tracker_add(tracker, json_text(json_member(task, "task_id")), json_text(json_member(task, "status")),
		            slice_is(json_text(json_member(task, "result")), "duplicate"));
	bool is_unnamed = json_count(tasks) == 0 && answer->json != NULL;
	if (is_unnamed)
		code = tracker_load(tracker);
	if (is_unnamed && code == EXIT_DONE)
		code = tracker_look_up(tracker);
	if (code == EXIT_DONE)
		code = follow_until_done(cli, tracker);
	if (code == EXIT_INTERRUPTED)
		fprintf(stderr, "The tasks go on without you: corder watch --project %s --batch %s\n", submission->project,
		        submission->batch_id);
	else
		follow_print_result(cli, tracker, submission->project, submission->batch_id);
	return code;
}

static void tell_rejection(void *context, const struct tracked_task *task, struct json_value event) {
	if (task == NULL)
		client_tell_refusal(context, event);
}

static int send_and_wait(struct cli *cli, const struct submit *submit, const struct submission *submission) {
	struct answer answer = { 0 };
	struct tracker *tracker = NULL;
	int code = client_open(cli);
	if (code == EXIT_DONE && submit->wait && !submission->dry_run)
		code = tracker_open(cli, submission->project, submission->batch_id, tell_rejection, cli, &tracker);
	if (code == EXIT_DONE) {
		struct submit_orders orders = { submission->dry_run ? SUBMIT_DRY_RUN
			                            : submit->enqueue   ? SUBMIT_ENQUEUE
			                                                : SUBMIT_NOW,
			                            submission->archived, bus_max_payload(cli->bus) - ENVELOPE_SPARE_BYTES,
			                            submit->order != NULL ? submit_order_of(slice_of(submit->order))
			                                                  : submission->order,
			                            submit->workers };
		if (orders.max_bytes > LIMIT_REQUEST_BYTES)
			orders.max_bytes = LIMIT_REQUEST_BYTES;
		code = submission_send(cli, submission, &orders, &answer);
	}
	if (code == EXIT_DONE && !cli->common.json)
		print_reply(cli, submit, submission, answer.root);
	else if (code == EXIT_DONE && submit->enqueue)
		print_enqueued_json(submission);
	else if (code == EXIT_DONE)
		printf("%s\n", answer.body.bytes);
	if (code == EXIT_DONE && submit->wait && !submission->dry_run)
		code = wait_for(cli, submission, tracker, &answer);
	tracker_close(&tracker);
	answer_release(&answer);
	return code;
}

static int submit_run(struct cli *cli, const void *values) {
	const struct submit *submit = values;
	if (cli->arguments.count == 0 && submit->wfformat == NULL && submit->task.type == NULL)
		return command_usage(&command_submit,
		                     "what shall be submitted? Name a file, a folder, '-' for stdin, or --type TYPE");
	if (submit->dry_run && (submit->enqueue || submit->wait))
		return command_usage(&command_submit, "--dry-run only checks: it goes with neither --enqueue nor --wait");
	if (submit->workers > 0 && !submit->dry_run)
		return command_usage(&command_submit, "--workers goes with --dry-run: it is for the forecast alone");
	if (submit->order != NULL && submit_order_of(slice_of(submit->order)) == SUBMIT_ORDER_UNSAID)
		return command_usage(&command_submit, "--order takes score, fifo or critical_path");
	if (submit->task.timeout_s == 0)
		return command_usage(&command_submit, "--task-timeout takes more than 0 seconds; leave it out for no timeout");
	if (cli->arguments.count > 0 && (submit->task.type != NULL || submit->wfformat != NULL))
		return command_usage(&command_submit, "files, --wfformat and a task from --type: one of them at a time");
	struct submission submission = { 0 };
	struct error err = { 0 };
	int code = EXIT_DONE;
	if (submit->project != NULL && !id_is_token(slice_of(submit->project)))
		return command_usage(&command_submit, "'%.80s' is no project name: 1 to 64 letters, digits, '_' or '-'",
		                     submit->project);
	if (gather(cli, submit, &submission, &err) != STATUS_OK || complete(&submission, &err) != STATUS_OK) {
		fprintf(stderr, "corder: %s\n", err.message);
		code = EXIT_USAGE;
	} else {
		code = send_and_wait(cli, submit, &submission);
	}
	submission_release(&submission);
	return code;
}

#define TASK(field) offsetof(struct submit, task) + offsetof(struct task_options, field)
static const struct option_row submit_options[] = {
	{ "project", 'p', OPTION_TEXT, offsetof(struct submit, project), "NAME",
	  "the project; else the file's, else CORDER_PROJECT", 0, 0 },
	{ "batch", 'b', OPTION_TEXT, offsetof(struct submit, batch), "ID", "the batch; else the file's, else a new one", 0,
	  0 },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct submit, dry_run), NULL,
	  "check everything, foretell order and time, change nothing", 0, 0 },
	{ "workers", 0, OPTION_INT, offsetof(struct submit, workers), "N", "with --dry-run: the time with so many workers",
	  1, LIMIT_WORKERS },
	{ "order", 0, OPTION_TEXT, offsetof(struct submit, order), "ORDER",
	  "which goes first of one priority: score (default), fifo, critical_path", 0, 0 },
	{ "wait", 'w', OPTION_FLAG, offsetof(struct submit, wait), NULL,
	  "wait until all have ended; exit 1 unless all completed", 0, 0 },
	{ "enqueue", 0, OPTION_FLAG, offsetof(struct submit, enqueue), NULL,
	  "store in the stream: works while no service runs", 0, 0 },
	{ "archived", 0, OPTION_FLAG, offsetof(struct submit, archived), NULL, "return when MySQL has committed it", 0, 0 },
	{ "wfformat", 0, OPTION_TEXT, offsetof(struct submit, wfformat), "FILE",
	  "a workflow in WfFormat; its tasks sleep as long as they ran", 0, 0 },
	{ "time-scale", 0, OPTION_NUMBER, offsetof(struct submit, time_scale), "X",
	  "with --wfformat: durations times X, e.g. 0.01", 0, 1000000 },
	{ "id-prefix", 0, OPTION_TEXT, offsetof(struct submit, id_prefix), "TEXT",
	  "with --wfformat: before each task_id, to run it again", 0, 0 },
	{ "type", 't', OPTION_TEXT, TASK(type), "TYPE", "make one task of this type (with --wfformat: type of all)", 0, 0 },
	{ "id", 0, OPTION_TEXT, TASK(id), "TASK", "its task_id; else a new one", 0, 0 },
	{ "context", 'c', OPTION_TEXT, TASK(context), "JSON", "its execution_context, an object", 0, 0 },
	{ "after", 0, OPTION_LIST, TASK(after), "TASK[=WHEN]", "it depends on these; WHEN: completed, failed, finished", 0,
	  0 },
	{ "priority", 0, OPTION_INT, TASK(priority), "1…10", "10 is the most urgent (5)", LIMIT_PRIORITY_MIN,
	  LIMIT_PRIORITY_MAX },
	{ "service", 0, OPTION_TEXT, TASK(service), "NAME", "the service that it works on", 0, 0 },
	{ "retries", 0, OPTION_INT, TASK(max_retries), "N", "tries after the first (3)", 0, LIMIT_RETRIES },
	{ "task-timeout", 0, OPTION_NUMBER, TASK(timeout_s), "SECONDS", "a try that runs longer has failed", 0,
	  LIMIT_DURATION_S },
	{ "not-before", 0, OPTION_TEXT, TASK(not_before), "TIME", "blocked until then: 2030-01-31T12:00:00Z", 0, 0 },
	{ "key", 0, OPTION_TEXT, TASK(key), "TEXT", "concurrency key: one task with it runs at a time", 0, 0 },
	{ "hold", 0, OPTION_FLAG, TASK(hold), NULL, "blocked until 'corder approve'", 0, 0 },
};

static const struct submit submit_defaults = { .time_scale = 1,
	                                           .task = { .priority = -1, .max_retries = -1, .timeout_s = -1 } };

const struct command command_submit = {
	.name = "submit",
	.group = "Run it",
	.summary = "submit tasks: a file, a folder, stdin, a workflow, or one task from options",
	.usage = "FILE… | DIR | - | --wfformat FILE | --type TYPE [options]",
	.about = "A file holds one task, a batch ({\"project\":…,\"tasks\":[…]}), a list of tasks, or a task a line. All "
			 "of it is\n"
			 "admitted, or nothing. A graph too large for a message goes in parts by itself. Running the same command "
			 "again\n"
			 "is harmless when the tasks have a task_id.",
	.examples = "corder submit workflow.json --wait\n"
				"corder submit --project shop --type coding --context '{\"file\":\"cart.c\"}' --priority 8\n"
				"generate-tasks | corder submit --project shop -\n"
				"corder submit workflow.json --dry-run --workers 8\n"
				"corder submit --project sky --wfformat montage.json --time-scale 0.01",
	.options = submit_options,
	.option_count = COUNT(submit_options),
	.values_bytes = sizeof(struct submit),
	.defaults = &submit_defaults,
	.run = submit_run,
};
