/* Estimates, the longest path, and a run of the graph; see forecast.h. */
#include "forecast.h"

#include <stdlib.h>
#include <string.h>

#include "estimate.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "shared/task/task.h"

struct job {
	int64_t takes_us; /* -1: not estimated */
	int64_t path_us;  /* of the longest path that ends with it */
	int64_t score;    /* hundredths; higher is sooner, as the scheduler has it */
	uint32_t before;  /* on that path; IDS_NONE */
	uint32_t waits_for, limit;
	struct slice task_type, key;
	uint32_t first_dependent, dependent_count; /* in forecast.dependents */
};

/* Jobs that run or could, the first on top. */
struct heap {
	struct entry {
		int64_t rank, since_us; /* equal ranks go by the second, then by order of submission */
		uint32_t job;
	} * entries;
	uint32_t count;
};

/* Jobs with one concurrency key. */
struct lock {
	uint32_t held, room; /* room: of the heap */
	struct heap waiting;
};

struct forecast {
	const struct plan *plan;
	struct job *jobs;
	uint32_t *dependents;
	struct heap ready, running;
	struct table *locks;
	uint32_t *order; /* of their starts */
	uint32_t started, estimated;
	int64_t now_us, work_us;
};

/* heap ----------------------------------------------------------------------------------------------------------- */

static bool is_before(struct entry a, struct entry b) {
	if (a.rank != b.rank)
		return a.rank < b.rank;
	return a.since_us != b.since_us ? a.since_us < b.since_us : a.job < b.job;
}

