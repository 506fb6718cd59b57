/* Runs the command of a slot: a process group of its own, the context on stdin, pipes for what it says. */
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
#include "../../subjects/subjects.h"
#include "work.h"

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

static bool write_inputs(struct slot *slot, struct slice inputs) {
	struct text path = { 0 };
	text_printf(&path, "%s/inputs-%zu.json", slot->worker->folder, slot->index);
	slot->run.inputs_path = text_take(&path);
	int fd = open(slot->run.inputs_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write_all(fd, inputs.length > 0 ? inputs : SLICE("{}"));
	if (fd >= 0)
		close(fd);
	return written;
}

static void close_pipe(struct slot *slot, int *fd) {
	if (*fd < 0)
		return;
	loop_watch(slot->worker->cli->loop, *fd, 0, NULL, NULL);
	close(*fd);
	*fd = -1;
}

static void take_output(struct run *run, const char *bytes, size_t length) {
	size_t room = OUTPUT_MOST_BYTES - run->output_text.length;
	run->output_cut |= length > room;
	text_append(&run->output_text, bytes, length < room ? length : room);
}

/* The latest line becomes the progress; the last ones are kept for the error message. */
static void take_line(struct slot *slot) {
	struct run *run = &slot->run;
	struct slice line = { run->error_line.bytes, run->error_line.length };
	if (line.length == 0)
		return;
	text_clear(&run->progress);
	text_add_slice(&run->progress, line);
	run->progress_new = true;
	work_log_line(slot, line);
	text_add_slice(&run->error_tail, line);
	text_add_char(&run->error_tail, '\n');
	if (run->error_tail.length > ERROR_LINES_BYTES) {
		const char *start = run->error_tail.bytes + run->error_tail.length - ERROR_LINES_BYTES;
		const char *next = memchr(start, '\n', ERROR_LINES_BYTES - 1);
		start = next != NULL ? next + 1 : start;
		size_t keep = (size_t)(run->error_tail.bytes + run->error_tail.length - start);
		memmove(run->error_tail.bytes, start, keep);
		run->error_tail.length = keep;
		run->error_tail.bytes[keep] = 0;
	}
	text_clear(&run->error_line);
}

static void take_errors(struct slot *slot, const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++) {
		bool ends = bytes[i] == '\n' || bytes[i] == '\r';
		if (!ends)
			text_add_char(&slot->run.error_line, bytes[i]);
		if (ends || slot->run.error_line.length >= LINE_MOST_BYTES)
			take_line(slot);
	}
}

/* Reads what is there; closes the pipe at its end. */
static void read_pipe(struct slot *slot, int *fd) {
	char block[16384];
	bool is_output = fd == &slot->run.output;
	while (*fd >= 0) {
		ssize_t got = read(*fd, block, sizeof block);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			close_pipe(slot, fd);
			return;
		}
		if (is_output)
			take_output(&slot->run, block, (size_t)got);
		else
			take_errors(slot, block, (size_t)got);
	}
}

static void on_readable(void *context, int fd, int events) {
	struct slot *slot = context;
	(void)events;
	read_pipe(slot, fd == slot->run.output ? &slot->run.output : &slot->run.errors);
}

static int spawn(struct slot *slot, struct json_value task, int input, int output, int errors) {
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
	char **environment = environment_make(slot, task);
	char **command = slot->worker->command;
	int number = posix_spawnp(&slot->run.process, command[0], &actions, &attributes, command, environment);
	environment_free(environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (number != 0)
		slot->run.process = 0;
	return number;
}

static void watch_pipe(struct slot *slot, int fd) {
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	loop_watch(slot->worker->cli->loop, fd, LOOP_READ, on_readable, slot);
}

static void close_both(int pipes[2]) {
	for (int i = 0; i < 2; i++)
		if (pipes[i] >= 0)
			close(pipes[i]);
}

static char *copy_text(struct json_value object, const char *name) {
	return slice_copy(json_text(json_member(object, name)));
}

void run_take(struct run *run, struct json_value task) {
	*run = (struct run){ .output = -1, .errors = -1 };
	run->project = copy_text(task, "project");
	run->task_id = copy_text(task, "task_id");
	run->task_type = copy_text(task, "task_type");
	run->lease = copy_text(task, "lease");
	run->attempt = json_int(json_member(task, "attempt"), 1);
	run->timeout_s = json_double(json_member(task, "timeout"), 0);
	run->started_us = run->renewed_us = clock_mono_us();
}

bool run_start(struct slot *slot, struct json_value task, struct error *err) {
	struct run *run = &slot->run;
	int output[2] = { -1, -1 }, errors[2] = { -1, -1 };
	run_take(run, task);
	int input = open_input(json_raw(json_member(task, "execution_context")));
	bool ready = input >= 0 && write_inputs(slot, json_raw(json_member(task, "inputs"))) &&
	             pipe2(output, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0;
	int number = ready ? spawn(slot, task, input, output[1], errors[1]) : errno;
	if (input >= 0)
		close(input);
	if (number != 0) {
		close_both(output);
		close_both(errors);
		fail(err, STATUS_RETRY, "cannot run %s: %s", slot->worker->command[0], strerror(number));
		return false;
	}
	close(output[1]);
	close(errors[1]);
	run->output = output[0];
	run->errors = errors[0];
	watch_pipe(slot, run->output);
	watch_pipe(slot, run->errors);
	return true;
}

void run_end(struct slot *slot, enum ending why) {
	if (slot->state != SLOT_RUNNING || slot->run.ending != ENDING_NONE)
		return;
	slot->run.ending = why;
	slot->run.kill_at_us = clock_mono_us() + (int64_t)(slot->worker->options->grace_s * 1e6);
	kill(-slot->run.process, SIGTERM);
}

void run_kill(struct slot *slot) {
	if (slot->state == SLOT_RUNNING && slot->run.process > 0)
		kill(-slot->run.process, SIGKILL);
}

/* The command has ended: what it left running in its group ends too, and its task is settled. */
static void finish(struct slot *slot, int wait_status) {
	struct run *run = &slot->run;
	read_pipe(slot, &run->output);
	read_pipe(slot, &run->errors);
	take_line(slot);
	kill(-run->process, SIGKILL);
	close_pipe(slot, &run->output);
	close_pipe(slot, &run->errors);
	run->process = 0;
	run->seconds = (double)(clock_mono_us() - run->started_us) / 1e6;
	slot->worker->busy_us = clock_mono_us();
	if (run->ending == ENDING_LOST) {
		work_log_lost(slot);
		slot->leased = false;
	} else {
		run_add_settlement(slot, wait_status, &slot->done);
	}
	slot_next(slot);
}

void run_reap(struct worker *worker) {
	for (size_t i = 0; i < worker->slot_count; i++) {
		struct slot *slot = &worker->slots[i];
		int wait_status;
		if (slot->state == SLOT_RUNNING && waitpid(slot->run.process, &wait_status, WNOHANG) == slot->run.process)
			finish(slot, wait_status);
	}
}

void run_release(struct run *run) {
	if (run->inputs_path != NULL)
		unlink(run->inputs_path);
	free(run->project);
	free(run->task_id);
	free(run->task_type);
	free(run->lease);
	free(run->inputs_path);
	text_release(&run->output_text);
	text_release(&run->error_line);
	text_release(&run->error_tail);
	text_release(&run->progress);
	*run = (struct run){ .output = -1, .errors = -1 };
}
