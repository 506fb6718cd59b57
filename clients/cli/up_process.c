/* Starting and ending processes. Each has a process group of its own, so that a Ctrl-C of the terminal reaches us alone
 * and a signal of ours reaches all it started; and the kernel kills it when we die, even by kill -9. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/text.h"
#include "up_inside.h"

enum { LOG_BYTES_MAX = 16 << 20, LOG_TAIL_BYTES = 3000, EXIT_NOT_STARTED = 127, WORDS_MAX = 32 };

struct up_process *up_process_add(struct up *up, const char *name, enum up_stage stage) {
	must(up->process_count < UP_PROCESSES_MAX);
	struct up_process *process = &up->processes[up->process_count++];
	snprintf(process->name, sizeof(process->name), "%s", name);
	process->stage = stage;
	return process;
}

char **up_words(const char *first, ...) {
	char **words = memory_array(WORDS_MAX, sizeof(*words));
	size_t count = 0;
	va_list arguments;
	va_start(arguments, first);
	for (const char *word = first; word != NULL && count + 1 < WORDS_MAX; word = va_arg(arguments, const char *))
		words[count++] = memory_copy(word, strlen(word));
	va_end(arguments);
	return words;
}

static void free_words(char **words) {
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

void up_processes_release(struct up *up) {
	for (size_t i = 0; i < up->process_count; i++) {
		free_words(up->processes[i].argv);
		free_words(up->processes[i].prepare);
		free_words(up->processes[i].environment);
	}
	up->process_count = 0;
}

/* Appends; a log that grew large becomes <name>.log.1 first. */
static int open_log(const struct up *up, const struct up_process *process) {
	char *path = up_path(up, "logs/%s.log", process->name);
	struct stat log;
	if (stat(path, &log) == 0 && log.st_size > LOG_BYTES_MAX) {
		char *old = up_path(up, "logs/%s.log.1", process->name);
		rename(path, old);
		free(old);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	free(path);
	return fd;
}

void up_process_log_tail(const struct up *up, const struct up_process *process) {
	char *path = up_path(up, "logs/%s.log", process->name);
	FILE *file = fopen(path, "re");
	if (file != NULL) {
		char tail[LOG_TAIL_BYTES];
		if (fseek(file, -(long)sizeof(tail), SEEK_END) != 0)
			rewind(file);
		size_t length = fread(tail, 1, sizeof(tail), file);
		fprintf(stderr, "The end of %s:\n%.*s\n", path, (int)length, tail);
		fclose(file);
	}
	free(path);
}

/* In the child, between fork and exec: only calls that are safe there. */
static _Noreturn void become(const struct up_process *process, char **argv, char **environment, int log, pid_t parent) {
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (process->timer_slack_ns > 0)
		prctl(PR_SET_TIMERSLACK, process->timer_slack_ns);
	if (getppid() != parent)
		_exit(EXIT_NOT_STARTED);
	int null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	umask(077);
	execve(argv[0], argv, environment);
	static const char complaint[] = "corder up: this program cannot be executed\n";
	ssize_t ignored = write(STDERR_FILENO, complaint, sizeof(complaint) - 1);
	(void)ignored;
	_exit(EXIT_NOT_STARTED);
}

/* Ours comes after the inherited one and wins: a name that we set is left out there. The caller frees the array only. */
static char **environment_of(const struct up_process *process) {
	size_t inherited = 0, own = 0;
	while (environ[inherited] != NULL)
		inherited++;
	while (process->environment != NULL && process->environment[own] != NULL)
		own++;
	char **all = memory_array(inherited + own + 1, sizeof(*all));
	size_t count = 0;
	for (size_t i = 0; i < inherited; i++) {
		bool replaced = false;
		for (size_t o = 0; o < own && !replaced; o++)
			replaced = strncmp(environ[i], process->environment[o], strcspn(process->environment[o], "=") + 1) == 0;
		if (!replaced)
			all[count++] = environ[i];
	}
	for (size_t o = 0; o < own; o++)
		all[count++] = process->environment[o];
	return all;
}

enum status up_process_start(struct up *up, struct up_process *process, struct error *err) {
	int log = open_log(up, process);
	if (log < 0)
		return fail(err, STATUS_RETRY, "cannot write %s/logs/%s.log: %s", up->dir, process->name, strerror(errno));
	char **argv = process->prepare != NULL ? process->prepare : process->argv;
	char **environment = environment_of(process);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		become(process, argv, environment, log, parent);
	int why = errno;
	close(log);
	free(environment);
	if (pid < 0)
		return fail(err, STATUS_RETRY, "cannot start %s: %s", process->name, strerror(why));
	setpgid(pid, pid);
	process->pid = pid;
	process->state = process->prepare != NULL ? UP_PREPARING : UP_STARTING;
	process->started_mono_us = clock_mono_us();
	return STATUS_OK;
}

void up_process_signal(const struct up_process *process, int signal) {
	if (process->pid > 0 && kill(-process->pid, signal) != 0)
		kill(process->pid, signal);
}

bool up_process_alive(const struct up_process *process) {
	return process->pid > 0;
}
