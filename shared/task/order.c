/* Kahn's algorithm over arrays: how many dependencies each task still waits for, who depends on it, what could come next.
 * Memory: 12 bytes a task and 8 an edge, beside the result. */
#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"

/* graph ---------------------------------------------------------------------------------------------------------- */

void order_open(struct order_graph *graph, uint32_t task_count) {
	*graph = (struct order_graph){ .task_count = task_count };
	graph->first_edge = memory_array((size_t)task_count + 1, sizeof(*graph->first_edge));
}

/* Until order_run makes them places, first_edge[i + 1] counts the edges of i. */
void order_add_edge(struct order_graph *graph, uint32_t task, uint32_t dependency) {
	must(task < graph->task_count && dependency < graph->task_count && graph->edge_count < UINT32_MAX / 2);
	if (graph->edge_count == graph->edge_capacity) {
		graph->edge_capacity = graph->edge_capacity ? graph->edge_capacity * 2 : 64;
		graph->edges = memory_resize(graph->edges, graph->edge_capacity, sizeof(*graph->edges));
	}
	graph->edges[graph->edge_count++] = dependency;
	graph->first_edge[task + 1]++;
}

void order_close(struct order_graph *graph) {
	free(graph->first_edge);
	free(graph->edges);
	*graph = (struct order_graph){ 0 };
}

static void sum_up(uint32_t *counts, size_t count) {
	for (size_t i = 1; i < count; i++)
		counts[i] += counts[i - 1];
}

/* queue: the lowest of a set of numbers -------------------------------------------------------------------------- */

enum { LEVELS_MOST = 6, WORD_BITS = 64 };

/* Level 0 has a bit a number; each higher level has a bit for every word below that is not empty. */
struct queue {
	uint64_t *levels[LEVELS_MOST];
	int height;
};

static void queue_open(struct queue *queue, size_t count) {
	*queue = (struct queue){ 0 };
	do {
		count = (count + WORD_BITS - 1) / WORD_BITS;
		queue->levels[queue->height++] = memory_array(count + 1, sizeof(uint64_t));
	} while (count > 1);
}

static void queue_close(struct queue *queue) {
	for (int i = 0; i < queue->height; i++)
		free(queue->levels[i]);
}

static void queue_add(struct queue *queue, uint32_t number) {
	for (int i = 0; i < queue->height; i++) {
		uint64_t *word = &queue->levels[i][number / WORD_BITS];
		bool was_empty = *word == 0;
		*word |= UINT64_C(1) << (number % WORD_BITS);
		if (!was_empty)
			return;
		number /= WORD_BITS;
	}
}

static bool queue_take(struct queue *queue, uint32_t *lowest) {
	uint32_t at = 0;
	for (int i = queue->height - 1; i >= 0; i--) {
		uint64_t word = queue->levels[i][at];
		if (word == 0)
			return false;
		at = at * WORD_BITS + (uint32_t)__builtin_ctzll(word);
	}
	*lowest = at;
	for (int i = 0; i < queue->height; i++) {
		uint64_t *word = &queue->levels[i][at / WORD_BITS];
		*word &= ~(UINT64_C(1) << (at % WORD_BITS));
		if (*word != 0)
			break;
		at /= WORD_BITS;
	}
	return true;
}

/* order ---------------------------------------------------------------------------------------------------------- */

struct sorting {
	const struct order_graph *graph;
	uint32_t *waits;           /* dependencies that have not come yet */
	uint32_t *first_dependent; /* places in dependents */
	uint32_t *dependents;
	struct queue queue;
};

static void open_sorting(struct sorting *sorting, const struct order_graph *graph) {
	size_t count = graph->task_count;
	sorting->graph = graph;
	sorting->waits = memory_array(count + 1, sizeof(uint32_t));
	sorting->first_dependent = memory_array(count + 2, sizeof(uint32_t));
	sorting->dependents = memory_array((size_t)graph->edge_count + 1, sizeof(uint32_t));
	for (uint32_t i = 0; i < graph->edge_count; i++)
		sorting->first_dependent[graph->edges[i] + 2]++;
	/* One place further right than needed: filling moves each start to where it belongs. */
	sum_up(sorting->first_dependent, count + 2);
	queue_open(&sorting->queue, count);
	for (uint32_t task = 0; task < count; task++) {
		for (uint32_t i = graph->first_edge[task]; i < graph->first_edge[task + 1]; i++)
			sorting->dependents[sorting->first_dependent[graph->edges[i] + 1]++] = task;
		sorting->waits[task] = graph->first_edge[task + 1] - graph->first_edge[task];
		if (sorting->waits[task] == 0)
			queue_add(&sorting->queue, task);
	}
}

static void close_sorting(struct sorting *sorting) {
	free(sorting->waits);
	free(sorting->first_dependent);
	free(sorting->dependents);
	queue_close(&sorting->queue);
}

static uint32_t take_all(struct sorting *sorting, uint32_t *order) {
	uint32_t taken = 0, task;
	while (queue_take(&sorting->queue, &task)) {
		order[taken++] = task;
		for (uint32_t i = sorting->first_dependent[task]; i < sorting->first_dependent[task + 1]; i++) {
			uint32_t dependent = sorting->dependents[i];
			if (--sorting->waits[dependent] == 0)
				queue_add(&sorting->queue, dependent);
		}
	}
	return taken;
}

/* A task that still waits has a dependency that still waits: going from one to the next must come round. */
static uint32_t next_in_loop(const struct sorting *sorting, uint32_t task) {
	const struct order_graph *graph = sorting->graph;
	uint32_t i = graph->first_edge[task];
	while (i < graph->first_edge[task + 1] && sorting->waits[graph->edges[i]] == 0)
		i++;
	must(i < graph->first_edge[task + 1]);
	return graph->edges[i];
}

static void find_loop(const struct sorting *sorting, uint32_t **loop, size_t *length) {
	size_t count = sorting->graph->task_count, walked = 0;
	uint32_t *path = memory_array(count + 1, sizeof(uint32_t));
	uint32_t *place = memory_array(count, sizeof(uint32_t)); /* in path, plus one; 0: not yet there */
	uint32_t task = 0;
	while (sorting->waits[task] == 0)
		task++;
	for (; place[task] == 0; task = next_in_loop(sorting, task)) {
		path[walked++] = task;
		place[task] = (uint32_t)walked;
	}
	size_t first = place[task] - 1;
	path[walked] = task;
	*length = walked - first + 1;
	memmove(path, path + first, *length * sizeof(uint32_t));
	*loop = path;
	free(place);
}

enum status order_run(struct order_graph *graph, uint32_t *order, uint32_t **loop, size_t *loop_length,
                      struct error *err) {
	struct sorting sorting;
	enum status status = STATUS_OK;
	*loop = NULL;
	*loop_length = 0;
	sum_up(graph->first_edge, (size_t)graph->task_count + 1);
	open_sorting(&sorting, graph);
	if (take_all(&sorting, order) < graph->task_count) {
		find_loop(&sorting, loop, loop_length);
		status = reject(err, "cycle", "", "the dependencies form a loop of %zu task%s", *loop_length - 1,
		                *loop_length == 2 ? "" : "s");
	}
	close_sorting(&sorting);
	return status;
}
