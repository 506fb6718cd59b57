/* The text format of Prometheus (0.0.4), piece by piece. Names follow its conventions: corder_<what>_<unit>[_total]; a
 * label never holds an id. */
#ifndef CORDER_SERVICE_METRICS_TEXT_H
#define CORDER_SERVICE_METRICS_TEXT_H

#include "../base/text.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

void metrics_head(struct text *out, const char *name, const char *type, const char *help);
void metrics_label(struct text *out, const char *name, struct slice value); /* name="value", escaped */
/* A family of one series without labels. */
void metrics_number(struct text *out, const char *name, const char *type, const char *help, double value);

/* How many took how long, in buckets from half a millisecond to a day, each about three times the one before. */
enum { HISTOGRAM_BOUNDS = 16 };
struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last: above all bounds */
	uint64_t sum_us;
};
void histogram_add(struct histogram *histogram, int64_t took_us);
/* The series of one histogram; labels: "a=\"b\"" or "", without braces. */
void histogram_add_series(struct text *out, const char *name, const char *labels, const struct histogram *histogram);

#endif
