/* Quoting: pure, so that whoever only builds SQL links no client library. */
#include "db.h"

void db_quote(struct text *sql, struct slice value) {
	if (!value.bytes) {
		text_append(sql, "NULL", 4);
		return;
	}
	text_add_char(sql, '\'');
	const char *run = value.bytes;
	const char *end = value.bytes + value.length;
	for (const char *at = run; at < end; at++) {
		if (*at != '\'' && *at != '\\' && *at != 0)
			continue;
		text_append(sql, run, (size_t)(at - run));
		text_append(sql, *at == 0 ? "\\0" : *at == '\'' ? "\\'" : "\\\\", 2);
		run = at + 1;
	}
	text_append(sql, run, (size_t)(end - run));
	text_add_char(sql, '\'');
}
