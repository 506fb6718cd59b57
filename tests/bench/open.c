/* Open loop: tasks are submitted at the times of a schedule, whether the system keeps up or not, and every latency counts from
 * the time that the schedule says (so a pause is seen by all that it kept waiting, not by one request). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

/* CURVE_S: the longest run. WAIT_MS: near the end a worker waits no longer than that for work that does not come. */
enum { TICK_US = 500, CURVE_S = 600, WAIT_MS = 500 };

struct second {
	int64_t submitted, refused, settled;
	struct histogram start; /* of the tasks whose time to be submitted lay in this second */
};

struct sent {
	int64_t due_us, tasks;
};

struct settle {
	int64_t since_us, tasks;
};

static struct open {
	struct bench *bench;
	struct second *seconds;
	int64_t next, last, accepted, refused, settled;
	char why[600]; /* the first was refused */
	struct text body, done;
} open_loop;

/* When task i has to be submitted, in us after the start. */
static int64_t due_us(int64_t i) {
	const struct options *o = &open_loop.bench->options;
	int64_t before = o->rate * o->before_s, during = o->burst * o->burst_s;
	if (i < before)
		return i * 1000000 / o->rate;
	if (i < before + during)
		return o->before_s * 1000000 + (i - before) * 1000000 / o->burst;
	return (o->before_s + o->burst_s) * 1000000 + (i - before - during) * 1000000 / o->rate;
}

static struct second *second_of(int64_t us) {
	int64_t second = us / 1000000;
	return &open_loop.seconds[second < CURVE_S ? second : CURVE_S - 1];
}

static int64_t elapsed_us(void) {
	return clock_mono_us() - open_loop.bench->started_us;
}

static void on_submitted(void *context, const struct corder_reply *reply) {
	struct sent *sent = context;
	int64_t now = elapsed_us();
	if (reply->status == CORDER_OK) {
		histogram_add(&open_loop.bench->submit, now - sent->due_us);
		open_loop.accepted += sent->tasks;
	} else {
		if (open_loop.refused == 0)
			snprintf(open_loop.why, sizeof(open_loop.why), "%s: %s", reply->error.code, reply->error.message);
		open_loop.refused += sent->tasks;
		second_of(sent->due_us)->refused += sent->tasks;
	}
	if (open_loop.accepted + open_loop.refused == open_loop.last)
		open_loop.bench->submitted_us = clock_mono_us();
	free(sent);
}

static void submit_some(int64_t count) {
	struct bench *bench = open_loop.bench;
	struct sent *sent = memory_new(sizeof(*sent));
	*sent = (struct sent){ due_us(open_loop.next), count };
	text_clear(&open_loop.body);
	text_printf(&open_loop.body, "{\"project\":\"%s\",%s", bench->project, count > 1 ? "\"tasks\":[{" : "");
	for (int64_t i = 0; i < count; i++) {
		if (i > 0)
			text_add(&open_loop.body, "},{");
		bench->options.graph->task(bench, &open_loop.body, open_loop.next + i);
	}
	text_add(&open_loop.body, count > 1 ? "}]}" : "}");
	open_loop.next += count;
	second_of(sent->due_us)->submitted += count;
	bench_submit(bench, &open_loop.body, on_submitted, sent);
}

static void tick(void *context) {
	const struct options *options = &open_loop.bench->options;
	int64_t now = elapsed_us();
	(void)context;
	while (open_loop.next < open_loop.last) {
		int64_t left = open_loop.last - open_loop.next, count = left < options->batch ? left : options->batch;
		/* A batch goes when its first task is due: the others wait for nobody. */
		if (due_us(open_loop.next) > now)
			break;
		submit_some(count);
	}
	if (open_loop.next < open_loop.last)
		corder_later(open_loop.bench->client, TICK_US, tick, NULL);
}

