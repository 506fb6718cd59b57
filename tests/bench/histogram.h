/* Counts of microseconds in bins of at most 3 % (32 to a power of two), as HdrHistogram has them. */
#ifndef CORDER_BENCH_HISTOGRAM_H
#define CORDER_BENCH_HISTOGRAM_H

#include <stdint.h>

#include "shared/base/text.h"

enum { HISTOGRAM_BINS = 1088 };

struct histogram {
	int64_t counts[HISTOGRAM_BINS];
	int64_t total;
};

void histogram_add(struct histogram *histogram, int64_t us);
/* [[us,count],…], without empty bins; us is the middle of its bin. */
void histogram_json(const struct histogram *histogram, struct text *out);

#endif