static void heap_put(struct heap *heap, int64_t rank, int64_t since_us, uint32_t job) {
	uint32_t at = heap->count++;
	struct entry entry = { rank, since_us, job };
	while (at > 0 && is_before(entry, heap->entries[(at - 1) / 2])) {
		heap->entries[at] = heap->entries[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->entries[at] = entry;
}

static struct entry heap_take(struct heap *heap) {
	struct entry first = heap->entries[0], last = heap->entries[--heap->count];
	uint32_t at = 0;
	for (uint32_t child = 1; child < heap->count; child = at * 2 + 1) {
		if (child + 1 < heap->count && is_before(heap->entries[child + 1], heap->entries[child]))
			child++;
		if (!is_before(heap->entries[child], last))
			break;
		heap->entries[at] = heap->entries[child];
		at = child;
	}
	heap->entries[at] = last;
	return first;
}

/* jobs ----------------------------------------------------------------------------------------------------------- */

static bool has_ended(const struct plan *plan, struct slice items, uint32_t task) {
	size_t at = (size_t)plan->place[task] * 2;
	return items.length == (size_t)plan->count * 2 && items.bytes[at] == 'd' && record_is_final(items.bytes[at + 1]);
}

static void read_jobs(struct forecast *forecast, struct slice items) {
	const struct plan *plan = forecast->plan;
	for (uint32_t i = 0; i < plan->count; i++) {
		struct job *job = &forecast->jobs[i];
		struct task_record record;
		must(task_record_parse(plan->tasks[i].record, &record));
		job->task_type = record.task_type;
		job->key = record.specification.concurrency_key;
		job->limit = (uint32_t)record.specification.concurrency_limit;
		job->takes_us = has_ended(plan, items, i) ? 0 : estimate_us(record.specification.estimated_duration);
		forecast->estimated += job->takes_us >= 0;
		size_t dependencies = 0;
		struct slice rest = plan->tasks[i].dependencies;
		struct record_dependency edge;
		for (; record_next_dependency(&rest, &edge); dependencies++)
			job->waits_for += ids_find(&plan->ids, edge.task_id) != IDS_NONE;
		int64_t term = dependencies < 10 ? 100 * (10 - (int64_t)dependencies) : 0;
		job->score = record.priority * 10000 + (plan->points != NULL ? plan->points[i] : term);
		job->before = IDS_NONE;
	}
}

static void fill_estimates(struct forecast *forecast) {
	struct estimates *estimates = estimates_open();
	for (uint32_t i = 0; i < forecast->plan->count; i++)
		if (forecast->jobs[i].takes_us >= 0)
			estimates_add(estimates, forecast->jobs[i].task_type, forecast->jobs[i].takes_us);
	for (uint32_t i = 0; i < forecast->plan->count; i++) {
		struct job *job = &forecast->jobs[i];
		if (job->takes_us < 0)
			job->takes_us = estimates_missing(estimates, job->task_type);
		forecast->work_us += job->takes_us;
	}
	estimates_close(&estimates);
}

/* In the plan's order, so that all it depends on is known by then. */
static void find_paths(struct forecast *forecast) {
	const struct plan *plan = forecast->plan;
	for (uint32_t i = 0; i < plan->count; i++) {
		struct job *job = &forecast->jobs[plan->order[i]];
		struct slice rest = plan->tasks[plan->order[i]].dependencies;
		struct record_dependency edge;
		while (record_next_dependency(&rest, &edge)) {
			uint32_t dependency = ids_find(&plan->ids, edge.task_id);
			if (dependency == IDS_NONE)
				continue;
			if (job->before == IDS_NONE || forecast->jobs[dependency].path_us > forecast->jobs[job->before].path_us)
				job->before = dependency;
			forecast->jobs[dependency].dependent_count++;
		}
		job->path_us = job->takes_us + (job->before != IDS_NONE ? forecast->jobs[job->before].path_us : 0);
	}
}

static void find_dependents(struct forecast *forecast) {
	const struct plan *plan = forecast->plan;
	uint32_t sum = 0;
	for (uint32_t i = 0; i < plan->count; i++) {
		forecast->jobs[i].first_dependent = sum;
		sum += forecast->jobs[i].dependent_count;
		forecast->jobs[i].dependent_count = 0;
	}
	forecast->dependents = memory_array((size_t)sum + 1, sizeof(*forecast->dependents));
	for (uint32_t i = 0; i < plan->count; i++) {
		struct slice rest = plan->tasks[i].dependencies;
		struct record_dependency edge;
		while (record_next_dependency(&rest, &edge)) {
			uint32_t dependency = ids_find(&plan->ids, edge.task_id);
			if (dependency == IDS_NONE)
				continue;
			struct job *job = &forecast->jobs[dependency];
			forecast->dependents[job->first_dependent + job->dependent_count++] = i;
		}
	}
}

/* the run -------------------------------------------------------------------------------------------------------- */

static void make_ready(struct forecast *forecast, uint32_t i) {
	heap_put(&forecast->ready, -forecast->jobs[i].score, forecast->now_us, i);
}

static struct lock *lock_of(struct forecast *forecast, struct slice key) {
	struct lock *lock = table_get(forecast->locks, key);
	if (lock == NULL) {
		lock = memory_new(sizeof(*lock));
		table_put(forecast->locks, key, lock);
	}
	return lock;
}

/* False: its key is taken, and it waits for that. */
static bool take_key(struct forecast *forecast, uint32_t i) {
	const struct job *job = &forecast->jobs[i];
	if (job->key.length == 0)
		return true;
	struct lock *lock = lock_of(forecast, job->key);
	if (lock->held < job->limit) {
		lock->held++;
		return true;
	}
	if (lock->waiting.count == lock->room) {
		lock->room = lock->room > 0 ? lock->room * 2 : 4;
		lock->waiting.entries = memory_resize(lock->waiting.entries, lock->room, sizeof(*lock->waiting.entries));
	}
	heap_put(&lock->waiting, -job->score, forecast->now_us, i);
	return false;
}

/* As many become ready again as there are places, not all: with thousands of one key that would take a day. */
static void give_key(struct forecast *forecast, const struct job *job) {
	if (job->key.length == 0)
		return;
	struct lock *lock = lock_of(forecast, job->key);
	lock->held--;
	for (uint32_t more = 0; lock->waiting.count > 0; more++) {
		uint32_t first = lock->waiting.entries[0].job;
		if (lock->held + more >= forecast->jobs[first].limit)
			break;
		make_ready(forecast, heap_take(&lock->waiting).job);
	}
}

static void start_some(struct forecast *forecast, int64_t workers) {
	while (forecast->ready.count > 0 && (workers == 0 || forecast->running.count < workers)) {
		uint32_t i = heap_take(&forecast->ready).job;
		if (!take_key(forecast, i))
			continue;
		forecast->order[forecast->started++] = i;
		heap_put(&forecast->running, forecast->now_us + forecast->jobs[i].takes_us, 0, i);
	}
}

static void end_one(struct forecast *forecast) {
	struct entry ended = heap_take(&forecast->running);
	const struct job *job = &forecast->jobs[ended.job];
	forecast->now_us = ended.rank;
	give_key(forecast, job);
	for (uint32_t d = 0; d < job->dependent_count; d++) {
		uint32_t dependent = forecast->dependents[job->first_dependent + d];
		if (--forecast->jobs[dependent].waits_for == 0)
			make_ready(forecast, dependent);
	}
}

static void run(struct forecast *forecast, int64_t workers) {
	for (uint32_t i = 0; i < forecast->plan->count; i++)
		if (forecast->jobs[i].waits_for == 0)
			make_ready(forecast, i);
	for (start_some(forecast, workers); forecast->running.count > 0; start_some(forecast, workers)) {
		int64_t ends_us = forecast->running.entries[0].rank;
		while (forecast->running.count > 0 && forecast->running.entries[0].rank == ends_us)
			end_one(forecast);
	}
}

/* what is told --------------------------------------------------------------------------------------------------- */

static void add_ids(const struct forecast *forecast, struct text *out, const uint32_t *ids, uint32_t count) {
	text_add_char(out, '[');
	for (uint32_t i = 0; i < count && i < FORECAST_LISTED; i++) {
		if (i > 0)
			text_add_char(out, ',');
		text_add_json(out, forecast->plan->tasks[ids[i]].task_id);
	}
	text_add_char(out, ']');
}

/* Fills path, first to last; returns its length. */
static uint32_t critical_path(const struct forecast *forecast, uint32_t *path) {
	uint32_t last = 0, length = 0, count = forecast->plan->count;
	for (uint32_t i = 1; i < count; i++)
		if (forecast->jobs[i].path_us > forecast->jobs[last].path_us)
			last = i;
	for (uint32_t i = last; i != IDS_NONE; i = forecast->jobs[i].before)
		path[count - 1 - length++] = i;
	memmove(path, path + count - length, length * sizeof(*path));
	return length;
}

static void add_result(const struct forecast *forecast, int64_t workers, struct text *out) {
	uint32_t count = forecast->plan->count;
	uint32_t *path = memory_array((size_t)count + 1, sizeof(*path));
	uint32_t length = critical_path(forecast, path);
	text_add(out, "{\"workers\":");
	if (workers > 0)
		text_add_int(out, workers);
	else
		text_add(out, "null");
	text_printf(out, ",\"makespan_s\":%.6f,\"work_s\":%.6f,\"estimated_count\":%u", (double)forecast->now_us / 1e6,
	            (double)forecast->work_us / 1e6, forecast->estimated);
	text_printf(out, ",\"critical_path_s\":%.6f,\"critical_path_count\":%u,\"critical_path\":",
	            (double)forecast->jobs[path[length - 1]].path_us / 1e6, length);
	add_ids(forecast, out, path, length);
	text_add(out, ",\"order\":");
	add_ids(forecast, out, forecast->order, forecast->started);
	text_add_char(out, '}');
	free(path);
}

static void release(struct forecast *forecast) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(forecast->locks, &at, &key, &value)) {
		free(((struct lock *)value)->waiting.entries);
		free(value);
	}
	table_close(&forecast->locks);
	free(forecast->jobs);
	free(forecast->dependents);
	free(forecast->ready.entries);
	free(forecast->running.entries);
	free(forecast->order);
}

void forecast_add(const struct plan *plan, struct slice items, int64_t workers, struct text *out) {
	size_t room = (size_t)plan->count + 1;
	struct forecast forecast = { .plan = plan, .locks = table_open() };
	forecast.jobs = memory_array(room, sizeof(*forecast.jobs));
	forecast.ready.entries = memory_array(room, sizeof(*forecast.ready.entries));
	forecast.running.entries = memory_array(room, sizeof(*forecast.running.entries));
	forecast.order = memory_array(room, sizeof(*forecast.order));
	read_jobs(&forecast, items);
	fill_estimates(&forecast);
	find_paths(&forecast);
	find_dependents(&forecast);
	run(&forecast, workers);
	add_result(&forecast, workers, out);
	release(&forecast);
}
