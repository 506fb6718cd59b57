/* Keeps the leases: each is renewed at a third of its time, sooner when there is progress to tell. The answers say which
 * tasks were cancelled and which leases are gone. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "worker_inside.h"

enum {
	TICK_US = 300000,
	ANSWER_LEAST_MS = 300,
	ANSWER_MOST_MS = 3000,
	RENEW_MOST_US = 3000000, /* a cancel is heard of with a renew */
	OVERDUE_US = 300000,     /* past its timeout the server says that the lease is gone: ask at every tick */
	BODY_BYTES = 500000
};

/* One renew under way. */
struct renewal {
	struct corder_worker *worker;
	size_t type, count;
	struct {
		size_t slot;
		char lease[LIMIT_LEASE_CHARS + 1];
	} items[];
};

static bool wants_renewal(const struct slot *slot, int64_t now_us) {
	const struct corder_job *job = slot->job;
	int64_t every_us = slot->worker->options.lease_ms * 1000 / 3;
	every_us = every_us < RENEW_MOST_US ? every_us : RENEW_MOST_US;
	if (job == NULL || job->lost)
		return false;
	bool overdue = job->timeout_s > 0 && now_us - job->started_us > (int64_t)(job->timeout_s * 1e6) + OVERDUE_US;
	return job->progress != NULL || overdue || now_us - job->renewed_us >= every_us - TICK_US / 2;
}

static void tell_end(struct corder_job *job, enum corder_ending why) {
	const struct corder_worker_options *options = &job->slot->worker->options;
	if (job->ended || job->lost || (job->cancelled && why == CORDER_END_CANCELLED))
		return;
	job->cancelled |= why == CORDER_END_CANCELLED;
	job->lost |= why == CORDER_END_LOST;
	if (options->end != NULL)
		options->end(options->context, job, why);
}

static void take_answer(const struct renewal *renewal, struct json_value leases) {
	size_t index = 0;
	for (struct json_value item = json_first(leases); json_present(item) && index < renewal->count;
	     item = json_next(item), index++) {
		struct corder_job *job = renewal->worker->slots[renewal->items[index].slot].job;
		if (job == NULL || strcmp(job->lease, renewal->items[index].lease) != 0)
			continue;
		job->renewed_us = clock_mono_us();
		struct slice code = json_text(json_member(json_member(item, "error"), "code"));
		if (json_bool(json_member(item, "cancel"), false))
			tell_end(job, CORDER_END_CANCELLED);
		else if (slice_is(code, CODE_STALE_LEASE) || slice_is(code, CODE_NOT_FOUND))
			tell_end(job, CORDER_END_LOST);
	}
}

static void on_answer(void *context, const struct corder_reply *reply) {
	struct renewal *renewal = context;
	struct corder_worker *worker = renewal->worker;
	worker->renewing[renewal->type] = false;
	worker->pending--;
	if (worker->closed) {
		worker_release(worker);
	} else if (reply->status == CORDER_OK) {
		/* Its own reader: a handler may end its job, and with it read another answer. */
		struct json *json = json_read((struct slice){ reply->body, reply->length }, NULL);
		if (json != NULL)
			take_answer(renewal, json_member(json_root(json), "leases"));
		json_close(&json);
	}
	free(renewal);
}

static void add_lease(struct slot *slot, struct renewal *renewal, struct text *leases) {
	struct corder_job *job = slot->job;
	text_add(leases, renewal->count > 0 ? ",{\"project\":" : "{\"project\":");
	text_add_json(leases, slice_of(job->project));
	text_add(leases, ",\"task_id\":");
	text_add_json(leases, slice_of(job->task_id));
	text_add(leases, ",\"lease\":");
	text_add_json(leases, slice_of(job->lease));
	if (job->progress != NULL) {
		text_add(leases, ",\"progress\":");
		text_add(leases, job->progress);
		free(job->progress);
		job->progress = NULL;
	}
	text_add_char(leases, '}');
	renewal->items[renewal->count].slot = slot->index;
	strncpy(renewal->items[renewal->count].lease, job->lease, LIMIT_LEASE_CHARS);
	renewal->count++;
}

static void renew_type(struct corder_worker *worker, size_t type, int64_t now_us) {
	struct renewal *renewal = memory_new(sizeof *renewal + worker->slot_count * sizeof renewal->items[0]);
	struct text leases = { 0 };
	int64_t answer_ms = worker->options.lease_ms / 3;
	answer_ms = answer_ms < ANSWER_LEAST_MS ? ANSWER_LEAST_MS : answer_ms;
	answer_ms = answer_ms > ANSWER_MOST_MS ? ANSWER_MOST_MS : answer_ms;
	renewal->worker = worker;
	renewal->type = type;
	for (size_t i = 0; i < worker->slot_count && leases.length < BODY_BYTES; i++) {
		struct slot *slot = &worker->slots[i];
		if (wants_renewal(slot, now_us) && strcmp(slot->job->task_type, worker->types[type]) == 0)
			add_lease(slot, renewal, &leases);
	}
	if (renewal->count > 0) {
		struct corder_renew renew = { .task_type = worker->types[type],
			                          .worker = worker->name,
			                          .lease_ms = worker->options.lease_ms,
			                          .leases = leases.bytes,
			                          .try_ms = answer_ms,
			                          .patience_ms = 1 }; /* the next tick asks again */
		worker->renewing[type] = true;
		worker->pending++;
		corder_renew(worker->client, &renew, on_answer, renewal);
	} else {
		free(renewal);
	}
	text_release(&leases);
}

void renew_tick(void *context) {
	struct corder_worker *worker = context;
	int64_t now_us = clock_mono_us(), third_us = worker->options.lease_ms * 1000 / 3;
	for (size_t type = 0; type < worker->type_count; type++)
		if (!worker->renewing[type])
			renew_type(worker, type, now_us);
	worker->tick =
		loop_timer_start(worker->client->loop, now_us + (third_us < TICK_US ? third_us : TICK_US), renew_tick, worker);
}
