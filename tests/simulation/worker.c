/* A worker: asks for tasks, holds them for a while, renews or not, settles them (late, twice, or never), and repeats
 * itself while it has no answer. Now and then it forgets all that it has, as one that was killed. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "scenario.h"
#include "shared/base/memory.h"

struct worker;

struct held {
	struct held *next;
	struct worker *worker;
	char project[32], task_id[96], lease[64], type[16], outcome[12];
	bool renews, retryable, in_force; /* in_force: the lease was, in the log, when the settle was said */
	int again;                        /* how often the settle is said once more */
	int64_t until_us;
};

struct worker {
	struct process *process;
	struct loop *loop;
	struct bus *bus;
	int64_t requests, holding;
	struct text body;
	char type[16];
	bool asking;
};

static void ask(void *context);
static void settle(void *context);

static void later(struct worker *worker, int64_t us, loop_call *call, void *context) {
	loop_timer_start(worker->loop, world.now_us + us, call, context);
}

/* ---- settling ---- */

static void drop(struct held *held) {
	held->worker->holding--;
	free(held);
}

static void on_settled(void *context, enum status status, const struct bus_message *message) {
	struct held *held = context;
	cJSON *reply = status == STATUS_OK ? cJSON_Parse(message->body.bytes) : NULL;
	const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItem(reply, "done"), 0);
	char name[140];
	snprintf(name, sizeof(name), "%s/%s", held->project, held->task_id);
	bool answered = cJSON_IsTrue(cJSON_GetObjectItem(reply, "ok"));
	if (answered && cJSON_IsTrue(cJSON_GetObjectItem(item, "ok"))) {
		ledger_told_settled(name, held->lease, cJSON_GetStringValue(cJSON_GetObjectItem(item, "status")));
	} else if (answered) {
		const cJSON *code = cJSON_GetObjectItem(cJSON_GetObjectItem(item, "error"), "code");
		if (!code || (strcmp(code->valuestring, "stale_lease") != 0 && strcmp(code->valuestring, "not_found") != 0))
			world_violation("a settle failed: %.300s", message->body.bytes);
		if (held->in_force && ledger_lease_is_in_force(name, held->lease))
			world_violation("%s was refused the settle by lease %s, which has been in force all the time: %.300s", name,
			                held->lease, message->body.bytes);
	} else if (status == STATUS_OK && !strstr(message->body.bytes, "\"unavailable\"")) {
		world_violation("a settle was refused: %.300s", message->body.bytes);
	}
	cJSON_Delete(reply);
	if (!answered || held->again-- > 0)
		later(held->worker, 10000 + world_draw(600000), settle, held);
	else
		drop(held);
}

static void settle(void *context) {
	struct held *held = context;
	struct worker *worker = held->worker;
	char subject[48], name[140];
	snprintf(name, sizeof(name), "%s/%s", held->project, held->task_id);
	held->in_force = ledger_lease_is_in_force(name, held->lease);
	snprintf(subject, sizeof(subject), "corder.v1.settle.%s", held->type);
	text_clear(&worker->body);
	text_printf(
		&worker->body,
		"{\"worker\":\"w-%d\",\"done\":[{\"project\":\"%s\",\"task_id\":\"%s\",\"lease\":\"%s\",\"outcome\":\"%s\"",
		worker->process->id, held->project, held->task_id, held->lease, held->outcome);
	if (held->outcome[0] == 'f')
		text_printf(&worker->body, ",\"error\":{\"message\":\"no\",\"retryable\":%s}",
		            held->retryable ? "true" : "false");
	if (held->outcome[0] == 'c')
		text_printf(&worker->body, ",\"result\":{\"by\":%d}", worker->process->id);
	text_add(&worker->body, "}]}");
	bus_request(worker->bus, subject, NULL, 0, (struct slice){ worker->body.bytes, worker->body.length }, 3000,
	            on_settled, held);
}

/* ---- holding ---- */

static void hold_on(void *context);

static void on_renewed(void *context, enum status status, const struct bus_message *message) {
	struct held *held = context;
	if (status == STATUS_OK && strstr(message->body.bytes, "\"cancel\":true"))
		held->until_us = 0;
	later(held->worker, 300000, hold_on, held);
}

