/* `corder work`: a worker that runs a command for each task. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../subjects/subjects.h"
#include "commands.h"
#include "work.h"

enum { CONCURRENCY_MOST = 256, STOP_SPARE_US = 5000000, TURN_US = 300000 };

static struct loop *loop_of_children; /* for the signal handler alone */

static void on_child(int number) {
	(void)number;
	if (loop_of_children != NULL)
		loop_wake(loop_of_children);
}

static bool split_types(struct worker *worker, const char *types) {
	struct slice rest = slice_of(types);
	while (rest.bytes != NULL && worker->type_count < WORK_TYPES_MOST) {
		struct slice type = slice_cut(&rest, ',');
		if (!id_is_token(type))
			return false;
		worker->types[worker->type_count++] = slice_copy(type);
	}
	return rest.bytes == NULL;
}

static void set_command(struct worker *worker, const struct work_options *options, const struct arguments *arguments) {
	size_t count = options->exec != NULL ? 3 : arguments->tail_count;
	worker->command = memory_array(count + 1, sizeof *worker->command);
	if (options->exec != NULL) {
		worker->command[0] = memory_copy("sh", 2);
		worker->command[1] = memory_copy("-c", 2);
		worker->command[2] = slice_copy(slice_of(options->exec));
		return;
	}
	for (size_t i = 0; i < count; i++)
		worker->command[i] = slice_copy(slice_of(arguments->tail[i]));
}

