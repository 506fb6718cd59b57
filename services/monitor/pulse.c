/* Rings of buckets as in window.c, with histograms; see pulse.h. */
#include "pulse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "score.h"
#include "shared/base/memory.h"
#include "shared/base/table.h"

struct bucket {
	int32_t tick; /* at / width of the ring; what the counts belong to */
	uint32_t came, started, completed, failed, ended;
	uint64_t wait_us, run_us;
	uint32_t wait_count, run_count;
	uint32_t wait[PULSE_BINS], run[PULSE_BINS];
};

static const struct ring {
	int64_t width_s;
	int64_t count; /* a few more than asked for: the newest bucket is not full */
	size_t offset; /* of the ring's first bucket in struct series */
} rings[] = { { 15, 64, 0 }, { 60, 64, 64 }, { 900, 100, 64 + 64 } };

enum { RING_COUNT = 3, BUCKET_COUNT = 64 + 64 + 100, PRIORITIES = 10, KEY_BYTES = 160 };

struct series {
	int64_t touched_us;
	struct bucket buckets[BUCKET_COUNT];
};

/* Whose series the last event went to: most events come behind one of their own kind. */
struct recent {
	struct text name; /* "project/type" */
	int64_t priority;
	struct series *series[4];
	size_t count; /* 0: of nobody */
};

struct pulse {
	int64_t since_us;
	struct series all;
	struct table *series; /* "p/project", "t/type", "t/type/priority", "b/project/type" */
	struct recent recent;
};

struct pulse *pulse_open(int64_t now_us) {
	struct pulse *pulse = memory_new(sizeof(*pulse));
	pulse->since_us = now_us;
	pulse->series = table_open();
	return pulse;
}

void pulse_close(struct pulse **pulse) {
	if (*pulse == NULL)
		return;
	size_t at = 0;
	struct slice key;
	void *series;
	while (table_next((*pulse)->series, &at, &key, &series))
		free(series);
	table_close(&(*pulse)->series);
	text_release(&(*pulse)->recent.name);
	free(*pulse);
	*pulse = NULL;
}

/* Bin 0 holds what took less than a millisecond; bin i > 0 begins at 2^((i-1)/2) ms. */
static size_t bin_of(int64_t us) {
	if (us < 1000)
		return 0;
	double bin = 1 + 2 * log2((double)us / 1000);
	return bin < PULSE_BINS - 1 ? (size_t)bin : PULSE_BINS - 1;
}

static double bin_start_s(size_t bin) {
	return bin == 0 ? 0 : exp2((double)(bin - 1) / 2) / 1000;
}

static void bucket_add(struct bucket *bucket, const struct pulse_event *event) {
	bucket->came += event->came;
	bucket->started += event->started;
	bucket->completed += event->completed;
	bucket->failed += event->failed;
	bucket->ended += event->ended;
	if (event->started && event->wait_us >= 0) {
		bucket->wait_us += (uint64_t)event->wait_us;
		bucket->wait_count++;
		bucket->wait[bin_of(event->wait_us)]++;
	}
	if ((event->completed || event->failed) && event->run_us >= 0) {
		bucket->run_us += (uint64_t)event->run_us;
		bucket->run_count++;
		bucket->run[bin_of(event->run_us)]++;
	}
}

static void series_add(struct series *series, const struct pulse_event *event) {
	int64_t at_s = event->at_us / 1000000;
	for (size_t i = 0; i < RING_COUNT; i++) {
		int32_t tick = (int32_t)(at_s / rings[i].width_s);
		struct bucket *bucket = &series->buckets[rings[i].offset + (size_t)(tick % rings[i].count)];
		if (bucket->tick > tick)
			continue; /* too old for this ring */
		if (bucket->tick < tick)
			*bucket = (struct bucket){ .tick = tick };
		bucket_add(bucket, event);
	}
	if (event->at_us > series->touched_us)
		series->touched_us = event->at_us;
}

static void forget_idlest(struct pulse *pulse) {
	size_t at = 0;
	struct slice key, idlest = { NULL, 0 };
	void *value;
	int64_t least = INT64_MAX;
	while (table_next(pulse->series, &at, &key, &value)) {
		const struct series *series = value;
		if (series->touched_us < least) {
			least = series->touched_us;
			idlest = key;
		}
	}
	if (idlest.bytes != NULL)
		free(table_remove(pulse->series, idlest));
}

static struct slice key_of(char key[KEY_BYTES], char kind, struct slice name, int64_t priority) {
	int length = snprintf(key, KEY_BYTES, priority > 0 ? "%c/%.*s/%lld" : "%c/%.*s", kind, (int)name.length,
	                      name.length > 0 ? name.bytes : "", (long long)priority);
	return (struct slice){ key, length < KEY_BYTES ? (size_t)length : KEY_BYTES - 1 };
}

static void look_up(struct pulse *pulse, char kind, struct slice name, int64_t priority) {
	char bytes[KEY_BYTES];
	struct slice key = key_of(bytes, kind, name, priority);
	struct series *series = table_get(pulse->series, key);
	if (series == NULL) {
		series = memory_new(sizeof(*series));
		table_put(pulse->series, key, series);
	}
	pulse->recent.series[pulse->recent.count++] = series;
}

static bool is_recent(const struct recent *recent, const struct pulse_event *event) {
	struct slice type = { recent->name.bytes, recent->name.length };
	if (recent->count == 0 || recent->priority != event->priority)
		return false;
	struct slice project = slice_cut(&type, '/');
	return slice_equal(project, event->project) && slice_equal(type, event->task_type);
}

