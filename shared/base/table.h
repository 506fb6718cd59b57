/* A hash table from bytes to a pointer (open addressing, FNV-1a). Copies its keys; never owns its values. */
#ifndef CORDER_BASE_TABLE_H
#define CORDER_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct table;

struct table *table_open(void);
void table_close(struct table **table);
void *table_get(const struct table *table, struct slice key);        /* NULL when absent */
void *table_put(struct table *table, struct slice key, void *value); /* returns the value it replaced, or NULL */
void *table_remove(struct table *table, struct slice key);           /* returns it, or NULL */
size_t table_count(const struct table *table);
/* Walks all entries: start with *at = 0; false at the end. The entry just returned may be removed; nothing may be put. */
bool table_next(const struct table *table, size_t *at, struct slice *key, void **value);

#endif
