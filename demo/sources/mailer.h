/* Fills in the name in a letter. */
#ifndef MAILER_H
#define MAILER_H

#include <stddef.h>

/* Writes the letter with each '%' replaced by the name; returns its length. */
size_t mailer_fill(char *out, size_t size, const char *letter, const char *name);

#endif
