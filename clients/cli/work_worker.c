/* What the worker of clients/c tells: a task came, it should end, it was settled, or there is trouble. */
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "work.h"

static void on_task(void *context, struct corder_job *job) {
	struct worker *worker = context;
	struct error err = { 0 };
	struct run *run = memory_new(sizeof *run);
	*run = (struct run){ .worker = worker, .job = job, .started_us = clock_mono_us(), .output = -1, .errors = -1 };
	corder_job_set_data(job, run);
	if (run_start(run, &err)) {
		work_log_started(run);
		return;
	}
	work_log_note(worker, "%s", err.message);
	worker->refusal = EXIT_FAILED;
	worker_stop(worker);
	corder_job_release(job);
}

static void on_end(void *context, struct corder_job *job, enum corder_ending why) {
	(void)context;
	run_end(corder_job_data(job), why == CORDER_END_CANCELLED ? ENDING_CANCEL : ENDING_LOST);
}

static void on_settled(void *context, struct corder_job *job, const char *status, const char *verdict,
                       const struct corder_error *error) {
	struct run *run = corder_job_data(job);
	struct json *json = verdict != NULL ? json_read(slice_of(verdict), NULL) : NULL;
	(void)context;
	(void)status;
	(void)error;
	if (json != NULL) /* else its lease was lost, which was told */
		work_log_settled(run, json_root(json));
	json_close(&json);
	run_free(run);
}

/* The work itself was refused: told as any refusal. */
static void tell_refusal(struct worker *worker, const struct corder_error *error) {
	struct text said = { 0 };
	text_add(&said, "{\"error\":{\"code\":");
	text_add_json(&said, slice_of(error->code));
	text_add(&said, ",\"path\":");
	text_add_json(&said, slice_of(error->path));
	text_add(&said, ",\"message\":");
	text_add_json(&said, slice_of(error->message));
	text_add(&said, "}}");
	struct json *json = json_read((struct slice){ said.bytes, said.length }, NULL);
	worker->refusal = json != NULL ? client_tell_refusal(worker->cli, json_root(json)) : EXIT_REFUSED;
	json_close(&json);
	text_release(&said);
	worker_stop(worker);
}

static void on_trouble(void *context, const struct corder_error *error) {
	struct worker *worker = context;
	const struct cli *cli = worker->cli;
	if (error->status == CORDER_OK)
		work_log_note(worker, "answered again");
	else if (error->status == CORDER_REFUSED || error->status == CORDER_USAGE)
		tell_refusal(worker, error);
	else
		work_log_note(worker, "nobody answers at %s (%s); trying on", cli->url,
		              bus_connected(cli->bus) ? "is the dispatcher running?" : "no connection");
}

void work_set_handlers(struct worker *worker, struct corder_worker_options *options) {
	options->context = worker;
	options->run = on_task;
	options->end = on_end;
	options->settled = on_settled;
	options->trouble = on_trouble;
}
