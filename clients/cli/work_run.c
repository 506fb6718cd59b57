/* Runs the command of a task: a process group of its own, the context on stdin, pipes for what it says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "utf8.h"
#include "work.h"

enum { TIMEOUT_LOCAL_S = 5 };

static bool write_all(int fd, struct slice bytes) {
	while (bytes.length > 0) {
		ssize_t written = write(fd, bytes.bytes, bytes.length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes.bytes += written;
		bytes.length -= (size_t)written;
	}
	return true;
}

/* stdin is a file in memory, so that a command that never reads it holds nobody up. */
static int open_input(struct slice context) {
	int fd = memfd_create("execution_context", MFD_CLOEXEC);
	if (fd >= 0 && (!write_all(fd, context) || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool write_inputs(struct run *run) {
	struct slice inputs = slice_of(corder_job_inputs(run->job));
	struct text path = { 0 };
	text_printf(&path, "%s/inputs-%zu.json", run->worker->folder, corder_job_slot(run->job));
	run->inputs_path = text_take(&path);
	int fd = open(run->inputs_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write_all(fd, inputs);
	if (fd >= 0)
		close(fd);
	return written;
}

static void close_pipe(struct run *run, int *fd) {
	if (*fd < 0)
		return;
	loop_watch(run->worker->cli->loop, *fd, 0, NULL, NULL);
	close(*fd);
	*fd = -1;
}

static void take_output(struct run *run, const char *bytes, size_t length) {
	size_t room = OUTPUT_MOST_BYTES - run->output_text.length;
	run->output_cut |= length > room;
	text_append(&run->output_text, bytes, length < room ? length : room);
}

/* A line of stderr as progress: a JSON object as it is, other text as a message. */
static void tell_progress(const struct run *run, struct slice line) {
	struct text progress = { 0 };
	struct json *json = line.bytes[0] == '{' ? json_read(line, NULL) : NULL;
	if (json != NULL) {
		text_add_slice(&progress, line);
	} else {
		text_add(&progress, "{\"message\":");
		utf8_add_json(&progress, line, LINE_MOST_BYTES);
		text_add_char(&progress, '}');
	}
	json_close(&json);
	corder_job_progress(run->job, progress.bytes);
	text_release(&progress);
}

/* The last lines are kept for the error message. */
static void keep_line(struct run *run, struct slice line) {
	struct text *tail = &run->error_tail;
	text_add_slice(tail, line);
	text_add_char(tail, '\n');
	if (tail->length <= ERROR_LINES_BYTES)
		return;
	const char *start = tail->bytes + tail->length - ERROR_LINES_BYTES;
	const char *next = memchr(start, '\n', ERROR_LINES_BYTES - 1);
	start = next != NULL ? next + 1 : start;
	size_t keep = (size_t)(tail->bytes + tail->length - start);
	memmove(tail->bytes, start, keep);
	tail->length = keep;
	tail->bytes[keep] = 0;
}

static void take_line(struct run *run) {
	struct slice line = { run->error_line.bytes, run->error_line.length };
	if (line.length == 0)
		return;
	tell_progress(run, line);
	work_log_line(run, line);
	keep_line(run, line);
	text_clear(&run->error_line);
}

static void take_errors(struct run *run, const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++) {
		bool ends = bytes[i] == '\n' || bytes[i] == '\r';
		if (!ends)
			text_add_char(&run->error_line, bytes[i]);
		if (ends || run->error_line.length >= LINE_MOST_BYTES)
			take_line(run);
	}
}

/* Reads what is there; closes the pipe at its end. */
static void read_pipe(struct run *run, int *fd) {
	char block[16384];
	bool is_output = fd == &run->output;
	while (*fd >= 0) {
		ssize_t got = read(*fd, block, sizeof block);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			close_pipe(run, fd);
			return;
		}
		if (is_output)
			take_output(run, block, (size_t)got);
		else
			take_errors(run, block, (size_t)got);
	}
}

static void on_readable(void *context, int fd, int events) {
	struct run *run = context;
	(void)events;
	read_pipe(run, fd == run->output ? &run->output : &run->errors);
}

static int spawn(struct run *run, int input, int output, int errors) {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t reset, none;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	posix_spawn_file_actions_adddup2(&actions, errors, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigemptyset(&reset);
	sigaddset(&reset, SIGPIPE);
	sigaddset(&reset, SIGINT);
	sigaddset(&reset, SIGTERM);
	posix_spawnattr_setsigdefault(&attributes, &reset);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	struct json *task = json_read(slice_of(corder_job_task(run->job)), NULL);
	char **environment = environment_make(run, task != NULL ? json_root(task) : (struct json_value){ 0 });
	json_close(&task);
	char **command = run->worker->command;
	int number = posix_spawnp(&run->process, command[0], &actions, &attributes, command, environment);
	environment_free(environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (number != 0)
		run->process = 0;
	return number;
}

static void watch_pipe(struct run *run, int fd) {
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	loop_watch(run->worker->cli->loop, fd, LOOP_READ, on_readable, run);
}

static void close_both(int pipes[2]) {
	for (int i = 0; i < 2; i++)
		if (pipes[i] >= 0)
			close(pipes[i]);
}

bool run_start(struct run *run, struct error *err) {
	int output[2] = { -1, -1 }, errors[2] = { -1, -1 };
	int input = open_input(slice_of(corder_job_context(run->job)));
	bool ready = input >= 0 && write_inputs(run) && pipe2(output, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0;
	int number = ready ? spawn(run, input, output[1], errors[1]) : errno;
	if (input >= 0)
		close(input);
	if (number != 0) {
		close_both(output);
		close_both(errors);
		fail(err, STATUS_RETRY, "cannot run %s: %s", run->worker->command[0], strerror(number));
		return false;
	}
	close(output[1]);
	close(errors[1]);
	run->output = output[0];
	run->errors = errors[0];
	watch_pipe(run, run->output);
	watch_pipe(run, run->errors);
	return true;
}

void run_end(struct run *run, enum ending why) {
	if (run->process == 0 || run->ending != ENDING_NONE)
		return;
	run->ending = why;
	run->kill_at_us = clock_mono_us() + (int64_t)(run->worker->options->grace_s * 1e6);
	kill(-run->process, SIGTERM);
}

void run_kill(const struct run *run) {
	if (run->process > 0)
		kill(-run->process, SIGKILL);
}

/* The command has ended: what it left running in its group ends too, and its task is settled. With a lost lease that is the
 * last of the run. */
static void finish(struct run *run, int wait_status) {
	read_pipe(run, &run->output);
	read_pipe(run, &run->errors);
	take_line(run);
	kill(-run->process, SIGKILL);
	close_pipe(run, &run->output);
	close_pipe(run, &run->errors);
	run->process = 0;
	run->seconds = (double)(clock_mono_us() - run->started_us) / 1e6;
	if (run->ending == ENDING_LOST) {
		work_log_lost(run);
		corder_job_release(run->job);
	} else {
		run_settle(run, wait_status);
	}
}

/* TERM some time after the end of its timeout, if the server has not said so by then; KILL after the grace. */
void run_look(struct run *run) {
	double timeout_s = corder_job_timeout_s(run->job);
	int wait_status;
	if (run->process == 0)
		return;
	if (waitpid(run->process, &wait_status, WNOHANG) == run->process) {
		finish(run, wait_status);
		return;
	}
	if (timeout_s > 0 && (double)(clock_mono_us() - run->started_us) / 1e6 > timeout_s + TIMEOUT_LOCAL_S)
		run_end(run, ENDING_TIMEOUT);
	if (run->kill_at_us > 0 && clock_mono_us() >= run->kill_at_us)
		run_kill(run);
}

void run_free(struct run *run) {
	if (run->inputs_path != NULL)
		unlink(run->inputs_path);
	free(run->inputs_path);
	free(run->message);
	text_release(&run->output_text);
	text_release(&run->error_line);
	text_release(&run->error_tail);
	free(run);
}
