/* The parser of command lines: long and short options, --name=value, "--", and a guess at what was meant. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/memory.h"
#include "term.h"

struct parse {
	const struct option_table *tables;
	size_t table_count;
	int argc, at;
	char **argv;
	struct arguments *arguments;
};

static const struct option_row *find_row(const struct parse *parse, struct slice name, char letter, void **values) {
	for (size_t t = 0; t < parse->table_count; t++) {
		const struct option_table *table = &parse->tables[t];
		for (size_t i = 0; i < table->count; i++) {
			const struct option_row *row = &table->rows[i];
			if (letter != 0 ? row->letter == letter : slice_is(name, row->name)) {
				*values = table->values;
				return row;
			}
		}
	}
	return NULL;
}

static void set_list(struct arguments *arguments, char **field, char *value) {
	if (*field == NULL) {
		*field = value;
		return;
	}
	struct text joined = { 0 };
	text_printf(&joined, "%s,%s", *field, value);
	*field = text_take(&joined);
	arguments->joined = memory_resize(arguments->joined, arguments->joined_count + 1, sizeof(char *));
	arguments->joined[arguments->joined_count++] = *field;
}

void arguments_release(struct arguments *arguments) {
	for (size_t i = 0; i < arguments->joined_count; i++)
		free(arguments->joined[i]);
	free(arguments->joined);
	free(arguments->words);
	*arguments = (struct arguments){ 0 };
}

static enum status set_number(const struct option_row *row, double *field, const char *value, struct error *err) {
	char *end;
	errno = 0;
	double number = strtod(value, &end);
	if (end == value || *end != 0 || errno != 0 || !isfinite(number) || number < (double)row->least ||
	    number > (double)row->most)
		return fail(err, STATUS_REJECT, "--%s takes a number from %lld to %lld, not '%s'", row->name,
		            (long long)row->least, (long long)row->most, value);
	*field = number;
	return STATUS_OK;
}

static enum status set_int(const struct option_row *row, int64_t *field, const char *value, struct error *err) {
	char *end;
	errno = 0;
	long long number = strtoll(value, &end, 10);
	if (end == value || *end != 0 || errno != 0 || number < row->least || number > row->most)
		return fail(err, STATUS_REJECT, "--%s takes a whole number from %lld to %lld, not '%s'", row->name,
		            (long long)row->least, (long long)row->most, value);
	*field = number;
	return STATUS_OK;
}

static enum status set_value(const struct parse *parse, const struct option_row *row, void *values, char *value,
                             struct error *err) {
	char *field = (char *)values + row->offset;
	switch (row->kind) {
	case OPTION_FLAG: *(bool *)(void *)field = true; return STATUS_OK;
	case OPTION_TEXT: *(char **)(void *)field = value; return STATUS_OK;
	case OPTION_LIST: set_list(parse->arguments, (char **)(void *)field, value); return STATUS_OK;
	case OPTION_INT: return set_int(row, (int64_t *)(void *)field, value, err);
	case OPTION_NUMBER: return set_number(row, (double *)(void *)field, value, err);
	}
	return STATUS_OK;
}

static enum status unknown_option(const struct parse *parse, struct slice name, struct error *err) {
	const char *names[64];
	size_t count = 0;
	for (size_t t = 0; t < parse->table_count; t++)
		for (size_t i = 0; i < parse->tables[t].count && count < 64; i++)
			names[count++] = parse->tables[t].rows[i].name;
	char *word = slice_copy(name);
	const char *nearest = options_nearest(word, names, count);
	enum status status;
	if (nearest != NULL)
		status = fail(err, STATUS_REJECT, "unknown option --%.80s; did you mean --%s?", word, nearest);
	else
		status = fail(err, STATUS_REJECT, "unknown option --%.80s", word);
	free(word);
	return status;
}

/* The value of an option that needs one: what follows '=' or the letter, else the next word. */
static enum status take_value(struct parse *parse, const struct option_row *row, void *values, char *attached,
                              struct error *err) {
	if (row->kind == OPTION_FLAG && attached != NULL)
		return fail(err, STATUS_REJECT, "--%s takes no value", row->name);
	if (row->kind != OPTION_FLAG && attached == NULL) {
		if (parse->at + 1 >= parse->argc)
			return fail(err, STATUS_REJECT, "--%s needs a value: --%s %s", row->name, row->name, row->value);
		attached = parse->argv[++parse->at];
	}
	return set_value(parse, row, values, attached, err);
}

