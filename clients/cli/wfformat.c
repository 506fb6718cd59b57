/* Workflows in WfFormat 1.5, the JSON format of the WfCommons project (https://wfcommons.org/format): a graph under
 * workflow.specification.tasks, measured runtimes under workflow.execution.tasks. Each task becomes one of ours that
 * sleeps as long as the real one ran, scaled. */
#include <ctype.h>
#include <string.h>

#include "../../shared/base/table.h"
#include "../../subjects/subjects.h"
#include "submit.h"

static bool is_token_char(char c) {
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* The name without its instance: "bowtie2_ID0000003" and "bowtie2_3" are "bowtie2", "A.B.FASTQC" is "FASTQC". */
static void add_type(struct text *out, struct slice name) {
	size_t end = name.length;
	while (end > 0 && isdigit((unsigned char)name.bytes[end - 1]))
		end--;
	if (end >= 3 && end < name.length && memcmp(name.bytes + end - 2, "ID", 2) == 0)
		end -= 2;
	bool parted = end > 1 && end < name.length && strchr("_-.:", name.bytes[end - 1]) != NULL;
	end = parted ? end - 1 : name.length;
	size_t start = end;
	while (start > 0 && strchr(".:/", name.bytes[start - 1]) == NULL)
		start--;
	if (end - start > LIMIT_TOKEN_CHARS)
		start = end - LIMIT_TOKEN_CHARS;
	if (start == end)
		text_add(out, "task");
	for (size_t i = start; i < end; i++)
		text_add_char(out, is_token_char(name.bytes[i]) ? name.bytes[i] : '_');
}

/* Quoted; what may not stand in a task_id becomes '-'. */
static void add_task_id(struct text *out, const char *prefix, struct slice id) {
	text_printf(out, "\"%s", prefix);
	size_t room = LIMIT_ID_CHARS - (strlen(prefix) < LIMIT_ID_CHARS ? strlen(prefix) : LIMIT_ID_CHARS);
	if (*prefix == 0 && (id.length == 0 || !isalnum((unsigned char)id.bytes[0]))) {
		text_add_char(out, 't');
		room--;
	}
	for (size_t i = 0; i < id.length && i < room; i++)
		text_add_char(out, is_token_char(id.bytes[i]) || strchr(".:", id.bytes[i]) != NULL ? id.bytes[i] : '-');
	text_add_char(out, '"');
}

static void add_task(struct text *out, struct json_value task, double runtime_s, struct slice type,
                     const struct wfformat_options *options) {
	text_add(out, "{\"task_id\":");
	add_task_id(out, options->id_prefix, json_text(json_member(task, "id")));
	text_add(out, ",\"task_type\":");
	text_add_json(out, type);
	text_add(out, ",\"dependencies\":[");
	bool first = true;
	struct json_value parents = json_member(task, "parents");
	for (struct json_value parent = json_first(parents); json_present(parent); parent = json_next(parent)) {
		text_add(out, first ? "" : ",");
		add_task_id(out, options->id_prefix, json_text(parent));
		first = false;
	}
	double scaled_s = runtime_s * options->time_scale;
	text_printf(out,
	            "],\"estimated_duration\":%.6f,\"execution_context\":{\"command\":\"sleep %.6f\",\"runtime_s\":%.6f}}",
	            scaled_s, scaled_s, runtime_s);
}

static void note_type(struct submission *submission, struct table *seen, struct slice type) {
	if (table_get(seen, type) != NULL)
		return;
	table_put(seen, type, submission);
	if (submission->types.length > 0)
		text_add_char(&submission->types, ',');
	text_add_slice(&submission->types, type);
}

static enum status convert(struct submission *submission, struct json_value task, struct table *executions,
                           struct table *types, const struct wfformat_options *options, struct error *err) {
	struct slice id = json_text(json_member(task, "id"));
	struct slice name = json_text(json_member(task, "name"));
	if (id.length == 0)
		return fail(err, STATUS_REJECT, "a task under workflow.specification.tasks has no id");
	const double *runtime_s = table_get(executions, id);
	struct text type = { 0 }, out = { 0 };
	if (options->type != NULL)
		text_add(&type, options->type);
	else
		add_type(&type, name.length > 0 ? name : id);
	note_type(submission, types, (struct slice){ type.bytes, type.length });
	add_task(&out, task, runtime_s != NULL ? *runtime_s : 0, (struct slice){ type.bytes, type.length }, options);
	struct json *json = json_read((struct slice){ out.bytes, out.length }, err);
	enum status status = json != NULL ? submission_add(submission, json_root(json), "workflow", err) : STATUS_REJECT;
	json_close(&json);
	text_release(&out);
	text_release(&type);
	return status;
}

static void gather_runtimes(struct json *json, struct json_value workflow, struct table *executions) {
	struct json_value tasks = json_member(json_member(workflow, "execution"), "tasks");
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task)) {
		double *runtime_s = json_allocate(json, 1, sizeof *runtime_s);
		*runtime_s = json_double(json_member(task, "runtimeInSeconds"), 0);
		table_put(executions, json_text(json_member(task, "id")), runtime_s);
	}
}

enum status wfformat_add(struct submission *submission, struct slice content, const char *path,
                         const struct wfformat_options *options, struct error *err) {
	enum status status = STATUS_OK;
	struct error wrong = { 0 };
	struct json *json = json_read(content, &wrong);
	struct json_value workflow = json != NULL ? json_member(json_root(json), "workflow") : (struct json_value){ 0 };
	struct json_value tasks = json_member(json_member(workflow, "specification"), "tasks");
	if (json == NULL)
		status = fail(err, STATUS_REJECT, "%.120s: %.180s", path, wrong.message);
	else if (json_count(tasks) == 0)
		status = fail(err, STATUS_REJECT, "%.200s is no WfFormat 1.5: it has no workflow.specification.tasks", path);
	struct table *executions = table_open(), *types = table_open();
	if (status == STATUS_OK)
		gather_runtimes(json, workflow, executions);
	for (struct json_value task = json_first(tasks); json_present(task) && status == STATUS_OK; task = json_next(task))
		status = convert(submission, task, executions, types, options, err);
	table_close(&executions);
	table_close(&types);
	json_close(&json);
	return status;
}

enum status wfformat_read(struct submission *submission, const char *path, const struct wfformat_options *options,
                          struct error *err) {
	struct text content = { 0 };
	enum status status = submit_read_file(path, &content, err);
	if (status == STATUS_OK)
		status = wfformat_add(submission, (struct slice){ content.bytes, content.length }, path, options, err);
	text_release(&content);
	return status;
}