static void hold_on(void *context) {
	struct held *held = context;
	struct worker *worker = held->worker;
	char subject[48];
	if (world.now_us >= held->until_us) {
		settle(held);
		return;
	}
	if (!held->renews) {
		later(worker, held->until_us - world.now_us, hold_on, held);
		return;
	}
	snprintf(subject, sizeof(subject), "corder.v1.renew.%s", held->type);
	text_clear(&worker->body);
	text_printf(
		&worker->body,
		"{\"worker\":\"w-%d\",\"lease_ms\":1500,\"leases\":[{\"project\":\"%s\",\"task_id\":\"%s\",\"lease\":\"%s\"}]}",
		worker->process->id, held->project, held->task_id, held->lease);
	bus_request(worker->bus, subject, NULL, 0, (struct slice){ worker->body.bytes, worker->body.length }, 1000,
	            on_renewed, held);
}

static const char *member(const cJSON *object, const char *name) {
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
	return value ? value : "";
}

static void take(struct worker *worker, const cJSON *task) {
	struct held *held = memory_new(sizeof(*held));
	char name[140];
	held->worker = worker;
	snprintf(held->project, sizeof(held->project), "%s", member(task, "project"));
	snprintf(held->task_id, sizeof(held->task_id), "%s", member(task, "task_id"));
	snprintf(held->lease, sizeof(held->lease), "%s", member(task, "lease"));
	memcpy(held->type, worker->type, sizeof(held->type));
	snprintf(name, sizeof(name), "%s/%s", held->project, held->task_id);
	ledger_told_lease(name, held->lease, (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(task, "attempt")));
	ledger_told_inputs(name, held->lease, cJSON_GetObjectItem(task, "inputs"));
	ledger_told_error(name, held->lease, cJSON_GetObjectItem(task, "error"));
	uint32_t outcome = world_draw(20);
	snprintf(held->outcome, sizeof(held->outcome), "%s",
	         outcome < 15   ? "completed"
	         : outcome < 19 ? "failed"
	                        : "released");
	held->retryable = world_draw(4) > 0;
	held->renews = world_draw(2) == 0;
	held->again = world_draw(8) == 0;
	held->until_us = world.now_us + world_draw(world.calm || world_draw(6) ? 200000 : scenario.hold_us);
	worker->holding++;
	if (!world.calm && world_draw(25) == 0)
		drop(held); /* forgotten */
	else
		hold_on(held);
}

/* ---- asking ---- */

static void on_work(void *context, enum status status, const struct bus_message *message) {
	struct worker *worker = context;
	cJSON *reply = status == STATUS_OK ? cJSON_Parse(message->body.bytes) : NULL;
	const cJSON *task;
	bool answered = cJSON_IsTrue(cJSON_GetObjectItem(reply, "ok"));
	if (status == STATUS_OK && !answered && !strstr(message->body.bytes, "\"unavailable\""))
		world_violation("a work request was refused: %.300s", message->body.bytes);
	cJSON_ArrayForEach(task, cJSON_GetObjectItem(reply, "tasks")) take(worker, task);
	cJSON_Delete(reply);
	worker->requests += answered; /* else the same request again */
	later(worker, answered ? 1000 + world_draw(20000) : 50000 + world_draw(300000), ask, worker);
}

static void ask(void *context) {
	struct worker *worker = context;
	char subject[48];
	if (worker->holding > 3) {
		later(worker, 100000, ask, worker);
		return;
	}
	uint32_t wait_ms = world_draw(4) ? 500 + world_draw(2000) : 0;
	snprintf(worker->type, sizeof(worker->type), "type-%u",
	         (unsigned)((worker->requests + worker->process->id) % scenario.types));
	snprintf(subject, sizeof(subject), "corder.v1.work.%s", worker->type);
	text_clear(&worker->body);
	text_printf(&worker->body,
	            "{\"worker\":\"w-%d\",\"max\":%u,\"wait_ms\":%u,\"lease_ms\":%u,\"request_id\":\"r-%d-%llu-%lld\"}",
	            worker->process->id, 1 + world_draw(3), wait_ms, 1000 + world_draw(scenario.more_lease_ms),
	            worker->process->id, (unsigned long long)worker->process->life, (long long)worker->requests);
	bus_request(worker->bus, subject, NULL, 0, (struct slice){ worker->body.bytes, worker->body.length },
	            wait_ms + scenario.request_ms, on_work, worker);
}

void worker_start(struct process *process) {
	struct worker *worker = memory_new(sizeof(*worker));
	struct bus_options options = { 0 };
	struct error err = { 0 };
	worker->process = process;
	worker->loop = process->loop = loop_open();
	bus_open(worker->loop, &options, &worker->bus, &err);
	later(worker, 1000 + world_draw(200000), ask, worker);
}
