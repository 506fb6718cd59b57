/* Events to changes of rows: the fold that makes `tasks` and `task_attempts` out of `task_events`. Knows no SQL and no
 * server. A task's row has the state after its last event; what an event does not tell stays as the row has it. */
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define GROW(array, count, capacity)                                                                                   \
	do {                                                                                                               \
		if ((count) == (capacity)) {                                                                                   \
			(capacity) = (capacity) ? (capacity)*2 : 256;                                                              \
			(array) = memory_resize((array), (capacity), sizeof(*(array)));                                            \
		}                                                                                                              \
	} while (0)

void changes_clear(struct changes *changes, int64_t partition_id) {
	changes->partition_id = partition_id;
	changes->event_count = changes->task_count = changes->new_count = 0;
	changes->attempt_count = changes->poison_count = 0;
	changes->bytes = 0;
	if (changes->places)
		memset(changes->places, 0, changes->place_count * sizeof(*changes->places));
}

void changes_release(struct changes *changes) {
	free(changes->events);
	free(changes->tasks);
	free(changes->attempts);
	free(changes->poisons);
	free(changes->places);
	*changes = (struct changes){ 0 };
}

/* ---- tasks by number ---- */

static size_t place_of(const struct changes *changes, int64_t number) {
	uint64_t hash = (uint64_t)number * UINT64_C(0x9E3779B97F4A7C15);
	size_t mask = changes->place_count - 1;
	size_t place = (size_t)(hash >> 32) & mask;
	while (changes->places[place] && changes->tasks[changes->places[place] - 1].number != number)
		place = (place + 1) & mask;
	return place;
}

static void grow_places(struct changes *changes) {
	enum { FIRST = 1024 };
	free(changes->places);
	changes->place_count = changes->place_count ? changes->place_count * 2 : FIRST;
	changes->places = memory_array(changes->place_count, sizeof(*changes->places));
	for (size_t i = 0; i < changes->task_count; i++)
		changes->places[place_of(changes, changes->tasks[i].number)] = (uint32_t)i + 1;
}

static struct task_change *task_of(struct changes *changes, int64_t number) {
	if ((changes->task_count + 1) * 2 > changes->place_count)
		grow_places(changes);
	size_t place = place_of(changes, number);
	if (changes->places[place])
		return &changes->tasks[changes->places[place] - 1];
	GROW(changes->tasks, changes->task_count, changes->task_capacity);
	struct task_change *task = &changes->tasks[changes->task_count++];
	*task = (struct task_change){ .number = number, .first = NO_EVENT, .attempt = NO_EVENT, .cancel_requested = -1 };
	changes->places[place] = (uint32_t)changes->task_count;
	return task;
}

/* ---- attempts ---- */

static struct attempt_change *attempt_of(struct changes *changes, struct task_change *task, int64_t attempt) {
	if (task->attempt != NO_EVENT && changes->attempts[task->attempt].attempt == attempt)
		return &changes->attempts[task->attempt];
	GROW(changes->attempts, changes->attempt_count, changes->attempt_capacity);
	task->attempt = changes->attempt_count++;
	struct attempt_change *change = &changes->attempts[task->attempt];
	*change = (struct attempt_change){ .number = task->number, .attempt = attempt };
	return change;
}

/* What became of a try: by the status the task went to, and for the failed ones by the error. */
static const char *outcome_of(const struct record *record) {
	switch (record->status) {
	case RECORD_COMPLETED: return "completed";
	case RECORD_CANCELLED: return "cancelled";
	case RECORD_PENDING:
	case RECORD_BLOCKED:
		if (record->error_code.length == 0)
			return "released";
		break; /* ready again at once: no backoff */
	default: break;
	}
	if (slice_is(record->error_code, "timeout"))
		return "timeout";
	if (slice_is(record->error_code, "worker_lost"))
		return "worker_lost";
	return "failed";
}

static void add_attempt(struct changes *changes, struct task_change *task, const struct record *record) {
	bool runs = record->status == RECORD_RUNNING;
	if (runs == (record->previous == RECORD_RUNNING))
		return;
	struct attempt_change *attempt = attempt_of(changes, task, record->attempt);
	if (runs) {
		attempt->worker = record->worker;
		attempt->started_at_us = record->at_us;
		return;
	}
	attempt->finished_at_us = record->at_us;
	attempt->outcome = outcome_of(record);
	attempt->error_code = record->error_code;
	attempt->error_message = record->error_message;
}

/* ---- the fold ---- */

static void fold_run(struct task_change *task, const struct record *record) {
	if (record->previous != RECORD_RUNNING) {
		task->started_at_us = record->at_us;
		task->lease_until_us = record->lease_until_us;
		task->cancel_requested = 0;
	}
	if (record->lease_until_us)
		task->lease_until_us = record->lease_until_us;
	if (record_reason_is(record, "cancel requested"))
		task->cancel_requested = 1;
}

static void fold(struct task_change *task, const struct record *record) {
	if (record->worker.length)
		task->worker = record->worker;
	if (record->error_code.length) {
		task->error_code = record->error_code;
		task->error_message = record->error_message;
	}
	if (record->status == RECORD_RUNNING) {
		fold_run(task, record);
		return;
	}
	task->lease_until_us = 0;
	task->cancel_requested = 0;
}

bool changes_takes(const struct record *record, int64_t seq) {
	return record->seq == seq && record->status && strchr("bprtcfxsjqgh", record->status);
}

static bool is_about_a_task(const struct record *record) {
	return record->number > 0;
}

void changes_add(struct changes *changes, const struct record *record, struct slice entry_id, int64_t place) {
	GROW(changes->events, changes->event_count, changes->event_capacity);
	size_t index = changes->event_count++;
	changes->events[index] = (struct event_change){ .record = *record, .entry_id = entry_id, .place = place };
	changes->bytes += record->extra.length + record->error_message.length;
	if (!is_about_a_task(record))
		return;
	struct task_change *task = task_of(changes, record->number);
	if (!record->previous && task->first == NO_EVENT) {
		task->first = index;
		changes->new_count++;
	}
	task->last = index;
	fold(task, record);
	add_attempt(changes, task, record);
}

void changes_add_poison(struct changes *changes, const struct poison_change *poison) {
	GROW(changes->poisons, changes->poison_count, changes->poison_capacity);
	changes->poisons[changes->poison_count++] = *poison;
}

static int by_number(const void *left, const void *right) {
	const struct task_change *a = left, *b = right;
	return (a->number > b->number) - (a->number < b->number);
}

static int by_attempt(const void *left, const void *right) {
	const struct attempt_change *a = left, *b = right;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return (a->attempt > b->attempt) - (a->attempt < b->attempt);
}

void changes_sort(struct changes *changes) {
	if (changes->task_count)
		qsort(changes->tasks, changes->task_count, sizeof(*changes->tasks), by_number);
	if (changes->attempt_count)
		qsort(changes->attempts, changes->attempt_count, sizeof(*changes->attempts), by_attempt);
}
