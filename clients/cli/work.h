/* The life of `corder work`: slots that each ask for a task, run the command for it, and settle it with the next ask.
 *
 *   ASKING ──task──▶ RUNNING ──ended──▶ ASKING (the result rides along) … SETTLING when there is nothing to ask any more
 *
 * A slot repeats its request with the same request_id until somebody answers. Leases are renewed, for all slots of a type
 * at once, from one tick; its answer says what was cancelled or lost. */
#ifndef CORDER_CLI_WORK_H
#define CORDER_CLI_WORK_H

#include <sys/types.h>

#include "client.h"

struct work_options {
	const char *types, *exec, *worker;
	int64_t concurrency, lease_ms, no_retry_code;
	double idle_s, stop_s, grace_s;
	bool once, until_idle, verbose;
};

enum slot_state { SLOT_ASKING, SLOT_RUNNING, SLOT_SETTLING, SLOT_STOPPED };

/* Why a command was told to end before it did by itself. */
enum ending { ENDING_NONE, ENDING_CANCEL, ENDING_TIMEOUT, ENDING_LOST, ENDING_STOP };

enum { ERROR_LINES_BYTES = 1024, LINE_MOST_BYTES = 2048, OUTPUT_MOST_BYTES = 262144, WORK_TYPES_MOST = 32 };

/* A task that was leased to us, and the process that does it. */
struct run {
	char *project, *task_id, *task_type, *lease;
	int64_t attempt, started_us, renewed_us;
	double timeout_s;   /* 0: none */
	pid_t process;      /* 0: not started; also its process group */
	int output, errors; /* pipes; -1: closed */
	struct text output_text, error_line, error_tail, progress;
	bool output_cut, progress_new;
	enum ending ending;
	int64_t kill_at_us; /* 0: no TERM was sent */
	char *inputs_path;
	double seconds;     /* how long it took, once it has ended */
	bool settled_again; /* the first settlement was refused; this one says so */
};

struct slot {
	struct worker *worker;
	size_t index, type;
	enum slot_state state;
	struct run run;
	struct text request; /* body of the request under way */
	char *subject;
	struct loop_timer *repeat;
	int64_t pause_ms;
	struct text done; /* the settle item that nobody has confirmed yet */
	bool leased;      /* a task or a settle is in hand: the lease must be kept */
	size_t empty;     /* answers without a task in a row */
	bool in_flight;   /* a request waits for its answer */
};

struct worker {
	struct cli *cli;
	const struct work_options *options;
	char name[65];
	char *types[WORK_TYPES_MOST];
	size_t type_count;
	bool renewing[WORK_TYPES_MOST]; /* a renew of this type is under way */
	char **command;                 /* argv of the command */
	char *folder;                   /* for inputs files */
	struct slot *slots;
	size_t slot_count;
	struct json *json;
	bool stopping;
	int64_t busy_us, stop_at_us; /* last time a task was in hand; when to end what still runs */
	size_t completed, failed, other;
	bool told_unanswered; /* that nobody answers; until somebody does */
	bool once_taken;      /* --once: its task is in hand or done */
	int refusal;          /* an exit code that ends the worker, or 0 */
	struct loop_timer *tick;
};

/* work_ask.c */
void slot_ask(struct slot *slot);
void slot_next(struct slot *slot); /* after a task, or nothing: ask, settle or stop */
bool worker_finished(const struct worker *worker);
void worker_stop(struct worker *worker);
/* work_settle.c */
void run_add_settlement(const struct slot *slot, int wait_status, struct text *item);
void run_add_released(const struct run *run, struct text *item);
void run_add_item_start(const struct run *run, const char *outcome, struct text *item);
/* work_run.c */
bool run_start(struct slot *slot, struct json_value task, struct error *err);
void run_end(struct slot *slot, enum ending why); /* TERM now, KILL after the grace */
void run_kill(struct slot *slot);
void run_reap(struct worker *worker); /* looks for processes that have ended */
void run_release(struct run *run);
void run_take(struct run *run, struct json_value task); /* names and lease of a delivered task */
/* work_environment.c */
char **environment_make(const struct slot *slot, struct json_value task);
void environment_free(char **environment);
/* work_renew.c */
void renew_start(struct worker *worker);
/* work_log.c */
void work_log_started(const struct slot *slot);
void work_log_line(const struct slot *slot, struct slice line);
void work_log_settled(const struct slot *slot, struct json_value verdict);
void work_log_lost(const struct slot *slot); /* the lease went away while it ran */
void work_log_note(const struct worker *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
