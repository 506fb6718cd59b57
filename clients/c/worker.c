/* A worker: places that each ask for a task and settle it with the next ask; every request is repeated with the same ids until
 * it is answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "worker_inside.h"

enum {
	WAIT_MS = 2000,
	WAIT_WITH_DONE_MS = 200, /* short: its answer also confirms a settlement */
	WAIT_LEAST_MS = 100,
	ANSWER_SPARE_MS = 3000,
	PATIENCE_MS = 2000, /* then somebody is told that nobody answers */
	REPEAT_US = 250000
};

static void send(struct slot *slot);

static bool anybody_busy(const struct corder_worker *worker) {
	for (size_t i = 0; i < worker->slot_count; i++)
		if (worker->slots[i].job != NULL)
			return true;
	return false;
}

static void trouble(struct corder_worker *worker, const struct corder_error *error) {
	if (worker->options.trouble != NULL)
		worker->options.trouble(worker->options.context, error);
}

static void on_repeat(void *context) {
	struct slot *slot = context;
	slot->repeat = NULL;
	send(slot);
}

/* The same again, a little later. Idle and stopping, nothing is lost by not asking: what was leased comes back by itself. */
static void repeat(struct slot *slot, const struct corder_error *error) {
	struct corder_worker *worker = slot->worker;
	if (worker->stopping && slot->done.length == 0) {
		slot->state = SLOT_STOPPED;
		return;
	}
	slot->repeat = loop_timer_start(worker->client->loop, clock_mono_us() + REPEAT_US, on_repeat, slot);
	if (worker->told_unanswered)
		return;
	worker->told_unanswered = true;
	trouble(worker, error);
}

static void take_verdict(struct slot *slot, struct json_value root) {
	struct json_value verdict = json_first(json_member(root, "done"));
	if (slot->done.length > 0 && json_present(verdict))
		job_heed_verdict(slot->job, verdict);
}

static void start(struct slot *slot, struct json_value task) {
	struct corder_worker *worker = slot->worker;
	slot->job = job_make(slot, task);
	slot->empty = 0;
	worker->busy_us = clock_mono_us();
	worker->once_taken |= worker->options.once;
	slot->state = SLOT_RUNNING;
	if (worker->stopping) {
		slot->job->unseen = true;
		corder_job_release(slot->job);
	} else {
		worker->options.run(worker->options.context, slot->job);
	}
}

/* A task came although a refused settlement has to be told anew: it is given back with that. */
static void give_back(struct slot *slot, struct json_value task) {
	struct corder_job *job = job_make(slot, task);
	text_add_char(&slot->done, ',');
	job_add_item(job, "released", &slot->done);
	text_add_char(&slot->done, '}');
	job_free(job);
}

static void take_nothing(struct slot *slot) {
	struct corder_worker *worker = slot->worker;
	int64_t idle_ms = (clock_mono_us() - worker->busy_us) / 1000;
	slot->empty++;
	slot->type = (slot->type + 1) % worker->type_count;
	if (worker->options.idle_ms > 0 && !anybody_busy(worker) && idle_ms >= worker->options.idle_ms)
		corder_worker_stop(worker);
	slot_next(slot);
}

/* No such work will ever be had: said once, and the worker is at its end. */
static void give_up(struct slot *slot, const struct corder_error *error) {
	struct corder_worker *worker = slot->worker;
	text_clear(&slot->done);
	slot->state = SLOT_STOPPED;
	corder_worker_stop(worker);
	trouble(worker, error);
}

/* A refused request that carries a settlement does not say which of the two was meant: the settlement goes alone, and if it
 * is what nobody takes, its task fails with the reason. */
static bool settle_apart(struct slot *slot, const struct corder_error *error) {
	if (slot->done.length == 0)
		return false;
	if (slot->state == SLOT_SETTLING && !job_settle_as_failed(slot->job, error))
		return false;
	slot->state = SLOT_SETTLING;
	send(slot);
	return true;
}

static void take_answer(struct slot *slot, const struct corder_reply *reply) {
	struct corder_worker *worker = slot->worker;
	if (json_parse(worker->json, (struct slice){ reply->body, reply->length }, NULL, NULL) != STATUS_OK) {
		repeat(slot, &reply->error);
		return;
	}
	if (worker->told_unanswered) {
		worker->told_unanswered = false;
		trouble(worker, &reply->error);
	}
	struct json_value root = json_root(worker->json);
	take_verdict(slot, root);
	struct json_value task = json_first(json_member(root, "tasks"));
	if (json_present(task) && slot->job != NULL)
		give_back(slot, task);
	if (slot->state == SLOT_ASKING && json_present(task) && slot->job == NULL)
		start(slot, task);
	else if (slot->state == SLOT_ASKING && slot->done.length == 0)
		take_nothing(slot);
	else
		slot_next(slot);
}

