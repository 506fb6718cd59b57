/* Watches the processes of the stack: starts them in order, starts again what died, stops them stage by stage. All of it
 * happens in one tick, which runs only while something is on its way; otherwise signals wake us. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/log.h"
#include "command.h"
#include "up_inside.h"

enum { TICK_US = 25000, STABLE_US = 10000000, BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 10000 };
enum { SERVICE_STOP_LIMIT_US = 20000000, SERVER_STOP_LIMIT_US = 60000000 };
enum { EXIT_BAD_USAGE = 64, EXIT_BAD_SETTINGS = 78, EXIT_NOT_STARTED = 127 };

static bool is_server(const struct up_process *process) {
	return process->stage == UP_STAGE_SERVERS;
}

static double seconds_since(int64_t mono_us) {
	return (double)(clock_mono_us() - mono_us) / 1e6;
}

static void kill_all(struct up *up) {
	for (size_t i = 0; i < up->process_count; i++)
		up_process_signal(&up->processes[i], SIGKILL);
}

static void enter_stage(struct up *up, int stage) {
	up->stopping = (enum up_stage)stage;
	up->stage_until_mono_us =
		clock_mono_us() + (stage == UP_STAGE_SERVERS ? SERVER_STOP_LIMIT_US : SERVICE_STOP_LIMIT_US);
	for (size_t i = 0; i < up->process_count; i++) {
		struct up_process *process = &up->processes[i];
		if ((int)process->stage == stage)
			up_process_signal(process, process->state == UP_PREPARING ? SIGKILL : SIGTERM);
	}
}

static void begin_stop(struct up *up) {
	if (up->stopping != 0)
		return;
	bus_close(&up->bus);
	up_remove_environment(up);
	enter_stage(up, UP_STAGE_COUNT - 1);
}

static void give_up(struct up *up, const struct up_process *process) {
	up->failed = true;
	if (process != NULL)
		up_process_log_tail(up, process);
	begin_stop(up);
}

static const char *how_it_ended(int status) {
	static char text[64];
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "ended with exit code %d", WEXITSTATUS(status));
	return text;
}

static void restart_later(struct up *up, struct up_process *process, const char *how) {
	int64_t now = clock_mono_us();
	bool was_stable = now - process->started_mono_us > STABLE_US;
	process->backoff_ms = process->backoff_ms == 0 || was_stable ? BACKOFF_FIRST_MS : process->backoff_ms * 2;
	if (process->backoff_ms > BACKOFF_MAX_MS)
		process->backoff_ms = BACKOFF_MAX_MS;
	process->state = UP_DOWN;
	process->restart_at_mono_us = now + process->backoff_ms * 1000;
	char *log = up_path(up, "logs/%s.log", process->name);
	log_warn("a process died and will be started again; its log says why", "process", process->name, "how", how,
	         "again_in_ms", log_int(process->backoff_ms), "log", log, NULL);
	free(log);
}

/* What cannot get better by itself ends the first start; later nothing does. */
static bool is_hopeless(const struct up *up, const struct up_process *process, int status) {
	if (up->is_up)
		return false;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	return is_server(process) || code == EXIT_BAD_SETTINGS || code == EXIT_BAD_USAGE || code == EXIT_NOT_STARTED;
}

static void start_process(struct up *up, struct up_process *process) {
	struct error err = { 0 };
	if (up_process_start(up, process, &err) == STATUS_OK)
		return;
	restart_later(up, process, err.message);
}

static void finish_preparation(struct up *up, struct up_process *process) {
	struct error err = { 0 };
	if (process->prepared(up, &err) != STATUS_OK) {
		fprintf(stderr, "corder up: %s\n", err.message);
		give_up(up, process);
		return;
	}
	for (size_t i = 0; process->prepare[i] != NULL; i++)
		free(process->prepare[i]);
	free(process->prepare);
	process->prepare = NULL;
	start_process(up, process);
}

static void on_exit_of(struct up *up, struct up_process *process, int status) {
	bool prepared = process->state == UP_PREPARING && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	kill(-process->pid, SIGKILL); /* whatever it left behind in its group */
	process->pid = 0;
	if (up->stopping != 0) {
		process->state = UP_STOPPED;
	} else if (prepared) {
		finish_preparation(up, process);
	} else if (is_hopeless(up, process, status)) {
		fprintf(stderr, "corder up: %s %s during the start\n", process->name, how_it_ended(status));
		give_up(up, process);
	} else {
		restart_later(up, process, how_it_ended(status));
	}
}

static void reap(struct up *up) {
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < up->process_count; i++)
			if (up->processes[i].pid == pid)
				on_exit_of(up, &up->processes[i], status);
}

static bool servers_answer(const struct up *up) {
	for (size_t i = 0; i < up->process_count; i++)
		if (is_server(&up->processes[i]) && up->processes[i].state != UP_RUNNING)
			return false;
	return true;
}

