/* Keyset paging over partitions: a page ends at a place, not at an offset, so that what arrives meanwhile moves nothing.
 * The place is one number a partition: the rows below it are still to come. `next` of a reply is its text. Pure. */
#ifndef CORDER_MONITOR_PAGES_H
#define CORDER_MONITOR_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"

#define PAGES_PARTITIONS 64 /* so many a list goes over at most */

struct page {
	size_t partitions;
	int64_t below[PAGES_PARTITIONS]; /* task numbers; INT64_MAX: from the newest */
};

void page_start(struct page *page, size_t partitions);
/* Reads what page_add wrote; false when it is none, or one of another number of partitions. */
bool page_parse(struct page *page, size_t partitions, struct slice text);
void page_add(struct text *out, const struct page *page); /* without quotes */
/* The end of a reply: ],"next":…} with null when there is no more. */
void page_end_reply(struct text *out, const struct page *page, bool more);

#endif
