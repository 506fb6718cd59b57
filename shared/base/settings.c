/* Reading the environment into a settings struct, by its table of rows, and printing it back. */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "id.h"
#include "memory.h"

extern char **environ;

enum { FILE_MOST_BYTES = 65536 };

static enum status read_file(const char *name, const char *path, char **value, struct error *err) {
	FILE *file = fopen(path, "re");
	if (!file)
		return fail(err, STATUS_REJECT, "%s_FILE: cannot open %s: %s", name, path, strerror(errno));
	char *bytes = memory_new(FILE_MOST_BYTES + 1);
	size_t length = fread(bytes, 1, FILE_MOST_BYTES, file);
	int failed = ferror(file);
	fclose(file);
	while (length > 0 && strchr("\r\n", bytes[length - 1]))
		length--;
	bytes[length] = '\0';
	if (failed || length == FILE_MOST_BYTES || strlen(bytes) != length) {
		free(bytes);
		return fail(err, STATUS_REJECT, "%s_FILE: %s holds no text of at most %d bytes", name, path, FILE_MOST_BYTES);
	}
	*value = slice_copy((struct slice){ bytes, length });
	free(bytes);
	return STATUS_OK;
}

/* The value as text, a copy of the caller's: from NAME, else from the file that NAME_FILE names, else the default. */
static enum status find_value(const struct setting *row, char **value, struct error *err) {
	char file_name[128];
	snprintf(file_name, sizeof(file_name), "%s_FILE", row->name);
	const char *direct = getenv(row->name);
	const char *path = getenv(file_name);
	if (direct && path)
		return fail(err, STATUS_REJECT, "%s and %s are both set: keep one of them", row->name, file_name);
	if (path)
		return read_file(row->name, path, value, err);
	*value = slice_copy(slice_of(direct ? direct : row->initial ? row->initial : ""));
	return STATUS_OK;
}

static enum status parse_bool(const struct setting *row, const char *text, int64_t *value, struct error *err) {
	static const char *const yes[] = { "1", "true", "yes", "on" }, *const no[] = { "0", "false", "no", "off" };
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*value = strcmp(text, yes[i]) == 0;
			return STATUS_OK;
		}
	}
	return fail(err, STATUS_REJECT, "%s must be true or false, not \"%s\"", row->name, text);
}

static enum status parse_int(const struct setting *row, const char *text, int64_t *value, struct error *err) {
	int64_t number = slice_int(slice_of(text), INT64_MIN);
	if (number == INT64_MIN || number < row->least || number > row->most)
		return fail(err, STATUS_REJECT, "%s must be a whole number from %lld to %lld%s%s, not \"%s\"", row->name,
		            (long long)row->least, (long long)row->most, row->unit && *row->unit ? " " : "",
		            row->unit ? row->unit : "", text);
	*value = number;
	return STATUS_OK;
}

static void *field_of(const struct setting *row, void *fields) {
	return (char *)fields + row->offset;
}

static enum status read_row(const struct setting *row, void *fields, struct error *err) {
	char *value = NULL;
	enum status status = find_value(row, &value, err);
	if (status != STATUS_OK)
		return status;
	must(value);
	switch (row->kind) {
	case SETTING_INT: status = parse_int(row, value, field_of(row, fields), err); break;
	case SETTING_BOOL: status = parse_bool(row, value, field_of(row, fields), err); break;
	case SETTING_TOKEN:
		if (!id_is_token(slice_of(value)))
			status =
				fail(err, STATUS_REJECT, "%s must be 1 to 64 letters, digits, _ or -, not \"%s\"", row->name, value);
		/* fall through */
	case SETTING_SECRET:
		if (row->kind == SETTING_SECRET && *value != '\0' && strlen(value) < (size_t)row->least)
			status =
				fail(err, STATUS_REJECT, "%s must have %lld characters at least", row->name, (long long)row->least);
		/* fall through */
	case SETTING_TEXT:
	case SETTING_URL:
		if (status != STATUS_OK)
			break;
		memcpy(field_of(row, fields), &value, sizeof(value));
		return STATUS_OK;
	}
	free(value);
	return status;
}

