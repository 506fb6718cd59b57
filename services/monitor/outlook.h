/* When open tasks will probably start and end: the rest of a graph played through on the workers that there are, by
 * priority, with the durations that were declared or measured; and the chain of tasks that decides the end. Pure; linear
 * in tasks and edges but for two heaps. Concurrency keys are honoured, failures are not foreseen. */
#ifndef CORDER_MONITOR_OUTLOOK_H
#define CORDER_MONITOR_OUTLOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTLOOK_NONE SIZE_MAX

struct outlook_task {
	char status;            /* a letter of enum record_status */
	size_t pool;            /* which workers take it; OUTLOOK_NONE: nobody does */
	size_t key;             /* its concurrency key; OUTLOOK_NONE: none */
	bool held;              /* an approval or a pause holds it, or a dependency that cannot be met any more */
	int64_t duration_us;    /* of a try */
	double rank;            /* lower is sooner */
	int64_t not_before_us;  /* a time or a backoff; 0: none */
	int64_t started_at_us;  /* of the try that runs, or of the last one */
	int64_t finished_at_us; /* of an ended task */
	/* What comes out; of an ended task what was. 0: cannot be told. */
	int64_t start_us, finish_us;
};

struct outlook_edge {
	size_t from, to; /* dependency, dependent */
};

struct outlook_pool {
	size_t slots; /* tasks that its workers can run at once */
};

struct outlook_key {
	size_t limit;
};

struct outlook {
	int64_t now_us;
	struct outlook_task *tasks;
	size_t task_count;
	const struct outlook_edge *edges;
	size_t edge_count;
	const struct outlook_pool *pools;
	size_t pool_count;
	const struct outlook_key *keys;
	size_t key_count;
};

/* Fills start_us and finish_us of all tasks. */
void outlook_play(struct outlook *outlook);
/* The chain that decides when the last task ends, first to last, as indexes; returns how many, at most task_count. Among
 * the first `count` tasks only. */
size_t outlook_critical_path(const struct outlook *outlook, size_t count, size_t *path);

#endif
