/* What to say when a service refuses, and how words of the command line name tasks and projects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/id.h"
#include "../../subjects/subjects.h"
#include "client.h"

enum { TASKS_SHOWN = 10 };

static const char *advice(struct slice code) {
	static const char *const lines[][2] = {
		{ CODE_CONFLICT,
		  "A task_id is used once in a project, for ever: take new ids, or send the very same body again." },
		{ CODE_UNKNOWN_DEPENDENCY,
		  "Submit them first or in the same batch, or mark the dependency with \"future\": true." },
		{ CODE_CYCLE, "Remove one of these edges." },
		{ CODE_TOO_LARGE, "Put large data elsewhere and a reference to it into the task." },
		{ CODE_UNAVAILABLE, "Nothing is known of the outcome: run the same command again." },
		{ CODE_INTERNAL, "This is a bug of ours; the service's log has the details." },
	};
	for (size_t i = 0; i < COUNT(lines); i++)
		if (slice_is(code, lines[i][0]))
			return lines[i][1];
	return NULL;
}

static void add_tasks(const struct term *term, struct text *out, struct slice code, struct json_value tasks) {
	const char *joint = !slice_is(code, CODE_CYCLE) ? ", " : term->unicode ? " → " : " -> ";
	size_t count = json_count(tasks), shown = 0;
	text_add(out, "  ");
	for (struct json_value task = json_first(tasks); json_present(task) && shown < TASKS_SHOWN;
	     task = json_next(task)) {
		text_add(out, shown++ > 0 ? joint : "");
		term_add(term, out, SHADE_BOLD, json_text(task));
	}
	if (count > TASKS_SHOWN)
		text_printf(out, "%sand %zu more", joint, count - TASKS_SHOWN);
	text_add_char(out, '\n');
}

int client_tell_refusal(const struct cli *cli, struct json_value root) {
	struct json_value error = json_member(root, "error");
	struct slice code = json_text(json_member(error, "code"));
	struct slice path = json_text(json_member(error, "path"));
	struct json_value tasks = json_member(error, "tasks");
	struct text out = { 0 };
	text_add(&out, "corder: ");
	term_add(&cli->err, &out, SHADE_RED, code.length > 0 ? code : SLICE("no reason given"));
	if (path.length > 0) {
		text_add(&out, " at ");
		term_add(&cli->err, &out, SHADE_BOLD, path);
	}
	text_add(&out, ": ");
	term_add(&cli->err, &out, SHADE_PLAIN, json_text(json_member(error, "message")));
	text_add_char(&out, '\n');
	if (json_count(tasks) > 0)
		add_tasks(&cli->err, &out, code, tasks);
	if (advice(code) != NULL)
		text_printf(&out, "%s\n", advice(code));
	term_write(&cli->err, &out);
	text_release(&out);
	return slice_is(code, CODE_UNAVAILABLE) ? EXIT_UNREACHABLE : EXIT_REFUSED;
}

const char *client_project(const char *option) {
	if (option != NULL)
		return option;
	const char *value = getenv("CORDER_PROJECT");
	return value != NULL && *value != 0 ? value : NULL;
}

int client_task_name(const char *word, const char *project, struct task_name *name) {
	const char *slash = strchr(word, '/');
	const char *known = client_project(project);
	if (slash != NULL)
		*name = (struct task_name){ { word, (size_t)(slash - word) }, slice_of(slash + 1) };
	else
		*name = (struct task_name){ slice_of(known), slice_of(word) };
	if (slash == NULL && known == NULL) {
		fprintf(stderr,
		        "corder: of which project is '%.140s'? Say PROJECT/%.140s, or --project NAME, or set CORDER_PROJECT.\n",
		        word, word);
		return EXIT_USAGE;
	}
	if (!id_is_token(name->project) || !id_is_task_id(name->task_id)) {
		fprintf(stderr,
		        "corder: '%.140s' names no task: PROJECT/TASK_ID, of letters, digits and _ - (and . : in the id)\n",
		        word);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}
