/* Keeps the leases: each is renewed at a third of its time, sooner when there is progress to tell. The answers say which
 * tasks were cancelled and which leases are gone. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../subjects/subjects.h"
#include "utf8.h"
#include "work.h"

enum { TICK_US = 300000, ANSWER_MS = 3000, TIMEOUT_LOCAL_S = 5, TIMEOUT_ASK_S = 1, RENEW_MOST_US = 3000000 };

/* One renew under way. */
struct renewal {
	struct worker *worker;
	size_t type, count;
	struct {
		size_t slot;
		char lease[LIMIT_LEASE_CHARS + 1];
	} items[];
};

static double running_s(const struct slot *slot) {
	return (double)(clock_mono_us() - slot->run.started_us) / 1e6;
}

/* Past its timeout the server will say that the lease is gone: ask at every tick. */
static bool is_overdue(const struct slot *slot) {
	return slot->run.timeout_s > 0 && running_s(slot) > slot->run.timeout_s + TIMEOUT_ASK_S * 0.3;
}

static bool wants_renewal(const struct slot *slot) {
	int64_t every_us = slot->worker->options->lease_ms * 1000 / 3;
	every_us = every_us < RENEW_MOST_US ? every_us : RENEW_MOST_US; /* a cancel is heard of with a renew */
	if (!slot->leased || slot->run.lease == NULL)
		return false;
	return slot->run.progress_new || is_overdue(slot) ||
	       clock_mono_us() - slot->run.renewed_us >= every_us - TICK_US / 2;
}

/* A line of stderr as progress: a JSON object as it is, other text as a message. */
static void add_progress(struct run *run, struct text *body) {
	struct slice line = { run->progress.bytes, run->progress.length };
	struct json *json = line.length > 0 && line.bytes[0] == '{' ? json_read(line, NULL) : NULL;
	text_add(body, ",\"progress\":");
	if (json != NULL) {
		text_add_slice(body, line);
	} else {
		text_add(body, "{\"message\":");
		utf8_add_json(body, line, LINE_MOST_BYTES);
		text_add_char(body, '}');
	}
	json_close(&json);
	run->progress_new = false;
}

static void take_answer(struct renewal *renewal, struct json_value leases) {
	size_t index = 0;
	for (struct json_value item = json_first(leases); json_present(item) && index < renewal->count;
	     item = json_next(item), index++) {
		struct slot *slot = &renewal->worker->slots[renewal->items[index].slot];
		if (slot->run.lease == NULL || strcmp(slot->run.lease, renewal->items[index].lease) != 0)
			continue;
		slot->run.renewed_us = clock_mono_us();
		struct slice code = json_text(json_member(json_member(item, "error"), "code"));
		if (json_bool(json_member(item, "cancel"), false))
			run_end(slot, ENDING_CANCEL);
		else if (slice_is(code, CODE_STALE_LEASE) || slice_is(code, CODE_NOT_FOUND))
			run_end(slot, ENDING_LOST);
	}
}

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	struct renewal *renewal = context;
	struct worker *worker = renewal->worker;
	worker->renewing[renewal->type] = false;
	if (status == STATUS_OK && json_parse(worker->json, message->body, NULL, NULL) == STATUS_OK)
		take_answer(renewal, json_member(json_root(worker->json), "leases"));
	free(renewal);
}

static void add_lease(struct slot *slot, struct renewal *renewal, struct text *body) {
	text_add(body, renewal->count > 0 ? ",{\"project\":" : "{\"project\":");
	text_add_json(body, slice_of(slot->run.project));
	text_add(body, ",\"task_id\":");
	text_add_json(body, slice_of(slot->run.task_id));
	text_add(body, ",\"lease\":");
	text_add_json(body, slice_of(slot->run.lease));
	if (slot->run.progress_new)
		add_progress(&slot->run, body);
	text_add_char(body, '}');
	renewal->items[renewal->count].slot = slot->index;
	strncpy(renewal->items[renewal->count].lease, slot->run.lease, LIMIT_LEASE_CHARS);
	renewal->count++;
}

static void renew_type(struct worker *worker, size_t type) {
	struct renewal *renewal = memory_new(sizeof *renewal + worker->slot_count * sizeof renewal->items[0]);
	struct text body = { 0 };
	renewal->worker = worker;
	renewal->type = type;
	text_add(&body, "{\"worker\":");
	text_add_json(&body, slice_of(worker->name));
	text_printf(&body, ",\"lease_ms\":%lld,\"leases\":[", (long long)worker->options->lease_ms);
	for (size_t i = 0; i < worker->slot_count; i++) {
		struct slot *slot = &worker->slots[i];
		if (wants_renewal(slot) && strcmp(slot->run.task_type, worker->types[type]) == 0)
			add_lease(slot, renewal, &body);
	}
	text_add(&body, "]}");
	if (renewal->count > 0) {
		struct text relative = { 0 };
		text_printf(&relative, "renew.%s", worker->types[type]);
		char *subject = client_subject(worker->cli, relative.bytes);
		worker->renewing[type] = true;
		bus_request(worker->cli->bus, subject, NULL, 0, (struct slice){ body.bytes, body.length }, ANSWER_MS, on_answer,
		            renewal);
		free(subject);
		text_release(&relative);
	} else {
		free(renewal);
	}
	text_release(&body);
}

/* What time asks of a running command: TERM at the end of its timeout, KILL after the grace. */
static void look_at(struct slot *slot) {
	if (slot->state != SLOT_RUNNING)
		return;
	if (slot->run.timeout_s > 0 && running_s(slot) > slot->run.timeout_s + TIMEOUT_LOCAL_S)
		run_end(slot, ENDING_TIMEOUT);
	if (slot->run.kill_at_us > 0 && clock_mono_us() >= slot->run.kill_at_us)
		run_kill(slot);
}

static void tick(void *context) {
	struct worker *worker = context;
	int64_t third_us = worker->options->lease_ms * 1000 / 3;
	for (size_t i = 0; i < worker->slot_count; i++)
		look_at(&worker->slots[i]);
	for (size_t t = 0; t < worker->type_count; t++)
		if (!worker->renewing[t])
			renew_type(worker, t);
	int64_t wait_us = third_us < TICK_US ? third_us : TICK_US;
	worker->tick = loop_timer_start(worker->cli->loop, clock_mono_us() + wait_us, tick, worker);
}

void renew_start(struct worker *worker) {
	tick(worker);
}
