/* Two tables, of tasks by number and of workers by name; see workers.h. */
#include "workers.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"

struct type_count {
	size_t running, marked;
};

struct workers {
	struct table *tasks; /* key: partition and number, as bytes */
	struct table *by_name;
	struct table *by_type; /* struct type_count */
	struct table *ended;   /* tries that ended before all was seen that ran already; NULL since then */
};

struct task_key {
	int64_t partition, number;
};

static struct slice key_slice(const struct task_key *key) {
	return (struct slice){ (const char *)key, sizeof(*key) };
}

struct workers *workers_open(void) {
	struct workers *workers = memory_new(sizeof(*workers));
	workers->tasks = table_open();
	workers->by_name = table_open();
	workers->by_type = table_open();
	workers->ended = table_open();
	return workers;
}

static void free_task(struct workers_task *task) {
	free(task->project);
	free(task->task_id);
	free(task->task_type);
	free(task);
}

static void free_worker(struct worker *worker) {
	for (size_t i = 0; i < worker->type_count; i++)
		free(worker->types[i]);
	free(worker->name);
	free(worker);
}

void workers_close(struct workers **workers) {
	if (*workers == NULL)
		return;
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next((*workers)->tasks, &at, &key, &value))
		free_task(value);
	at = 0;
	while (table_next((*workers)->by_name, &at, &key, &value))
		free_worker(value);
	at = 0;
	while (table_next((*workers)->by_type, &at, &key, &value))
		free(value);
	table_close(&(*workers)->by_type);
	table_close(&(*workers)->tasks);
	table_close(&(*workers)->by_name);
	workers_all_seen(*workers);
	free(*workers);
	*workers = NULL;
}

static void forget_idlest(struct workers *workers) {
	size_t at = 0;
	struct slice key, idlest = { NULL, 0 };
	void *value;
	int64_t least = INT64_MAX;
	while (table_next(workers->by_name, &at, &key, &value)) {
		const struct worker *worker = value;
		if (worker->tasks == NULL && worker->last_at_us < least) {
			least = worker->last_at_us;
			idlest = key;
		}
	}
	if (idlest.bytes != NULL)
		free_worker(table_remove(workers->by_name, idlest));
}

static struct worker *worker_named(struct workers *workers, struct slice name) {
	struct worker *worker = table_get(workers->by_name, name);
	if (worker != NULL)
		return worker;
	if (table_count(workers->by_name) >= WORKERS_MAX)
		forget_idlest(workers);
	worker = memory_new(sizeof(*worker));
	worker->name = slice_copy(name);
	table_put(workers->by_name, name, worker);
	return worker;
}

static void note_type(struct worker *worker, struct slice task_type) {
	for (size_t i = 0; i < worker->type_count; i++)
		if (slice_is(task_type, worker->types[i]))
			return;
	if (worker->type_count < WORKERS_TYPES)
		worker->types[worker->type_count++] = slice_copy(task_type);
}

static struct type_count *type_of(struct workers *workers, struct slice task_type) {
	struct type_count *count = table_get(workers->by_type, task_type);
	if (count == NULL) {
		count = memory_new(sizeof(*count));
		table_put(workers->by_type, task_type, count);
	}
	return count;
}

static void add_task(struct workers *workers, const struct workers_seen *seen) {
	struct task_key key = { (int64_t)seen->partition, seen->number };
	if (seen->worker.length == 0 || table_get(workers->tasks, key_slice(&key)) != NULL ||
	    table_count(workers->tasks) >= WORKERS_TASKS)
		return;
	struct worker *worker = worker_named(workers, seen->worker);
	struct workers_task *task = memory_new(sizeof(*task));
	*task = (struct workers_task){ .partition = seen->partition,
		                           .number = seen->number,
		                           .attempt = seen->attempt,
		                           .started_at_us = seen->started_at_us,
		                           .project = slice_copy(seen->project),
		                           .task_id = slice_copy(seen->task_id),
		                           .task_type = slice_copy(seen->task_type),
		                           .worker = worker,
		                           .next = worker->tasks };
	if (worker->tasks != NULL)
		worker->tasks->previous = task;
	worker->tasks = task;
	worker->running++;
	worker->most_running = worker->running > worker->most_running ? worker->running : worker->most_running;
	worker->last_at_us = seen->started_at_us > worker->last_at_us ? seen->started_at_us : worker->last_at_us;
	note_type(worker, seen->task_type);
	type_of(workers, seen->task_type)->running++;
	table_put(workers->tasks, key_slice(&key), task);
}

void workers_see(struct workers *workers, const struct workers_seen *seen) {
	struct task_key key = { (int64_t)seen->partition, seen->number };
	if (workers->ended != NULL && table_get(workers->ended, key_slice(&key)) == NULL)
		add_task(workers, seen);
}

