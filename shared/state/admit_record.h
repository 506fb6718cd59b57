/* See admit_record.c. */
#ifndef CORDER_STATE_ADMIT_RECORD_H
#define CORDER_STATE_ADMIT_RECORD_H

#include <stdbool.h>

#include "../base/words.h"

/* record: task_id US task_type US priority US specification, as ingest sends it. Appends the words that admit.lua takes for
 * it: four, and one for each dependency. False for a record that is none (nothing was appended). */
bool admit_record_add(struct words *out, struct slice project, struct slice batch_id, struct slice record);

#endif
