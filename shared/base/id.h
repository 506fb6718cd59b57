/* Names and numbers nobody else has. All randomness comes from getrandom(2). */
#ifndef CORDER_BASE_ID_H
#define CORDER_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

#define ID_BYTES 27 /* 26 characters and a NUL */
/* A sortable id: 48 bits of milliseconds and 80 random bits in Crockford's base 32, as a ULID is. */
void id_make(char out[ID_BYTES]);
uint64_t id_random(void);
/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
uint64_t id_hash(struct slice bytes);

bool id_is_token(struct slice text);   /* project, task_type, worker: [A-Za-z0-9_-]{1,64} */
bool id_is_task_id(struct slice text); /* task_id, batch_id: [A-Za-z0-9][A-Za-z0-9_.:-]{0,127} */

#endif
