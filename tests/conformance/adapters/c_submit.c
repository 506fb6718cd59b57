/* Submissions, kept by their batch ids, and waits for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c_adapter.h"

static struct corder_submission **submissions;
static size_t submission_count;

void forget_submissions(void) {
	for (size_t i = 0; i < submission_count; i++)
		corder_submission_free(submissions[i]);
	free(submissions);
	submissions = NULL;
	submission_count = 0;
}

static void keep(struct corder_submission *submission) {
	submissions = realloc(submissions, (submission_count + 1) * sizeof(struct corder_submission *));
	submissions[submission_count++] = submission;
}

/* The latest with this id. */
static const struct corder_submission *find(const char *batch_id) {
	for (size_t i = submission_count; i > 0; i--)
		if (strcmp(submissions[i - 1]->batch_id, batch_id) == 0)
			return submissions[i - 1];
	return NULL;
}

static void on_submitted(void *context, struct corder_submission *submission, const struct corder_error *error) {
	struct asked *asked = context;
	if (submission == NULL) {
		answer_failure(asked, error);
		return;
	}
	cJSON *value = cJSON_CreateObject(), *reply = parsed(submission->reply);
	cJSON_AddStringToObject(value, "batch_id", submission->batch_id);
	cJSON *tasks = cJSON_DetachItemFromObjectCaseSensitive(reply, "tasks");
	if (submission->enqueued)
		cJSON_AddItemToObject(value, "task_ids",
		                      cJSON_CreateStringArray((const char *const *)submission->task_ids,
		                                              (int)submission->count));
	else if (tasks != NULL)
		cJSON_AddItemToObject(value, "tasks", tasks);
	else
		cJSON_AddNumberToObject(value, "task_count", (double)submission->count);
	cJSON_Delete(reply);
	keep(submission);
	answer(asked, value);
}

static void submit(struct asked *asked, const cJSON *list) {
	size_t count = (size_t)cJSON_GetArraySize(list), at = 0;
	char **tasks = calloc(count + 1, sizeof *tasks);
	cJSON *task;
	cJSON_ArrayForEach(task, list) {
		cJSON_DeleteItemFromObjectCaseSensitive(task, "wrong");
		tasks[at++] = printed(task);
	}
	const char *ack = text_of(asked->with, "ack");
	struct corder_submit what = { .project = text_of(asked->with, "project"),
		                          .tasks = (const char *const *)tasks,
		                          .count = count,
		                          .batch_id = text_of(asked->with, "batch_id"),
		                          .single = cJSON_IsTrue(member(asked->with, "single")),
		                          .dry_run = cJSON_IsTrue(member(asked->with, "dry_run")),
		                          .archived = ack != NULL && strcmp(ack, "archived") == 0,
		                          .enqueue = strcmp(asked->verb, "enqueue") == 0 };
	corder_submit(client, &what, on_submitted, asked);
	for (at = 0; at < count; at++)
		free(tasks[at]);
	free(tasks);
}

void do_submit(struct asked *asked) {
	submit(asked, member(asked->with, "tasks"));
}

static void add_text(cJSON *task, size_t bytes) {
	char *text = malloc(bytes + 1);
	memset(text, 'x', bytes);
	text[bytes] = 0;
	cJSON_AddStringToObject(cJSON_AddObjectToObject(task, "execution_context"), "text", text);
	free(text);
}

/* generate: g0, g1 …, so many in a row depend on each other; generate_work: w0, w1 …, with what is to be done. */
void do_generate(struct asked *asked) {
	int count = member(asked->with, "count")->valueint;
	const cJSON *chain = member(asked->with, "chain"), *bytes = member(asked->with, "context_bytes");
	const cJSON *steps = member(asked->with, "do");
	cJSON *list = cJSON_CreateArray();
	for (int n = 0; n < count; n++) {
		cJSON *task = cJSON_CreateObject();
		char id[32];
		snprintf(id, sizeof id, "%c%d", steps != NULL ? 'w' : 'g', n);
		cJSON_AddStringToObject(task, "task_id", id);
		cJSON_AddStringToObject(task, "task_type", text_of(asked->with, "task_type"));
		if (steps != NULL)
			cJSON_AddItemToObject(cJSON_AddObjectToObject(task, "execution_context"), "do",
			                      cJSON_Duplicate(steps, true));
		if (bytes != NULL)
			add_text(task, (size_t)bytes->valueint);
		if (chain != NULL && n % chain->valueint != 0) {
			snprintf(id, sizeof id, "g%d", n - 1);
			cJSON_AddItemToArray(cJSON_AddArrayToObject(task, "dependencies"), cJSON_CreateString(id));
		}
		cJSON_AddItemToArray(list, task);
	}
	submit(asked, list);
	cJSON_Delete(list);
}

