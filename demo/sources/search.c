#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64, WORD_BYTES = 32 };

static char words[WORDS_MAX][WORD_BYTES];
static int count;

bool search_open(const char *path) {
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return false;
	for (count = 0; count < WORDS_MAX && fgets(words[count], WORD_BYTES, file) != NULL; count++)
		words[count][strcspn(words[count], "\n")] = 0;
	fclose(file);
	return true;
}

static int by_name(const void *a, const void *b) {
	return strcmp(a, b);
}

int search_find(const char *word) {
	const void *found = bsearch(word, words, (size_t)count, WORD_BYTES, by_name);
	return found != NULL ? (int)(((const char *)found - words[0]) / WORD_BYTES) : -1;
}
