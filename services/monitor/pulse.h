/* The last day as it was felt: how many tasks came, started and ended, how long they waited and ran, with quantiles. A
 * series for everything, one a project, one a type, one a project and type, and one a type and priority, as long as there is room. Kept in memory
 * and fed from the log. Pure; the time is an argument; events may come in any order, each once. */
#ifndef CORDER_MONITOR_PULSE_H
#define CORDER_MONITOR_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"

#define PULSE_SECONDS_MAX 86400
#define PULSE_SERIES 400 /* 100 KB each; the ones not added to for longest make room */
#define PULSE_BINS 48    /* of a histogram: half octaves from a millisecond to three hours */

struct pulse;

/* One event, or some alike. */
struct pulse_event {
	struct slice project, task_type;
	int64_t priority; /* 0: not known */
	int64_t at_us;
	bool came, started, completed, failed; /* failed: a try, whatever follows */
	bool ended;                            /* in any final status */
	int64_t wait_us, run_us;               /* with started; with completed or failed; -1: not known */
};

struct pulse_times {
	uint64_t count, sum_us;
	uint32_t bins[PULSE_BINS];
};

struct pulse_sum {
	uint64_t came, started, completed, failed, ended;
	struct pulse_times wait, run;
};

enum pulse_kind { PULSE_ALL, PULSE_PROJECT, PULSE_TYPE, PULSE_BOTH /* "project/type" */ };

struct pulse *pulse_open(int64_t now_us); /* knows of nothing before now */
void pulse_close(struct pulse **pulse);
void pulse_add(struct pulse *pulse, const struct pulse_event *event);
/* Says that everything since then has been added. */
void pulse_reach(struct pulse *pulse, int64_t since_us);

/* The last window_s seconds. priority 0: all; only with PULSE_TYPE. Returns how many of these seconds are known, 1 at
 * least. */
int64_t pulse_read(const struct pulse *pulse, enum pulse_kind kind, struct slice name, int64_t priority, int64_t now_us,
                   int64_t window_s, struct pulse_sum *sum);
/* The priorities of a type with a series, as bits 1 to 10. */
unsigned pulse_priorities(const struct pulse *pulse, struct slice task_type);

/* share: 0.5 is the median. -1 when nothing was counted. */
double pulse_quantile_s(const struct pulse_times *times, double share);
double pulse_mean_s(const struct pulse_times *times);
/* {"count","mean_s","p50_s","p95_s"} */
void pulse_add_times_json(struct text *out, const struct pulse_times *times);

#endif
