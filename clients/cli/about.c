/* What several commands ask in the same way: something of each task in the command line, the timeline of a project. */
#include "../../subjects/subjects.h"
#include "fields.h"

static int about_task(struct cli *cli, const char *subject, const struct task_name *name,
                      void (*add)(const struct term *term, struct text *out, struct json_value root)) {
	struct text body = { 0 }, out = { 0 };
	struct answer answer;
	bool printed;
	text_add(&body, "{\"project\":");
	text_add_json(&body, name->project);
	text_add(&body, ",\"task_id\":");
	text_add_json(&body, name->task_id);
	text_add_char(&body, '}');
	int code = client_ask_or_print(cli, subject, text_slice(&body), &answer, &printed);
	if (!printed)
		add(&cli->out, &out, answer.root);
	term_write(&cli->out, &out);
	answer_release(&answer);
	text_release(&out);
	text_release(&body);
	return code;
}

int about_each_task(struct cli *cli, const char *subject, const char *project,
                    void (*add)(const struct term *term, struct text *out, struct json_value root)) {
	int code = EXIT_DONE;
	for (size_t i = 0; i < cli->arguments.count && (code == EXIT_DONE || code == EXIT_REFUSED); i++) {
		struct task_name name;
		int one = client_task_name(cli->arguments.words[i], project, &name);
		if (one == EXIT_DONE)
			one = about_task(cli, subject, &name, add);
		code = one != EXIT_DONE ? one : code;
	}
	return code;
}

int about_timeline(struct cli *cli, const struct command *command, const char *project_option, const char *batch,
                   timeline_show *show, const void *options) {
	const char *project = client_project(project_option);
	if (project == NULL || cli->arguments.count > 0)
		return command_usage(command, "of which project? Give --project NAME or set CORDER_PROJECT");
	struct text body = { 0 };
	struct answer answer;
	body_add(&body, "project", project);
	body_add(&body, "batch_id", batch);
	body_end(&body);
	bool printed;
	int code = client_ask_or_print(cli, SUBJECT_TIMELINE, text_slice(&body), &answer, &printed);
	if (!printed)
		code = show(cli, options, project, answer.root);
	answer_release(&answer);
	text_release(&body);
	return code;
}
