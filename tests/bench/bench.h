/* The benchmark's parts: a client that submits, a crowd of workers, figures. It uses the public contract only. */
#ifndef CORDER_BENCH_H
#define CORDER_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/loop.h"
#include "shared/base/text.h"
#include "shared/bus/bus.h"

struct bench {
	struct loop *loop;
	struct bus *bus;
	char project[64];                   /* new for each run, so that runs do not meet */
	int64_t batch_tasks;                /* tasks a submit */
	int64_t lease_tasks;                /* tasks a work request */
	int64_t submit_window, work_window; /* requests under way */
	const char *context;                /* JSON of each task's execution_context */
	/* figures of the scenario that runs */
	int64_t submitted, completed, expected;
	int64_t started_us, submitted_us, completed_us, persisted_us;
	int64_t *latencies_us;
	size_t latency_count, latency_room;
	bool failed;
};

struct figure {
	const char *name, *what;
	int64_t tasks;
	double per_second_done, per_second_persisted, submit_per_second;
	double p50_ms, p99_ms; /* 0: not measured */
	double cpu_us_a_task;  /* of all watched processes and this one; 0: not measured */
	double bytes_a_task;
};

/* Writes the tasks [from, from+count) of a scenario as a JSON list into out. */
typedef void bench_tasks(struct bench *bench, struct text *out, int64_t from, int64_t count);

/* Submits `total` tasks and works them all (when `works`), until the last row is in the database. */
bool bench_run(struct bench *bench, bench_tasks *tasks, int64_t total, bool works);
/* A chain of `total` tasks, one worker, one at a time: the time from each settle to the next start. */
bool bench_chain(struct bench *bench, int64_t total);
/* One task at a time, at a steady rate, to an idle worker: submit to start. */
bool bench_idle(struct bench *bench, int64_t total);

const char *bench_work_subject(const struct bench *bench);
double bench_percentile_ms(struct bench *bench, double percent);
void bench_latency(struct bench *bench, int64_t us);
bool bench_turn_until(struct bench *bench, bool (*done)(struct bench *bench), int64_t limit_s);

#endif
