/* The three servers: their configuration files and command lines. Each listens on the loopback address alone, on a port
 * of its own, with its data in its own folder. A server whose URL stands in the environment is not ours to start. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../shared/base/text.h"
#include "up_inside.h"

/* Debian keeps servers in sbin, which is not on every user's PATH. */
static char *find_program(const char *name) {
	const char *path = getenv("PATH");
	struct text all = { 0 };
	text_printf(&all, "%s:/usr/local/sbin:/usr/sbin:/sbin", path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
	struct slice rest = { all.bytes, all.length };
	struct text found = { 0 };
	while (rest.bytes != NULL) {
		struct slice folder = slice_cut(&rest, ':');
		text_clear(&found);
		text_add_slice(&found, folder);
		text_printf(&found, "/%s", name);
		if (folder.length > 0 && access(found.bytes, X_OK) == 0)
			break;
		text_clear(&found);
	}
	text_release(&all);
	if (found.length > 0)
		return text_take(&found);
	text_release(&found);
	return NULL;
}

static enum status need_program(const char *name, const char *package, char **program, struct error *err) {
	*program = find_program(name);
	if (*program != NULL)
		return STATUS_OK;
	return fail(err, STATUS_REJECT, "%s is not installed; on Debian and Ubuntu: apt-get install %s", name, package);
}

static enum status write_text(const struct up *up, const char *name, struct text *content, struct error *err) {
	enum status status = up_write(up, name, content->bytes, err);
	text_release(content);
	return status;
}

/* What every server needs: its program, a port, a folder. */
static enum status make_room(const struct up *up, const char *name, const char *package, int64_t *port,
                             const char *folder, char **program, struct error *err) {
	enum status status = need_program(name, package, program, err);
	if (status == STATUS_OK)
		status = up_port_choose(port, 0, err);
	return status == STATUS_OK ? up_folder_make(up, folder, err) : status;
}

/* Go's watchdog thread asks to be woken every 20 us for as long as its program does anything, and takes a core from those who
 * wait for that. Its own figure for what it watches over, a goroutine that does not yield, is 10 ms (decision 0021). */
enum { GO_TIMER_SLACK_NS = 500000 };

static enum status add_nats(struct up *up, struct error *err) {
	char *program;
	enum status status = make_room(up, "nats-server", "nats-server", &up->kept.nats_port, "nats", &program, err);
	if (status != STATUS_OK)
		return status;
	struct text conf = { 0 };
	text_printf(&conf, "# Written by corder up at each start.\n");
	text_printf(&conf, "server_name: corder\nlisten: \"127.0.0.1:%" PRId64 "\"\n", up->kept.nats_port);
	text_printf(&conf, "jetstream { store_dir: \"%s/nats\" }\n", up->dir);
	status = write_text(up, "nats.conf", &conf, err);
	char *path = up_path(up, "nats.conf");
	struct up_process *process = up_process_add(up, "nats", UP_STAGE_SERVERS);
	process->argv = up_words(program, "--config", path, NULL);
	/* A collector in less of a hurry is a quarter less work, for some tens of MiB (decision 0016). Half of the cores: the other
	 * processes here need them, and a message that is handed from thread to thread waits for each of them (decision 0018). */
	char threads[32];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	snprintf(threads, sizeof(threads), "GOMAXPROCS=%ld", cores > 2 ? cores / 2 : 1);
	process->environment = up_words("GOGC=400", threads, NULL);
	process->timer_slack_ns = GO_TIMER_SLACK_NS;
	process->answers = up_nats_answers;
	process->port = (int)up->kept.nats_port;
	struct text url = { 0 };
	text_printf(&url, "nats://127.0.0.1:%" PRId64, up->kept.nats_port);
	up->nats_url = text_take(&url);
	free(path);
	free(program);
	return status;
}

/* Over it a message costs less than over TCP, and wakes its reader sooner. A path that is too long for a socket: none. */
static void name_redis_socket(struct up *up, struct text *conf) {
	char *path = up_path(up, "redis/redis.sock");
	struct text url = { 0 };
	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		text_printf(conf, "unixsocket \"%s\"\nunixsocketperm 700\n", path);
		text_printf(&url, "unix://default:%s@%s", up->kept.redis_password, path);
		up->redis_socket_url = text_take(&url);
	}
	free(path);
}

static enum status add_redis(struct up *up, struct error *err) {
	char *program;
	enum status status = make_room(up, "redis-server", "redis-server", &up->kept.redis_port, "redis", &program, err);
	if (status != STATUS_OK)
		return status;
	struct text conf = { 0 };
	text_printf(&conf, "# Written by corder up at each start.\nbind 127.0.0.1\nport %" PRId64 "\n",
	            up->kept.redis_port);
	text_printf(&conf, "dir \"%s/redis\"\nrequirepass %s\n", up->dir, up->kept.redis_password);
	name_redis_socket(up, &conf);
	text_add(&conf, "daemonize no\nappendonly yes\nappendfsync everysec\nsave \"\"\nmaxmemory-policy noeviction\n"
	                "auto-aof-rewrite-min-size 1gb\nauto-aof-rewrite-percentage 200\nrdbcompression no\n"
	                "latency-tracking no\n");
	status = write_text(up, "redis.conf", &conf, err);
	char *path = up_path(up, "redis.conf");
	struct up_process *process = up_process_add(up, "redis", UP_STAGE_SERVERS);
	process->argv = up_words(program, path, NULL);
	process->answers = up_redis_answers;
	process->port = (int)up->kept.redis_port;
	struct text url = { 0 };
	text_printf(&url, "redis://default:%s@127.0.0.1:%" PRId64, up->kept.redis_password, up->kept.redis_port);
	up->redis_url = text_take(&url);
	free(path);
	free(program);
	return status;
}

