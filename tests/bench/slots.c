/* A workflow run by so many workers, each of which has one task at a time and keeps it as long as its context says
 * ({"us": N}): nothing is computed, so that the time it takes is the order's and the queue's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

enum { WAIT_MS = 2000, LIMIT_S = 300 };

struct slot {
	struct text done;
	bool busy;
};

static struct slots {
	struct bench *bench;
	struct slot *slots;
	struct text body;
	int64_t ended; /* tasks whose time has passed */
} slots;

static void ask(void *context);

static int64_t duration_us(const struct delivery *delivery, const struct delivered *task) {
	const char *at = memmem(task->rest, (size_t)(delivery->end - task->rest), "\"us\":", 5);
	return at != NULL ? strtoll(at + 5, NULL, 10) : 0;
}

static void on_work(void *context, const struct corder_reply *reply) {
	struct slot *slot = context;
	struct bench *bench = slots.bench;
	if (!bench_reply_ok(bench, "work", reply))
		return;
	if (slot->busy && slots.ended == bench->options.tasks)
		bench->completed_us = clock_mono_us();
	slot->busy = false;
	text_clear(&slot->done);
	struct delivery delivery = bench_delivery(reply);
	struct delivered task;
	if (bench_next_task(&delivery, &task)) {
		bench_add_done(&slot->done, &task);
		slot->busy = true;
		corder_later(bench->client, duration_us(&delivery, &task), ask, slot);
	} else if (slots.ended < bench->options.tasks) {
		ask(slot);
	}
}

/* The last settle must not wait for work that does not come. */
static void ask(void *context) {
	struct slot *slot = context;
	struct bench *bench = slots.bench;
	slots.ended += slot->busy ? 1 : 0;
	bool last = slots.ended == bench->options.tasks;
	struct corder_work work = { .task_type = bench->type,
		                        .worker = "bench",
		                        .request_id = "",
		                        .max = 1,
		                        .wait_ms = last ? 0 : WAIT_MS,
		                        .done = slot->busy ? slot->done.bytes : NULL,
		                        .done_length = slot->done.length,
		                        .patience_ms = BENCH_REQUEST_MS };
	corder_work(bench->client, &work, on_work, slot);
}

static void on_submitted(void *context, const struct corder_reply *reply) {
	struct bench *bench = context;
	if (bench_reply_ok(bench, "submit", reply))
		bench->submitted_us = clock_mono_us();
}

static bool read_body(const char *path) {
	FILE *file = path != NULL ? fopen(path, "r") : NULL;
	char part[65536];
	size_t n;
	if (file == NULL)
		return false;
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		text_append(&slots.body, part, n);
	return fclose(file) == 0;
}

static bool is_done(struct bench *bench) {
	return bench->failed || (bench->completed_us != 0 && bench->submitted_us != 0);
}

bool bench_slots(struct bench *bench) {
	slots = (struct slots){ .bench = bench };
	if (!read_body(bench->options.file)) {
		fprintf(stderr, "--file: a submission is wanted there\n");
		return false;
	}
	slots.slots = memory_array((size_t)bench->options.slots, sizeof(*slots.slots));
	bench_begin(bench);
	bench_submit(bench, &slots.body, on_submitted, bench);
	for (int64_t i = 0; i < bench->options.slots; i++)
		ask(&slots.slots[i]);
	return bench_turn_until(bench, is_done, LIMIT_S) && !bench->failed;
}
