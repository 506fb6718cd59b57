/* Which guards a test build is to do without; see teeth.h. Empty in every other build. */
#include "teeth.h"

#ifdef CORDER_TEETH
#include <stdlib.h>
#include <string.h>

bool teeth_without(const char *guard) {
	const char *list = getenv("CORDER_TEST_WITHOUT");
	size_t length = strlen(guard);
	while (list != NULL && *list != '\0') {
		size_t word = strcspn(list, ",");
		if (word == length && memcmp(list, guard, length) == 0)
			return true;
		list += word + (list[word] == ',');
	}
	return false;
}
#endif
