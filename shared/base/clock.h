/* The two clocks of a process. Wall time is for people and messages; monotonic time is for waiting and is never stored. */
#ifndef CORDER_BASE_CLOCK_H
#define CORDER_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_us(void);
int64_t clock_mono_us(void);

#define CLOCK_TEXT_BYTES 32
/* RFC 3339, UTC, microseconds: 2026-01-31T12:00:00.123456Z */
void clock_format(int64_t at_us, char out[CLOCK_TEXT_BYTES]);
/* Reads an RFC 3339 time with any offset and 0 to 9 digits of fraction; false when it is none. */
bool clock_parse(const char *text, size_t length, int64_t *at_us);

#endif