static void look_up_all(struct pulse *pulse, const struct pulse_event *event) {
	struct recent *recent = &pulse->recent;
	text_clear(&recent->name);
	text_add_slice(&recent->name, event->project);
	text_add_char(&recent->name, '/');
	text_add_slice(&recent->name, event->task_type);
	recent->priority = event->priority;
	recent->count = 0;
	look_up(pulse, 'p', event->project, 0);
	look_up(pulse, 't', event->task_type, 0);
	look_up(pulse, 'b', (struct slice){ recent->name.bytes, recent->name.length }, 0);
	if (event->priority >= 1 && event->priority <= PRIORITIES)
		look_up(pulse, 't', event->task_type, event->priority);
}

void pulse_add(struct pulse *pulse, const struct pulse_event *event) {
	struct recent *recent = &pulse->recent;
	if (event->at_us <= 0)
		return;
	if (!is_recent(recent, event))
		look_up_all(pulse, event);
	series_add(&pulse->all, event);
	for (size_t i = 0; i < recent->count; i++)
		series_add(recent->series[i], event);
	for (; table_count(pulse->series) > PULSE_SERIES; recent->count = 0)
		forget_idlest(pulse);
}

void pulse_reach(struct pulse *pulse, int64_t since_us) {
	if (since_us < pulse->since_us)
		pulse->since_us = since_us;
}

static const struct ring *ring_for(int64_t window_s) {
	for (size_t i = 0; i + 1 < RING_COUNT; i++)
		if (window_s <= rings[i].width_s * (rings[i].count - 3))
			return &rings[i];
	return &rings[RING_COUNT - 1];
}

static void sum_add(struct pulse_sum *sum, const struct bucket *bucket) {
	sum->came += bucket->came;
	sum->started += bucket->started;
	sum->completed += bucket->completed;
	sum->failed += bucket->failed;
	sum->ended += bucket->ended;
	sum->wait.count += bucket->wait_count;
	sum->wait.sum_us += bucket->wait_us;
	sum->run.count += bucket->run_count;
	sum->run.sum_us += bucket->run_us;
	for (size_t i = 0; i < PULSE_BINS; i++) {
		sum->wait.bins[i] += bucket->wait[i];
		sum->run.bins[i] += bucket->run[i];
	}
}

static const struct series *find(const struct pulse *pulse, enum pulse_kind kind, struct slice name, int64_t priority) {
	char bytes[KEY_BYTES];
	if (kind == PULSE_ALL)
		return &pulse->all;
	char letter = kind == PULSE_PROJECT ? 'p' : (kind == PULSE_TYPE ? 't' : 'b');
	return table_get(pulse->series, key_of(bytes, letter, name, priority));
}

int64_t pulse_read(const struct pulse *pulse, enum pulse_kind kind, struct slice name, int64_t priority, int64_t now_us,
                   int64_t window_s, struct pulse_sum *sum) {
	*sum = (struct pulse_sum){ 0 };
	window_s = window_s < PULSE_SECONDS_MAX ? window_s : PULSE_SECONDS_MAX;
	const struct series *series = find(pulse, kind, name, priority);
	const struct ring *ring = ring_for(window_s);
	int64_t now_tick = now_us / 1000000 / ring->width_s;
	int64_t buckets = (window_s + ring->width_s - 1) / ring->width_s;
	for (int64_t tick = now_tick - buckets; series != NULL && tick <= now_tick; tick++) {
		const struct bucket *bucket = &series->buckets[ring->offset + (size_t)(tick % ring->count)];
		if (bucket->tick == tick)
			sum_add(sum, bucket);
	}
	/* The oldest bucket reaches back beyond the window, and the newest is not full: this is what they span. */
	int64_t spanned_s = now_us / 1000000 - (now_tick - buckets) * ring->width_s;
	int64_t known_s = (now_us - pulse->since_us) / 1000000;
	known_s = known_s < spanned_s ? known_s : spanned_s;
	return known_s > 1 ? known_s : 1;
}

unsigned pulse_priorities(const struct pulse *pulse, struct slice task_type) {
	unsigned bits = 0;
	for (int priority = 1; priority <= PRIORITIES; priority++)
		if (find(pulse, PULSE_TYPE, task_type, priority) != NULL)
			bits |= 1U << priority;
	return bits;
}

double pulse_quantile_s(const struct pulse_times *times, double share) {
	double wanted = share * (double)times->count, seen = 0;
	if (times->count == 0)
		return -1;
	for (size_t i = 0; i < PULSE_BINS; i++) {
		double count = times->bins[i];
		if (count > 0 && seen + count >= wanted) {
			double start = bin_start_s(i), end = i + 1 < PULSE_BINS ? bin_start_s(i + 1) : start * 2;
			return start + (end - start) * (wanted - seen) / count;
		}
		seen += count;
	}
	return bin_start_s(PULSE_BINS - 1);
}

double pulse_mean_s(const struct pulse_times *times) {
	return times->count > 0 ? (double)times->sum_us / 1e6 / (double)times->count : -1;
}

static void add_seconds(struct text *out, const char *name, double seconds) {
	text_printf(out, ",\"%s\":", name);
	if (seconds < 0)
		text_add(out, "null");
	else
		score_add_number(out, seconds);
}

void pulse_add_times_json(struct text *out, const struct pulse_times *times) {
	text_printf(out, "{\"count\":%llu", (unsigned long long)times->count);
	add_seconds(out, "mean_s", pulse_mean_s(times));
	add_seconds(out, "p50_s", pulse_quantile_s(times, 0.5));
	add_seconds(out, "p95_s", pulse_quantile_s(times, 0.95));
	text_add_char(out, '}');
}
