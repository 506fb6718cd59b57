/* Starts and ends the servers that tests run against; see servers.h. */
#include "servers.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/* nats.c 3.4 forgets the half-read message of a lost connection: at most one message for each loss. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
	return "leak:natsBuf_Create\n";
}

enum { START_LIMIT_MS = 60000, STOP_LIMIT_MS = 30000, POLL_MS = 10, WORDS_MOST = 48, PATH_BYTES = 256 };

struct server {
	const char *kind;
	char folder[PATH_BYTES];
	char words[WORDS_MOST][PATH_BYTES];
	size_t word_count;
	char url[PATH_BYTES];
	int port;
	pid_t pid;
	const char *hello; /* sent to make it talk; "" when it greets by itself */
};

int free_port(void) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		fail_msg("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(address.sin_port);
}

static void pause_ms(long ms) {
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&wait, NULL);
}

static const char *find_program(const char *name) {
	static char path[PATH_BYTES];
	static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin", "/bin" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (!access(path, X_OK))
			return path;
	}
	snprintf(path, sizeof(path), "%s", name);
	return path;
}

__attribute__((format(printf, 2, 3))) static void add_word(struct server *server, const char *format, ...) {
	va_list arguments;
	if (server->word_count == WORDS_MOST - 1)
		fail_msg("too many arguments for %s", server->kind);
	va_start(arguments, format);
	vsnprintf(server->words[server->word_count++], PATH_BYTES, format, arguments);
	va_end(arguments);
}

static void add_words(struct server *server, const char *const *arguments) {
	for (; arguments && *arguments; arguments++)
		add_word(server, "%s", *arguments);
}

static struct server *server_new(const char *kind, const char *hello) {
	struct server *server = calloc(1, sizeof(*server));
	const char *temporary = getenv("TMPDIR");
	if (!server)
		abort();
	server->kind = kind;
	server->hello = hello;
	snprintf(server->folder, sizeof(server->folder), "%s/corder-test-XXXXXX", temporary ? temporary : "/tmp");
	if (!mkdtemp(server->folder))
		fail_msg("cannot make a folder for %s: %s", kind, strerror(errno));
	server->port = free_port();
	return server;
}

static pid_t spawn(struct server *server) {
	char *words[WORDS_MOST] = { 0 };
	char log[PATH_BYTES + 8];
	for (size_t i = 0; i < server->word_count; i++)
		words[i] = server->words[i];
	snprintf(log, sizeof(log), "%s/log", server->folder);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int in = open("/dev/null", O_RDONLY);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	execv(words[0], words);
	_exit(127);
}

static void give_up(const struct server *server, const char *what) {
	char path[PATH_BYTES + 8], words[2000] = "";
	snprintf(path, sizeof(path), "%s/log", server->folder);
	FILE *log = fopen(path, "r");
	if (log) {
		if (fseek(log, -(long)sizeof(words) + 1, SEEK_END))
			rewind(log);
		words[fread(words, 1, sizeof(words) - 1, log)] = 0;
		fclose(log);
	}
	fail_msg("%s %s; its log ends with:\n%s", server->kind, what, words);
}

/* True when it says anything at all to its hello. */
static bool answers(const struct server *server) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	address.sin_port = htons((uint16_t)server->port);
	struct timeval limit = { 1, 0 };
	char got[8];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	bool ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	size_t length = strlen(server->hello);
	ok = ok && (length == 0 || send(fd, server->hello, length, MSG_NOSIGNAL) == (ssize_t)length);
	ok = ok && recv(fd, got, sizeof(got), 0) > 0 && got[0] != '-';
	close(fd);
	return ok;
}

static void run(struct server *server) {
	server->pid = spawn(server);
	if (server->pid < 0)
		fail_msg("cannot fork: %s", strerror(errno));
	for (int waited = 0; waited < START_LIMIT_MS; waited += POLL_MS) {
		if (answers(server))
			return;
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			give_up(server, "ended while starting (is it installed?)");
		}
		pause_ms(POLL_MS);
	}
	give_up(server, "did not answer in time");
}

struct server *server_start_nats_with(const char *const *arguments) {
	struct server *server = server_new("nats-server", "");
	add_word(server, "%s", find_program("nats-server"));
	add_word(server, "--addr=127.0.0.1");
	add_word(server, "--port=%d", server->port);
	add_word(server, "--jetstream");
	add_word(server, "--store_dir=%s/data", server->folder);
	add_words(server, arguments);
	snprintf(server->url, sizeof(server->url), "nats://127.0.0.1:%d", server->port);
	run(server);
	return server;
}

