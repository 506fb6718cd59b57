/* Latency: a chain worked one by one, and single tasks to an idle worker. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "shared/base/clock.h"

enum { REQUEST_MS = 30000, PACE_US = 10000 };

static struct single {
	struct bench *bench;
	int64_t total, started;
	int64_t since_us; /* the settle, or the submit, whose effect is awaited */
	char id[160], lease[160];
	bool chain;
} single;

static void ask(bool settle);

static bool copy_member(struct slice body, const char *name, char *out, size_t room) {
	char key[32];
	snprintf(key, sizeof(key), "\"%s\":\"", name);
	const char *tasks = memmem(body.bytes, body.length, "\"tasks\":[{", 10);
	if (tasks == NULL)
		return false;
	const char *found = memmem(tasks, body.length - (size_t)(tasks - body.bytes), key, strlen(key));
	if (found == NULL)
		return false;
	const char *start = found + strlen(key);
	snprintf(out, room, "%.*s", (int)(strchr(start, '"') - start), start);
	return true;
}

static void on_submitted(void *context, enum status status, const struct bus_message *reply) {
	(void)context;
	if (status != STATUS_OK || memcmp(reply->body.bytes, "{\"ok\":true", 10) != 0)
		single.bench->failed = true;
}

static void submit_one(void *context) {
	(void)context;
	struct text body = { 0 };
	text_printf(&body, "{\"project\":\"%s\",\"task_type\":\"%s\",\"execution_context\":%s}", single.bench->project,
	            single.bench->project, single.bench->context);
	single.since_us = clock_mono_us();
	bus_request(single.bench->bus, "corder.v1.submit", NULL, 0, (struct slice){ body.bytes, body.length }, REQUEST_MS,
	            on_submitted, NULL);
	text_release(&body);
}

static void on_task(void *context, enum status status, const struct bus_message *reply) {
	struct bench *bench = single.bench;
	int64_t now = clock_mono_us();
	(void)context;
	if (status != STATUS_OK || memcmp(reply->body.bytes, "{\"ok\":true", 10) != 0) {
		fprintf(stderr, "work: %.*s\n", status == STATUS_OK ? (int)reply->body.length : 9,
		        status == STATUS_OK ? reply->body.bytes : "no answer");
		bench->failed = true;
		return;
	}
	if (!copy_member(reply->body, "task_id", single.id, sizeof(single.id)) ||
	    !copy_member(reply->body, "lease", single.lease, sizeof(single.lease))) {
		if (bench->completed < single.total)
			ask(false);
		return;
	}
	if (!single.chain || single.started > 0)
		bench_latency(bench, now - single.since_us);
	single.started++;
	if (single.chain)
		single.since_us = clock_mono_us();
	else if (single.started < single.total)
		loop_timer_start(bench->loop, clock_mono_us() + PACE_US, submit_one, NULL);
	ask(true);
}

static void ask(bool settle) {
	struct bench *bench = single.bench;
	struct text body = { 0 };
	bool last = settle && single.started == single.total;
	text_printf(&body, "{\"worker\":\"bench\",\"max\":1,\"wait_ms\":%d,\"done\":[", last ? 0 : 5000);
	if (settle) {
		text_printf(&body, "{\"project\":\"%s\",\"task_id\":\"%s\",\"lease\":\"%s\",\"outcome\":\"completed\"}",
		            bench->project, single.id, single.lease);
		bench->completed++;
	}
	text_add(&body, "]}");
	bus_request(bench->bus, bench_work_subject(bench), NULL, 0, (struct slice){ body.bytes, body.length }, REQUEST_MS,
	            on_task, NULL);
	text_release(&body);
}

static bool all_done(struct bench *bench) {
	return bench->failed || bench->completed >= single.total;
}

static void chain_tasks(struct bench *bench, struct text *out, int64_t from, int64_t count) {
	text_add_char(out, '[');
	for (int64_t i = from; i < from + count; i++) {
		text_printf(out, "%s{\"task_id\":\"c%" PRId64 "\",\"task_type\":\"%s\",\"execution_context\":%s",
		            i > from ? "," : "", i, bench->project, bench->context);
		if (i > 0)
			text_printf(out, ",\"dependencies\":[\"c%" PRId64 "\"]", i - 1);
		text_add_char(out, '}');
	}
	text_add_char(out, ']');
}

static void start(struct bench *bench, int64_t total, bool chain) {
	single = (struct single){ .bench = bench, .total = total, .chain = chain };
	bench->completed = 0;
	bench->latency_count = 0;
}

bool bench_chain(struct bench *bench, int64_t total) {
	if (!bench_run(bench, chain_tasks, total, false))
		return false;
	start(bench, total, true);
	ask(false);
	return bench_turn_until(bench, all_done, 120) && !bench->failed;
}

bool bench_idle(struct bench *bench, int64_t total) {
	start(bench, total, false);
	ask(false);
	loop_timer_start(bench->loop, clock_mono_us() + 200000, submit_one, NULL);
	return bench_turn_until(bench, all_done, 120) && !bench->failed;
}
