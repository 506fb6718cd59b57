/* See admit_record.c. */
#ifndef CORDER_STATE_ADMIT_RECORD_H
#define CORDER_STATE_ADMIT_RECORD_H

#include <stdbool.h>

#include "../base/text.h"

/* record: task_id US task_type US priority US specification, as ingest sends it. Appends the fixed part to out and points
 * *specification into record. False for a record that is none (nothing was appended). */
bool admit_record_add(struct text *out, struct slice project, struct slice batch_id, struct slice record,
                      struct slice *specification);

#endif
