/* Three rings of buckets, one finer than the other; a question takes the finest that reaches back far enough.
 * A bucket knows its tick, so that old ones need no sweeping. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/base/table.h"

struct bucket {
	int32_t tick; /* at / width of the ring; what the counts belong to */
	uint32_t came, started, completed, failed;
	uint64_t wait_us;
};

static const struct ring {
	int64_t width_s;
	int64_t count; /* a few more than asked for: the newest bucket is not full */
	size_t offset; /* of the ring's first bucket in struct series */
} rings[] = { { 1, 904, 0 }, { 60, 1444, 904 }, { 3600, 172, 904 + 1444 } };

enum { RING_COUNT = 3, BUCKET_COUNT = 904 + 1444 + 172 };

struct series {
	int64_t touched_us; /* when it was added to last */
	struct bucket buckets[BUCKET_COUNT];
};

struct window {
	int64_t since_us;
	struct series all;
	struct table *projects; /* name -> struct series */
};

struct window *window_open(int64_t now_us) {
	struct window *window = memory_new(sizeof(*window));
	window->since_us = now_us;
	window->projects = table_open();
	return window;
}

void window_close(struct window **window) {
	if (*window == NULL)
		return;
	size_t at = 0;
	struct slice key;
	void *series;
	while (table_next((*window)->projects, &at, &key, &series))
		free(series);
	table_close(&(*window)->projects);
	free(*window);
	*window = NULL;
}

static void series_add(struct series *series, int64_t at_us, const struct window_counts *counts) {
	int64_t at_s = at_us / 1000000;
	for (size_t i = 0; i < RING_COUNT; i++) {
		int32_t tick = (int32_t)(at_s / rings[i].width_s);
		struct bucket *bucket = &series->buckets[rings[i].offset + (size_t)(tick % rings[i].count)];
		if (bucket->tick > tick)
			continue; /* too old for this ring */
		if (bucket->tick < tick)
			*bucket = (struct bucket){ .tick = tick };
		bucket->came += (uint32_t)counts->came;
		bucket->started += (uint32_t)counts->started;
		bucket->completed += (uint32_t)counts->completed;
		bucket->failed += (uint32_t)counts->failed;
		bucket->wait_us += counts->wait_us;
	}
	if (at_us > series->touched_us)
		series->touched_us = at_us;
}

static void forget_idlest(struct window *window) {
	size_t at = 0;
	struct slice key, idlest = { NULL, 0 };
	void *value;
	int64_t least = INT64_MAX;
	while (table_next(window->projects, &at, &key, &value)) {
		const struct series *series = value;
		if (series->touched_us < least) {
			least = series->touched_us;
			idlest = key;
		}
	}
	if (idlest.bytes != NULL)
		free(table_remove(window->projects, idlest));
}

void window_add(struct window *window, struct slice project, int64_t at_us, const struct window_counts *counts) {
	if (at_us <= 0)
		return;
	series_add(&window->all, at_us, counts);
	struct series *series = table_get(window->projects, project);
	if (series == NULL) {
		if (table_count(window->projects) >= WINDOW_PROJECTS)
			forget_idlest(window);
		series = memory_new(sizeof(*series));
		table_put(window->projects, project, series);
	}
	series_add(series, at_us, counts);
}

void window_reach(struct window *window, int64_t since_us) {
	if (since_us < window->since_us)
		window->since_us = since_us;
}

static const struct ring *ring_for(int64_t window_s) {
	for (size_t i = 0; i + 1 < RING_COUNT; i++)
		if (window_s <= rings[i].width_s * (rings[i].count - 4))
			return &rings[i];
	return &rings[RING_COUNT - 1];
}

static void series_sum(const struct series *series, int64_t now_s, int64_t window_s, struct window_counts *sum) {
	const struct ring *ring = ring_for(window_s);
	int64_t first = (now_s - window_s) / ring->width_s + 1;
	for (int64_t tick = first; tick <= now_s / ring->width_s; tick++) {
		const struct bucket *bucket = &series->buckets[ring->offset + (size_t)(tick % ring->count)];
		if (bucket->tick != tick)
			continue;
		sum->came += bucket->came;
		sum->started += bucket->started;
		sum->completed += bucket->completed;
		sum->failed += bucket->failed;
		sum->wait_us += bucket->wait_us;
	}
}

static const struct series *find(const struct window *window, struct slice project) {
	return project.length > 0 ? table_get(window->projects, project) : &window->all;
}

int64_t window_series(const struct window *window, struct slice project, int64_t now_us, int64_t step_s, size_t count,
                      struct window_counts *points) {
	const struct series *series = find(window, project);
	int64_t from_s = (now_us / 1000000 / step_s + 1 - (int64_t)count) * step_s;
	const struct ring *ring = ring_for((int64_t)count * step_s);
	memset(points, 0, count * sizeof(*points));
	for (int64_t i = 0; series != NULL && i < ring->count; i++) {
		const struct bucket *bucket = &series->buckets[ring->offset + (size_t)i];
		int64_t place = (bucket->tick * ring->width_s - from_s) / step_s;
		if (bucket->tick * ring->width_s < from_s || place >= (int64_t)count)
			continue;
		struct window_counts *point = &points[place];
		point->came += bucket->came;
		point->started += bucket->started;
		point->completed += bucket->completed;
		point->failed += bucket->failed;
		point->wait_us += bucket->wait_us;
	}
	return from_s;
}

int64_t window_last_at(const struct window *window, struct slice project) {
	const struct series *series = find(window, project);
	return series != NULL ? series->touched_us : 0;
}

int64_t window_sum(const struct window *window, struct slice project, int64_t now_us, int64_t window_s,
                   struct window_counts *sum) {
	*sum = (struct window_counts){ 0 };
	if (window_s > WINDOW_SECONDS_MAX)
		window_s = WINDOW_SECONDS_MAX;
	const struct series *series = find(window, project);
	if (series != NULL)
		series_sum(series, now_us / 1000000, window_s, sum);
	int64_t known_s = (now_us - window->since_us) / 1000000;
	known_s = known_s < window_s ? known_s : window_s;
	return known_s > 1 ? known_s : 1;
}
