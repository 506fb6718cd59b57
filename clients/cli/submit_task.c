/* A task made from options: corder submit --type coding --after design --context '{"file":"a.c"}'. */
#include "../../shared/base/id.h"
#include "submit.h"

static void add_text_member(struct text *out, const char *name, const char *value) {
	if (value == NULL)
		return;
	text_printf(out, ",\"%s\":", name);
	text_add_json(out, slice_of(value));
}

/* --after takes ids with an optional condition: "build", "build=failed", "build=finished". */
static void add_dependencies(struct text *out, const char *after) {
	struct slice rest = slice_of(after);
	text_add(out, ",\"dependencies\":[");
	for (bool first = true; rest.bytes != NULL; first = false) {
		struct slice when = slice_cut(&rest, ',');
		struct slice id = slice_cut(&when, '=');
		text_add(out, first ? "{\"task_id\":" : ",{\"task_id\":");
		text_add_json(out, id);
		if (when.bytes != NULL) {
			text_add(out, ",\"when\":");
			text_add_json(out, when);
		}
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}

static enum status add_context(struct text *out, const char *context, struct error *err) {
	struct error wrong = { 0 };
	struct json *json = json_read(slice_of(context), &wrong);
	bool object = json != NULL && json_kind(json_root(json)) == JSON_OBJECT;
	json_close(&json);
	if (!object)
		return fail(err, STATUS_REJECT, "--context takes a JSON object, like '{\"command\":\"make test\"}'%s%.150s",
		            wrong.message[0] != 0 ? ": " : "", wrong.message);
	text_printf(out, ",\"execution_context\":%s", context);
	return STATUS_OK;
}

enum status submission_add_options(struct submission *submission, const struct task_options *options,
                                   struct error *err) {
	struct text task = { 0 };
	char id[ID_BYTES];
	id_make(id);
	text_add(&task, "{\"task_id\":");
	text_add_json(&task, slice_of(options->id != NULL ? options->id : id));
	add_text_member(&task, "task_type", options->type);
	add_text_member(&task, "service_name", options->service);
	add_text_member(&task, "concurrency_key", options->key);
	add_text_member(&task, "not_before", options->not_before);
	if (options->priority >= 0)
		text_printf(&task, ",\"priority\":%lld", (long long)options->priority);
	if (options->max_retries >= 0)
		text_printf(&task, ",\"max_retries\":%lld", (long long)options->max_retries);
	if (options->timeout_s > 0)
		text_printf(&task, ",\"timeout\":%.6g", options->timeout_s);
	if (options->hold)
		text_add(&task, ",\"hold\":true");
	if (options->after != NULL)
		add_dependencies(&task, options->after);
	enum status status = options->context != NULL ? add_context(&task, options->context, err) : STATUS_OK;
	text_add_char(&task, '}');
	struct json *json = status == STATUS_OK ? json_read((struct slice){ task.bytes, task.length }, err) : NULL;
	if (json != NULL)
		status = submission_add(submission, json_root(json), "the command line", err);
	else
		status = STATUS_REJECT;
	json_close(&json);
	text_release(&task);
	return status;
}