/* A command that cannot be found would fail every task: better said before the first. */
static bool can_be_found(const char *program) {
	if (strchr(program, '/') != NULL)
		return access(program, X_OK) == 0;
	const char *path = getenv("PATH");
	struct slice rest = slice_of(path != NULL ? path : "/usr/bin:/bin");
	while (rest.bytes != NULL) {
		struct slice folder = slice_cut(&rest, ':');
		char file[PATH_MAX];
		snprintf(file, sizeof file, "%.*s/%s", (int)folder.length, folder.bytes, program);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static bool make_folder(struct worker *worker) {
	const char *base = getenv("TMPDIR");
	struct text path = { 0 };
	text_printf(&path, "%s/corder-work-XXXXXX", base != NULL && *base != 0 ? base : "/tmp");
	worker->folder = text_take(&path);
	return mkdtemp(worker->folder) != NULL;
}

struct run *worker_next_run(const struct worker *worker, size_t *at) {
	struct corder_job *job = corder_worker_next_job(worker->inner, at);
	return job != NULL ? corder_job_data(job) : NULL;
}

void worker_stop(struct worker *worker) {
	if (worker->stopping)
		return;
	worker->stopping = true;
	worker->stop_at_us = clock_mono_us() + (int64_t)(worker->options->stop_s * 1e6);
	corder_worker_stop(worker->inner);
}

/* The first signal lets running tasks finish, for a while; the second ends them and gives them back. Who hangs up (a
 * closed terminal, a lost ssh) will send no second one. */
static void heed_signals(struct worker *worker, int *heeded) {
	int seen = client_signal_count();
	if (client_hung_up() && seen < 2)
		seen = 2;
	if (seen == *heeded)
		return;
	*heeded = seen;
	worker_stop(worker);
	if (seen == 1) {
		work_log_note(worker, "stopping: what runs may finish within %.3g s; once more to give it back at once",
		              worker->options->stop_s);
	} else {
		worker->stop_at_us = clock_mono_us();
	}
}

static bool past_all_limits(const struct worker *worker, int signals) {
	int64_t grace_us = (int64_t)(worker->options->grace_s * 1e6) + STOP_SPARE_US;
	return worker->stopping && (clock_mono_us() > worker->stop_at_us + grace_us || signals > 2);
}

static void look_at_runs(struct worker *worker) {
	bool stop = worker->stopping && clock_mono_us() >= worker->stop_at_us;
	struct run *run;
	for (size_t at = 0; (run = worker_next_run(worker, &at)) != NULL;) {
		if (stop)
			run_end(run, ENDING_STOP);
		run_look(run);
	}
}

static void introduce(const struct worker *worker) {
	if (worker->cli->common.json || !worker->cli->out.live)
		return;
	work_log_note(worker, "worker %s at %s, %lld at a time, types %s; Ctrl-C stops", corder_worker_name(worker->inner),
	              worker->cli->url, worker->options->once ? 1LL : (long long)worker->options->concurrency,
	              worker->options->types);
}

static int end_worker(struct worker *worker) {
	size_t unsettled = corder_worker_unsettled(worker->inner);
	struct run *run;
	for (size_t at = 0; (run = worker_next_run(worker, &at)) != NULL;)
		run_kill(run);
	if (unsettled > 0)
		work_log_note(worker, "%zu task(s) could not be settled; they are tried again when their lease has run out",
		              unsettled);
	if (worker->refusal != 0)
		return worker->refusal;
	if (client_last_signal() == SIGINT)
		return EXIT_INTERRUPTED;
	return worker->options->once && worker->completed == 0 ? EXIT_FAILED : EXIT_DONE;
}

static int run_worker(struct worker *worker) {
	const struct work_options *options = worker->options;
	struct corder_worker_options given = { .task_types = (const char *const *)worker->types,
		                                   .task_type_count = worker->type_count,
		                                   .name = options->worker,
		                                   .concurrency = options->concurrency,
		                                   .lease_ms = options->lease_ms,
		                                   .once = options->once };
	struct corder_error error;
	int heeded = 0; /* one that came while the worker was made counts as well */
	if (options->until_idle)
		given.idle_ms = options->idle_s > 0 ? (int64_t)(options->idle_s * 1000) : 1;
	work_set_handlers(worker, &given);
	worker->client = corder_on(worker->cli->loop, worker->cli->bus, worker->cli->prefix);
	worker->inner = corder_worker_open(worker->client, &given, &error);
	if (worker->inner == NULL)
		return command_usage(&command_work, "%s", error.message);
	introduce(worker);
	while (!corder_worker_finished(worker->inner) && !past_all_limits(worker, heeded)) {
		client_turn(worker->cli, TURN_US);
		look_at_runs(worker);
		heed_signals(worker, &heeded);
	}
	return end_worker(worker);
}

static void close_worker(struct worker *worker) {
	struct run *run;
	for (size_t at = 0; worker->inner != NULL && (run = worker_next_run(worker, &at)) != NULL;)
		run_free(run);
	corder_worker_close(&worker->inner);
	corder_close(&worker->client);
	client_close(worker->cli);
	loop_of_children = NULL;
	if (worker->folder != NULL)
		rmdir(worker->folder);
	for (char **word = worker->command; word != NULL && *word != NULL; word++)
		free(*word);
	for (size_t i = 0; i < worker->type_count; i++)
		free(worker->types[i]);
	free(worker->command);
	free(worker->folder);
}

/* Commands of tasks find the same server as we did. */
static void export_connection(const struct cli *cli) {
	setenv("CORDER_PREFIX", cli->prefix, 1);
	if (cli->full_url != NULL)
		setenv("NATS_URL", cli->full_url, 1);
}

static int work_run(struct cli *cli, const void *values) {
	const struct work_options *options = values;
	struct worker worker = { .cli = cli, .options = options };
	if (options->types == NULL)
		return command_usage(&command_work, "work of which type? Give --type TYPE[,TYPE…]");
	if ((options->exec != NULL) == (cli->arguments.tail_count > 0) || cli->arguments.count > 0)
		return command_usage(&command_work,
		                     "run what for each task? Give either --exec 'COMMAND' or -- COMMAND ARGUMENT…");
	if (!split_types(&worker, options->types))
		return command_usage(&command_work,
		                     "--type takes up to %d names of letters, digits, '_' and '-', with commas between",
		                     WORK_TYPES_MOST);
	if (options->worker != NULL && !id_is_token(slice_of(options->worker)))
		return command_usage(&command_work, "--worker takes 1 to 64 letters, digits, '_' or '-'");
	set_command(&worker, options, &cli->arguments);
	if (!can_be_found(worker.command[0]))
		return command_usage(&command_work, "%.200s: there is no such program, or it may not be run (chmod +x)",
		                     worker.command[0]);
	/* A worker that runs on waits for its server too; one that is to end would wait for ever. */
	int code = options->once || options->until_idle ? client_connect(cli) : client_open(cli);
	if (code == EXIT_DONE && !make_folder(&worker)) {
		fprintf(stderr, "corder: cannot make a folder %s; set TMPDIR to one that may be written\n", worker.folder);
		code = EXIT_USAGE;
	}
	if (code == EXIT_DONE) {
		struct sigaction action = { .sa_handler = on_child };
		loop_of_children = cli->loop;
		sigaction(SIGCHLD, &action, NULL);
		export_connection(cli);
		code = run_worker(&worker);
	}
	close_worker(&worker);
	return code;
}

#define WORK(field) offsetof(struct work_options, field)
static const struct option_row work_options[] = {
	{ "type", 't', OPTION_LIST, WORK(types), "T[,T…]", "which tasks; several types take turns", 0, 0 },
	{ "exec", 'e', OPTION_TEXT, WORK(exec), "COMMAND", "run by sh for each task; or give a program after --", 0, 0 },
	{ "concurrency", 'c', OPTION_INT, WORK(concurrency), "N", "so many at a time (1)", 1, CONCURRENCY_MOST },
	{ "worker", 0, OPTION_TEXT, WORK(worker), "NAME", "its name in events and tables (host-pid)", 0, 0 },
	{ "lease-ms", 0, OPTION_INT, WORK(lease_ms), "MS", "how long a task stays ours without a renew (30000)",
	  LIMIT_LEASE_MS_MIN, LIMIT_LEASE_MS },
	{ "no-retry-code", 0, OPTION_INT, WORK(no_retry_code), "N", "exit code that says: no further try (65)", 1, 255 },
	{ "once", '1', OPTION_FLAG, WORK(once), NULL, "one task, then end; exit 1 unless it completed", 0, 0 },
	{ "until-idle", 0, OPTION_FLAG, WORK(until_idle), NULL, "end when nothing was ready for a while", 0, 0 },
	{ "idle-s", 0, OPTION_NUMBER, WORK(idle_s), "SECONDS", "… for so long (2)", 0, 86400 },
	{ "stop-s", 0, OPTION_NUMBER, WORK(stop_s), "SECONDS",
	  "on Ctrl-C or TERM, running tasks may finish so long (30); on HUP not at all", 0, 86400 },
	{ "grace-s", 0, OPTION_NUMBER, WORK(grace_s), "SECONDS", "from TERM to KILL of a cancelled or overdue command (5)",
	  0, 3600 },
	{ "verbose", 'v', OPTION_FLAG, WORK(verbose), NULL, "show what the commands write to stderr", 0, 0 },
};

static const struct work_options work_defaults = {
	.concurrency = 1, .lease_ms = DEFAULT_LEASE_MS, .no_retry_code = 65, .idle_s = 2, .stop_s = 30, .grace_s = 5
};

const struct command command_work = {
	.name = "work",
	.group = "Run it",
	.summary = "be a worker: run a command for each task",
	.usage = "--type TYPE[,TYPE…] [options] (--exec 'COMMAND' | -- COMMAND [ARGUMENT…])",
	.about =
		"The command gets the task's execution_context on stdin, as JSON, and in its environment CORDER_PROJECT,\n"
		"CORDER_TASK_ID, CORDER_TASK_TYPE, CORDER_BATCH_ID, CORDER_SERVICE_NAME, CORDER_ATTEMPT, CORDER_WORKER,\n"
		"CORDER_INPUTS (a file: the results of its dependencies, by task_id), CORDER_CONTEXT_<NAME> for each plain\n"
		"member of the context and CORDER_LAST_ERROR (how the last try failed, where one has). Exit code 0 completes\n"
		"the task: stdout is its result, as JSON if it is JSON, else as\n"
		"{\"output\": text}. Any other code fails it, with the end of stderr as the reason. Lines of stderr are shown "
		"as\n"
		"progress while it runs. A cancelled or overdue command is ended with all it has started.",
	.examples = "corder work --type testing --concurrency 4 -- make test\n"
				"corder work --type shell --exec 'eval \"$CORDER_CONTEXT_COMMAND\"' --until-idle\n"
				"corder work --type review --once -- ./review.py",
	.options = work_options,
	.option_count = COUNT(work_options),
	.values_bytes = sizeof(struct work_options),
	.defaults = &work_defaults,
	.run = work_run,
};
