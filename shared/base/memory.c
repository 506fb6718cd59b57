/* The one place where memory is asked for, and where running out of it ends the process. */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Uses no memory of its own, so it cannot go through the log. */
static _Noreturn void out_of_memory(void) {
	static const char line[] = "level=error message=\"out of memory: give this process more, or lower its limits\"\n";
	ssize_t written = write(STDERR_FILENO, line, sizeof(line) - 1);
	(void)written;
	abort();
}

void *memory_new(size_t bytes) {
	return memory_array(1, bytes);
}

void *memory_array(size_t count, size_t item_bytes) {
	void *memory = calloc(count ? count : 1, item_bytes ? item_bytes : 1);
	if (!memory)
		out_of_memory();
	return memory;
}

void *memory_resize(void *old, size_t count, size_t item_bytes) {
	if (item_bytes && count > SIZE_MAX / item_bytes)
		out_of_memory();
	size_t bytes = count * item_bytes;
	void *memory = realloc(old, bytes ? bytes : 1);
	if (!memory)
		out_of_memory();
	return memory;
}

char *memory_copy(const char *bytes, size_t length) {
	if (length == SIZE_MAX)
		out_of_memory();
	char *copy = malloc(length + 1);
	if (!copy)
		out_of_memory();
	if (length)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}
