/* Allocation that does not fail: out of memory is logged and ends the process. */
#ifndef CORDER_BASE_MEMORY_H
#define CORDER_BASE_MEMORY_H

#include <stddef.h>

void *memory_new(size_t bytes);                      /* zeroed */
void *memory_array(size_t count, size_t item_bytes); /* zeroed; overflow is fatal */
void *memory_resize(void *old, size_t count, size_t item_bytes);
char *memory_copy(const char *bytes, size_t length); /* NUL-terminated copy */

#endif
