/* Events in the order of time: a task becomes ready, a task ends. See outlook.h. */
#include "outlook.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/task/record.h"

struct item {
	double order;
	size_t task;
};

struct heap {
	struct item *items;
	size_t count, capacity;
};

static bool before(const struct item *a, const struct item *b) {
	return a->order < b->order || (!(a->order > b->order) && a->task < b->task);
}

static void heap_push(struct heap *heap, double order, size_t task) {
	if (heap->count == heap->capacity) {
		heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : 64;
		heap->items = memory_resize(heap->items, heap->capacity, sizeof(*heap->items));
	}
	size_t at = heap->count++;
	struct item item = { order, task };
	while (at > 0 && before(&item, &heap->items[(at - 1) / 2])) {
		heap->items[at] = heap->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->items[at] = item;
}

static struct item heap_pop(struct heap *heap) {
	struct item top = heap->items[0], last = heap->items[--heap->count];
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && before(&heap->items[child + 1], &heap->items[child]))
			child++;
		if (!before(&heap->items[child], &last))
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	if (heap->count > 0)
		heap->items[at] = last;
	return top;
}

struct play {
	struct outlook *outlook;
	size_t *first, *dependents; /* of each task: dependents[first[i]] up to first[i + 1] */
	size_t *unmet;
	struct heap time;    /* when something happens to a task: it becomes ready, or it ends */
	struct heap *ready;  /* a pool, by rank */
	struct heap *parked; /* a key, by rank */
	size_t *used, *held; /* slots of a pool, places of a key */
	bool *runs;
	int64_t now_us;
};

static void link_edges(struct play *play) {
	const struct outlook *outlook = play->outlook;
	for (size_t i = 0; i < outlook->edge_count; i++)
		play->first[outlook->edges[i].from + 1]++;
	for (size_t i = 0; i < outlook->task_count; i++)
		play->first[i + 1] += play->first[i];
	size_t *next = memory_array(outlook->task_count + 1, sizeof(*next));
	for (size_t i = 0; i < outlook->edge_count; i++) {
		const struct outlook_edge *edge = &outlook->edges[i];
		play->dependents[play->first[edge->from] + next[edge->from]++] = edge->to;
		if (!record_is_final(outlook->tasks[edge->from].status))
			play->unmet[edge->to]++;
	}
	free(next);
}

static void make_ready(struct play *play, size_t index) {
	const struct outlook_task *task = &play->outlook->tasks[index];
	if (task->held || task->pool == OUTLOOK_NONE || play->outlook->pools[task->pool].slots == 0)
		return;
	if (task->not_before_us > play->now_us)
		heap_push(&play->time, (double)task->not_before_us, index);
	else
		heap_push(&play->ready[task->pool], task->rank, index);
}

static void start(struct play *play, size_t index) {
	struct outlook_task *task = &play->outlook->tasks[index];
	play->runs[index] = true;
	play->used[task->pool]++;
	if (task->key != OUTLOOK_NONE)
		play->held[task->key]++;
	task->start_us = play->now_us;
	task->finish_us = play->now_us + task->duration_us;
	heap_push(&play->time, (double)task->finish_us, index);
}

/* A try that takes longer than expected is expected to take a little longer still. */
static void go_on(struct play *play, size_t index) {
	struct outlook_task *task = &play->outlook->tasks[index];
	int64_t ran_us = play->now_us - task->started_at_us;
	int64_t left_us = task->duration_us > ran_us ? task->duration_us - ran_us : ran_us / 10;
	play->runs[index] = true;
	if (task->pool != OUTLOOK_NONE)
		play->used[task->pool]++;
	if (task->key != OUTLOOK_NONE)
		play->held[task->key]++;
	task->start_us = task->started_at_us;
	task->finish_us = play->now_us + (left_us > 0 ? left_us : 0);
	heap_push(&play->time, (double)task->finish_us, index);
}

static void end(struct play *play, size_t index) {
	const struct outlook_task *task = &play->outlook->tasks[index];
	play->runs[index] = false;
	if (task->pool != OUTLOOK_NONE)
		play->used[task->pool]--;
	if (task->key != OUTLOOK_NONE) {
		struct heap *parked = &play->parked[task->key];
		play->held[task->key]--;
		if (parked->count > 0)
			make_ready(play, heap_pop(parked).task);
	}
	for (size_t i = play->first[index]; i < play->first[index + 1]; i++)
		if (--play->unmet[play->dependents[i]] == 0)
			make_ready(play, play->dependents[i]);
}

