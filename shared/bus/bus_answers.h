/* What an answer of JetStream means; for the files of this folder. */
#ifndef CORDER_BUS_BUS_ANSWERS_H
#define CORDER_BUS_BUS_ANSWERS_H

#include <stdint.h>

#include "bus.h"

/* error_code is JetStream's own number, or 0. */
enum status bus_api_status(enum status status, const struct bus_message *message, uint64_t *error_code,
                           struct error *err);
/* Of an append: STATUS_OK and its sequence, STATUS_STALE when something else stands where it should follow, or another. */
enum status bus_append_status(enum status status, const struct bus_message *message, uint64_t *sequence);

#endif
