/* The environment: lines of NAME=value. What is taken lies within its limits; what is printed of it shows no password that the
 * URL's own parser finds; a name that is no setting is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/base/settings.h"
#include "shared/base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

extern char **environ;

struct fields {
	const char *url, *text, *token, *secret;
	int64_t number, flag;
};

static const struct setting rows[] = {
	{ "REDIS_URL", SETTING_URL, offsetof(struct fields, url), "redis://127.0.0.1:6379", 0, 0, "", "" },
	{ "CORDER_LOG_LEVEL", SETTING_TEXT, offsetof(struct fields, text), "info", 0, 0, "", "" },
	{ "CORDER_PREFIX", SETTING_TOKEN, offsetof(struct fields, token), "corder", 0, 0, "", "" },
	{ "CORDER_HTTP_TOKEN", SETTING_SECRET, offsetof(struct fields, secret), "", 0, 0, "", "" },
	{ "CORDER_LEASE_MS", SETTING_INT, offsetof(struct fields, number), "30000", 100, 86400000, "ms", "" },
	{ "CORDER_FLAG", SETTING_BOOL, offsetof(struct fields, flag), "false", 0, 0, "", "" },
};
enum { ROWS = sizeof(rows) / sizeof(*rows), LINES_MAX = 32 };

/* What a _FILE names is a file of ours that holds the value. */
static char *in_file(const char *name, size_t name_length, const char *value, int *fd) {
	char line[200];
	*fd = memfd_create("value", 0);
	must(*fd >= 0 && write(*fd, value, strlen(value)) == (ssize_t)strlen(value));
	snprintf(line, sizeof(line), "%.*s=/proc/self/fd/%d", (int)name_length, name, *fd);
	return memory_copy(line, strlen(line));
}

static void check_url(const char *value) {
	struct text printed = { 0 };
	struct url url;
	struct error err = { 0 };
	struct fields fields = { .url = value, .text = "", .token = "", .secret = "" };
	if (url_parse(value, &url, &err) != STATUS_OK) {
		must(strlen(value) < 8 || strstr(err.message, value) == NULL);
		return;
	}
	free(url_query(&url, "socket"));
	settings_print(rows, 1, &fields, &printed);
	if (*url.password != '\0' && strcmp(url.password, "***") != 0) {
		struct text secret = { 0 };
		text_printf(&secret, ":%s@", url.password);
		must(strstr(printed.bytes, secret.bytes) == NULL);
		text_release(&secret);
	}
	url_release(&url);
	text_release(&printed);
}

static void check(void) {
	static const char *const names[] = { "REDIS_URL",         "CORDER_LOG_LEVEL", "CORDER_PREFIX",
		                                 "CORDER_HTTP_TOKEN", "CORDER_LEASE_MS",  "CORDER_FLAG" };
	struct fields fields = { 0 };
	struct error err = { 0 };
	struct text out = { 0 };
	enum status status = settings_read(rows, ROWS, &fields, &err);
	if (status == STATUS_OK) {
		must(fields.number >= 100 && fields.number <= 86400000 && (fields.flag == 0 || fields.flag == 1));
		settings_print(rows, ROWS, &fields, &out);
		must(*fields.secret == '\0' || strstr(out.bytes, "CORDER_HTTP_TOKEN=***\n") != NULL);
		check_url(fields.url);
	} else {
		must(err.message[0] != '\0');
	}
	err = (struct error){ 0 };
	must(settings_check_unknown(names, ROWS, &err) == STATUS_OK || err.message[0] != '\0');
	free((char *)(uintptr_t)fields.url);
	free((char *)(uintptr_t)fields.text);
	free((char *)(uintptr_t)fields.token);
	free((char *)(uintptr_t)fields.secret);
	text_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
	char *lines[LINES_MAX + 1] = { NULL }, **former = environ;
	int files[LINES_MAX], file_count = 0;
	size_t count = 0;
	for (struct slice rest = { (const char *)bytes, length }; rest.bytes != NULL && count < LINES_MAX;) {
		struct slice line = slice_cut(&rest, '\n');
		struct slice value = line, name = slice_cut(&value, '=');
		if (memchr(line.bytes, '\0', line.length) != NULL || value.bytes == NULL || name.length > 100)
			continue;
		char *copy = slice_copy(line);
		if (name.length > 5 && memcmp(name.bytes + name.length - 5, "_FILE", 5) == 0) {
			lines[count++] = in_file(name.bytes, name.length, copy + name.length + 1, &files[file_count]);
			file_count++;
			free(copy);
		} else {
			lines[count++] = copy;
		}
	}
	environ = lines;
	check();
	environ = former;
	while (count > 0)
		free(lines[--count]);
	while (file_count > 0)
		close(files[--file_count]);
	return 0;
}
