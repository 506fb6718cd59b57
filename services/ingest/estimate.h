/* How long tasks take, as far as their submission says it. Pure. */
#ifndef CORDER_INGEST_ESTIMATE_H
#define CORDER_INGEST_ESTIMATE_H

#include <stdint.h>

#include "shared/base/text.h"

struct estimates;

struct estimates *estimates_open(void);
void estimates_close(struct estimates **estimates);
/* estimated_duration as the record has it, in us; -1: there is none. */
int64_t estimate_us(struct slice estimated_duration);
void estimates_add(struct estimates *estimates, struct slice task_type, int64_t takes_us);
/* Of a task that has none: what its type takes on the average, else what all tasks do, else a second. */
int64_t estimates_missing(const struct estimates *estimates, struct slice task_type);

#endif
