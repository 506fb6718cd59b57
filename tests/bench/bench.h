/* The benchmark's load: a client that submits, a crowd of workers, figures. It stands on the C client (clients/c), and on the
 * public contract alone; it only reads the tasks of a reply in its own, careless way. What a run costs is counted from outside
 * (measure.mjs), between the lines `begin` and `end {figures}` that each run prints. */
#ifndef CORDER_BENCH_H
#define CORDER_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/c/corder.h"
#include "histogram.h"
#include "shared/base/text.h"

enum { BENCH_REQUEST_MS = 60000 };

struct bench;
struct options;

/* Writes what stands between the braces of task i of a graph. */
typedef void bench_task(const struct bench *bench, struct text *out, int64_t i);

struct graph {
	const char *name, *what;
	bench_task *task;
	/* How many tasks have to be accepted before the batch [from, last] is sent, so that no task comes before its
	 * dependencies; NULL: none. */
	int64_t (*needs)(const struct options *options, int64_t from, int64_t last);
};

struct options {
	const char *url, *file;
	const struct graph *graph;
	const char *type;
	int64_t tasks, width, degree;
	int64_t batch, submits; /* tasks a submit, submits under way */
	int64_t lease, workers; /* tasks a work request, work requests under way */
	int64_t projects, priority;
	int64_t whole;                                   /* 1: the submits are parts of one graph */
	int64_t rate, burst, before_s, burst_s, after_s; /* open loop: tasks a second, and for how long */
	int64_t slots;                                   /* workers of a workflow */
};

struct bench {
	struct corder *client;
	struct options options;
	char project[64]; /* new for each run, so that runs do not meet; the task type has the same name */
	char type[64];
	char context[300]; /* JSON of each task's execution_context, 256 bytes */
	int64_t started_us, submitted_us, completed_us, persisted_us;
	int64_t completed;
	struct histogram submit, work, settle, start; /* round trips; and what the measure is about */
	struct text more;                             /* figures of one measure alone, as JSON members */
	bool failed;
};

const struct graph *graph_named(const char *name);
void graphs_help(struct text *out);

/* Submits all tasks and works them (when `works`), until the last row is in the database. */
bool bench_crowd(struct bench *bench, bool works);
/* Submits one task at a time, each after the last was settled, or at a steady rate: the time until its worker has it. */
bool bench_chain(struct bench *bench);
bool bench_idle(struct bench *bench);
/* Submits at the times of a schedule: --rate for --before_s, --burst for --burst_s, --rate for --after_s. */
bool bench_open(struct bench *bench);
/* Runs the submission in --file by --slots workers that take as long as its contexts say. */
bool bench_slots(struct bench *bench);

void bench_begin(struct bench *bench);
/* The project of the n-th submit. */
void bench_add_project(const struct bench *bench, struct text *out, int64_t n);
/* Submits a body as it stands. */
void bench_submit(struct bench *bench, const struct text *body, corder_reply_handler *handler, void *context);
bool bench_turn_until(struct bench *bench, bool (*done)(struct bench *bench), int64_t limit_s);
/* Returns once every row that is due is committed: rows are written in order, a project lives in one partition. */
bool bench_wait_for_rows(struct bench *bench);
bool bench_reply_ok(struct bench *bench, const char *what, const struct corder_reply *reply);
/* Finds `name` (with the quote that opens its value) and gives the value; NULL when there is none. The ids here hold
 * nothing that JSON would escape. */
const char *bench_find(const char *at, const char *end, struct slice name, struct slice *value);

struct delivered {
	struct slice project, id, lease;
	const char *rest; /* what comes behind its id */
};
struct delivery {
	const char *at, *end;
};
struct delivery bench_delivery(const struct corder_reply *reply);
/* The tasks of a reply one by one; false: there is no other. */
bool bench_next_task(struct delivery *delivery, struct delivered *task);
/* Adds that the task is completed to the settlements of a request. */
void bench_add_done(struct text *done, const struct delivered *task);

#endif
