/* Pools by union of types, and the others' load; see outlook_pools.h. */
#include "outlook_pools.h"

#include <stdlib.h>

#include "peers.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"
#include "snapshot.h"
#include "workers.h"

enum { FRESH_US = 60000000, OTHERS_READY_MAX = 2000 }; /* OTHERS_READY_MAX: of one type */

struct member {
	size_t parent; /* union-find over types */
	size_t slots;  /* of the root: as the workers showed */
	size_t asked;  /* of the root: as their requests tell */
	size_t pool;   /* of the root */
};

struct outlook_pools {
	struct table *by_type; /* index + 1 into members */
	struct member *members;
	size_t count, workers;
};

static size_t root_of(const struct outlook_pools *pools, size_t i) {
	while (pools->members[i].parent != i)
		i = pools->members[i].parent;
	return i;
}

static size_t member_of(struct outlook_pools *pools, struct slice task_type) {
	uintptr_t known = (uintptr_t)table_get(pools->by_type, task_type);
	if (known > 0)
		return known - 1;
	pools->members = memory_resize(pools->members, pools->count + 1, sizeof(*pools->members));
	pools->members[pools->count] = (struct member){ .parent = pools->count };
	pools->count++;
	table_put(pools->by_type, task_type, (void *)(uintptr_t)pools->count);
	return pools->count - 1;
}

static void add_worker(struct outlook_pools *pools, const struct worker *worker) {
	if (worker->type_count == 0)
		return;
	size_t first = root_of(pools, member_of(pools, slice_of(worker->types[0])));
	for (size_t i = 1; i < worker->type_count; i++) {
		size_t other = root_of(pools, member_of(pools, slice_of(worker->types[i])));
		pools->members[other].parent = first;
		if (other != first)
			pools->members[first].slots += pools->members[other].slots;
	}
	pools->members[first].slots += worker->most_running;
	pools->workers++;
}

/* What the requests of a type say, when the dispatchers were asked last: those that wait, and the tasks that ran then. */
static void add_requests(void *context, struct slice task_type, int64_t waiting) {
	struct outlook_pools *pools = context;
	if (waiting <= 0)
		return;
	size_t root = root_of(pools, member_of(pools, task_type)); /* may move the members */
	pools->members[root].asked += (size_t)waiting;
}

struct outlook_pools *outlook_pools_open(struct monitor *monitor) {
	struct outlook_pools *pools = memory_new(sizeof(*pools));
	struct worker **workers;
	int64_t now_us = clock_wall_us();
	size_t count = workers_list(monitor->workers, now_us, &workers);
	pools->by_type = table_open();
	for (size_t i = 0; i < count; i++)
		if (workers[i]->running > 0 || now_us - workers[i]->last_at_us < FRESH_US)
			add_worker(pools, workers[i]);
	free(workers);
	peers_each_waiting(monitor->peers, add_requests, pools);
	size_t at = 0;
	struct slice type;
	void *value;
	while (table_next(pools->by_type, &at, &type, &value)) {
		size_t root = root_of(pools, (uintptr_t)value - 1);
		pools->members[root].asked += workers_marked(monitor->workers, type);
	}
	for (size_t i = 0, next = 0; i < pools->count; i++)
		if (root_of(pools, i) == i)
			pools->members[i].pool = next++;
	return pools;
}

void outlook_pools_close(struct outlook_pools **pools) {
	table_close(&(*pools)->by_type);
	free((*pools)->members);
	free(*pools);
	*pools = NULL;
}

size_t outlook_pools_find(const struct outlook_pools *pools, struct slice task_type) {
	uintptr_t known = (uintptr_t)table_get(pools->by_type, task_type);
	return known > 0 ? pools->members[root_of(pools, known - 1)].pool : OUTLOOK_NONE;
}

