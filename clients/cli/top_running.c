/* What runs, and on which worker: from events as they come, and from the list, which may be older than they are. Workers
 * that have nothing to do are known by what they did before. */
#include <stdlib.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "fields.h"
#include "top.h"

enum { GONE_KEPT_US = 60000000, LATE_US = 1000000, IDLE_KEPT_US = 900000000, WORKERS_MOST = 2000 };

static struct top_worker *worker_of(struct top_data *data, struct slice name) {
	struct top_worker *worker = table_get(data->workers, name);
	if (worker != NULL || name.length == 0 || table_count(data->workers) >= WORKERS_MOST)
		return worker;
	worker = memory_new(sizeof *worker);
	worker->name = slice_copy(name);
	table_put(data->workers, name, worker);
	return worker;
}

/* One task less on its worker, which was seen just now. */
static void leave(struct top_data *data, const struct top_running *running) {
	struct top_worker *worker = table_get(data->workers, slice_of(running->worker));
	if (worker == NULL || running->gone_us > 0)
		return;
	worker->runs -= worker->runs > 0;
	worker->seen_us = clock_mono_us();
}

static void forget_running(struct top_data *data, struct slice key) {
	struct top_running *running = table_remove(data->running, key);
	if (running == NULL)
		return;
	leave(data, running);
	free(running->project);
	free(running->task_id);
	free(running->task_type);
	free(running->worker);
	free(running);
}

static void note_begin(struct top_data *data, struct slice key, struct slice project, struct json_value task,
                       int64_t since_us) {
	struct top_running *running = memory_new(sizeof *running);
	struct slice name = json_text(json_member(task, "worker"));
	struct top_worker *worker = worker_of(data, name);
	running->project = slice_copy(project);
	running->task_id = slice_copy(json_text(json_member(task, "task_id")));
	running->task_type = slice_copy(json_text(json_member(task, "task_type")));
	running->worker = slice_copy(name);
	running->since_us = since_us;
	forget_running(data, key);
	table_put(data->running, key, running);
	if (worker == NULL)
		return;
	worker->seen_us = clock_mono_us();
	worker->runs++;
}

static void add_key(struct text *key, struct slice project, struct json_value task) {
	text_clear(key);
	text_add_slice(key, project);
	text_add_char(key, '/');
	text_add_slice(key, json_text(json_member(task, "task_id")));
}

void top_running_note(struct top_data *data, struct slice project, struct json_value event, bool begins) {
	struct text key = { 0 };
	add_key(&key, project, event);
	struct top_running *running = table_get(data->running, text_slice(&key));
	if (begins) {
		note_begin(data, text_slice(&key), project, event, field_time(json_member(event, "at")));
	} else if (running != NULL) {
		leave(data, running);
		running->gone_us = clock_mono_us();
	}
	text_release(&key);
}

/* The list was complete: what it does not name, and what began before it was asked for, runs no more. */
static void drop_the_unlisted(struct top_data *data, const struct table *listed, bool complete) {
	size_t at = 0;
	struct slice key;
	void *value;
	int64_t asked_us = clock_wall_us() - (clock_mono_us() - data->listed_us) - LATE_US;
	while (table_next(data->running, &at, &key, &value)) {
		const struct top_running *running = value;
		bool is_over = running->gone_us > 0 && clock_mono_us() - running->gone_us > GONE_KEPT_US;
		bool is_missing =
			complete && running->gone_us == 0 && running->since_us < asked_us && table_get(listed, key) == NULL;
		if (is_over || is_missing)
			forget_running(data, key);
	}
}

static void drop_silent_workers(struct top_data *data) {
	size_t at = 0;
	struct slice name;
	void *value;
	while (table_next(data->workers, &at, &name, &value)) {
		struct top_worker *worker = value;
		if (clock_mono_us() - worker->seen_us < IDLE_KEPT_US || worker->runs > 0)
			continue;
		table_remove(data->workers, name);
		free(worker->name);
		free(worker);
	}
}

void top_running_take_list(struct top_data *data, struct json_value root) {
	struct table *listed = table_open();
	struct text key = { 0 };
	struct json_value tasks = json_member(root, "tasks");
	for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task)) {
		struct slice project = json_text(json_member(task, "project"));
		add_key(&key, project, task);
		table_put(listed, text_slice(&key), data);
		if (table_get(data->running, text_slice(&key)) == NULL)
			note_begin(data, text_slice(&key), project, task, field_time(json_member(task, "started_at")));
	}
	drop_the_unlisted(data, listed, !json_given(json_member(root, "next")));
	drop_silent_workers(data);
	text_release(&key);
	table_close(&listed);
}

void top_running_forget(struct top_data *data) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(data->running, &at, &key, &value))
		forget_running(data, key);
	for (at = 0; table_next(data->workers, &at, &key, &value);) {
		struct top_worker *worker = value;
		table_remove(data->workers, key);
		free(worker->name);
		free(worker);
	}
}