void workers_all_seen(struct workers *workers) {
	if (workers->ended != NULL)
		table_close(&workers->ended);
}

void workers_forget_tasks(struct workers *workers) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(workers->tasks, &at, &key, &value))
		free_task(value);
	table_close(&workers->tasks);
	workers->tasks = table_open();
	at = 0;
	while (table_next(workers->by_name, &at, &key, &value)) {
		struct worker *worker = value;
		worker->tasks = NULL;
		worker->running = 0;
	}
	at = 0;
	while (table_next(workers->by_type, &at, &key, &value))
		((struct type_count *)value)->running = 0;
	workers_all_seen(workers); /* what ended before the gap may run again */
	workers->ended = table_open();
}

static void count_end(struct worker *worker, char status) {
	worker->completed += status == RECORD_COMPLETED;
	worker->failed += status == RECORD_FAILED || status == RECORD_RETRY;
}

static int64_t end_try(struct workers *workers, struct workers_task *task, const struct record *record) {
	struct task_key key = { (int64_t)task->partition, task->number };
	struct worker *worker = task->worker;
	int64_t ran_us = record->at_us > task->started_at_us ? record->at_us - task->started_at_us : 0;
	count_end(worker, record->status);
	worker->last_at_us = record->at_us;
	worker->running--;
	type_of(workers, slice_of(task->task_type))->running--;
	if (task->next != NULL)
		task->next->previous = task->previous;
	if (task->previous != NULL)
		task->previous->next = task->next;
	else
		worker->tasks = task->next;
	table_remove(workers->tasks, key_slice(&key));
	free_task(task);
	return ran_us;
}

int64_t workers_note(struct workers *workers, size_t partition, const struct record *record) {
	struct task_key key = { (int64_t)partition, record->number };
	struct workers_task *task = record->number > 0 ? table_get(workers->tasks, key_slice(&key)) : NULL;
	int64_t ran_us = -1;
	bool goes_on = record->status == RECORD_RUNNING && record->previous == RECORD_RUNNING;
	if (task != NULL && !goes_on)
		ran_us = end_try(workers, task, record);
	if (workers->ended != NULL && record->previous == RECORD_RUNNING && !goes_on)
		table_put(workers->ended, key_slice(&key), workers);
	if (record->status == RECORD_RUNNING && !goes_on) {
		struct workers_seen seen = { partition,       record->number,  record->attempt,   record->at_us,
			                         record->project, record->task_id, record->task_type, record->worker };
		add_task(workers, &seen);
	}
	return ran_us;
}

void workers_recall(struct workers *workers, struct slice name, struct slice task_type, char status, int64_t at_us,
                    int64_t now_us) {
	bool lately = now_us - at_us < (int64_t)WORKERS_SEEN_S * 1000000;
	if (name.length == 0 || (!lately && table_get(workers->by_name, name) == NULL))
		return;
	struct worker *worker = worker_named(workers, name);
	count_end(worker, status);
	note_type(worker, task_type);
	worker->last_at_us = at_us > worker->last_at_us ? at_us : worker->last_at_us;
}

static int compare(const void *left, const void *right) {
	const struct worker *a = *(struct worker *const *)left, *b = *(struct worker *const *)right;
	if (a->running != b->running)
		return a->running > b->running ? -1 : 1;
	return strcmp(a->name, b->name);
}

size_t workers_list(struct workers *workers, int64_t now_us, struct worker ***list) {
	size_t at = 0, count = 0;
	struct slice key;
	void *value;
	*list = memory_array(table_count(workers->by_name) + 1, sizeof(**list));
	while (table_next(workers->by_name, &at, &key, &value)) {
		struct worker *worker = value;
		if (worker->tasks != NULL || now_us - worker->last_at_us < (int64_t)WORKERS_SEEN_S * 1000000)
			(*list)[count++] = worker;
		else
			free_worker(table_remove(workers->by_name, key));
	}
	qsort(*list, count, sizeof(**list), compare);
	return count;
}

size_t workers_running(const struct workers *workers) {
	return table_count(workers->tasks);
}

const struct workers_task *workers_find(const struct workers *workers, size_t partition, int64_t number) {
	struct task_key key = { (int64_t)partition, number };
	return table_get(workers->tasks, key_slice(&key));
}

void workers_mark(struct workers *workers) {
	size_t at = 0;
	struct slice type;
	void *value;
	while (table_next(workers->by_type, &at, &type, &value)) {
		struct type_count *count = value;
		count->marked = count->running;
	}
}

size_t workers_marked(const struct workers *workers, struct slice task_type) {
	const struct type_count *count = table_get(workers->by_type, task_type);
	return count != NULL ? count->marked : 0;
}