static void process_answers(const struct up *up, struct up_process *process) {
	process->state = UP_RUNNING;
	if (up->is_up)
		log_info("running again", "process", process->name, NULL);
	else if (is_server(process) && !up->json)
		printf("  %-9s answers on 127.0.0.1:%d after %.1f s\n", process->name, process->port,
		       seconds_since(process->started_mono_us));
	fflush(stdout);
}

static void advance(struct up *up, struct up_process *process, bool servers_ready) {
	int64_t now = clock_mono_us();
	if (process->state == UP_DOWN && now >= process->restart_at_mono_us && (is_server(process) || servers_ready))
		start_process(up, process);
	else if (process->state == UP_STARTING && is_server(process) && process->answers(up))
		process_answers(up, process);
	else if (process->state == UP_STARTING && !is_server(process) && up->is_up &&
	         now >= process->started_mono_us + TICK_US)
		process_answers(up, process);
}

static void all_answer(struct up *up) {
	bus_close(&up->bus);
	for (size_t i = 0; i < up->process_count; i++)
		if (up->processes[i].pid > 0)
			up->processes[i].state = UP_RUNNING;
	up->is_up = true;
	log_open("corder-up", LOG_LEVEL_INFO); /* before, what is printed says more */
	struct error err = { 0 };
	if (up_write_environment(up, &err) != STATUS_OK) {
		fprintf(stderr, "corder up: %s\n", err.message);
		give_up(up, NULL);
		return;
	}
	up_announce(up);
}

static void check_deadline(struct up *up) {
	if (clock_mono_us() < up->start_until_mono_us)
		return;
	for (size_t i = 0; i < up->process_count; i++) {
		const struct up_process *process = &up->processes[i];
		if (process->state != UP_RUNNING && (process->service[0] == 0 || servers_answer(up))) {
			fprintf(stderr, "corder up: %s does not answer\n", process->name);
			up_process_log_tail(up, process);
		}
	}
	give_up(up, NULL);
}

static void tick_running(struct up *up) {
	bool servers_ready = servers_answer(up);
	for (size_t i = 0; i < up->process_count && up->stopping == 0; i++)
		advance(up, &up->processes[i], servers_ready);
	if (up->is_up || up->stopping != 0)
		return;
	if (servers_answer(up) && (up->servers_only || up_services_answer(up)))
		all_answer(up);
	else
		check_deadline(up);
}

static bool stage_is_over(const struct up *up) {
	for (size_t i = 0; i < up->process_count; i++)
		if (up->processes[i].stage == up->stopping && up_process_alive(&up->processes[i]))
			return false;
	return true;
}

static void tick_stopping(struct up *up) {
	if (clock_mono_us() > up->stage_until_mono_us) {
		for (size_t i = 0; i < up->process_count; i++) {
			const struct up_process *process = &up->processes[i];
			if (process->stage != up->stopping || !up_process_alive(process))
				continue;
			log_warn("a process did not stop in time and is killed", "process", process->name, NULL);
			up_process_signal(process, SIGKILL);
		}
	}
	while (up->stopping != 0 && stage_is_over(up))
		enter_stage(up, (int)up->stopping - 1);
	if (up->stopping == 0)
		loop_stop(up->loop);
}

static bool is_quiet(const struct up *up) {
	if (!up->is_up || up->stopping != 0)
		return false;
	for (size_t i = 0; i < up->process_count; i++)
		if (up->processes[i].state != UP_RUNNING)
			return false;
	return true;
}

static void tick(void *context) {
	struct up *up = context;
	if (up->stopping == 0)
		tick_running(up);
	if (up->stopping != 0)
		tick_stopping(up);
	up->is_ticking = !is_quiet(up);
	if (up->is_ticking)
		loop_timer_start(up->loop, clock_mono_us() + TICK_US, tick, up);
}

static void asked_to_stop(struct up *up) {
	up->signals++;
	if (up->signals == 1) {
		if (!up->json)
			printf("\nStopping; once more kills at once.\n");
		fflush(stdout);
		begin_stop(up);
	} else {
		kill_all(up);
	}
}

static void on_signal(void *context, int fd, int events) {
	struct up *up = context;
	struct signalfd_siginfo info;
	(void)events;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(up);
		else
			asked_to_stop(up);
	}
	if (!up->is_ticking)
		tick(up);
}

static void watch_signals(struct up *up) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	up->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	must(up->signal_fd >= 0);
	loop_watch(up->loop, up->signal_fd, LOOP_READ, on_signal, up);
}

int up_supervise(struct up *up) {
	up->loop = loop_open();
	watch_signals(up);
	tick(up);
	loop_run(up->loop);
	loop_watch(up->loop, up->signal_fd, 0, NULL, NULL);
	close(up->signal_fd);
	loop_close(&up->loop);
	return up->failed ? EXIT_UNREACHABLE : EXIT_DONE;
}
