/* One pass over the words of a message; see alike.h. */
#include "alike.h"

#include <ctype.h>
#include <string.h>

enum { HEX_MIN = 8, QUOTED_MAX = 400 };

static bool is_word(char c) {
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* "cart-17", "0x7f", "8f14e45fceea", "2026-11-23T10:00:00Z": a word with a digit stands for a thing where the digits begin,
 * and all of a hexadecimal one does. */
static bool is_hexadecimal(struct slice word) {
	bool digit = false;
	for (size_t i = 0; i < word.length; i++) {
		if (!isxdigit((unsigned char)word.bytes[i]))
			return false;
		digit = digit || isdigit((unsigned char)word.bytes[i]);
	}
	return digit && word.length >= HEX_MIN;
}

static void add_mark(struct text *out) {
	if (out->length == 0 || out->bytes[out->length - 1] != '#')
		text_add_char(out, '#');
}

static void add_word(struct text *out, struct slice word) {
	size_t at = 0;
	if (is_hexadecimal(word)) {
		add_mark(out);
		return;
	}
	while (at < word.length) {
		if (!isdigit((unsigned char)word.bytes[at])) {
			text_add_char(out, word.bytes[at++]);
			continue;
		}
		add_mark(out);
		while (at < word.length && isxdigit((unsigned char)word.bytes[at]))
			at++;
	}
}

/* A quote that opens before a word and is closed; an apostrophe within one is none. */
static size_t quoted_length(struct slice rest, char before) {
	char quote = rest.bytes[0];
	if ((quote != '"' && quote != '\'' && quote != '`') || is_word(before))
		return 0;
	size_t most = rest.length < QUOTED_MAX ? rest.length : QUOTED_MAX;
	const char *end = memchr(rest.bytes + 1, quote, most - 1);
	return end != NULL ? (size_t)(end - rest.bytes) + 1 : 0;
}

void alike_add(struct text *out, struct slice message) {
	size_t at = 0;
	while (at < message.length) {
		struct slice rest = { message.bytes + at, message.length - at };
		size_t quoted = quoted_length(rest, at > 0 ? message.bytes[at - 1] : ' '), word = 0;
		while (word < rest.length && is_word(rest.bytes[word]))
			word++;
		if (quoted > 0)
			add_mark(out);
		else if (word > 0)
			add_word(out, (struct slice){ rest.bytes, word });
		else
			text_add_char(out, *rest.bytes);
		at += quoted > 0 ? quoted : (word > 0 ? word : 1);
	}
}
