/* A leased task as its worker gets it (contract, "A delivered task"), from what the work script says of it. Pure JSON
 * building: the context and the inputs are handed through byte for byte. */
#ifndef CORDER_DISPATCHER_DELIVER_H
#define CORDER_DISPATCHER_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/state/packed.h"

/* Texts a task, a result and an error, in the script's reply. */
enum { DELIVER_FIELDS = 3, DELIVER_RESULT_FIELDS = 2, DELIVER_ERROR_FIELDS = 2 };

/* What a completed dependency said. */
struct delivery_result {
	int64_t number;
	struct slice task_id, result;
};

/* How the last try of a task failed. */
struct delivery_error {
	int64_t number;
	struct slice code, message; /* the body of a JSON string */
};

/* What the script says at its end, of all tasks of the reply; both by number. */
struct delivery_lists {
	struct delivery_result *results;
	struct delivery_error *errors;
	size_t result_count, error_count;
};

struct delivery {
	struct packed task;
	struct slice specification, edges;
	const struct delivery_lists *lists;
};

/* fields: the DELIVER_FIELDS texts in the script's order; false when they are none. */
bool delivery_read(const struct slice *fields, struct delivery *delivery);
/* The reply's last two lists. */
void delivery_lists_read(struct delivery_lists *lists, const struct kv_reply *results, const struct kv_reply *errors);
void delivery_lists_release(struct delivery_lists *lists);
/* Appends the task, unless it would take more than most_bytes. must_fit: then inputs that are too large are left out,
 * and named in `inputs_omitted`: their results can be read with task.get. False when nothing was appended. */
bool delivery_add(struct text *out, const struct delivery *delivery, size_t most_bytes, bool must_fit);

#endif
