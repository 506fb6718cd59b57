/* `corder work` on the worker of clients/c, which asks, renews and settles; here is what a task means: a command that is run
 * for it, whose exit code and output become its outcome. */
#ifndef CORDER_CLI_WORK_H
#define CORDER_CLI_WORK_H

#include <sys/types.h>

#include "../c/on.h"
#include "client.h"

struct work_options {
	const char *types, *exec, *worker;
	int64_t concurrency, lease_ms, no_retry_code;
	double idle_s, stop_s, grace_s;
	bool once, until_idle, verbose;
};

/* Why a command was told to end before it did by itself. */
enum ending { ENDING_NONE, ENDING_CANCEL, ENDING_TIMEOUT, ENDING_LOST, ENDING_STOP };

enum { ERROR_LINES_BYTES = 1024, LINE_MOST_BYTES = 2048, OUTPUT_MOST_BYTES = 262144, WORK_TYPES_MOST = 32 };

/* A task that was leased to us, and the process that does it. */
struct run {
	struct worker *worker;
	struct corder_job *job;
	int64_t started_us;
	pid_t process;      /* 0: not started, or ended; also its process group */
	int output, errors; /* pipes; -1: closed */
	struct text output_text, error_line, error_tail;
	char *message; /* why it failed, as it was told; NULL: it did not */
	bool output_cut;
	enum ending ending;
	int64_t kill_at_us; /* 0: no TERM was sent */
	char *inputs_path;
	double seconds; /* how long it took, once it has ended */
};

struct worker {
	struct cli *cli;
	const struct work_options *options;
	char *types[WORK_TYPES_MOST];
	size_t type_count;
	char **command; /* argv of the command */
	char *folder;   /* for inputs files */
	struct corder *client;
	struct corder_worker *inner;
	bool stopping;
	int64_t stop_at_us; /* when to end what still runs */
	size_t completed, failed, other;
	int refusal; /* an exit code that ends the worker, or 0 */
};

void worker_stop(struct worker *worker);
/* The next of the tasks that run: start with *at = 0; NULL at the end. */
struct run *worker_next_run(const struct worker *worker, size_t *at);
/* work_worker.c */
void work_set_handlers(struct worker *worker, struct corder_worker_options *options);
/* work_settle.c: ends the job by what became of its command */
void run_settle(struct run *run, int wait_status);
/* work_run.c */
bool run_start(struct run *run, struct error *err);
void run_end(struct run *run, enum ending why); /* TERM now, KILL after the grace */
void run_kill(const struct run *run);
void run_look(struct run *run); /* looks whether its process has ended, or should */
void run_free(struct run *run);
/* work_environment.c */
char **environment_make(const struct run *run, struct json_value task);
void environment_free(char **environment);
/* work_log.c */
void work_log_started(const struct run *run);
void work_log_line(const struct run *run, struct slice line);
void work_log_settled(const struct run *run, struct json_value verdict);
void work_log_lost(const struct run *run); /* the lease went away while it ran */
void work_log_note(const struct worker *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
