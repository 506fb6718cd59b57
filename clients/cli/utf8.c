/* UTF-8 of unknown origin. */
#include "utf8.h"

size_t utf8_character(struct slice text) {
	unsigned char first = (unsigned char)text.bytes[0];
	size_t length = first == 0     ? 0
	                : first < 0x80 ? 1
	                : first < 0xC2 ? 0
	                : first < 0xE0 ? 2
	                : first < 0xF0 ? 3
	                : first < 0xF5 ? 4
	                               : 0;
	if (length == 0 || length > text.length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if (((unsigned char)text.bytes[i] & 0xC0) != 0x80)
			return 0;
	unsigned char second = length > 1 ? (unsigned char)text.bytes[1] : 0;
	bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
	bool outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
	return overlong || outside ? 0 : length;
}

bool utf8_add_json(struct text *out, struct slice bytes, size_t most_bytes) {
	struct text clean = { 0 }, quoted = { 0 };
	while (bytes.length > 0) {
		size_t length = utf8_character(bytes);
		if (length > 0)
			text_append(&clean, bytes.bytes, length);
		else
			text_add(&clean, "\xEF\xBF\xBD");
		length = length > 0 ? length : 1;
		bytes.bytes += length;
		bytes.length -= length;
	}
	text_add_json(&quoted, (struct slice){ clean.bytes, clean.length });
	size_t keep = clean.length;
	while (quoted.length > most_bytes) {
		keep = keep > quoted.length - most_bytes ? keep - (quoted.length - most_bytes) : 0;
		while (keep > 0 && ((unsigned char)clean.bytes[keep] & 0xC0) == 0x80)
			keep--;
		text_clear(&quoted);
		text_add_json(&quoted, (struct slice){ clean.bytes, keep });
	}
	bool whole = keep == clean.length;
	text_append(out, quoted.bytes, quoted.length);
	text_release(&quoted);
	text_release(&clean);
	return whole;
}
