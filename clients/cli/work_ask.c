/* Asks for tasks and settles them, a request at a time a slot, each repeated with the same ids until it is answered. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../subjects/subjects.h"
#include "work.h"

enum {
	WAIT_MS = 2000, /* how long a request waits for a task; also the longest a graceful stop of idle slots takes */
	WAIT_WITH_DONE_MS = 200, /* short: its answer also confirms a settlement */
	WAIT_LEAST_MS = 100,
	ANSWER_SPARE_MS = 3000,
	PAUSE_LEAST_MS = 50,
	PAUSE_MOST_MS = 1000
};

static void send(struct slot *slot);

static void repeat(void *context) {
	struct slot *slot = context;
	slot->repeat = NULL;
	send(slot);
}

static void stop_slot(struct slot *slot) {
	slot->state = SLOT_STOPPED;
	slot->leased = false;
	run_release(&slot->run);
}

/* No answer, or unavailable, says nothing: the same request again, a little later. */
static void repeat_later(struct slot *slot) {
	struct worker *worker = slot->worker;
	if (worker->stopping && slot->done.length == 0) {
		stop_slot(slot);
		return;
	}
	slot->repeat = loop_timer_start(worker->cli->loop, clock_mono_us() + slot->pause_ms * 1000, repeat, slot);
	if (slot->pause_ms == PAUSE_MOST_MS && !worker->told_unanswered) {
		worker->told_unanswered = true;
		work_log_note(worker, "nobody answers %s at %s (%s); trying on", slot->subject, worker->cli->url,
		              bus_connected(worker->cli->bus) ? "is the dispatcher running?" : "no connection");
	}
	slot->pause_ms = slot->pause_ms * 2 < PAUSE_MOST_MS ? slot->pause_ms * 2 : PAUSE_MOST_MS;
}

/* A settlement that can never be taken (its result is too large, say) is told as a failure instead, once. */
static bool settle_again(struct slot *slot, struct json_value verdict) {
	struct json_value error = json_member(verdict, "error");
	struct slice code = json_text(json_member(error, "code"));
	if (slice_is(code, CODE_STALE_LEASE) || slice_is(code, CODE_NOT_FOUND) || slot->run.settled_again)
		return false;
	slot->run.settled_again = true;
	text_clear(&slot->done);
	run_add_item_start(&slot->run, "failed", &slot->done);
	text_add(&slot->done, ",\"error\":{\"message\":");
	text_add_json(&slot->done, json_text(json_member(error, "message")));
	text_add(&slot->done, ",\"retryable\":false}}");
	return true;
}

static void take_verdict(struct slot *slot, struct json_value root) {
	struct json_value verdict = json_first(json_member(root, "done"));
	if (slot->done.length == 0 || !json_present(verdict))
		return;
	work_log_settled(slot, verdict);
	if (!json_bool(json_member(verdict, "ok"), false) && settle_again(slot, verdict))
		return;
	text_clear(&slot->done);
	slot->leased = false;
	run_release(&slot->run);
}

static void start_task(struct slot *slot, struct json_value task) {
	struct worker *worker = slot->worker;
	struct error err = { 0 };
	slot->leased = true;
	slot->empty = 0;
	worker->busy_us = clock_mono_us();
	worker->once_taken |= worker->options->once;
	if (worker->stopping) {
		run_take(&slot->run, task);
		run_add_released(&slot->run, &slot->done);
		slot_next(slot);
	} else if (run_start(slot, task, &err)) {
		slot->state = SLOT_RUNNING;
		work_log_started(slot);
	} else {
		work_log_note(worker, "%s", err.message);
		run_add_released(&slot->run, &slot->done);
		worker->refusal = EXIT_FAILED;
		worker_stop(worker);
		slot_next(slot);
	}
}

static bool anybody_busy(const struct worker *worker) {
	for (size_t i = 0; i < worker->slot_count; i++)
		if (worker->slots[i].leased)
			return true;
	return false;
}

