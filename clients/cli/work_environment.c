/* What a command finds in its environment: the task's names, the connection, and each plain member of its context. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/memory.h"
#include "trace.h"
#include "work.h"

extern char **environ;

enum { VALUE_MOST_BYTES = 100000, CONTEXT_MOST_VALUES = 256, OWN_VALUES = 16 };

static char *entry(const char *name, struct slice value) {
	struct text out = { 0 };
	text_printf(&out, "%s=", name);
	text_add_slice(&out, value);
	return text_take(&out);
}

/* Upper case; everything but letters and digits becomes '_'. */
static char variable_char(char c) {
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

static char *context_entry(struct slice name, struct slice value) {
	struct text out = { 0 };
	text_add(&out, "CORDER_CONTEXT_");
	for (size_t i = 0; i < name.length; i++)
		text_add_char(&out, variable_char(name.bytes[i]));
	text_add_char(&out, '=');
	text_add_slice(&out, value);
	return text_take(&out);
}

static bool is_scalar(struct json_value value) {
	enum json_kind kind = json_kind(value);
	return kind == JSON_STRING || kind == JSON_NUMBER || kind == JSON_TRUE || kind == JSON_FALSE || kind == JSON_NULL;
}

static struct slice scalar_text(struct json_value value) {
	if (json_kind(value) == JSON_STRING)
		return json_text(value);
	return json_kind(value) == JSON_NULL ? (struct slice){ 0 } : json_raw(value);
}

static size_t add_context(char **out, struct json_value context) {
	size_t count = 0;
	for (struct json_value member = json_first(context); json_present(member); member = json_next(member)) {
		if (!is_scalar(member) || scalar_text(member).length > VALUE_MOST_BYTES || count == CONTEXT_MOST_VALUES)
			continue;
		out[count++] = context_entry(json_name(member), scalar_text(member));
	}
	return count;
}

/* Ours replace what a task that runs `corder work` itself has got from its own worker. */
static bool is_ours(const char *variable) {
	static const char *const names[] = { "CORDER_PROJECT=",      "CORDER_TASK_ID=", "CORDER_TASK_TYPE=",
		                                 "CORDER_SERVICE_NAME=", "CORDER_ATTEMPT=", "CORDER_INPUTS=",
		                                 "CORDER_BATCH_ID=",     "CORDER_WORKER=",  "CORDER_CONTEXT_",
		                                 "CORDER_LAST_ERROR=",   "TRACEPARENT=" };
	for (size_t i = 0; i < COUNT(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The span of this try, so that what the command traces hangs under it. */
static char *traceparent_entry(const struct run *run, struct json_value task) {
	struct slice traceparent = json_text(json_member(task, "traceparent"));
	struct trace_task names = { slice_of(corder_job_project(run->job)), slice_of(corder_job_id(run->job)),
		                        json_text(json_member(task, "batch_id")),
		                        traceparent.bytes != NULL ? traceparent : SLICE("") };
	char parent[TRACEPARENT_BYTES];
	trace_try_parent(&names, corder_job_attempt(run->job), parent);
	return entry("TRACEPARENT", slice_of(parent));
}

char **environment_make(const struct run *run, struct json_value task) {
	size_t inherited = 0, count = 0;
	while (environ[inherited] != NULL)
		inherited++;
	char **out = memory_array(inherited + OWN_VALUES + CONTEXT_MOST_VALUES + 1, sizeof *out);
	for (size_t i = 0; i < inherited; i++)
		if (!is_ours(environ[i]))
			out[count++] = memory_copy(environ[i], strlen(environ[i]));
	char attempt[24];
	snprintf(attempt, sizeof attempt, "%lld", (long long)corder_job_attempt(run->job));
	out[count++] = entry("CORDER_PROJECT", slice_of(corder_job_project(run->job)));
	out[count++] = entry("CORDER_TASK_ID", slice_of(corder_job_id(run->job)));
	out[count++] = entry("CORDER_TASK_TYPE", slice_of(corder_job_type(run->job)));
	out[count++] = entry("CORDER_BATCH_ID", json_text(json_member(task, "batch_id")));
	out[count++] = entry("CORDER_SERVICE_NAME", json_text(json_member(task, "service_name")));
	out[count++] = entry("CORDER_ATTEMPT", slice_of(attempt));
	out[count++] = entry("CORDER_WORKER", slice_of(corder_worker_name(run->worker->inner)));
	out[count++] = entry("CORDER_INPUTS", slice_of(run->inputs_path));
	out[count++] = traceparent_entry(run, task);
	struct json_value error = json_member(task, "error");
	if (json_present(error))
		out[count++] = entry("CORDER_LAST_ERROR", json_text(json_member(error, "message")));
	count += add_context(out + count, json_member(task, "execution_context"));
	return out;
}

void environment_free(char **environment) {
	for (size_t i = 0; environment[i] != NULL; i++)
		free(environment[i]);
	free(environment);
}
