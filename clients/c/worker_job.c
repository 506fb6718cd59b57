/* A job: one try of one task, from its lease to the verdict on its settlement. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "worker_inside.h"

enum { LEVELS_AROUND = 3 }; /* of a result or a progress in its request: the object, its list, the item */

static char *copy_member(struct json_value task, const char *name) {
	return slice_copy(json_text(json_member(task, name)));
}

static char *copy_raw(struct json_value value) {
	return slice_copy(json_given(value) ? json_raw(value) : SLICE("{}"));
}

struct corder_job *job_make(struct slot *slot, struct json_value task) {
	struct corder_job *job = memory_new(sizeof *job);
	job->slot = slot;
	job->project = copy_member(task, "project");
	job->task_id = copy_member(task, "task_id");
	job->task_type = copy_member(task, "task_type");
	job->lease = copy_member(task, "lease");
	job->context = copy_raw(json_member(task, "execution_context"));
	job->inputs = copy_raw(json_member(task, "inputs"));
	job->task = copy_raw(task);
	job->attempt = json_int(json_member(task, "attempt"), 1);
	job->timeout_s = json_double(json_member(task, "timeout"), 0);
	job->started_us = job->renewed_us = clock_mono_us();
	return job;
}

void job_free(struct corder_job *job) {
	free(job->project);
	free(job->task_id);
	free(job->task_type);
	free(job->lease);
	free(job->context);
	free(job->inputs);
	free(job->task);
	free(job->progress);
	free(job);
}

void job_add_item(const struct corder_job *job, const char *outcome, struct text *item) {
	text_add(item, "{\"project\":");
	text_add_json(item, slice_of(job->project));
	text_add(item, ",\"task_id\":");
	text_add_json(item, slice_of(job->task_id));
	text_add(item, ",\"lease\":");
	text_add_json(item, slice_of(job->lease));
	text_printf(item, ",\"outcome\":\"%s\"", outcome);
}

static void add_failure(const struct corder_job *job, struct slice message, bool retryable, struct text *item) {
	if (!slice_is_utf8(message))
		message = SLICE("(a message that was no UTF-8)");
	job_add_item(job, "failed", item);
	text_add(item, ",\"error\":{\"message\":");
	text_add_json(item, message.length > 0 ? message : SLICE("failed"));
	text_printf(item, ",\"retryable\":%s}}", retryable ? "true" : "false");
}

/* ---- what the program says */

/* What is refused here would make the whole request be refused, with all that it carries. */
bool corder_is_value(struct slice text, struct error *err) {
	static const struct json_limits limits = { .max_depth = LIMIT_JSON_DEPTH - LEVELS_AROUND };
	struct json *json = json_open();
	enum status status = json_parse(json, text, &limits, err);
	json_close(&json);
	return status == STATUS_OK;
}

/* The last that is heard of a job: it leaves its place first, for the handler may look around. */
static void bury(struct corder_job *job, const char *status, const char *verdict, const struct corder_error *error) {
	struct slot *slot = job->slot;
	const struct corder_worker_options *options = &slot->worker->options;
	slot->job = NULL;
	text_clear(&slot->done);
	if (options->settled != NULL && !job->unseen)
		options->settled(options->context, job, status, verdict, error);
	job_free(job);
}

/* False when what the program says counts no more: the lease was lost, or the job had ended before. */
static bool may_end(struct corder_job *job) {
	struct slot *slot = job->slot;
	must(!job->ended); /* a job ends once */
	job->ended = true;
	slot->worker->busy_us = clock_mono_us();
	if (!job->lost)
		return true;
	struct corder_error error;
	corder_fail(&error, CORDER_REFUSED, "the lease was lost");
	memcpy(error.code, CODE_STALE_LEASE, sizeof CODE_STALE_LEASE);
	bury(job, "", NULL, &error);
	slot_next(slot);
	return false;
}

void corder_job_complete(struct corder_job *job, const char *result) {
	struct slot *slot = job->slot;
	struct error err = { 0 };
	if (!may_end(job))
		return;
	/* What is no JSON would make the whole request be refused. */
	if (result != NULL && !corder_is_value(slice_of(result), &err)) {
		struct text message = { 0 };
		text_printf(&message, "the result is no JSON that a message can carry: %s", err.message);
		add_failure(job, (struct slice){ message.bytes, message.length }, false, &slot->done);
		text_release(&message);
	} else if (result != NULL && strlen(result) > LIMIT_RESULT_BYTES) {
		struct text message = { 0 };
		text_printf(&message, "the result has %zu bytes; %d are the most", strlen(result), LIMIT_RESULT_BYTES);
		add_failure(job, (struct slice){ message.bytes, message.length }, false, &slot->done);
		text_release(&message);
	} else {
		job_add_item(job, "completed", &slot->done);
		text_printf(&slot->done, ",\"result\":%s}", result != NULL ? result : "null");
	}
	slot_next(slot);
}

void corder_job_fail(struct corder_job *job, const char *message, bool retryable) {
	struct slot *slot = job->slot;
	if (!may_end(job))
		return;
	add_failure(job, slice_of(message), retryable, &slot->done);
	slot_next(slot);
}

void corder_job_release(struct corder_job *job) {
	struct slot *slot = job->slot;
	if (!may_end(job))
		return;
	job_add_item(job, "released", &slot->done);
	text_add_char(&slot->done, '}');
	slot_next(slot);
}

bool corder_job_progress(struct corder_job *job, const char *progress) {
	if (progress[strspn(progress, " \t\r\n")] != '{' || strlen(progress) > LIMIT_PROGRESS_BYTES ||
	    !corder_is_value(slice_of(progress), NULL))
		return false;
	free(job->progress);
	job->progress = slice_copy(slice_of(progress));
	return true;
}

/* ---- what the server says */

bool job_settle_as_failed(struct corder_job *job, const struct corder_error *error) {
	struct slot *slot = job->slot;
	if (strcmp(error->code, CODE_STALE_LEASE) == 0 || strcmp(error->code, CODE_NOT_FOUND) == 0 || job->settled_again)
		return false;
	job->settled_again = true;
	text_clear(&slot->done);
	add_failure(job, slice_of(error->message), false, &slot->done);
	return true;
}

void job_heed_verdict(struct corder_job *job, struct json_value verdict) {
	struct corder_error error = { 0 };
	if (!json_bool(json_member(verdict, "ok"), false)) {
		corder_read_refusal(verdict, &error);
		if (job_settle_as_failed(job, &error))
			return;
	}
	char *status = slice_copy(json_text(json_member(verdict, "status"))), *raw = slice_copy(json_raw(verdict));
	bury(job, status, raw, &error);
	free(status);
	free(raw);
}

/* ---- what the program asks */

const char *corder_job_project(const struct corder_job *job) {
	return job->project;
}

const char *corder_job_id(const struct corder_job *job) {
	return job->task_id;
}

const char *corder_job_type(const struct corder_job *job) {
	return job->task_type;
}

int64_t corder_job_attempt(const struct corder_job *job) {
	return job->attempt;
}

double corder_job_timeout_s(const struct corder_job *job) {
	return job->timeout_s;
}

const char *corder_job_context(const struct corder_job *job) {
	return job->context;
}

const char *corder_job_inputs(const struct corder_job *job) {
	return job->inputs;
}

const char *corder_job_task(const struct corder_job *job) {
	return job->task;
}

size_t corder_job_slot(const struct corder_job *job) {
	return job->slot->index;
}

void *corder_job_data(const struct corder_job *job) {
	return job->data;
}

void corder_job_set_data(struct corder_job *job, void *data) {
	job->data = data;
}