static void take_nothing(struct slot *slot) {
	struct worker *worker = slot->worker;
	double idle_s = (double)(clock_mono_us() - worker->busy_us) / 1e6;
	slot->empty++;
	slot->type = (slot->type + 1) % worker->type_count;
	if (worker->options->until_idle && !anybody_busy(worker) && idle_s >= worker->options->idle_s)
		worker_stop(worker);
	slot_next(slot);
}

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	struct slot *slot = context;
	struct worker *worker = slot->worker;
	slot->in_flight = false;
	if (slot->state == SLOT_STOPPED)
		return;
	if (status != STATUS_OK || json_parse(worker->json, message->body, NULL, NULL) != STATUS_OK) {
		repeat_later(slot);
		return;
	}
	struct json_value root = json_root(worker->json);
	if (!json_bool(json_member(root, "ok"), false)) {
		if (slice_is(json_text(json_member(json_member(root, "error"), "code")), CODE_UNAVAILABLE)) {
			repeat_later(slot);
			return;
		}
		worker->refusal = client_tell_refusal(worker->cli, root);
		text_clear(&slot->done);
		stop_slot(slot);
		worker_stop(worker);
		return;
	}
	if (worker->told_unanswered)
		work_log_note(worker, "answered again");
	worker->told_unanswered = false;
	take_verdict(slot, root);
	struct json_value task = json_first(json_member(root, "tasks"));
	if (slot->state == SLOT_ASKING && json_present(task))
		start_task(slot, task);
	else if (slot->state == SLOT_ASKING && slot->done.length == 0)
		take_nothing(slot);
	else
		slot_next(slot);
}

static int64_t wait_ms_of(const struct slot *slot) {
	const struct worker *worker = slot->worker;
	int64_t wait_ms = WAIT_MS / (int64_t)worker->type_count;
	if (slot->done.length > 0)
		wait_ms = WAIT_WITH_DONE_MS;
	if (worker->type_count > 1 && slot->empty < worker->type_count)
		wait_ms = 0;
	int64_t idle_ms = (int64_t)(worker->options->idle_s * 500);
	if (worker->options->until_idle && wait_ms > idle_ms)
		wait_ms = idle_ms;
	return wait_ms > 0 && wait_ms < WAIT_LEAST_MS ? WAIT_LEAST_MS : wait_ms;
}

static void send(struct slot *slot) {
	struct slice body = { slot->request.bytes, slot->request.length };
	int64_t timeout_ms = ANSWER_SPARE_MS + (slot->state == SLOT_ASKING ? WAIT_MS : 0);
	slot->in_flight = true;
	bus_request(slot->worker->cli->bus, slot->subject, NULL, 0, body, timeout_ms, on_answer, slot);
}

static void set_subject(struct slot *slot, const char *what, const char *type) {
	struct text relative = { 0 };
	text_printf(&relative, "%s.%s", what, type);
	free(slot->subject);
	slot->subject = client_subject(slot->worker->cli, relative.bytes);
	text_release(&relative);
}

static void begin_request(struct slot *slot) {
	slot->pause_ms = PAUSE_LEAST_MS;
	text_clear(&slot->request);
	text_add(&slot->request, "{\"worker\":");
	text_add_json(&slot->request, slice_of(slot->worker->name));
}

static void add_done(struct slot *slot) {
	if (slot->done.length == 0)
		return;
	text_add(&slot->request, ",\"done\":[");
	text_append(&slot->request, slot->done.bytes, slot->done.length);
	text_add_char(&slot->request, ']');
}

void slot_ask(struct slot *slot) {
	struct worker *worker = slot->worker;
	char request_id[ID_BYTES];
	slot->state = SLOT_ASKING;
	if (slot->done.length > 0) /* settled where it was leased; more of the same type is likely */
		for (size_t i = 0; i < worker->type_count; i++)
			slot->type = strcmp(worker->types[i], slot->run.task_type) == 0 ? i : slot->type;
	id_make(request_id);
	begin_request(slot);
	text_printf(&slot->request, ",\"max\":1,\"wait_ms\":%lld,\"lease_ms\":%lld,\"request_id\":\"%s\"",
	            (long long)wait_ms_of(slot), (long long)worker->options->lease_ms, request_id);
	add_done(slot);
	text_add_char(&slot->request, '}');
	set_subject(slot, "work", worker->types[slot->type]);
	send(slot);
}

static void settle(struct slot *slot) {
	slot->state = SLOT_SETTLING;
	begin_request(slot);
	add_done(slot);
	text_add_char(&slot->request, '}');
	set_subject(slot, "settle", slot->run.task_type);
	send(slot);
}

void slot_next(struct slot *slot) {
	bool more = !slot->worker->stopping && !slot->worker->once_taken;
	if (slot->done.length == 0)
		run_release(&slot->run);
	if (more)
		slot_ask(slot);
	else if (slot->done.length > 0)
		settle(slot);
	else
		stop_slot(slot);
}

bool worker_finished(const struct worker *worker) {
	for (size_t i = 0; i < worker->slot_count; i++)
		if (worker->slots[i].state != SLOT_STOPPED)
			return false;
	return true;
}

void worker_stop(struct worker *worker) {
	if (worker->stopping)
		return;
	worker->stopping = true;
	worker->stop_at_us = clock_mono_us() + (int64_t)(worker->options->stop_s * 1e6);
}
