/* The terms of a task's score, as people are shown them. The order itself is made in shared/state; pure. */
#ifndef CORDER_MONITOR_SCORE_H
#define CORDER_MONITOR_SCORE_H

#include <stdint.h>

#include "shared/base/text.h"

struct score {
	double priority;      /* priority * 100 */
	double waiting_hours; /* hours since ready, times the weight of an hour */
	double dependencies;  /* max(0, 10 - dependencies); 0 where the order of the batch gives a term of its own */
	double order;         /* that term */
	double retries;       /* max(0, 5 - retry_count) */
};

/* order: hundredths as record.h has them, "" for none. */
struct score score_of(int64_t now_us, int64_t ready_at_us, int64_t priority, int64_t dependency_count,
                      struct slice order, int64_t retry_count, double hour_weight);
/* The term that stands in the place of the dependencies', or that itself. */
double score_order_term(struct slice order, int64_t dependency_count);
double score_sum(const struct score *score);
/* Appends `"score":…,"terms":{…}`. */
void score_add_json(struct text *out, const struct score *score);

/* Appends a JSON number with at most six digits after the point and no trailing zeros. */
void score_add_number(struct text *out, double value);

#endif