static void fill_pool(struct play *play, size_t pool) {
	const struct outlook *outlook = play->outlook;
	struct heap *ready = &play->ready[pool];
	while (ready->count > 0 && play->used[pool] < outlook->pools[pool].slots) {
		struct item item = heap_pop(ready);
		size_t key = outlook->tasks[item.task].key;
		if (key != OUTLOOK_NONE && play->held[key] >= outlook->keys[key].limit)
			heap_push(&play->parked[key], item.order, item.task);
		else
			start(play, item.task);
	}
}

static void begin(struct play *play) {
	struct outlook *outlook = play->outlook;
	for (size_t i = 0; i < outlook->task_count; i++) {
		struct outlook_task *task = &outlook->tasks[i];
		task->start_us = record_is_final(task->status) ? task->started_at_us : 0;
		task->finish_us = record_is_final(task->status) ? task->finished_at_us : 0;
		if (task->status == RECORD_RUNNING)
			go_on(play, i);
		else if (!record_is_final(task->status) && play->unmet[i] == 0)
			make_ready(play, i);
	}
}

static void run(struct play *play) {
	for (size_t i = 0; i < play->outlook->pool_count; i++)
		fill_pool(play, i);
	while (play->time.count > 0) {
		struct item item = heap_pop(&play->time);
		play->now_us = (int64_t)item.order > play->now_us ? (int64_t)item.order : play->now_us;
		if (play->runs[item.task])
			end(play, item.task);
		else
			make_ready(play, item.task);
		bool more_now = play->time.count > 0 && play->time.items[0].order <= (double)play->now_us;
		for (size_t i = 0; !more_now && i < play->outlook->pool_count; i++)
			fill_pool(play, i);
	}
}

void outlook_play(struct outlook *outlook) {
	struct play play = { .outlook = outlook, .now_us = outlook->now_us };
	play.first = memory_array(outlook->task_count + 2, sizeof(*play.first));
	play.dependents = memory_array(outlook->edge_count + 1, sizeof(*play.dependents));
	play.unmet = memory_array(outlook->task_count + 1, sizeof(*play.unmet));
	play.runs = memory_array(outlook->task_count + 1, sizeof(*play.runs));
	play.ready = memory_array(outlook->pool_count + 1, sizeof(*play.ready));
	play.used = memory_array(outlook->pool_count + 1, sizeof(*play.used));
	play.parked = memory_array(outlook->key_count + 1, sizeof(*play.parked));
	play.held = memory_array(outlook->key_count + 1, sizeof(*play.held));
	link_edges(&play);
	begin(&play);
	run(&play);
	for (size_t i = 0; i < outlook->pool_count; i++)
		free(play.ready[i].items);
	for (size_t i = 0; i < outlook->key_count; i++)
		free(play.parked[i].items);
	free(play.first), free(play.dependents), free(play.unmet), free(play.runs), free(play.time.items);
	free(play.ready), free(play.used), free(play.parked), free(play.held);
}

size_t outlook_critical_path(const struct outlook *outlook, size_t count, size_t *path) {
	size_t *via = memory_array(count + 1, sizeof(*via)), last = OUTLOOK_NONE, length = 0;
	for (size_t i = 0; i < count; i++) {
		via[i] = OUTLOOK_NONE;
		int64_t finish_us = outlook->tasks[i].finish_us;
		if (finish_us > 0 && (last == OUTLOOK_NONE || finish_us > outlook->tasks[last].finish_us))
			last = i;
	}
	for (size_t i = 0; i < outlook->edge_count; i++) {
		const struct outlook_edge *edge = &outlook->edges[i];
		if (edge->from >= count || edge->to >= count || outlook->tasks[edge->from].finish_us == 0)
			continue;
		size_t *best = &via[edge->to];
		if (*best == OUTLOOK_NONE || outlook->tasks[edge->from].finish_us > outlook->tasks[*best].finish_us)
			*best = edge->from;
	}
	while (last != OUTLOOK_NONE && length < count) {
		path[length++] = last;
		last = via[last];
	}
	for (size_t i = 0; i < length / 2; i++) {
		size_t other = path[length - 1 - i];
		path[length - 1 - i] = path[i];
		path[i] = other;
	}
	free(via);
	return length;
}
