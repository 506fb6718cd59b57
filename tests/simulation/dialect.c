/* MariaDB's SQL for SQLite: literals, upserts, enumerations by number, a handful of functions. It knows what the services
 * write, no more; what it does not know fails as an error of the database, which is a violation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "world.h"

/* ---- functions ---- */

static void utc_timestamp(sqlite3_context *context, int count, sqlite3_value **values) {
	char text[CLOCK_TEXT_BYTES];
	(void)count;
	(void)values;
	clock_format(world_wall_us(), text);
	text[10] = ' ';
	text[26] = '\0';
	sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

/* In microseconds: what multiplies it by a million is left out of the text. */
static void unix_timestamp(sqlite3_context *context, int count, sqlite3_value **values) {
	char text[CLOCK_TEXT_BYTES];
	int64_t at_us;
	(void)count;
	if (sqlite3_value_type(values[0]) == SQLITE_NULL)
		return;
	snprintf(text, sizeof(text), "%sZ", (const char *)sqlite3_value_text(values[0]));
	text[10] = 'T';
	must(clock_parse(text, strlen(text), &at_us));
	sqlite3_result_int64(context, at_us);
}

/* ELT(status, …): the place of the word in its enumeration picks the argument. */
static const char *const statuses[] = { "blocked",   "pending", "running",  "retry", "completed", "failed",
	                                    "cancelled", "skipped", "rejected", "queue", "graph",     "graph_done" };

static void elt(sqlite3_context *context, int count, sqlite3_value **values) {
	const char *word = (const char *)sqlite3_value_text(values[0]);
	for (int i = 0; word && i + 1 < count; i++)
		if (strcmp(word, statuses[i]) == 0)
			sqlite3_result_value(context, values[i + 1]);
}

static void concat_with(sqlite3_context *context, const char *separator, int count, sqlite3_value **values) {
	struct text out = { 0 };
	for (int i = 0; i < count; i++) {
		if (i > 0)
			text_add(&out, separator);
		const char *text = (const char *)sqlite3_value_text(values[i]);
		text_add(&out, text ? text : "");
	}
	sqlite3_result_text(context, out.bytes ? out.bytes : "", -1, SQLITE_TRANSIENT);
	text_release(&out);
}

static void concat(sqlite3_context *context, int count, sqlite3_value **values) {
	concat_with(context, "", count, values);
}

static void concat_ws(sqlite3_context *context, int count, sqlite3_value **values) {
	concat_with(context, (const char *)sqlite3_value_text(values[0]), count - 1, values + 1);
}

static void one(sqlite3_context *context, int count, sqlite3_value **values) {
	(void)count;
	(void)values;
	sqlite3_result_int(context, 1);
}

static void find_in_set(sqlite3_context *context, int count, sqlite3_value **values) {
	struct slice rest = slice_of((const char *)sqlite3_value_text(values[1]));
	int place = 0, found = 0;
	(void)count;
	while (rest.bytes && !found) {
		place++;
		if (slice_is(slice_cut(&rest, ','), (const char *)sqlite3_value_text(values[0])))
			found = place;
	}
	sqlite3_result_int(context, found);
}

void dialect_open(sqlite3 *database) {
	static const struct {
		const char *name;
		void (*run)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = { { "utc_timestamp", utc_timestamp },
		              { "unix_timestamp", unix_timestamp },
		              { "elt", elt },
		              { "concat", concat },
		              { "concat_ws", concat_ws },
		              { "get_lock", one },
		              { "release_lock", one },
		              { "database", one },
		              { "find_in_set", find_in_set } };
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		must(sqlite3_create_function(database, functions[i].name, -1, SQLITE_UTF8, NULL, functions[i].run, NULL,
		                             NULL) == SQLITE_OK);
}

/* ---- tables ---- */

static struct slice first_word(struct slice line) {
	while (line.length > 0 && (*line.bytes == ' ' || *line.bytes == '\t'))
		line.bytes++, line.length--;
	size_t length = 0;
	while (length < line.length && line.bytes[length] != ' ')
		length++;
	return (struct slice){ line.bytes, length };
}

static bool begins(struct slice line, const char *text) {
	return line.length >= strlen(text) && memcmp(line.bytes, text, strlen(text)) == 0;
}

/* A line of CREATE TABLE: a column keeps its name (and its default), a key its columns. */
static void add_table_line(struct text *sql, struct slice line, bool *first) {
	struct slice word = first_word(line);
	struct slice rest = { word.bytes, line.length - (size_t)(word.bytes - line.bytes) };
	if (word.length == 0 || begins(rest, "--") || begins(rest, "KEY ") || begins(rest, "COMMENT") ||
	    begins(rest, "'") || begins(rest, "actual_duration"))
		return;
	if (begins(rest, "CREATE TABLE")) {
		text_add_slice(sql, rest);
		*first = true;
		return;
	}
	if (begins(rest, ")")) {
		text_add(sql, ");\n");
		return;
	}
	text_add(sql, *first ? "" : ",");
	*first = false;
	if (!begins(rest, "PRIMARY KEY") && !begins(rest, "UNIQUE KEY")) {
		text_add_slice(sql, word);
		const char *initial = memmem(rest.bytes, rest.length, "DEFAULT ''", 10);
		const char *zero = memmem(rest.bytes, rest.length, "DEFAULT 0", 9);
		text_add(sql, initial ? " DEFAULT ''" : zero ? " DEFAULT 0" : "");
		return;
	}
	const char *open = memchr(rest.bytes, '(', rest.length), *close = memchr(rest.bytes, ')', rest.length);
	text_add(sql, begins(rest, "PRIMARY") ? "PRIMARY KEY" : "UNIQUE");
	text_append(sql, open, (size_t)(close - open) + 1);
}

static void add_column(struct text *sql, struct slice table, struct slice line) {
	static const char phrase[] = "\tADD COLUMN /*M! IF NOT EXISTS */ ";
	if (!begins(line, phrase))
		return;
	struct slice rest = { line.bytes + sizeof(phrase) - 1, line.length - sizeof(phrase) + 1 };
	struct slice name = slice_cut(&rest, ' ');
	text_printf(sql, "%.*s ADD COLUMN %.*s DEFAULT '';\n", (int)table.length, table.bytes, (int)name.length,
	            name.bytes);
}

void dialect_tables(struct slice migration, struct text *sql) {
	bool first = true, altering = false;
	struct slice table = { NULL, 0 };
	while (migration.bytes) {
		struct slice line = slice_cut(&migration, '\n');
		if (begins(line, "ALTER TABLE")) {
			altering = true;
			table = line;
		}
		if (!altering)
			add_table_line(sql, line, &first);
		else
			add_column(sql, table, line); /* of keys, types and defaults there are none here */
		if (altering && line.length > 0 && line.bytes[line.length - 1] == ';')
			altering = false;
	}
}

/* ---- statements ---- */

static const struct {
	const char *text, *instead;
} phrases[] = {
	{ "ON DUPLICATE KEY UPDATE", " ON CONFLICT DO UPDATE SET " },
	{ ")*1000000 AS SIGNED)", ") AS INTEGER)" },
	{ "AS SIGNED)", "AS INTEGER)" },
	{ "ELT(status+0,", "ELT(status," },
	{ "VALUES(", "excluded.(" }, /* in an update; see below */
	{ ",_binary'", ",'" },
	{ "IF(", "iif(" },
	{ "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',", "unix_timestamp(" },
};

/* 'text' with backslashes becomes 'text' with doubled quotes. Returns what lies behind it. */
static const char *add_literal(struct text *sql, const char *at, const char *end) {
	text_add_char(sql, '\'');
	for (at++; at < end && *at != '\''; at++) {
		if (*at == '\\')
			at++;
		if (*at == '\'')
			text_add_char(sql, '\'');
		text_add_char(sql, *at);
	}
	text_add_char(sql, '\'');
	return at + 1;
}

static bool is_name(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

/* VALUES(column) is excluded.column. */
static const char *add_excluded(struct text *sql, const char *at) {
	at += strlen("VALUES(");
	const char *close = strchr(at, ')');
	text_add(sql, "excluded.");
	text_append(sql, at, (size_t)(close - at));
	text_add_char(sql, ' ');
	return close + 1;
}

static const char *add_phrase(struct text *sql, const char *at, const char *end, bool *updates) {
	if (!strchr("O)AEV,IT", *at)) /* with which they begin */
		return NULL;
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		size_t length = strlen(phrases[i].text);
		if ((size_t)(end - at) < length || memcmp(at, phrases[i].text, length) != 0)
			continue;
		if (strcmp(phrases[i].text, "VALUES(") == 0) {
			if (!*updates)
				continue;
			return add_excluded(sql, at);
		}
		if (strcmp(phrases[i].text, "IF(") == 0 && sql->length > 0 && is_name(sql->bytes[sql->length - 1]))
			continue;
		*updates = *updates || phrases[i].text[0] == 'O';
		text_add(sql, phrases[i].instead);
		return at + length - (phrases[i].text[1] == '_');
	}
	return NULL;
}

/* Which of a row's cells are enumerations given by number: the places of `status` and `previous` in the list of columns. */
struct columns {
	size_t status, previous;
};

static struct columns find_columns(struct slice head) {
	struct columns found = { SIZE_MAX, SIZE_MAX };
	const char *open = memchr(head.bytes, '(', head.length);
	struct slice rest = { open ? open + 1 : NULL, open ? head.length - (size_t)(open + 1 - head.bytes) : 0 };
	for (size_t i = 0; rest.bytes; i++) {
		struct slice name = slice_cut(&rest, ',');
		if (slice_is(name, "status"))
			found.status = i;
		if (slice_is(name, "previous"))
			found.previous = i;
	}
	return found;
}

static const char *add_cell(struct text *sql, const char *at, const char *end, bool is_status) {
	if (*at == '\'')
		return add_literal(sql, at, end);
	if (is_status && *at >= '0' && *at <= '9') {
		long place = strtol(at, NULL, 10);
		text_printf(sql, "'%s'", place >= 1 && place <= 12 ? statuses[place - 1] : "?");
		while (*at >= '0' && *at <= '9')
			at++;
		return at;
	}
	for (int depth = 0; at < end && (depth > 0 || (*at != ',' && *at != ')')); at++) {
		depth += (*at == '(') - (*at == ')');
		text_add_char(sql, *at);
	}
	return at;
}

/* The rows of an INSERT, from the first '(' on; returns what lies behind them. */
static const char *add_rows(struct text *sql, const char *at, const char *end, struct columns columns) {
	while (at < end && *at == '(') {
		text_add_char(sql, *at++);
		for (size_t i = 0; at < end && *at != ')'; i++) {
			if (i > 0)
				text_add_char(sql, *at++);
			if (end - at > 8 && memcmp(at, "_binary'", 8) == 0)
				at += 7;
			at = add_cell(sql, at, end, i == columns.status || i == columns.previous);
		}
		text_add_char(sql, *at++);
		if (at < end && *at == ',')
			text_add_char(sql, *at++);
	}
	return at;
}

/* Where the statement that begins at `at` ends. */
static const char *statement_end(const char *at, const char *end) {
	for (bool quoted = false; at < end; at++) {
		if (quoted && *at == '\\')
			at++;
		else if (*at == '\'')
			quoted = !quoted;
		else if (*at == ';' && !quoted)
			break;
	}
	return at < end ? at : end;
}

bool dialect_next(struct slice *query, struct text *sql) {
	const char *at = query->bytes, *limit = query->bytes + query->length;
	while (at < limit && (*at == ';' || *at == '\n' || *at == ' '))
		at++;
	if (at >= limit)
		return false;
	const char *end = statement_end(at, limit);
	*query = (struct slice){ end, (size_t)(limit - end) };
	text_clear(sql);
	bool updates = false;
	const char *values = begins((struct slice){ at, (size_t)(end - at) }, "INSERT")
	                         ? memmem(at, (size_t)(end - at), ")VALUES(", 8)
	                         : NULL;
	if (values) {
		struct slice head = { at, (size_t)(values - at) };
		text_append(sql, at, (size_t)(values + 7 - at));
		at = add_rows(sql, values + 7, end, find_columns(head));
	}
	while (at < end) {
		const char *behind = *at == '\'' ? add_literal(sql, at, end) : add_phrase(sql, at, end, &updates);
		if (!behind) {
			text_add_char(sql, *at);
			behind = at + 1;
		}
		at = behind;
	}
	return true;
}

bool dialect_is_check(const struct text *sql) {
	return begins((struct slice){ sql->bytes, sql->length }, "SET @moved=");
}