/* ---- waiting */

static void add_outcome(cJSON *tasks, const struct corder_outcome *outcome) {
	cJSON *one = cJSON_AddObjectToObject(tasks, outcome->task_id);
	cJSON_AddStringToObject(one, "status", outcome->status);
	cJSON_AddNumberToObject(one, "version", (double)outcome->version);
	cJSON_AddNumberToObject(one, "attempt", (double)outcome->attempt);
	cJSON_AddItemToObject(one, "result", outcome->result != NULL ? parsed(outcome->result) : cJSON_CreateNull());
	cJSON_AddItemToObject(one, "error", outcome->error != NULL ? parsed(outcome->error) : cJSON_CreateNull());
	if (outcome->because[0] != 0)
		cJSON_AddStringToObject(one, "because", outcome->because);
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As answer_failure, with who has ended and who has not. */
static void answer_timeout(struct asked *asked, const struct corder_outcomes *outcomes) {
	cJSON *said = cJSON_CreateObject(), *told = cJSON_AddObjectToObject(said, "error");
	const char **finished = calloc(outcomes->finished_count + 1, sizeof *finished);
	for (size_t i = 0; i < outcomes->finished_count; i++)
		finished[i] = outcomes->finished[i].task_id;
	qsort(finished, outcomes->finished_count, sizeof *finished, by_text);
	qsort(outcomes->unfinished, outcomes->unfinished_count, sizeof *outcomes->unfinished, by_text);
	cJSON_AddStringToObject(told, "kind", "wait_timeout");
	cJSON_AddItemToObject(told, "finished", cJSON_CreateStringArray(finished, (int)outcomes->finished_count));
	cJSON_AddItemToObject(told, "unfinished",
	                      cJSON_CreateStringArray(outcomes->unfinished, (int)outcomes->unfinished_count));
	free(finished);
	tell(asked, said, false);
}

static void on_waited(void *context, struct corder_outcomes *outcomes, const struct corder_error *error) {
	struct asked *asked = context;
	if (error->status == CORDER_OK) {
		cJSON *value = cJSON_CreateObject(), *tasks = cJSON_AddObjectToObject(value, "tasks");
		for (size_t i = 0; i < outcomes->finished_count; i++)
			add_outcome(tasks, &outcomes->finished[i]);
		answer(asked, value);
	} else if (error->status == CORDER_TIMEOUT) {
		answer_timeout(asked, outcomes);
	} else {
		answer_failure(asked, error);
	}
	corder_outcomes_free(outcomes);
}

void do_wait(struct asked *asked) {
	const cJSON *count = member(asked->with, "count"), *timeout = member(asked->with, "timeout_s"), *id;
	const cJSON *ids = member(asked->with, "task_ids");
	size_t id_count = 0;
	const char **task_ids = calloc((size_t)cJSON_GetArraySize(ids) + 1, sizeof *task_ids);
	cJSON_ArrayForEach(id, ids) task_ids[id_count++] = id->valuestring;
	struct corder_wait what = { .project = text_of(asked->with, "project"),
		                        .timeout_ms = timeout != NULL ? (int64_t)(timeout->valuedouble * 1000) : 0 };
	if (ids != NULL) {
		what.task_ids = task_ids;
		what.task_id_count = id_count;
	} else {
		what.submission = find(text_of(asked->with, "batch_id"));
	}
	if (cJSON_IsNumber(count))
		what.enough = (size_t)count->valueint;
	else if (cJSON_IsString(count) && strcmp(count->valuestring, "any") == 0)
		what.enough = 1;
	corder_wait(client, &what, on_waited, asked);
	free(task_ids);
}
