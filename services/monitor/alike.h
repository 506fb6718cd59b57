/* Error messages that say the same of different things, as one: what stands for a thing becomes `#`. Pure. */
#ifndef CORDER_MONITOR_ALIKE_H
#define CORDER_MONITOR_ALIKE_H

#include "shared/base/text.h"

/* Appends the message with its numbers, long hexadecimal ids, and quoted texts replaced. */
void alike_add(struct text *out, struct slice message);

#endif
