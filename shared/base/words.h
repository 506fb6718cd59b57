/* Words written one after the other into one text, which moves as it grows: the arguments of a call. */
#ifndef CORDER_BASE_WORDS_H
#define CORDER_BASE_WORDS_H

#include "text.h"

struct words {
	struct text bytes; /* append to it, then words_end() */
	size_t *ends;
	size_t count, room;
};

void words_end(struct words *words); /* what was appended since the last one is a word */
void words_add(struct words *words, struct slice word);
void words_clear(struct words *words);
void words_release(struct words *words);
/* Writes words->count slices, which borrow the bytes until they grow. */
void words_slices(const struct words *words, struct slice *out);

#endif
