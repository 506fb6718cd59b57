/* Bytes that commands and people wrote, as the UTF-8 that messages must be. */
#ifndef CORDER_CLI_UTF8_H
#define CORDER_CLI_UTF8_H

#include "../../shared/base/text.h"

/* The length of the valid character at the front, or 0; NUL counts as none, because messages may not hold it. */
size_t utf8_character(struct slice text);
/* Appends a JSON string; what is no UTF-8 becomes U+FFFD. It takes at most most_bytes; false when that cut it. */
bool utf8_add_json(struct text *out, struct slice bytes, size_t most_bytes);

#endif
