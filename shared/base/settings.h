/* Settings as rows: environment name, kind, place, default, least, most, one sentence. A name NAME_FILE in the
 * environment gives the path of a file that holds the value. A bad value, or an unknown CORDER_* name, stops the start
 * with the reason. --print-config prints them, secrets masked. */
#ifndef CORDER_BASE_SETTINGS_H
#define CORDER_BASE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "text.h"

/* A URL's password and a secret are masked when printed. */
enum setting_kind { SETTING_TEXT, SETTING_TOKEN, SETTING_INT, SETTING_BOOL, SETTING_URL, SETTING_SECRET };

struct setting {
	const char *name; /* CORDER_LEASE_MS */
	enum setting_kind kind;
	size_t offset;       /* of the field in the settings struct: const char * or int64_t (bool: int64_t 0/1) */
	const char *initial; /* the default, as text */
	int64_t least, most; /* of SETTING_INT; the characters of a SETTING_SECRET that is not empty: least */
	const char *unit;    /* "ms", "bytes", "tasks", "" */
	const char *what;    /* one sentence */
};

/* Reads all rows from the environment into *fields (a struct of the caller's; texts are owned by it for ever). */
enum status settings_read(const struct setting *rows, size_t count, void *fields, struct error *err);
/* Refuses CORDER_* names in the environment that stand in none of the tables. `tables` lists every known name of every
 * program, so that one environment file can serve all of them. */
enum status settings_check_unknown(const char *const *names, size_t count, struct error *err);
void settings_print(const struct setting *rows, size_t count, const void *fields, struct text *out);

#endif
