/* Finds the server's address and the prefix of its subjects. */
#include "connection.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/text.h"

static char *trimmed(struct slice text) {
	while (text.length > 0 && isspace((unsigned char)text.bytes[0])) {
		text.bytes++;
		text.length--;
	}
	while (text.length > 0 && isspace((unsigned char)text.bytes[text.length - 1]))
		text.length--;
	char quote = text.length >= 2 ? text.bytes[0] : 0;
	if ((quote == '"' || quote == '\'') && text.bytes[text.length - 1] == quote) {
		text.bytes++;
		text.length -= 2;
	}
	return slice_copy(text);
}

/* A setting from the environment, or from the file that <NAME>_FILE names; *field is NULL when neither is set. A file that
 * says nothing is refused: with a default in its place, another installation would be talked to. */
static enum status environment(const char *name, char **field, struct error *err) {
	const char *value = getenv(name);
	*field = NULL;
	if (value != NULL && *value != 0) {
		*field = memory_copy(value, strlen(value));
		return STATUS_OK;
	}
	char file_name[64];
	snprintf(file_name, sizeof file_name, "%s_FILE", name);
	const char *path = getenv(file_name);
	if (path == NULL || *path == 0)
		return STATUS_OK;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return fail(err, STATUS_REJECT, "%s: cannot read %.200s: %s", file_name, path, strerror(errno));
	char line[1024];
	*field = fgets(line, sizeof line, file) != NULL ? trimmed(slice_of(line)) : NULL;
	fclose(file);
	if (*field == NULL || **field == 0)
		return fail(err, STATUS_REJECT, "%s: %.200s holds nothing that can be read", file_name, path);
	return STATUS_OK;
}

static void take(char **field, const char *line, const char *name) {
	size_t length = strlen(name);
	if (*field == NULL && strncmp(line, name, length) == 0 && line[length] == '=')
		*field = trimmed(slice_of(line + length + 1));
}

/* Lines NAME=value, as `corder up` writes them and a shell can source them. */
static bool read_env_file(const char *path, struct connection *connection) {
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return false;
	char line[2048];
	while (fgets(line, sizeof line, file) != NULL) {
		const char *text = strncmp(line, "export ", 7) == 0 ? line + 7 : line;
		take(&connection->url, text, "NATS_URL");
		take(&connection->prefix, text, "CORDER_PREFIX");
		take(&connection->redis, text, "REDIS_URL");
		take(&connection->database, text, "DATABASE_URL");
	}
	fclose(file);
	return connection->url != NULL;
}

static bool find_above(struct connection *connection) {
	char folder[PATH_MAX];
	if (getcwd(folder, sizeof folder) == NULL)
		return false;
	for (;;) {
		char path[PATH_MAX + 16];
		snprintf(path, sizeof path, "%s/.corder/env", strcmp(folder, "/") == 0 ? "" : folder);
		if (read_env_file(path, connection))
			return true;
		char *slash = strrchr(folder, '/');
		if (slash == NULL || folder[1] == 0)
			return false;
		slash[slash == folder ? 1 : 0] = 0;
	}
}

static enum status find_url(const char *nats, const char *dir, struct connection *connection, struct error *err) {
	if (nats != NULL) {
		connection->url = memory_copy(nats, strlen(nats));
		connection->found = "--nats";
		return STATUS_OK;
	}
	if (dir != NULL) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "%s/env", dir);
		connection->found = "--dir";
		if (read_env_file(path, connection))
			return STATUS_OK;
		return fail(err, STATUS_REJECT, "%.200s holds no NATS_URL; start a stack there with: corder up --dir %.200s",
		            path, dir);
	}
	enum status status = environment("NATS_URL", &connection->url, err);
	connection->found = "NATS_URL";
	if (status != STATUS_OK || connection->url != NULL)
		return status;
	connection->found = ".corder/env";
	if (find_above(connection))
		return STATUS_OK;
	connection->found = "the default";
	connection->url = memory_copy("nats://127.0.0.1:4222", 21);
	return STATUS_OK;
}

/* The prefix becomes part of every subject: one or more tokens with dots between. */
static bool is_prefix(const char *text) {
	struct slice rest = slice_of(text);
	while (rest.bytes != NULL)
		if (!id_is_token(slice_cut(&rest, '.')))
			return false;
	return true;
}

enum status connection_find(const char *nats, const char *dir, struct connection *connection, struct error *err) {
	*connection = (struct connection){ 0 };
	enum status status = environment("CORDER_PREFIX", &connection->prefix, err);
	if (status == STATUS_OK && environment("REDIS_URL", &connection->redis, &connection->unread) == STATUS_OK)
		environment("DATABASE_URL", &connection->database, &connection->unread);
	if (status == STATUS_OK)
		status = find_url(nats, dir, connection, err);
	if (status != STATUS_OK)
		return status;
	if (connection->prefix == NULL)
		connection->prefix = memory_copy("corder", 6);
	if (!is_prefix(connection->prefix))
		return fail(err, STATUS_REJECT, "CORDER_PREFIX is no token: letters, digits, '_' and '-' only");
	return STATUS_OK;
}

void connection_release(struct connection *connection) {
	free(connection->url);
	free(connection->prefix);
	free(connection->redis);
	free(connection->database);
	*connection = (struct connection){ 0 };
}

char *connection_masked(const char *url) {
	struct text out = { 0 };
	const char *start = strstr(url, "://");
	start = start != NULL ? start + 3 : url;
	const char *at = strrchr(start, '@');
	text_append(&out, url, (size_t)(start - url));
	text_add(&out, at != NULL ? at + 1 : start);
	return text_take(&out);
}
