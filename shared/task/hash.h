/* Two hashes of bytes: one that clients cannot aim at, for tables; one that is the same for ever, for what is stored. */
#ifndef CORDER_TASK_HASH_H
#define CORDER_TASK_HASH_H

#include <stdint.h>

#include "../base/text.h"

/* Seeded once a process at random, so that nobody can send keys that collide. */
uint64_t hash_of(struct slice bytes);
/* Eight bytes a step, little end first on every machine. Stored in records: never change it. */
uint64_t hash_fixed(struct slice bytes, uint64_t seed);

#endif
