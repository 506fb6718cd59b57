/* Submitting and working, many requests under way, on one loop. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

/* Near the end a worker's last settle waits with its request for work that does not come: no longer than this. */
enum { WAIT_MS = 1000, WAIT_AT_END_MS = 10, SEAL_MS = 600000, LIMIT_S = 3600 };

struct worker {
	struct text done; /* the settles that go with the next request */
	int64_t done_count, since_us;
};

struct submission {
	int64_t from, tasks, since_us; /* tasks: 0 when it is not under way */
};

static struct crowd {
	struct bench *bench;
	int64_t next, submits, sent, accepted; /* submits: under way; sent: so far */
	int64_t started;
	bool works;
	struct text body;
	struct worker *workers;
	struct submission *submissions;
} crowd;

static void submit_more(void);
static void ask_for_work(struct worker *worker);

static void start_workers(void) {
	for (int64_t i = 0; crowd.works && i < crowd.bench->options.workers; i++)
		ask_for_work(&crowd.workers[i]);
}

static void on_sealed(void *context, const struct corder_reply *reply) {
	struct bench *bench = context;
	if (!bench_reply_ok(bench, "seal", reply))
		return;
	bench->submitted_us = clock_mono_us();
	start_workers();
}

/* All parts are there: the reply is the verdict for the graph. */
static void seal(void) {
	struct bench *bench = crowd.bench;
	struct corder_request request = { .subject = "submit", .try_ms = SEAL_MS, .patience_ms = SEAL_MS };
	text_clear(&crowd.body);
	text_printf(&crowd.body, "{\"project\":\"%s\",\"batch_id\":\"whole\",\"seal\":%" PRId64 "}", bench->project,
	            crowd.sent);
	request.body = crowd.body.bytes;
	corder_ask(bench->client, &request, on_sealed, bench);
}

static void on_submitted(void *context, const struct corder_reply *reply) {
	struct submission *submission = context;
	struct bench *bench = crowd.bench;
	crowd.submits--;
	if (!bench_reply_ok(bench, "submit", reply))
		return;
	int64_t now = clock_mono_us();
	histogram_add(&bench->submit, now - submission->since_us);
	crowd.accepted += submission->tasks;
	submission->tasks = 0;
	if (crowd.accepted == bench->options.tasks && bench->options.whole != 0)
		seal();
	else if (crowd.accepted == bench->options.tasks)
		bench->submitted_us = now;
	submit_more();
}

static struct submission *free_submission(void) {
	struct submission *at = crowd.submissions;
	while (at->tasks > 0)
		at++;
	return at;
}

/* All tasks before this one were accepted. */
static int64_t accepted_before(void) {
	int64_t before = crowd.next;
	for (int64_t i = 0; i < crowd.bench->options.submits; i++)
		if (crowd.submissions[i].tasks > 0 && crowd.submissions[i].from < before)
			before = crowd.submissions[i].from;
	return before;
}

static int64_t next_count(void) {
	int64_t left = crowd.bench->options.tasks - crowd.next;
	return left < crowd.bench->options.batch ? left : crowd.bench->options.batch;
}

static void submit_next(void) {
	struct bench *bench = crowd.bench;
	const struct options *options = &bench->options;
	struct submission *submission = free_submission();
	submission->from = crowd.next;
	submission->tasks = next_count();
	submission->since_us = clock_mono_us();
	text_clear(&crowd.body);
	text_add(&crowd.body, "{\"project\":\"");
	bench_add_project(bench, &crowd.body, crowd.sent++);
	if (options->whole != 0)
		text_printf(&crowd.body, "\",\"batch_id\":\"whole\",\"part\":%" PRId64, crowd.sent);
	else
		text_add_char(&crowd.body, '"');
	text_add(&crowd.body, options->batch > 1 ? ",\"tasks\":[{" : ",");
	for (int64_t i = 0; i < submission->tasks; i++) {
		if (i > 0)
			text_add(&crowd.body, "},{");
		options->graph->task(bench, &crowd.body, crowd.next + i);
	}
	text_add(&crowd.body, options->batch > 1 ? "}]}" : "}");
	crowd.next += submission->tasks;
	crowd.submits++;
	bench_submit(bench, &crowd.body, on_submitted, submission);
}

static void submit_more(void) {
	const struct options *options = &crowd.bench->options;
	while (crowd.submits < options->submits && crowd.next < options->tasks) {
		int64_t last = crowd.next + next_count() - 1;
		if (options->whole == 0 && options->graph->needs != NULL &&
		    options->graph->needs(options, crowd.next, last) > accepted_before())
			return;
		submit_next();
	}
}

static void take_tasks(struct worker *worker, const struct corder_reply *reply) {
	struct delivery delivery = bench_delivery(reply);
	struct delivered task;
	for (; bench_next_task(&delivery, &task); worker->done_count++)
		bench_add_done(&worker->done, &task);
	crowd.started += worker->done_count;
}

static void on_work(void *context, const struct corder_reply *reply) {
	struct worker *worker = context;
	struct bench *bench = crowd.bench;
	if (!bench_reply_ok(bench, "work", reply))
		return;
	int64_t now = clock_mono_us();
	bench->completed += worker->done_count;
	worker->done_count = 0;
	text_clear(&worker->done);
	take_tasks(worker, reply);
	if (worker->done_count > 0)
		histogram_add(&bench->work, now - worker->since_us);
	if (worker->done_count > 0 || crowd.started < bench->options.tasks)
		ask_for_work(worker);
	if (bench->completed >= bench->options.tasks && bench->completed_us == 0)
		bench->completed_us = now;
}

static void ask_for_work(struct worker *worker) {
	struct bench *bench = crowd.bench;
	const struct options *options = &bench->options;
	bool near_end = options->tasks - crowd.started <= 2 * options->lease * options->workers;
	bool at_end = crowd.started >= options->tasks;
	struct corder_work work = { .task_type = bench->type,
		                        .worker = "bench",
		                        .request_id = "",
		                        .max = options->lease,
		                        .wait_ms = near_end ? WAIT_AT_END_MS : WAIT_MS,
		                        .done = worker->done_count > 0 ? worker->done.bytes : NULL,
		                        .done_length = worker->done.length,
		                        .patience_ms = BENCH_REQUEST_MS };
	worker->since_us = clock_mono_us();
	(at_end ? corder_settle : corder_work)(bench->client, &work, on_work, worker);
}

static bool is_settled(struct bench *bench) {
	return bench->failed || (bench->submitted_us != 0 && (bench->completed_us != 0 || !crowd.works));
}

bool bench_crowd(struct bench *bench, bool works) {
	const struct options *options = &bench->options;
	crowd = (struct crowd){ .bench = bench, .works = works };
	/* One more than are under way: the end of the list of those that are taken. */
	crowd.submissions = memory_array((size_t)options->submits + 1, sizeof(*crowd.submissions));
	crowd.workers = memory_array((size_t)options->workers, sizeof(*crowd.workers));
	submit_more();
	if (options->whole == 0)
		start_workers();
	bool ok = bench_turn_until(bench, is_settled, LIMIT_S) && !bench->failed && bench_wait_for_rows(bench);
	bench->persisted_us = clock_mono_us();
	return ok;
}