static void on_settled(void *context, const struct corder_reply *reply) {
	struct settle *settle = context;
	if (bench_reply_ok(open_loop.bench, "settle", reply)) {
		int64_t now = clock_mono_us();
		histogram_add(&open_loop.bench->settle, now - settle->since_us);
		open_loop.settled += settle->tasks;
		second_of(elapsed_us())->settled += settle->tasks;
		if (open_loop.settled == open_loop.last)
			open_loop.bench->completed_us = now;
	}
	free(settle);
}

static void settle_all(int64_t count) {
	struct settle *settle = memory_new(sizeof(*settle));
	*settle = (struct settle){ clock_mono_us(), count };
	struct corder_work work = { .task_type = open_loop.bench->type,
		                        .worker = "bench",
		                        .done = open_loop.done.bytes,
		                        .done_length = open_loop.done.length,
		                        .patience_ms = BENCH_REQUEST_MS };
	corder_settle(open_loop.bench->client, &work, on_settled, settle);
}

static void ask(void);

static void on_work(void *context, const struct corder_reply *reply) {
	struct bench *bench = open_loop.bench;
	(void)context;
	if (!bench_reply_ok(bench, "work", reply))
		return;
	int64_t now = elapsed_us(), count = 0;
	struct delivery delivery = bench_delivery(reply);
	struct delivered task;
	text_clear(&open_loop.done);
	for (; bench_next_task(&delivery, &task); count++) {
		int64_t due = due_us(strtoll(task.id.bytes + 1, NULL, 10));
		histogram_add(&bench->start, now - due);
		histogram_add(&second_of(due)->start, now - due);
		bench_add_done(&open_loop.done, &task);
	}
	bench->completed += count;
	if (count > 0)
		settle_all(count);
	if (bench->completed < open_loop.last)
		ask();
}

static void ask(void) {
	const struct options *options = &open_loop.bench->options;
	struct corder_work work = { .task_type = open_loop.bench->type,
		                        .worker = "bench",
		                        .request_id = "",
		                        .max = options->lease,
		                        .wait_ms = WAIT_MS,
		                        .patience_ms = BENCH_REQUEST_MS };
	corder_work(open_loop.bench->client, &work, on_work, NULL);
}

static bool is_done(struct bench *bench) {
	bool all = open_loop.accepted + open_loop.refused == open_loop.last && open_loop.settled >= open_loop.accepted;
	return bench->failed || all;
}

/* [[submitted, refused, settled, [[us, count], …]], …], a row a second. */
static void add_curve(struct text *out, const struct bench *bench) {
	int64_t seconds = (bench->completed_us - bench->started_us) / 1000000;
	text_add(out, ",\"curve\":[");
	for (int64_t i = 0; i <= seconds && i < CURVE_S; i++) {
		const struct second *second = &open_loop.seconds[i];
		text_printf(out, "%s[%" PRId64 ",%" PRId64 ",%" PRId64 ",", i > 0 ? "," : "", second->submitted,
		            second->refused, second->settled);
		histogram_json(&second->start, out);
		text_add_char(out, ']');
	}
	text_add_char(out, ']');
}

bool bench_open(struct bench *bench) {
	const struct options *options = &bench->options;
	open_loop = (struct open){ .bench = bench };
	open_loop.seconds = memory_array(CURVE_S, sizeof(*open_loop.seconds));
	open_loop.last = options->rate * (options->before_s + options->after_s) + options->burst * options->burst_s;
	bench->options.tasks = open_loop.last;
	bench_begin(bench);
	for (int64_t i = 0; i < options->workers; i++)
		ask();
	tick(NULL);
	bool ok = bench_turn_until(bench, is_done, CURVE_S) && !bench->failed;
	bench->completed_us = clock_mono_us();
	ok = ok && bench_wait_for_rows(bench);
	bench->persisted_us = clock_mono_us();
	text_printf(&bench->more, ",\"refused\":%" PRId64 ",\"why\":", open_loop.refused);
	text_add_json(&bench->more, (struct slice){ open_loop.why, strlen(open_loop.why) });
	add_curve(&bench->more, bench);
	return ok;
}
