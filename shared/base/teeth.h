/* Guards of the protocol that a test build can do without, to see that the tests notice. In every other build
 * (CORDER_TEETH is not defined) all of this is gone. */
#ifndef CORDER_BASE_TEETH_H
#define CORDER_BASE_TEETH_H

#include <stdbool.h>

#ifdef CORDER_TEETH
/* Is the guard named in the environment's CORDER_TEST_WITHOUT (names parted by commas)? Asked anew each time. */
bool teeth_without(const char *guard);
#else
static inline bool teeth_without(const char *guard) {
	(void)guard;
	return false;
}
#endif

#endif