struct server *server_start_redis_with(const char *const *arguments) {
	struct server *server = server_new("redis-server", "PING\r\n");
	add_word(server, "%s", find_program("redis-server"));
	add_word(server, "--bind");
	add_word(server, "127.0.0.1");
	add_word(server, "--port");
	add_word(server, "%d", server->port);
	add_word(server, "--dir");
	add_word(server, "%s", server->folder);
	add_word(server, "--appendonly");
	add_word(server, "yes");
	add_word(server, "--maxmemory-policy");
	add_word(server, "noeviction");
	add_word(server, "--save");
	add_word(server, "%s", "");
	add_words(server, arguments);
	snprintf(server->url, sizeof(server->url), "redis://127.0.0.1:%d", server->port);
	run(server);
	return server;
}

static void install_mariadb(struct server *server) {
	struct server installer = *server;
	int status = 0;
	installer.kind = "mariadb-install-db";
	installer.word_count = 0;
	add_word(&installer, "%s", find_program("mariadb-install-db"));
	add_word(&installer, "--no-defaults");
	add_word(&installer, "--force"); /* the host's name need not be known */
	add_word(&installer, "--datadir=%s/data", server->folder);
	add_word(&installer, "--tmpdir=%s", server->folder); /* several at once in /tmp delete each other's tables */
	add_word(&installer, "--auth-root-authentication-method=normal");
	add_word(&installer, "--skip-test-db");
	add_word(&installer, "--skip-name-resolve");
	if (geteuid() == 0)
		add_word(&installer, "--user=root");
	pid_t pid = spawn(&installer);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		give_up(&installer, "failed");
}

struct server *server_start_mariadb_with(const char *const *arguments) {
	struct server *server = server_new("mariadbd", "");
	install_mariadb(server);
	add_word(server, "%s", find_program("mariadbd"));
	add_word(server, "--no-defaults");
	add_word(server, "--datadir=%s/data", server->folder);
	add_word(server, "--tmpdir=%s", server->folder);
	add_word(server, "--socket=%s/s.sock", server->folder);
	add_word(server, "--pid-file=%s/pid", server->folder);
	add_word(server, "--bind-address=127.0.0.1");
	add_word(server, "--port=%d", server->port);
	add_word(server, "--skip-name-resolve");
	if (geteuid() == 0)
		add_word(server, "--user=root");
	add_words(server, arguments);
	snprintf(server->url, sizeof(server->url), "mysql://root@127.0.0.1:%d/corder", server->port);
	run(server);
	return server;
}

struct server *server_start_nats(void) {
	return server_start_nats_with(NULL);
}

struct server *server_start_redis(void) {
	return server_start_redis_with(NULL);
}

struct server *server_start_mariadb(void) {
	return server_start_mariadb_with(NULL);
}

static void end(struct server *server, int signal_number) {
	if (server->pid <= 0)
		return;
	kill(server->pid, signal_number);
	if (signal_number == SIGKILL) {
		waitpid(server->pid, NULL, 0);
		server->pid = 0;
		return;
	}
	for (int waited = 0; waited < STOP_LIMIT_MS; waited += POLL_MS) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return;
		}
		pause_ms(POLL_MS);
	}
	give_up(server, "did not stop in time");
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where) {
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

void server_stop(struct server **server) {
	if (!*server)
		return;
	end(*server, SIGKILL);
	nftw((*server)->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*server);
	*server = NULL;
}

void server_kill(struct server *server) {
	end(server, SIGKILL);
}

void server_terminate(struct server *server) {
	end(server, SIGTERM);
}

void server_restart(struct server *server) {
	end(server, SIGKILL);
	run(server);
}

void server_pause(struct server *server) {
	kill(server->pid, SIGSTOP);
}

void server_resume(struct server *server) {
	kill(server->pid, SIGCONT);
}

const char *server_url(const struct server *server) {
	return server->url;
}

const char *server_folder(const struct server *server) {
	return server->folder;
}

int server_port(const struct server *server) {
	return server->port;
}

int server_pid(const struct server *server) {
	return (int)server->pid;
}

long long server_cpu_us(const struct server *server) {
	char path[64], line[1024] = "";
	unsigned long long user = 0, kernel = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)server->pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return 0;
	const char *after = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!after || sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel) != 2)
		return 0;
	return (long long)(user + kernel) * 1000000 / sysconf(_SC_CLK_TCK);
}
