/* The text of a place: the numbers, parted by dots; `-` where a partition was not begun. */
#include "pages.h"

void page_start(struct page *page, size_t partitions) {
	page->partitions = partitions < PAGES_PARTITIONS ? partitions : PAGES_PARTITIONS;
	for (size_t i = 0; i < page->partitions; i++)
		page->below[i] = INT64_MAX;
}

static bool parse_number(struct slice text, int64_t *number) {
	if (slice_is(text, "-"))
		return true;
	*number = slice_int(text, -1);
	return *number >= 0 && text.length > 0 && text.bytes[0] != '+';
}

bool page_parse(struct page *page, size_t partitions, struct slice text) {
	page_start(page, partitions);
	size_t i = 0;
	while (text.bytes != NULL && i < page->partitions)
		if (!parse_number(slice_cut(&text, '.'), &page->below[i++]))
			return false;
	return text.bytes == NULL && i == page->partitions;
}

void page_add(struct text *out, const struct page *page) {
	for (size_t i = 0; i < page->partitions; i++) {
		if (i > 0)
			text_add_char(out, '.');
		if (page->below[i] == INT64_MAX)
			text_add_char(out, '-');
		else
			text_add_int(out, page->below[i]);
	}
}

void page_end_reply(struct text *out, const struct page *page, bool more) {
	text_add(out, more ? "],\"next\":\"" : "],\"next\":null}");
	if (!more)
		return;
	page_add(out, page);
	text_add(out, "\"}");
}
