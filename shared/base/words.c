/* See words.h. */
#include "words.h"

#include <stdlib.h>

#include "memory.h"

void words_end(struct words *words) {
	if (words->count == words->room) {
		words->room = words->room > 0 ? 2 * words->room : 64;
		words->ends = memory_resize(words->ends, words->room, sizeof(*words->ends));
	}
	words->ends[words->count++] = words->bytes.length;
}

void words_add(struct words *words, struct slice word) {
	text_add_slice(&words->bytes, word);
	words_end(words);
}

void words_clear(struct words *words) {
	text_clear(&words->bytes);
	words->count = 0;
}

void words_release(struct words *words) {
	text_release(&words->bytes);
	free(words->ends);
	*words = (struct words){ 0 };
}

void words_slices(const struct words *words, struct slice *out) {
	for (size_t i = 0, start = 0; i < words->count; start = words->ends[i++])
		out[i] = (struct slice){ words->bytes.bytes + start, words->ends[i] - start };
}