static void on_answer(void *context, const struct corder_reply *reply) {
	struct slot *slot = context;
	struct corder_worker *worker = slot->worker;
	slot->in_flight = false;
	worker->pending--;
	if (worker->closed)
		worker_release(worker);
	else if (slot->state == SLOT_STOPPED)
		return;
	else if (reply->status == CORDER_OK)
		take_answer(slot, reply);
	else if (reply->status == CORDER_REFUSED && settle_apart(slot, &reply->error))
		return;
	else if (reply->status == CORDER_REFUSED || reply->status == CORDER_USAGE)
		give_up(slot, &reply->error);
	else
		repeat(slot, &reply->error);
}

static int64_t wait_ms_of(const struct slot *slot) {
	const struct corder_worker *worker = slot->worker;
	int64_t wait_ms = worker->options.wait_ms / (int64_t)worker->type_count;
	if (slot->done.length > 0 && wait_ms > WAIT_WITH_DONE_MS)
		wait_ms = WAIT_WITH_DONE_MS;
	if (worker->type_count > 1 && slot->empty < worker->type_count)
		wait_ms = 0;
	if (worker->options.idle_ms > 0 && wait_ms > worker->options.idle_ms / 2)
		wait_ms = worker->options.idle_ms / 2;
	return wait_ms > 0 && wait_ms < WAIT_LEAST_MS ? WAIT_LEAST_MS : wait_ms;
}

static void send(struct slot *slot) {
	struct corder_worker *worker = slot->worker;
	bool asks = slot->state == SLOT_ASKING;
	struct corder_work work = { .task_type = asks ? worker->types[slot->type] : slot->job->task_type,
		                        .worker = worker->name,
		                        .max = 1,
		                        .wait_ms = wait_ms_of(slot),
		                        .lease_ms = worker->options.lease_ms,
		                        .request_id = slot->request_id,
		                        .done = slot->done.bytes,
		                        .done_length = slot->done.length,
		                        .patience_ms = PATIENCE_MS };
	if (slot->done.length == 0)
		work.done = NULL;
	slot->in_flight = true;
	worker->pending++;
	(asks ? corder_work : corder_settle)(worker->client, &work, on_answer, slot);
}

static void ask(struct slot *slot) {
	const struct corder_worker *worker = slot->worker;
	slot->state = SLOT_ASKING;
	if (slot->done.length > 0) /* settled where it was leased; more of the same type is likely */
		for (size_t i = 0; i < worker->type_count; i++)
			slot->type = strcmp(worker->types[i], slot->job->task_type) == 0 ? i : slot->type;
	id_make(slot->request_id);
	send(slot);
}

void slot_next(struct slot *slot) {
	if (!slot->worker->stopping && !slot->worker->once_taken) {
		ask(slot);
	} else if (slot->done.length > 0) {
		slot->state = SLOT_SETTLING;
		send(slot);
	} else {
		slot->state = SLOT_STOPPED;
	}
}

/* ---- opening and closing */

static bool read_types(struct corder_worker *worker, struct corder_error *error) {
	const struct corder_worker_options *options = &worker->options;
	if (options->task_type_count == 0 || options->task_type_count > TASK_TYPES_MOST) {
		corder_fail(error, CORDER_USAGE, "task_types: 1 to %d are needed", TASK_TYPES_MOST);
		return false;
	}
	for (size_t i = 0; i < options->task_type_count; i++) {
		if (!id_is_token(slice_of(options->task_types[i]))) {
			corder_fail(error, CORDER_USAGE, "task_types[%zu] must match [A-Za-z0-9_-]{1,64}", i);
			return false;
		}
		worker->types[worker->type_count++] = slice_copy(slice_of(options->task_types[i]));
	}
	return true;
}

/* host-pid, as a token. */
static void name_worker(struct corder_worker *worker) {
	char host[40] = "worker";
	if (worker->options.name != NULL) {
		snprintf(worker->name, sizeof worker->name, "%s", worker->options.name);
		return;
	}
	gethostname(host, sizeof host - 1);
	for (char *c = host; *c != 0; c++)
		if (!id_is_token((struct slice){ c, 1 }))
			*c = '-';
	snprintf(worker->name, sizeof worker->name, "%s-%ld", host, (long)getpid());
}

