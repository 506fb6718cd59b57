/* Latency on an idle system: a chain worked one by one, and single tasks at a steady rate. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "shared/base/clock.h"

enum { WAIT_MS = 20000, FIRST_US = 200000 };

static struct single {
	struct bench *bench;
	int64_t started;
	int64_t since_us; /* the settle, or the submit, whose effect is awaited */
	int64_t due_us;   /* when the submit should have been: one that had to wait for the task before counts from then */
	char project[80], id[160], lease[200];
	struct text body;
	bool chain, late;
} single;

static void ask(bool settle);

static bool take(const char *end, const char **at, struct slice name, char *out, size_t room) {
	struct slice value;
	*at = bench_find(*at, end, name, &value);
	if (*at != NULL)
		snprintf(out, room, "%.*s", (int)value.length, value.bytes);
	return *at != NULL;
}

static void on_submitted(void *context, const struct corder_reply *reply) {
	(void)context;
	if (bench_reply_ok(single.bench, "submit", reply))
		histogram_add(&single.bench->submit, clock_mono_us() - single.since_us);
}

static void submit_one(void *context) {
	struct bench *bench = single.bench;
	(void)context;
	text_clear(&single.body);
	text_printf(&single.body, "{\"project\":\"%s\",", bench->project);
	graph_named("independent")->task(bench, &single.body, single.started);
	text_add_char(&single.body, '}');
	int64_t now = clock_mono_us(), period = 1000000 / bench->options.rate;
	single.since_us = single.late ? single.due_us : now;
	single.due_us = (single.due_us > 0 ? single.due_us : now) + period;
	bench_submit(bench, &single.body, on_submitted, NULL);
}

static void on_task(void *context, const struct corder_reply *reply) {
	struct bench *bench = single.bench;
	int64_t now = clock_mono_us(), total = bench->options.tasks;
	(void)context;
	if (!bench_reply_ok(bench, "work", reply))
		return;
	bench->completed = single.started;
	const char *end = reply->body + reply->length;
	const char *at = memmem(reply->body, reply->length, "\"tasks\":[{", 10);
	if (at == NULL || !take(end, &at, SLICE("{\"project\":\""), single.project, sizeof(single.project)) ||
	    !take(end, &at, SLICE("\"task_id\":\""), single.id, sizeof(single.id)) ||
	    !take(end, &at, SLICE("\"lease\":\""), single.lease, sizeof(single.lease))) {
		if (bench->completed < total)
			ask(false);
		return;
	}
	if (!single.chain || single.started > 0)
		histogram_add(&bench->start, now - single.since_us);
	single.started++;
	single.late = now >= single.due_us;
	if (!single.chain && single.started < total)
		corder_later(bench->client, single.late ? 0 : single.due_us - now, submit_one, NULL);
	ask(true);
}

static void ask(bool settle) {
	struct bench *bench = single.bench;
	struct corder_work work = { .task_type = bench->type,
		                        .worker = "bench",
		                        .request_id = "",
		                        .max = 1,
		                        .wait_ms = single.started == bench->options.tasks ? 0 : WAIT_MS,
		                        .patience_ms = BENCH_REQUEST_MS };
	text_clear(&single.body);
	text_printf(&single.body,
	            "{\"project\":\"%s\",\"task_id\":\"%s\",\"lease\":\"%s\",\"outcome\":\"completed\",\"result\":{}}",
	            single.project, single.id, single.lease);
	if (settle)
		work.done = single.body.bytes;
	if (single.chain)
		single.since_us = clock_mono_us();
	corder_work(bench->client, &work, on_task, NULL);
}

static bool all_done(struct bench *bench) {
	return bench->failed || bench->completed >= bench->options.tasks;
}

static bool run(struct bench *bench, bool chain) {
	single = (struct single){ .bench = bench, .chain = chain };
	bench->completed = 0;
	ask(false);
	if (!chain)
		corder_later(bench->client, FIRST_US, submit_one, NULL);
	bool ok = bench_turn_until(bench, all_done, 300) && !bench->failed;
	bench->completed_us = clock_mono_us();
	ok = ok && bench_wait_for_rows(bench);
	bench->persisted_us = clock_mono_us();
	return ok;
}

bool bench_chain(struct bench *bench) {
	bench->options.graph = graph_named("chain");
	if (!bench_crowd(bench, false))
		return false;
	bench_begin(bench);
	return run(bench, true);
}

bool bench_idle(struct bench *bench) {
	bench_begin(bench);
	return run(bench, false);
}