enum status settings_read(const struct setting *rows, size_t count, void *fields, struct error *err) {
	for (size_t i = 0; i < count; i++) {
		enum status status = read_row(&rows[i], fields, err);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static bool is_known(struct slice name, const char *const *names, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (slice_is(name, names[i]))
			return true;
	return false;
}

/* How many leading characters of the name a known one shares with it: enough to point at most slips of the pen. */
static size_t likeness(struct slice name, const char *known) {
	size_t head = 0, tail = 0, length = strlen(known);
	size_t shorter = name.length < length ? name.length : length;
	while (head < shorter && name.bytes[head] == known[head])
		head++;
	while (tail + head < shorter && name.bytes[name.length - 1 - tail] == known[length - 1 - tail])
		tail++;
	return head + tail;
}

static const char *most_alike(struct slice name, const char *const *names, size_t count) {
	const char *best = NULL;
	size_t best_likeness = 0;
	for (size_t i = 0; i < count; i++) {
		size_t found = likeness(name, names[i]);
		size_t longer = strlen(names[i]) > name.length ? strlen(names[i]) : name.length;
		if (found > best_likeness && found + 3 >= longer) {
			best = names[i];
			best_likeness = found;
		}
	}
	return best;
}

enum status settings_check_unknown(const char *const *names, size_t count, struct error *err) {
	static const struct slice suffix = { "_FILE", 5 };
	for (char **entry = environ; *entry; entry++) {
		struct slice rest = slice_of(*entry);
		struct slice name = slice_cut(&rest, '=');
		if (name.length < 7 || strncmp(name.bytes, "CORDER_", 7) != 0 || is_known(name, names, count))
			continue;
#ifdef CORDER_TEETH
		if (slice_is(name, "CORDER_TEST_WITHOUT"))
			continue;
#endif
		struct slice end = { name.bytes + name.length - suffix.length, suffix.length };
		if (slice_equal(end, suffix) &&
		    is_known((struct slice){ name.bytes, name.length - suffix.length }, names, count))
			continue;
		const char *alike = most_alike(name, names, count);
		return fail(err, STATUS_REJECT, "%.*s is no setting of Corder%s%s%s", (int)name.length, name.bytes,
		            alike ? ": did you mean " : "", alike ? alike : "", alike ? "?" : "");
	}
	return STATUS_OK;
}

/* scheme://user:password@host becomes scheme://user:***@host. */
static void print_url(struct slice url, struct text *out) {
	const char *at = NULL;
	for (size_t i = 0; i < url.length; i++)
		if (url.bytes[i] == '@')
			at = url.bytes + i;
	if (!at) {
		text_add_slice(out, url);
		return;
	}
	const char *scheme_end = memmem(url.bytes, (size_t)(at - url.bytes), "://", 3);
	const char *user = scheme_end ? scheme_end + 3 : url.bytes;
	const char *colon = memchr(user, ':', (size_t)(at - user));
	/* nats://token@host has no user: all that stands before the host is the secret */
	bool is_token = strncmp(url.bytes, "nats:", 5) == 0 || strncmp(url.bytes, "tls:", 4) == 0;
	const char *secret = colon ? colon + 1 : is_token ? user : at;
	text_append(out, url.bytes, (size_t)(secret - url.bytes));
	if (secret < at)
		text_add(out, "***");
	text_append(out, at, url.length - (size_t)(at - url.bytes));
}

/* A list parts at commas before a scheme://; any other may stand in a password. */
static void print_urls(const char *value, struct text *out) {
	const char *start = value;
	for (const char *comma = strchr(value, ','); comma; comma = strchr(comma + 1, ',')) {
		const char *scheme = strstr(comma + 1, "://");
		const char *end = comma + 1 + strcspn(comma + 1, ",:/@?");
		if (scheme && end == scheme && scheme > comma + 1) {
			print_url((struct slice){ start, (size_t)(comma - start) }, out);
			text_add_char(out, ',');
			start = comma + 1;
		}
	}
	print_url(slice_of(start), out);
}

void settings_print(const struct setting *rows, size_t count, const void *fields, struct text *out) {
	for (size_t i = 0; i < count; i++) {
		const char *field = (const char *)fields + rows[i].offset;
		const char *value = NULL;
		int64_t number = 0;
		bool is_number = rows[i].kind == SETTING_INT || rows[i].kind == SETTING_BOOL;
		memcpy(is_number ? (void *)&number : (void *)&value, field, 8);
		text_printf(out, "%s=", rows[i].name);
		if (rows[i].kind == SETTING_INT)
			text_add_int(out, number);
		else if (rows[i].kind == SETTING_BOOL)
			text_add(out, number ? "true" : "false");
		else if (rows[i].kind == SETTING_URL)
			print_urls(value ? value : "", out);
		else if (rows[i].kind == SETTING_SECRET)
			text_add(out, value && *value ? "***" : "");
		else
			text_add(out, value ? value : "");
		text_add_char(out, '\n');
	}
}