/* performance_schema and the binary log cost a third of the start and of the writes, and nobody here reads them. */
static enum status write_mariadb_files(const struct up *up, struct error *err) {
	struct text conf = { 0 };
	text_printf(&conf, "# Written by corder up at each start.\n[mariadbd]\ndatadir=\"%s/mariadb/data\"\n", up->dir);
	text_printf(&conf, "tmpdir=\"%s/mariadb/tmp\"\n", up->dir); /* in /tmp, a clean-up takes them from under it */
	text_printf(&conf, "bind-address=127.0.0.1\nport=%" PRId64 "\nsocket=mariadb.sock\n", up->kept.mariadb_port);
	text_printf(&conf, "init-file=\"%s/mariadb/init.sql\"\npid-file=mariadb.pid\n", up->dir);
	if (geteuid() == 0)
		text_add(&conf, "user=root\n");
	text_add(&conf, "innodb_flush_log_at_trx_commit=1\ninnodb_buffer_pool_size=256M\ninnodb_log_file_size=128M\n"
	                "performance_schema=OFF\nskip-log-bin\nskip-name-resolve\nmax_connections=200\n"
	                "max_allowed_packet=64M\ncharacter-set-server=utf8mb4\n");
	enum status status = write_text(up, "mariadb/my.cnf", &conf, err);
	if (status != STATUS_OK)
		return status;
	struct text sql = { 0 };
	text_add(&sql, "CREATE DATABASE IF NOT EXISTS corder CHARACTER SET utf8mb4;\n"
	               "CREATE USER IF NOT EXISTS 'corder'@'%';\n");
	text_printf(&sql, "ALTER USER 'corder'@'%%' IDENTIFIED BY '%s';\n", up->kept.database_password);
	text_add(&sql, "GRANT ALL PRIVILEGES ON corder.* TO 'corder'@'%';\n"
	               "DELETE FROM mysql.global_priv WHERE User = '';\nFLUSH PRIVILEGES;\n");
	return write_text(up, "mariadb/init.sql", &sql, err);
}

/* A half-made database has another name, so that the next start makes it anew. */
static enum status mariadb_prepared(const struct up *up, struct error *err) {
	char *fresh = up_path(up, "mariadb/data.new");
	char *path = up_path(up, "mariadb/data");
	bool done = rename(fresh, path) == 0;
	free(fresh);
	free(path);
	return done ? STATUS_OK : fail(err, STATUS_RETRY, "cannot rename %s/mariadb/data.new", up->dir);
}

/* The superuser of the new database is the user that starts it, through the socket alone; there is no root password.
 * --force: a machine whose host name nobody can look up gets its database too. */
static enum status prepare_mariadb(const struct up *up, struct up_process *process, struct error *err) {
	char *path = up_path(up, "mariadb/data");
	struct stat data;
	bool exists = stat(path, &data) == 0;
	free(path);
	if (exists)
		return STATUS_OK;
	char *program;
	enum status status = need_program("mariadb-install-db", "mariadb-server", &program, err);
	if (status != STATUS_OK)
		return status;
	const struct passwd *user = getpwuid(geteuid());
	char socket_user[128];
	snprintf(socket_user, sizeof(socket_user), "--auth-root-socket-user=%s", user != NULL ? user->pw_name : "root");
	path = up_path(up, "mariadb/data.new");
	struct text tmpdir = { 0 };
	text_printf(&tmpdir, "--tmpdir=%s/mariadb/tmp", up->dir);
	process->prepare = up_words("/bin/sh", "-c",
	                            "folder=$1 program=$2; shift 2; rm -rf -- \"$folder\" && "
	                            "exec \"$program\" --no-defaults --force --datadir=\"$folder\" \"$@\"",
	                            "sh", path, program, "--skip-test-db", "--auth-root-authentication-method=socket",
	                            socket_user, tmpdir.bytes, "--innodb-log-file-size=128M", "--performance-schema=OFF",
	                            geteuid() == 0 ? "--user=root" : NULL, NULL);
	process->prepared = mariadb_prepared;
	text_release(&tmpdir);
	free(path);
	free(program);
	return STATUS_OK;
}

static enum status add_mariadb(struct up *up, struct error *err) {
	char *program;
	enum status status = make_room(up, "mariadbd", "mariadb-server", &up->kept.mariadb_port, "mariadb", &program, err);
	if (status == STATUS_OK)
		status = up_folder_make(up, "mariadb/tmp", err);
	if (status == STATUS_OK)
		status = write_mariadb_files(up, err);
	if (status != STATUS_OK)
		return status;
	struct text defaults = { 0 };
	text_printf(&defaults, "--defaults-file=%s/mariadb/my.cnf", up->dir);
	struct up_process *process = up_process_add(up, "mariadb", UP_STAGE_SERVERS);
	process->argv = up_words(program, defaults.bytes, NULL);
	process->answers = up_mariadb_answers;
	process->port = (int)up->kept.mariadb_port;
	struct text url = { 0 };
	text_printf(&url, "mysql://corder:%s@127.0.0.1:%" PRId64 "/corder", up->kept.database_password,
	            up->kept.mariadb_port);
	up->database_url = text_take(&url);
	text_release(&defaults);
	free(program);
	return prepare_mariadb(up, process, err);
}

enum status up_servers_add(struct up *up, struct error *err) {
	enum status status = STATUS_OK;
	if (up->own_nats)
		status = add_nats(up, err);
	if (status == STATUS_OK && up->own_redis)
		status = add_redis(up, err);
	if (status == STATUS_OK && up->own_mariadb)
		status = add_mariadb(up, err);
	return status;
}