static bool read_options(struct corder_worker *worker, struct corder_error *error) {
	struct corder_worker_options *options = &worker->options;
	options->concurrency = options->once || options->concurrency == 0 ? 1 : options->concurrency;
	options->lease_ms = options->lease_ms == 0 ? DEFAULT_LEASE_MS : options->lease_ms;
	options->wait_ms = options->wait_ms == 0 ? WAIT_MS : options->wait_ms;
	if (options->name != NULL && !id_is_token(slice_of(options->name)))
		corder_fail(error, CORDER_USAGE, "name must match [A-Za-z0-9_-]{1,64}, and is \"%.100s\"", options->name);
	else if (options->concurrency < 1 || options->concurrency > LIMIT_DONE)
		corder_fail(error, CORDER_USAGE, "concurrency: 1 to %d", LIMIT_DONE);
	else if (options->lease_ms < LIMIT_LEASE_MS_MIN || options->lease_ms > LIMIT_LEASE_MS)
		corder_fail(error, CORDER_USAGE, "lease_ms: %d to %d", LIMIT_LEASE_MS_MIN, LIMIT_LEASE_MS);
	else if (options->wait_ms < 0 || options->wait_ms > LIMIT_WAIT_MS)
		corder_fail(error, CORDER_USAGE, "wait_ms: 1 to %d; 0: %d", LIMIT_WAIT_MS, WAIT_MS);
	else if (options->run == NULL)
		corder_fail(error, CORDER_USAGE, "run: a worker needs a handler");
	else
		return read_types(worker, error);
	return false;
}

static void free_worker(struct corder_worker *worker) {
	for (size_t i = 0; i < worker->type_count; i++)
		free(worker->types[i]);
	for (size_t i = 0; i < worker->slot_count; i++) {
		if (worker->slots[i].job != NULL)
			job_free(worker->slots[i].job);
		text_release(&worker->slots[i].done);
	}
	free(worker->slots);
	json_close(&worker->json);
	free(worker);
}

struct corder_worker *corder_worker_open(struct corder *client, const struct corder_worker_options *options,
                                         struct corder_error *error) {
	struct corder_worker *worker = memory_new(sizeof *worker);
	worker->client = client;
	worker->options = *options;
	if (!read_options(worker, error)) {
		free_worker(worker);
		return NULL;
	}
	name_worker(worker);
	worker->options.name = worker->name;
	worker->options.task_types = NULL; /* were borrowed */
	worker->json = json_open();
	worker->slot_count = (size_t)worker->options.concurrency;
	worker->slots = memory_array(worker->slot_count, sizeof *worker->slots);
	worker->busy_us = clock_mono_us();
	for (size_t i = 0; i < worker->slot_count; i++) {
		worker->slots[i].worker = worker;
		worker->slots[i].index = i;
		worker->slots[i].type = i % worker->type_count;
		ask(&worker->slots[i]);
	}
	renew_tick(worker);
	return worker;
}

void worker_release(struct corder_worker *worker) {
	if (worker->pending == 0)
		free_worker(worker);
}

void corder_worker_close(struct corder_worker **worker) {
	struct corder_worker *old = *worker;
	if (old == NULL)
		return;
	*worker = NULL;
	old->closed = true;
	loop_timer_stop(old->client->loop, &old->tick);
	for (size_t i = 0; i < old->slot_count; i++)
		loop_timer_stop(old->client->loop, &old->slots[i].repeat);
	worker_release(old);
}

void corder_worker_stop(struct corder_worker *worker) {
	worker->stopping = true;
}

const char *corder_worker_name(const struct corder_worker *worker) {
	return worker->name;
}

bool corder_worker_stopping(const struct corder_worker *worker) {
	return worker->stopping;
}

bool corder_worker_finished(const struct corder_worker *worker) {
	for (size_t i = 0; i < worker->slot_count; i++)
		if (worker->slots[i].state != SLOT_STOPPED)
			return false;
	return true;
}

size_t corder_worker_unsettled(const struct corder_worker *worker) {
	size_t count = 0;
	for (size_t i = 0; i < worker->slot_count; i++)
		count += worker->slots[i].job != NULL;
	return count;
}

struct corder_job *corder_worker_next_job(struct corder_worker *worker, size_t *at) {
	while (*at < worker->slot_count) {
		struct corder_job *job = worker->slots[(*at)++].job;
		if (job != NULL)
			return job;
	}
	return NULL;
}

void corder_worker_run(struct corder_worker *worker) {
	while (!corder_worker_finished(worker))
		corder_turn(worker->client, 1000);
}