struct outlook_pool *outlook_pools_take(const struct outlook_pools *pools, size_t *count, size_t *slots,
                                        size_t *workers) {
	struct outlook_pool *list = memory_array(pools->count + 1, sizeof(*list));
	*count = *slots = 0;
	*workers = pools->workers;
	for (size_t i = 0; i < pools->count; i++) {
		const struct member *member = &pools->members[i];
		if (member->parent != i)
			continue;
		list[member->pool].slots = member->slots > member->asked ? member->slots : member->asked;
		*slots += list[member->pool].slots;
		(*count)++;
	}
	return list;
}

bool outlook_pools_paused(const struct monitor *monitor, struct slice project, struct slice task_type) {
	return tally_paused(&snapshot_view(monitor->snapshot)->tally, project, task_type);
}

/* ------------------------------------------------------------------------------------------------ others */

static void add_other(struct outlook_others *others, const struct outlook_task *task, struct slice task_type) {
	if (others->count == others->capacity) {
		others->capacity = others->capacity > 0 ? others->capacity * 2 : 64;
		others->tasks = memory_resize(others->tasks, others->capacity, sizeof(*others->tasks));
		others->types = memory_resize(others->types, others->capacity, sizeof(*others->types));
	}
	others->tasks[others->count] = *task;
	others->types[others->count++] = task_type;
}

static void add_running(struct outlook_others *others, struct monitor *monitor, const struct outlook_pools *pools,
                        struct slice project) {
	struct worker **workers;
	size_t count = workers_list(monitor->workers, clock_wall_us(), &workers);
	for (size_t i = 0; i < count; i++)
		for (const struct workers_task *task = workers[i]->tasks; task != NULL; task = task->next) {
			struct slice type = slice_of(task->task_type);
			struct outlook_task other = { .status = RECORD_RUNNING,
				                          .key = OUTLOOK_NONE,
				                          .pool = outlook_pools_find(pools, type),
				                          .started_at_us = task->started_at_us };
			if (!slice_is(project, task->project) && other.pool != OUTLOOK_NONE)
				add_other(others, &other, type);
		}
	free(workers);
}

/* Ready tasks of a type and priority that are none of ours are taken to have waited longer than ours. */
static void add_ready(struct outlook_others *others, const struct outlook_view *view, const struct monitor *monitor,
                      const struct outlook_pools *pools, const struct snapshot_queue *queue) {
	struct slice type = slice_of(queue->task_type);
	double us_per_point = 3600e6 / (double)monitor->settings->age_weight;
	int64_t own[SNAPSHOT_HUNDREDS] = { 0 };
	struct outlook_task other = { .status = RECORD_PENDING,
		                          .key = OUTLOOK_NONE,
		                          .pool = outlook_pools_find(pools, type) };
	if (other.pool == OUTLOOK_NONE || outlook_pools_paused(monitor, SLICE(""), type))
		return;
	for (size_t i = 0; i < view->row_count; i++) {
		const struct outlook_row *row = &view->rows[i];
		if (row->status == RECORD_PENDING && slice_equal(row->task_type, type) && row->priority < SNAPSHOT_HUNDREDS)
			own[row->priority]++;
	}
	for (int64_t priority = 1; priority < SNAPSHOT_HUNDREDS; priority++) {
		other.rank = (double)queue->oldest_us - ((double)priority * 100 + 15) * us_per_point;
		for (int64_t i = own[priority]; i < queue->by_hundred[priority] && i < OTHERS_READY_MAX; i++)
			add_other(others, &other, type);
	}
}

struct outlook_others *outlook_others_open(const struct outlook_view *view, struct monitor *monitor,
                                           const struct outlook_pools *pools, struct slice project) {
	struct outlook_others *others = memory_new(sizeof(*others));
	const struct snapshot_view *snapshot = snapshot_view(monitor->snapshot);
	add_running(others, monitor, pools, project);
	for (size_t i = 0; i < snapshot->queue_count; i++)
		add_ready(others, view, monitor, pools, &snapshot->queues[i]);
	return others;
}

void outlook_others_close(struct outlook_others **others) {
	free((*others)->tasks);
	free((*others)->types);
	free(*others);
	*others = NULL;
}
