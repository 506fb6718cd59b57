/* Which of a batch's tasks of one priority goes first, as the contract says it. */
#ifndef CORDER_TASK_SUBMIT_ORDER_H
#define CORDER_TASK_SUBMIT_ORDER_H

#include "../base/text.h"

enum submit_order { SUBMIT_ORDER_UNSAID, SUBMIT_ORDER_SCORE, SUBMIT_ORDER_FIFO, SUBMIT_ORDER_CRITICAL_PATH };
/* The word of the contract; SUBMIT_ORDER_UNSAID for what is none. */
enum submit_order submit_order_of(struct slice word);
const char *submit_order_word(enum submit_order order); /* not of SUBMIT_ORDER_UNSAID */
extern const char *const submit_order_words[];          /* from SUBMIT_ORDER_SCORE on; ends with NULL */

#endif
