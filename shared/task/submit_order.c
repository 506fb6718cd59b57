#include "submit_order.h"

#include <stddef.h>

const char *const submit_order_words[] = { "score", "fifo", "critical_path", NULL };

enum submit_order submit_order_of(struct slice word) {
	for (int i = 0; submit_order_words[i] != NULL; i++)
		if (slice_is(word, submit_order_words[i]))
			return (enum submit_order)(SUBMIT_ORDER_SCORE + i);
	return SUBMIT_ORDER_UNSAID;
}

const char *submit_order_word(enum submit_order order) {
	return submit_order_words[order - SUBMIT_ORDER_SCORE];
}
