/* Workers whose handler does what the context of its task says, step by step; a step may wait for a gate or for the end. */
#include <stdlib.h>
#include <string.h>

#include "c_adapter.h"

struct working {
	char *name;
	struct corder_worker *worker;
	cJSON *runs;
	struct asked *stopping;
	struct working *next;
};

/* One try: where it is in its steps. */
struct run {
	cJSON *context;
	const cJSON *step; /* the next one */
	const char *gate;  /* what it waits for; "": for its end; NULL: nothing */
	const char *end;   /* how it ended */
	bool cancelled;
};

static struct working *workings;
static cJSON *gates; /* those that are open */

static bool is_open(const char *gate) {
	return gates != NULL && member(gates, gate) != NULL;
}

static void return_bytes(struct corder_job *job, size_t bytes) {
	char *result = malloc(bytes + 3);
	memset(result, 'x', bytes + 2);
	result[0] = result[bytes + 1] = '"';
	result[bytes + 2] = 0;
	corder_job_complete(job, result);
	free(result);
}

static void complete(struct corder_job *job, const cJSON *value) {
	char *result = printed(value);
	corder_job_complete(job, result);
	free(result);
}

/* What ends a job, or holds it up; true when there is nothing more to do now. */
static bool take_step(struct corder_job *job, struct run *run, const cJSON *step) {
	const cJSON *said;
	if ((said = member(step, "return")) != NULL) {
		run->end = "returned";
		complete(job, said);
	} else if ((said = member(step, "return_bytes")) != NULL) {
		run->end = "returned";
		return_bytes(job, (size_t)said->valueint);
	} else if ((said = member(step, "fail")) != NULL || (said = member(step, "raise")) != NULL) {
		run->end = "failed";
		corder_job_fail(job, said->valuestring, !cJSON_IsFalse(member(step, "retryable")));
	} else if (member(step, "release") != NULL) {
		run->end = "released";
		corder_job_release(job);
	} else if (member(step, "until_cancelled") != NULL) {
		run->gate = "";
	} else if ((said = member(step, "wait_for")) != NULL && !is_open(said->valuestring)) {
		run->gate = said->valuestring;
	} else {
		if ((said = member(step, "progress")) != NULL) {
			char *progress = printed(said);
			corder_job_progress(job, progress);
			free(progress);
		}
		return false;
	}
	return true;
}

static void go_on(struct corder_job *job, struct run *run) {
	run->gate = NULL;
	while (run->step != NULL) {
		const cJSON *step = run->step;
		if (take_step(job, run, step)) {
			return;
		}
		run->step = step->next;
	}
	run->end = "returned";
	corder_job_complete(job, NULL);
}

static void on_run(void *context, struct corder_job *job) {
	struct run *run = calloc(1, sizeof *run);
	(void)context;
	run->context = parsed(corder_job_context(job));
	corder_job_set_data(job, run);
	const cJSON *steps = member(run->context, "do");
	if (steps == NULL) {
		cJSON *value = cJSON_CreateObject();
		cJSON_AddItemToObject(value, "inputs", parsed(corder_job_inputs(job)));
		run->end = "returned";
		complete(job, value);
		cJSON_Delete(value);
		return;
	}
	int tries = cJSON_GetArraySize(steps), attempt = (int)corder_job_attempt(job);
	if (cJSON_IsArray(steps->child))
		steps = cJSON_GetArrayItem(steps, (attempt < tries ? attempt : tries) - 1);
	run->step = steps->child;
	go_on(job, run);
}

static void on_end(void *context, struct corder_job *job, enum corder_ending why) {
	struct run *run = corder_job_data(job);
	(void)context;
	run->cancelled |= why == CORDER_END_CANCELLED;
	if (run->gate == NULL)
		return;
	run->gate = NULL;
	run->end = "failed";
	corder_job_fail(job, "was told to end", true);
}

static void run_free(struct run *run) {
	cJSON_Delete(run->context);
	free(run);
}

static void on_settled(void *context, struct corder_job *job, const char *status, const char *verdict,
                       const struct corder_error *error) {
	struct working *working = context;
	struct run *run = corder_job_data(job);
	cJSON *entry = cJSON_CreateObject();
	(void)status;
	(void)verdict;
	cJSON_AddStringToObject(entry, "task_id", corder_job_id(job));
	cJSON_AddNumberToObject(entry, "attempt", (double)corder_job_attempt(job));
	if (strcmp(error->code, "stale_lease") == 0)
		run->end = "lease_lost";
	else if (run->cancelled)
		run->end = "cancelled";
	cJSON_AddStringToObject(entry, "end", run->end);
	cJSON_AddItemToArray(working->runs, entry);
	run_free(run);
}

void do_work_start(struct asked *asked) {
	const cJSON *concurrency = member(asked->with, "concurrency"), *lease = member(asked->with, "lease_ms");
	const char *type = text_of(asked->with, "task_type");
	struct corder_error error;
	struct working *working = calloc(1, sizeof *working);
	working->name = strdup(text_of(asked->with, "name"));
	working->runs = cJSON_CreateArray();
	struct corder_worker_options options = { .task_types = &type,
		                                     .task_type_count = 1,
		                                     .concurrency = concurrency != NULL ? concurrency->valueint : 1,
		                                     .lease_ms = lease != NULL ? lease->valueint : 30000,
		                                     .context = working,
		                                     .run = on_run,
		                                     .end = on_end,
		                                     .settled = on_settled };
	working->worker = corder_worker_open(client, &options, &error);
	working->next = workings;
	workings = working;
	if (working->worker != NULL)
		answer(asked, NULL);
	else
		answer_failure(asked, &error);
}

void do_work_gate(struct asked *asked) {
	const char *gate = text_of(asked->with, "gate");
	struct corder_job *job;
	if (gates == NULL)
		gates = cJSON_CreateObject();
	if (!is_open(gate))
		cJSON_AddTrueToObject(gates, gate);
	for (struct working *working = workings; working != NULL; working = working->next)
		for (size_t at = 0; working->worker != NULL && (job = corder_worker_next_job(working->worker, &at)) != NULL;) {
			struct run *run = corder_job_data(job);
			if (run->gate != NULL && strcmp(run->gate, gate) == 0)
				go_on(job, run);
		}
	answer(asked, NULL);
}

static struct working *find(const char *name) {
	struct working *working = workings;
	while (strcmp(working->name, name) != 0)
		working = working->next;
	return working;
}

void do_work_log(struct asked *asked) {
	cJSON *value = cJSON_CreateObject();
	cJSON_AddItemToObject(value, "runs", cJSON_Duplicate(find(text_of(asked->with, "name"))->runs, true));
	answer(asked, value);
}

void do_work_stop(struct asked *asked) {
	struct working *working = find(text_of(asked->with, "name"));
	working->stopping = asked;
	corder_worker_stop(working->worker);
}

void look_at_workers(void) {
	for (struct working *working = workings; working != NULL; working = working->next) {
		if (working->stopping == NULL || !corder_worker_finished(working->worker))
			continue;
		struct asked *asked = working->stopping;
		working->stopping = NULL;
		answer(asked, NULL);
	}
}

void forget_workers(void) {
	struct corder_job *job;
	while (workings != NULL) {
		struct working *working = workings;
		workings = working->next;
		for (size_t at = 0; working->worker != NULL && (job = corder_worker_next_job(working->worker, &at)) != NULL;)
			run_free(corder_job_data(job));
		corder_worker_close(&working->worker);
		cJSON_Delete(working->runs);
		free(working->name);
		free(working);
	}
	cJSON_Delete(gates);
	gates = NULL;
}
