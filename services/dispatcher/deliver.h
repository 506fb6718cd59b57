/* A leased task as its worker gets it (contract, "A delivered task"), from what the work script says of it. Pure JSON
 * building: the context and the inputs are handed through byte for byte. */
#ifndef CORDER_DISPATCHER_DELIVER_H
#define CORDER_DISPATCHER_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"

enum { DELIVER_FIELDS = 5 }; /* texts a task in the script's reply */

struct delivery {
	struct slice project, task_type, task_id, batch_id, priority, attempt, retry_count, lease;
	int64_t lease_until_us, created_us, ready_us, started_us;
	struct slice version;
	struct slice specification, inputs;
};

/* fields: the DELIVER_FIELDS texts in the script's order. */
void delivery_read(const struct slice *fields, struct delivery *delivery);
/* Appends the task, unless it would take more than most_bytes. must_fit: then inputs that are too large are left out,
 * and named in `inputs_omitted`: their results can be read with task.get. False when nothing was appended. */
bool delivery_add(struct text *out, const struct delivery *delivery, size_t most_bytes, bool must_fit);

#endif
