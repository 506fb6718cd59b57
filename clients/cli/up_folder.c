/* The data folder of `corder up`: its lock, the ports and passwords it keeps, the env file for other programs. All files
 * are for their owner alone. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/text.h"
#include "up_inside.h"

enum { SETTINGS_BYTES_MAX = 4096 };

char *up_path(const struct up *up, const char *format, ...) {
	char name[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	struct text path = { 0 };
	text_printf(&path, "%s/%s", up->dir, name);
	return text_take(&path);
}

enum status up_folder_make(const struct up *up, const char *name, struct error *err) {
	char *path = up_path(up, "%s", name);
	bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
	int why = errno;
	free(path);
	return made ? STATUS_OK : fail(err, STATUS_RETRY, "cannot make the folder %s/%s: %s", up->dir, name, strerror(why));
}

static bool write_all(int fd, const char *bytes, size_t length) {
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		length -= (size_t)written;
	}
	return true;
}

enum status up_write(const struct up *up, const char *name, const char *content, struct error *err) {
	char *path = up_path(up, "%s", name);
	char *fresh = up_path(up, "%s.new", name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool done = fd >= 0 && write_all(fd, content, strlen(content));
	if (fd >= 0 && close(fd) != 0)
		done = false;
	if (done)
		done = rename(fresh, path) == 0;
	int why = errno;
	free(fresh);
	free(path);
	return done ? STATUS_OK : fail(err, STATUS_RETRY, "cannot write %s/%s: %s", up->dir, name, strerror(why));
}

/* The pid of whoever has the lock stands in the file. */
static enum status lock(struct up *up, struct error *err) {
	char *path = up_path(up, "lock");
	up->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (up->lock_fd < 0)
		return fail(err, STATUS_RETRY, "cannot open %s/lock: %s", up->dir, strerror(errno));
	if (flock(up->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		char pid[32] = { 0 };
		ssize_t length = read(up->lock_fd, pid, sizeof(pid) - 1);
		pid[length > 0 ? strcspn(pid, "\n") : 0] = 0;
		return fail(err, STATUS_STALE, "corder up is already running on %s (process %s)", up->dir, pid);
	}
	char pid[32];
	int length = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(up->lock_fd, 0) != 0 || !write_all(up->lock_fd, pid, (size_t)length))
		return fail(err, STATUS_RETRY, "cannot write %s/lock: %s", up->dir, strerror(errno));
	return STATUS_OK;
}

static void make_password(char *out, size_t bytes) {
	snprintf(out, bytes, "%016" PRIx64 "%016" PRIx64, id_random(), id_random());
}

static void keep_line(struct up_kept *kept, struct slice name, struct slice value) {
	struct {
		const char *name;
		int64_t *number;
		char *text;
	} rows[] = {
		{ "nats_port", &kept->nats_port, NULL },          { "redis_port", &kept->redis_port, NULL },
		{ "mariadb_port", &kept->mariadb_port, NULL },    { "http_port", &kept->http_port, NULL },
		{ "redis_password", NULL, kept->redis_password }, { "database_password", NULL, kept->database_password },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!slice_is(name, rows[i].name))
			continue;
		if (rows[i].number != NULL)
			*rows[i].number = slice_int(value, 0);
		else if (value.length < sizeof(kept->redis_password))
			snprintf(rows[i].text, sizeof(kept->redis_password), "%.*s", (int)value.length, value.bytes);
	}
}

static void read_kept(struct up *up) {
	char *path = up_path(up, "settings");
	FILE *file = fopen(path, "re");
	free(path);
	if (file != NULL) {
		char content[SETTINGS_BYTES_MAX];
		size_t length = fread(content, 1, sizeof(content), file);
		fclose(file);
		struct slice rest = { content, length };
		while (rest.bytes != NULL) {
			struct slice value = slice_cut(&rest, '\n');
			struct slice name = slice_cut(&value, '=');
			if (value.bytes != NULL)
				keep_line(&up->kept, name, value);
		}
	}
	if (up->kept.redis_password[0] == 0)
		make_password(up->kept.redis_password, sizeof(up->kept.redis_password));
	if (up->kept.database_password[0] == 0)
		make_password(up->kept.database_password, sizeof(up->kept.database_password));
}

enum status up_keep(const struct up *up, struct error *err) {
	const struct up_kept *kept = &up->kept;
	struct text out = { 0 };
	text_printf(&out,
	            "nats_port=%" PRId64 "\nredis_port=%" PRId64 "\nmariadb_port=%" PRId64 "\nhttp_port=%" PRId64 "\n",
	            kept->nats_port, kept->redis_port, kept->mariadb_port, kept->http_port);
	text_printf(&out, "redis_password=%s\ndatabase_password=%s\n", kept->redis_password, kept->database_password);
	enum status status = up_write(up, "settings", out.bytes, err);
	text_release(&out);
	return status;
}

enum status up_folder_open(struct up *up, struct error *err) {
	if (mkdir(up->dir_option, 0700) != 0 && errno != EEXIST)
		return fail(err, STATUS_RETRY, "cannot make the folder %s: %s", up->dir_option, strerror(errno));
	up->dir = realpath(up->dir_option, NULL);
	if (up->dir == NULL)
		return fail(err, STATUS_RETRY, "cannot open the folder %s: %s", up->dir_option, strerror(errno));
	if (strpbrk(up->dir, "\"\\\n") != NULL)
		return fail(err, STATUS_REJECT, "the folder's name holds a quote, a backslash or a line break: %s", up->dir);
	enum status status = lock(up, err);
	if (status == STATUS_OK)
		status = up_folder_make(up, "logs", err);
	if (status == STATUS_OK)
		read_kept(up);
	return status;
}

enum status up_write_environment(const struct up *up, struct error *err) {
	struct text out = { 0 };
	text_printf(&out, "NATS_URL=%s\nREDIS_URL=%s\nDATABASE_URL=%s\n", up->nats_url, up->redis_url, up->database_url);
	if (!up->servers_only)
		text_printf(&out, "CORDER_HTTP=http://127.0.0.1:%" PRId64 "\n", up->kept.http_port);
	enum status status = up_write(up, "env", out.bytes, err);
	text_release(&out);
	return status;
}

void up_remove_environment(const struct up *up) {
	static const char *const names[] = { "env", "metrics.json" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = up_path(up, "%s", names[i]);
		unlink(path);
		free(path);
	}
}
