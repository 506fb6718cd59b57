/* Options as rows: a table says what a command takes, one parser fills the command's struct from it, and --help is
 * printed from the same table. */
#ifndef CORDER_CLI_OPTIONS_H
#define CORDER_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../shared/base/error.h"
#include "../../shared/base/text.h"

enum option_kind {
	OPTION_FLAG,   /* bool */
	OPTION_TEXT,   /* const char * */
	OPTION_LIST,   /* const char *: given several times, the values are joined by ',' */
	OPTION_INT,    /* int64_t, from least to most */
	OPTION_NUMBER, /* double, from least to most */
};

struct option_row {
	const char *name; /* "project" is --project */
	char letter;      /* 'p' is -p; 0: none */
	enum option_kind kind;
	size_t offset;     /* of the field in the command's struct */
	const char *value; /* how --help names the value; NULL for a flag */
	const char *what;  /* one line */
	int64_t least, most;
};

/* What is no option: words before a "--" and words after it. Borrows argv. */
struct arguments {
	char **words;
	size_t count;
	char **tail; /* after "--" */
	size_t tail_count;
	bool has_tail;
	char **joined; /* values of lists that came in several pieces; owned */
	size_t joined_count;
};

struct option_table {
	const struct option_row *rows;
	size_t count;
	void *values;
};

/* Reads the words of argv into the tables' values. Each table is looked at in turn. STATUS_REJECT: a wrong option. */
enum status options_parse(const struct option_table *tables, size_t table_count, int argc, char **argv,
                          struct arguments *arguments, struct error *err);
void arguments_release(struct arguments *arguments); /* what the options' values borrow goes too, not argv */
void options_help(const struct option_row *rows, size_t count, struct text *out);

/* The name among `names` that was probably meant, or NULL. */
const char *options_nearest(const char *word, const char *const *names, size_t count);

#endif
