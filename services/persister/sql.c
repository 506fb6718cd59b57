/* SQL literals; see sql.h. Most of a packet is written here, so that times are put together from digits and remembered. */
#include "sql.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/db/db.h"

enum { SECOND_US = 1000000, SECOND_CHARS = 20 /* 'YYYY-MM-DD hh:mm:ss */ };

/* Neighbouring events fall into the same second more often than not. */
void sql_time(struct text *sql, int64_t at_us) {
	static int64_t known_second = -1;
	static char known[SECOND_CHARS + 8];
	char out[CLOCK_TEXT_BYTES];
	int64_t second = at_us / SECOND_US;
	if (second != known_second) {
		clock_format(second * SECOND_US, out);
		out[10] = ' ';
		known[0] = '\'';
		memcpy(known + 1, out, SECOND_CHARS - 1);
		known_second = second;
	}
	char literal[SECOND_CHARS + 8];
	memcpy(literal, known, SECOND_CHARS);
	literal[SECOND_CHARS] = '.';
	int64_t rest = at_us - second * SECOND_US;
	for (int i = 6; i >= 1; i--, rest /= 10)
		literal[SECOND_CHARS + i] = (char)('0' + rest % 10);
	literal[SECOND_CHARS + 7] = '\'';
	text_append(sql, literal, sizeof(literal));
}

void sql_text(struct text *sql, struct slice value) {
	db_quote(sql, value.bytes ? value : (struct slice){ "", 0 });
}

void sql_id(struct text *sql, struct slice id) {
	enum { MOST = 140 };
	char literal[MOST + 2];
	if (id.length > MOST) {
		sql_text(sql, id);
		return;
	}
	literal[0] = '\'';
	for (size_t i = 0; i < id.length; i++) {
		char c = id.bytes[i];
		if (c == '\'' || c == '\\' || c == 0) {
			sql_text(sql, id);
			return;
		}
		literal[i + 1] = c;
	}
	literal[id.length + 1] = '\'';
	text_append(sql, literal, id.length + 2);
}

/* ---- JSON string bodies ---- */

static void add_utf8(struct text *out, unsigned code) {
	char bytes[4];
	size_t length = 0;
	if (code < 0x80) {
		bytes[length++] = (char)code;
	} else if (code < 0x800) {
		bytes[length++] = (char)(0xC0 | code >> 6);
	} else if (code < 0x10000) {
		bytes[length++] = (char)(0xE0 | code >> 12);
		bytes[length++] = (char)(0x80 | (code >> 6 & 0x3F));
	} else {
		bytes[length++] = (char)(0xF0 | code >> 18);
		bytes[length++] = (char)(0x80 | (code >> 12 & 0x3F));
		bytes[length++] = (char)(0x80 | (code >> 6 & 0x3F));
	}
	if (code >= 0x80)
		bytes[length++] = (char)(0x80 | (code & 0x3F));
	text_append(out, bytes, length);
}

/* The four hex digits at `at`; REPLACEMENT when there are none. */
static unsigned hex4(struct slice body, size_t at) {
	enum { REPLACEMENT = 0xFFFD };
	unsigned code = 0;
	if (at + 4 > body.length)
		return REPLACEMENT;
	for (size_t i = at; i < at + 4; i++) {
		char c = body.bytes[i];
		const char *digits = "0123456789abcdef";
		const char *found = memchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c, 16);
		if (!found)
			return REPLACEMENT;
		code = code * 16 + (unsigned)(found - digits);
	}
	return code;
}

/* Reads the escape whose backslash stands at `at`; returns its length. Half a surrogate pair becomes U+FFFD. */
static size_t unescape(struct text *out, struct slice body, size_t at) {
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	char name = at + 1 < body.length ? body.bytes[at + 1] : '\\';
	const char *known = memchr(names, name, sizeof(names) - 1);
	if (name != 'u') {
		text_add_char(out, known ? values[known - names] : name);
		return 2;
	}
	unsigned code = hex4(body, at + 2);
	if (code < 0xD800 || code > 0xDFFF) {
		add_utf8(out, code);
		return 6;
	}
	bool paired = code < 0xDC00 && at + 8 <= body.length && body.bytes[at + 6] == '\\' && body.bytes[at + 7] == 'u';
	unsigned low = paired ? hex4(body, at + 8) : 0;
	if (low < 0xDC00 || low > 0xDFFF) {
		add_utf8(out, 0xFFFD);
		return 6;
	}
	add_utf8(out, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
	return 12;
}

void json_body_text(struct text *out, struct slice body) {
	for (size_t at = 0; at < body.length;) {
		if (body.bytes[at] == '\\') {
			at += unescape(out, body, at);
			continue;
		}
		text_add_char(out, body.bytes[at++]);
	}
}
