#include "mailer.h"

#include <string.h>

/* The bug is real: the last character of each name gets lost. */
size_t mailer_fill(char *out, size_t size, const char *letter, const char *name) {
	size_t length = 0;
	for (; *letter != 0 && length + 1 < size; letter++) {
		if (*letter != '%') {
			out[length++] = *letter;
			continue;
		}
		for (size_t i = 0; i + 1 < strlen(name) && length + 1 < size; i++)
			out[length++] = name[i];
	}
	out[length] = 0;
	return length;
}
