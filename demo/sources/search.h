/* Looks words up in an index file: one word a line, sorted. */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>

/* False when there is no index yet. */
bool search_open(const char *path);
/* The place of the word in the index, from 0; -1 when it is not there. */
int search_find(const char *word);

#endif
