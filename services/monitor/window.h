/* What happened lately, for throughput and waiting times: counts a second, a minute and an hour, a project and in all,
 * kept in memory and fed from the log. Pure; the time is an argument.
 * Events may come in any order (the past is filled in after a start), each once. */
#ifndef CORDER_MONITOR_WINDOW_H
#define CORDER_MONITOR_WINDOW_H

#include <stdint.h>

#include "shared/base/text.h"

#define WINDOW_PROJECTS 500       /* the projects active last have windows of their own (80 KB each) */
#define WINDOW_SECONDS_MAX 604800 /* a week */

struct window;

/* What to add, and what a window sums up to. */
struct window_counts {
	uint64_t came, started, completed, failed;
	uint64_t wait_us; /* ready to start, of all that started */
};

struct window *window_open(int64_t now_us); /* knows of nothing before now */
void window_close(struct window **window);

void window_add(struct window *window, struct slice project, int64_t at_us, const struct window_counts *counts);
/* Says that everything since then has been added. */
void window_reach(struct window *window, int64_t since_us);

/* The sum of the last window_s seconds before now; an empty project means all. Returns how many of these seconds are
 * really known (1 at least): rates are to be divided by it. */
int64_t window_sum(const struct window *window, struct slice project, int64_t now_us, int64_t window_s,
                   struct window_counts *sum);
/* The same as `count` points of step_s seconds each, the last of which has now in it. Returns when the first begins, in
 * seconds since 1970. Where the ring
 * is coarser than the steps, what a bucket holds stands in the first of its steps. */
int64_t window_series(const struct window *window, struct slice project, int64_t now_us, int64_t step_s, size_t count,
                      struct window_counts *points);
int64_t window_last_at(const struct window *window, struct slice project); /* of the latest event; 0: none is known */

#endif
