/* Comparing secrets so that the time it takes tells nothing about them. */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>

bool auth_equal(const char *a, const char *b, size_t length);

#endif
