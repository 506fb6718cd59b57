/* Statements of SQLite's own, prepared once for all that differ in their literals only: parsing would cost more than they do. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "dict.h"
#include "shared/base/error.h"

enum { PARAMETERS_MOST = 8192, STATEMENTS_MOST = 1000 };

static struct dict statements; /* by their text */
static struct text shape;      /* the statement with a ? for each literal */

/* A literal of the statement at hand. */
static struct parameter {
	size_t start, length; /* in texts */
	long long number;
	bool is_number;
} parameters[PARAMETERS_MOST];
static size_t parameter_count;
static struct text texts;

static bool is_name(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || (c >= '0' && c <= '9');
}

static struct parameter *add_parameter(void) {
	must(parameter_count < PARAMETERS_MOST);
	struct parameter *parameter = &parameters[parameter_count++];
	*parameter = (struct parameter){ .start = texts.length };
	text_add_char(&shape, '?');
	return parameter;
}

/* 'text', in which a quote is written twice; returns what lies behind it. */
static const char *take_text(const char *at, const char *end) {
	struct parameter *parameter = add_parameter();
	for (at++; at < end; at++) {
		if (*at == '\'' && (++at == end || *at != '\''))
			break;
		text_add_char(&texts, *at);
	}
	parameter->length = texts.length - parameter->start;
	return at;
}

static const char *take_word(const char *at, const char *end) {
	const char *start = at;
	bool is_number = true;
	for (; at < end && is_name(*at); at++)
		is_number = is_number && *at >= '0' && *at <= '9';
	if (is_number && at - start < 19) {
		struct parameter *parameter = add_parameter();
		parameter->is_number = true;
		parameter->number = strtoll(start, NULL, 10);
	} else {
		text_append(&shape, start, (size_t)(at - start));
	}
	return at;
}

static void take_apart(const struct text *sql) {
	const char *at = sql->bytes, *end = sql->bytes + sql->length;
	text_clear(&shape);
	text_clear(&texts);
	parameter_count = 0;
	while (at < end) {
		if (*at == '\'')
			at = take_text(at, end);
		else if (is_name(*at))
			at = take_word(at, end);
		else
			text_add_char(&shape, *at++);
	}
}

static void forget_all(void) {
	size_t at = 0;
	for (const struct dict_item *item; (item = dict_next(&statements, &at));)
		sqlite3_finalize(item->object);
	dict_clear(&statements);
}

sqlite3_stmt *statement_for(sqlite3 *database, const struct text *sql, int *code) {
	bool is_new;
	take_apart(sql);
	if (statements.count >= STATEMENTS_MOST)
		forget_all();
	struct slice key = { shape.bytes, shape.length };
	struct dict_item *item = dict_put(&statements, key, &is_new);
	sqlite3_stmt *statement = item->object;
	*code = SQLITE_OK;
	if (is_new) {
		*code =
			sqlite3_prepare_v3(database, shape.bytes, (int)shape.length, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
		item->object = statement;
	}
	if (*code != SQLITE_OK || !statement) {
		dict_remove(&statements, key);
		return NULL;
	}
	for (size_t i = 0; i < parameter_count; i++) {
		const struct parameter *p = &parameters[i];
		*code = p->is_number ? sqlite3_bind_int64(statement, (int)i + 1, p->number)
		                     : sqlite3_bind_text(statement, (int)i + 1, texts.bytes ? texts.bytes + p->start : "",
		                                         (int)p->length, SQLITE_STATIC);
		must(*code == SQLITE_OK);
	}
	return statement;
}