static enum status parse_long(struct parse *parse, char *word, struct error *err) {
	char *equals = strchr(word, '=');
	struct slice name = { word, equals != NULL ? (size_t)(equals - word) : strlen(word) };
	void *values = NULL;
	const struct option_row *row = find_row(parse, name, 0, &values);
	if (row == NULL)
		return unknown_option(parse, name, err);
	return take_value(parse, row, values, equals != NULL ? equals + 1 : NULL, err);
}

static enum status parse_letters(struct parse *parse, char *letters, struct error *err) {
	for (; *letters != 0; letters++) {
		void *values = NULL;
		const struct option_row *row = find_row(parse, (struct slice){ 0 }, *letters, &values);
		if (row == NULL)
			return fail(err, STATUS_REJECT, "unknown option -%c", *letters);
		if (row->kind != OPTION_FLAG)
			return take_value(parse, row, values, letters[1] != 0 ? letters + 1 : NULL, err);
		set_value(parse, row, values, NULL, err);
	}
	return STATUS_OK;
}

enum status options_parse(const struct option_table *tables, size_t table_count, int argc, char **argv,
                          struct arguments *arguments, struct error *err) {
	struct parse parse = { tables, table_count, argc, 0, argv, arguments };
	*arguments = (struct arguments){ .words = memory_array((size_t)argc + 1, sizeof(char *)) };
	for (; parse.at < argc; parse.at++) {
		char *word = argv[parse.at];
		enum status status = STATUS_OK;
		if (strcmp(word, "--") == 0) {
			arguments->has_tail = true;
			arguments->tail = argv + parse.at + 1;
			arguments->tail_count = (size_t)(argc - parse.at - 1);
			break;
		}
		if (strncmp(word, "--", 2) == 0)
			status = parse_long(&parse, word + 2, err);
		else if (word[0] == '-' && word[1] != 0)
			status = parse_letters(&parse, word + 1, err);
		else
			arguments->words[arguments->count++] = word;
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

void options_help(const struct option_row *rows, size_t count, struct text *out) {
	for (size_t i = 0; i < count; i++) {
		const struct option_row *row = &rows[i];
		size_t start = out->length;
		if (row->letter != 0)
			text_printf(out, "  -%c, --%s", row->letter, row->name);
		else
			text_printf(out, "      --%s", row->name);
		if (row->value != NULL)
			text_printf(out, " %s", row->value);
		size_t used = term_columns((struct slice){ out->bytes + start, out->length - start });
		if (used < 28)
			text_printf(out, "%*s", (int)(28 - used), "");
		else
			text_printf(out, "\n%28s", "");
		text_printf(out, "%s\n", row->what);
	}
}

/* Levenshtein's distance, rows of the matrix kept in one array; words are cut at 31 characters. */
static size_t distance(const char *a, const char *b) {
	size_t row[32];
	size_t b_length = strnlen(b, 31);
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= 31 && a[i - 1] != 0; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			size_t shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			row[j] = change < shorter ? change : shorter;
		}
	}
	return row[b_length];
}

const char *options_nearest(const char *word, const char *const *names, size_t count) {
	const char *best = NULL;
	for (size_t i = 0; i < count; i++)
		if (strlen(word) >= 3 && strncmp(word, names[i], strlen(word)) == 0)
			return names[i];
	size_t best_distance = strlen(word) <= 3 ? 2 : 3;
	for (size_t i = 0; i < count; i++) {
		size_t d = distance(word, names[i]);
		if (d < best_distance) {
			best_distance = d;
			best = names[i];
		}
	}
	return best;
}
