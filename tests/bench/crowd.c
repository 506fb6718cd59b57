/* Submitting and working, many requests under way, on one loop. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

enum { REQUEST_MS = 60000, WAIT_MS = 1000 };

struct crowd {
	struct bench *bench;
	bench_tasks *tasks;
	int64_t total, next;
	int64_t submits, works; /* under way */
	bool settled;
};

struct worker {
	struct crowd *crowd;
	struct text done; /* the settles that go with the next request */
	int64_t done_count;
};

static struct crowd crowd;

static void submit_more(void);
static void ask_for_work(struct worker *worker);

static bool reply_ok(enum status status, const struct bus_message *reply) {
	return status == STATUS_OK && reply->body.length > 10 && memcmp(reply->body.bytes, "{\"ok\":true", 10) == 0;
}

static void complain(struct bench *bench, const char *what, enum status status, const struct bus_message *reply) {
	fprintf(stderr, "%s: %.*s\n", what, status == STATUS_OK ? (int)reply->body.length : 9,
	        status == STATUS_OK ? reply->body.bytes : "no answer");
	bench->failed = true;
}

static void on_submitted(void *context, enum status status, const struct bus_message *reply) {
	int64_t count = (int64_t)(intptr_t)context;
	struct bench *bench = crowd.bench;
	crowd.submits--;
	if (!reply_ok(status, reply)) {
		complain(bench, "submit", status, reply);
		return;
	}
	bench->submitted += count;
	if (bench->submitted == crowd.total)
		bench->submitted_us = clock_mono_us();
	submit_more();
}

static void submit_more(void) {
	struct bench *bench = crowd.bench;
	while (crowd.submits < bench->submit_window && crowd.next < crowd.total) {
		int64_t count = crowd.total - crowd.next < bench->batch_tasks ? crowd.total - crowd.next : bench->batch_tasks;
		struct text body = { 0 };
		text_printf(&body, "{\"project\":\"%s\",\"tasks\":", bench->project);
		crowd.tasks(bench, &body, crowd.next, count);
		text_add_char(&body, '}');
		crowd.next += count;
		crowd.submits++;
		bus_request(bench->bus, "corder.v1.submit", NULL, 0, (struct slice){ body.bytes, body.length }, REQUEST_MS,
		            on_submitted, (void *)(intptr_t)count);
		text_release(&body);
	}
}

/* The value of `"name":"…"` after at; our own ids hold nothing that JSON would escape. */
static const char *find_text(const char *at, const char *end, const char *name, struct slice *value) {
	const char *found = memmem(at, (size_t)(end - at), name, strlen(name));
	if (found == NULL)
		return NULL;
	const char *start = found + strlen(name);
	const char *stop = memchr(start, '"', (size_t)(end - start));
	*value = (struct slice){ start, (size_t)(stop - start) };
	return stop;
}

static void take_tasks(struct worker *worker, struct slice body) {
	const char *end = body.bytes + body.length;
	const char *at = memmem(body.bytes, body.length, "\"tasks\":[", 9);
	const char *done = memmem(body.bytes, body.length, "\"done\":[", 8);
	if (at == NULL)
		return;
	if (done != NULL && done > at)
		end = done;
	struct slice project, id, lease;
	/* Each task begins with its project; the objects inside it do not. */
	while ((at = find_text(at, end, "{\"project\":\"", &project)) != NULL &&
	       (at = find_text(at, end, "\"task_id\":\"", &id)) != NULL &&
	       (at = find_text(at, end, "\"lease\":\"", &lease)) != NULL) {
		text_add(&worker->done, worker->done_count > 0 ? ",{" : "{");
		text_printf(
			&worker->done,
			"\"project\":\"%s\",\"task_id\":\"%.*s\",\"lease\":\"%.*s\",\"outcome\":\"completed\",\"result\":{}}",
			worker->crowd->bench->project, (int)id.length, id.bytes, (int)lease.length, lease.bytes);
		worker->done_count++;
	}
}

static void on_work(void *context, enum status status, const struct bus_message *reply) {
	struct worker *worker = context;
	struct bench *bench = worker->crowd->bench;
	crowd.works--;
	if (!reply_ok(status, reply)) {
		complain(bench, "work", status, reply);
		return;
	}
	bench->completed += worker->done_count;
	worker->done_count = 0;
	text_clear(&worker->done);
	take_tasks(worker, reply->body);
	if (bench->completed >= crowd.total) {
		if (!crowd.settled)
			bench->completed_us = clock_mono_us();
		crowd.settled = true;
		return;
	}
	ask_for_work(worker);
}

static void ask_for_work(struct worker *worker) {
	struct bench *bench = worker->crowd->bench;
	struct text body = { 0 };
	text_printf(&body, "{\"worker\":\"bench\",\"max\":%" PRId64 ",\"wait_ms\":%d,\"done\":[", bench->lease_tasks,
	            worker->done_count > 0 ? 20 : WAIT_MS);
	if (worker->done_count > 0)
		text_append(&body, worker->done.bytes, worker->done.length);
	text_add(&body, "]}");
	crowd.works++;
	bus_request(bench->bus, bench_work_subject(bench), NULL, 0, (struct slice){ body.bytes, body.length }, REQUEST_MS,
	            on_work, worker);
	text_release(&body);
}

static bool is_settled(struct bench *bench) {
	return bench->failed || (crowd.submits == 0 && crowd.works == 0 && bench->submitted == crowd.total &&
	                         (crowd.settled || bench->expected == 0));
}

static bool is_archived(struct bench *bench) {
	return bench->failed || bench->persisted_us != 0;
}

static void on_archived(void *context, enum status status, const struct bus_message *reply) {
	struct bench *bench = context;
	if (!reply_ok(status, reply))
		complain(bench, "archived submit", status, reply);
	bench->persisted_us = clock_mono_us();
}

/* Rows are written in order: when this task's row is committed, so are all before it. */
static bool wait_for_rows(struct bench *bench) {
	struct text body = { 0 };
	text_printf(&body, "{\"project\":\"%s\",\"task_type\":\"last\",\"hold\":true,\"ack\":\"archived\"}",
	            bench->project);
	bench->persisted_us = 0;
	bus_request(bench->bus, "corder.v1.submit", NULL, 0, (struct slice){ body.bytes, body.length }, REQUEST_MS * 5,
	            on_archived, bench);
	text_release(&body);
	return bench_turn_until(bench, is_archived, 300);
}

bool bench_run(struct bench *bench, bench_tasks *tasks, int64_t total, bool works) {
	crowd = (struct crowd){ .bench = bench, .tasks = tasks, .total = total };
	struct worker *workers = memory_array((size_t)bench->work_window, sizeof(*workers));
	bench->submitted = bench->completed = 0;
	bench->expected = works ? total : 0;
	bench->started_us = clock_mono_us();
	submit_more();
	for (int64_t i = 0; works && i < bench->work_window; i++) {
		workers[i].crowd = &crowd;
		ask_for_work(&workers[i]);
	}
	bool ok = bench_turn_until(bench, is_settled, 600) && wait_for_rows(bench) && !bench->failed;
	for (int64_t i = 0; i < bench->work_window; i++)
		text_release(&workers[i].done);
	free(workers);
	return ok;
}
