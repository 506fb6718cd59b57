/* A leased task as its worker gets it (contract, "A delivered task"), from what the work script says of it. Pure JSON
 * building: the context and the inputs are handed through byte for byte. */
#ifndef CORDER_DISPATCHER_DELIVER_H
#define CORDER_DISPATCHER_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/state/packed.h"

enum { DELIVER_FIELDS = 3, DELIVER_RESULT_FIELDS = 3 }; /* texts a task, and a result, in the script's reply */

/* What a completed dependency said. */
struct delivery_result {
	int64_t number;
	struct slice task_id, result;
};

struct delivery {
	struct packed task;
	struct slice specification, edges;
	const struct delivery_result *results; /* of all tasks of the reply, by number */
	size_t result_count;
};

/* fields: the DELIVER_FIELDS texts in the script's order; false when they are none. */
bool delivery_read(const struct slice *fields, struct delivery *delivery);
/* The reply's last list; the caller frees it. */
struct delivery_result *delivery_results(const struct kv_reply *list, size_t *count);
/* Appends the task, unless it would take more than most_bytes. must_fit: then inputs that are too large are left out,
 * and named in `inputs_omitted`: their results can be read with task.get. False when nothing was appended. */
bool delivery_add(struct text *out, const struct delivery *delivery, size_t most_bytes, bool must_fit);

#endif
