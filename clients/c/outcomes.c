/* What a wait knows: the tasks that are open, and how the others ended. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/memory.h"
#include "inside.h"

struct ended {
	struct corder_outcome outcome;
	char *texts[8]; /* what outcome points to */
	size_t text_count;
};

struct outcomes {
	struct table *open, *finished; /* open: to a copy of the id; finished: to struct ended */
};

struct outcomes *outcomes_open(void) {
	struct outcomes *outcomes = memory_new(sizeof *outcomes);
	outcomes->open = table_open();
	outcomes->finished = table_open();
	return outcomes;
}

static void ended_free(struct ended *ended) {
	for (size_t i = 0; ended != NULL && i < ended->text_count; i++)
		free(ended->texts[i]);
	free(ended);
}

void outcomes_close(struct outcomes **outcomes) {
	struct slice key;
	void *value;
	for (size_t at = 0; table_next((*outcomes)->open, &at, &key, &value);)
		free(value);
	for (size_t at = 0; table_next((*outcomes)->finished, &at, &key, &value);)
		ended_free(value);
	table_close(&(*outcomes)->open);
	table_close(&(*outcomes)->finished);
	free(*outcomes);
	*outcomes = NULL;
}

bool outcomes_is_open(const struct outcomes *outcomes, struct slice task_id) {
	return table_get(outcomes->open, task_id) != NULL;
}

bool outcomes_has(const struct outcomes *outcomes, struct slice task_id) {
	return outcomes_is_open(outcomes, task_id) || table_get(outcomes->finished, task_id) != NULL;
}

void outcomes_expect(struct outcomes *outcomes, struct slice task_id) {
	if (!outcomes_has(outcomes, task_id))
		table_put(outcomes->open, task_id, slice_copy(task_id));
}

size_t outcomes_open_count(const struct outcomes *outcomes) {
	return table_count(outcomes->open);
}

size_t outcomes_finished_count(const struct outcomes *outcomes) {
	return table_count(outcomes->finished);
}

static const char *keep(struct ended *ended, struct slice text) {
	return ended->texts[ended->text_count++] = slice_copy(text);
}

static const char *keep_member(struct ended *ended, struct json_value about, const char *name) {
	return keep(ended, json_text(json_member(about, name)));
}

static const char *keep_raw(struct ended *ended, struct json_value value) {
	return json_given(value) ? keep(ended, json_raw(value)) : NULL;
}

void outcomes_note(struct outcomes *outcomes, struct json_value about) {
	struct slice task_id = json_text(json_member(about, "task_id"));
	int64_t version = json_int(json_member(about, "version"), 0);
	const struct ended *before = table_get(outcomes->finished, task_id);
	free(table_remove(outcomes->open, task_id));
	if (before != NULL && before->outcome.version >= version)
		return;
	struct ended *ended = memory_new(sizeof *ended);
	struct corder_outcome *outcome = &ended->outcome;
	outcome->task_id = keep(ended, task_id);
	outcome->task_type = keep_member(ended, about, "task_type");
	outcome->batch_id = keep_member(ended, about, "batch_id");
	outcome->status = keep_member(ended, about, "status");
	outcome->worker = keep_member(ended, about, "worker");
	outcome->because = keep_member(ended, about, "because");
	outcome->result = keep_raw(ended, json_member(about, "result"));
	outcome->error = keep_raw(ended, json_member(about, "error"));
	outcome->version = version;
	outcome->attempt = json_int(json_member(about, "attempt"), 0);
	ended_free(table_put(outcomes->finished, task_id, ended));
}

char **outcomes_open_ids(const struct outcomes *outcomes, size_t *count) {
	char **ids = memory_array(table_count(outcomes->open) + 1, sizeof *ids);
	struct slice key;
	void *id;
	*count = 0;
	for (size_t at = 0; table_next(outcomes->open, &at, &key, &id);)
		ids[(*count)++] = id;
	return ids;
}

struct corder_outcomes *outcomes_give(struct outcomes *outcomes) {
	struct corder_outcomes *given = memory_new(sizeof *given);
	struct slice key;
	void *value;
	given->owner = outcomes;
	given->finished = memory_array(table_count(outcomes->finished) + 1, sizeof *given->finished);
	given->unfinished = memory_array(table_count(outcomes->open) + 1, sizeof *given->unfinished);
	for (size_t at = 0; table_next(outcomes->finished, &at, &key, &value);)
		given->finished[given->finished_count++] = ((const struct ended *)value)->outcome;
	for (size_t at = 0; table_next(outcomes->open, &at, &key, &value);)
		given->unfinished[given->unfinished_count++] = value;
	return given;
}

void corder_outcomes_free(struct corder_outcomes *outcomes) {
	if (outcomes == NULL)
		return;
	struct outcomes *owner = outcomes->owner;
	outcomes_close(&owner);
	free(outcomes->finished);
	free(outcomes->unfinished);
	free(outcomes);
}
