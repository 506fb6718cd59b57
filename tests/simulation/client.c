/* A client as a good one is: it submits random graphs and repeats itself, with the same ids, until it has an answer. It
 * also enqueues, cancels, retries, approves, updates, pauses and resumes; when the world is calm it sees to it that all
 * that it has submitted can end. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "scenario.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"

enum { AGAIN_US = 100000 };

struct batch {
	struct client *client;
	struct text body;
	char project[16];
	int number, tasks;
	bool enqueued, accepted;
	int copies; /* requests under way */
};

struct client {
	struct process *process;
	struct loop *loop;
	struct bus *bus;
	int batches, most;
	int known; /* batches accepted */
	int retried;
	struct batch *all[16];
	int64_t calm_since_us;
};

static void later(struct client *client, int64_t us, loop_call *call, void *context) {
	loop_timer_start(client->loop, world.now_us + us, call, context);
}

/* ---- graphs ---- */

static void add_dependencies(struct client *client, struct batch *batch, int index) {
	struct text *out = &batch->body;
	int count = (int)world_draw(4), first = 1;
	size_t start = out->length;
	text_add(out, ",\"dependencies\":[");
	for (int i = 0; i < count && (index > 0 || client->known > 0); i++) {
		static const char *const conditions[] = { "completed", "completed", "completed", "finished", "failed" };
		struct batch *other = batch;
		if ((index == 0 || world_draw(3) == 0) && client->known > 0)
			other = client->all[world_draw((uint32_t)client->known)];
		if (other == batch ? index == 0
		                   : strcmp(other->project, batch->project) != 0 || !other->accepted || other->enqueued)
			continue;
		uint32_t most = other == batch ? (uint32_t)index : (uint32_t)other->tasks;
		char id[48];
		snprintf(id, sizeof(id), "\"c%d-%d-%u\"", client->process->id, other->number, world_draw(most));
		if (strstr(out->bytes + start, id))
			continue;
		text_printf(out, "%s{\"task_id\":%s,\"when\":\"%s\"}", first ? "" : ",", id, conditions[world_draw(5)]);
		first = 0;
	}
	text_add_char(out, ']');
}

static void add_task(struct client *client, struct batch *batch, int index) {
	static const char *const policies[] = { "skip", "skip", "run", "block" };
	struct text *out = &batch->body;
	text_printf(out, "%s{\"task_id\":\"c%d-%d-%d\",\"task_type\":\"type-%u\",\"priority\":%u,\"max_retries\":%u",
	            index ? "," : "", client->process->id, batch->number, index, world_draw(scenario.types),
	            1 + world_draw(10), world_draw(3));
	text_printf(out, ",\"retry_backoff\":{\"initial_ms\":%u,\"factor\":2,\"max_ms\":1000}", world_draw(200));
	text_printf(out, ",\"on_dependency_failure\":\"%s\"", policies[world_draw(4)]);
	if (world_draw(12) == 0)
		text_add(out, ",\"hold\":true");
	if (world_draw(8) == 0)
		text_printf(out, ",\"timeout\":%u", 1 + world_draw(3));
	if (world_draw(5) == 0)
		text_printf(out, ",\"concurrency_key\":\"key-%u\",\"concurrency_limit\":%d", world_draw(2), 1);
	add_dependencies(client, batch, index);
	text_add_char(out, '}');
}

static struct batch *make_batch(struct client *client) {
	struct batch *batch = memory_new(sizeof(*batch));
	batch->client = client;
	batch->number = client->batches;
	batch->tasks = 1 + (int)world_draw(world_draw(3) ? 6 : 14);
	batch->enqueued = world_draw(8) == 0;
	snprintf(batch->project, sizeof(batch->project), "%s", world_draw(3) ? "shop" : "depot");
	text_printf(&batch->body, "{\"project\":\"%s\",\"batch_id\":\"b%d-%d\",\"tasks\":[", batch->project,
	            client->process->id, batch->number);
	for (int i = 0; i < batch->tasks; i++)
		add_task(client, batch, i);
	text_add(&batch->body, "]}");
	client->all[client->batches++] = batch;
	return batch;
}

/* ---- submitting ---- */

static void submit(void *context);
static void next_batch(void *context);

static void accepted(struct batch *batch) {
	if (batch->accepted)
		return;
	batch->accepted = true;
	struct client *client = batch->client;
	client->known++;
	scenario.unanswered--;
	later(client, 1000 + world_draw(world.calm ? 50000 : scenario.pace_us), next_batch, client);
}

static void told(const struct batch *batch) {
	for (int i = 0; i < batch->tasks; i++) {
		char name[96];
		snprintf(name, sizeof(name), "%s/c%d-%d-%d", batch->project, batch->client->process->id, batch->number, i);
		ledger_told_accepted(name);
	}
}

static void on_submitted(void *context, enum status status, const struct bus_message *message) {
	struct batch *batch = context;
	batch->copies--;
	if (status == STATUS_OK && strstr(message->body.bytes, "{\"ok\":true")) {
		told(batch);
		accepted(batch);
	} else if (status == STATUS_OK && !strstr(message->body.bytes, "\"unavailable\"")) {
		world_violation("a good submission was refused: %.600s", message->body.bytes);
	} else if (!batch->accepted && batch->copies == 0) {
		later(batch->client, AGAIN_US + world_draw(world.calm ? 100000 : 500000), submit, batch);
	}
}

/* The publish is acknowledged by the stream: then the tasks come, whatever happens. Whether they came is looked for. */
static void on_enqueued(void *context, enum status status, uint64_t sequence) {
	struct batch *batch = context;
	(void)sequence;
	if (status != STATUS_OK) {
		later(batch->client, AGAIN_US + world_draw(world.calm ? 100000 : 500000), submit, batch);
		return;
	}
	for (int i = 0; i < batch->tasks; i++) {
		char name[96];
		snprintf(name, sizeof(name), "%s/c%d-%d-%d", batch->project, batch->client->process->id, batch->number, i);
		scenario_expect(name);
	}
	accepted(batch);
}

static void submit(void *context) {
	struct batch *batch = context;
	struct slice body = { batch->body.bytes, batch->body.length };
	char subject[64];
	if (batch->enqueued) {
		snprintf(subject, sizeof(subject), "corder.v1.enqueue.%s", batch->project);
		stream_append(batch->client->bus, subject, STREAM_ANY_SEQUENCE, body, scenario.request_ms, on_enqueued, batch);
		return;
	}
	for (int copies = world_draw(10) == 0 ? 2 : 1; copies > 0; copies--) {
		batch->copies++;
		bus_request(batch->client->bus, "corder.v1.submit", NULL, 0, body, scenario.request_ms, on_submitted, batch);
	}
}

static void next_batch(void *context) {
	struct client *client = context;
	if (client->batches < client->most)
		submit(make_batch(client));
}

/* ---- commands ---- */

struct said {
	char name[96];
	bool open; /* in the log it had not ended when this was said */
};

static void on_said(void *context, enum status status, const struct bus_message *message) {
	struct said *said = context;
	const struct fold_task *task = said ? ledger_task(said->name) : NULL;
	if (status == STATUS_OK && strstr(message->body.bytes, "\"internal\""))
		world_violation("a command failed: %.300s", message->body.bytes);
	if (status == STATUS_OK && task && said->open && !record_is_final(task->status) &&
	    strstr(message->body.bytes, "\"not_found\""))
		world_violation("%s is said not to exist: %.300s", said->name, message->body.bytes);
	free(said);
}

static void say(struct client *client, const char *verb, const struct fold_task *task, const char *more) {
	char subject[64], body[400];
	int project = (int)strcspn(task->name, "/");
	struct said *said = memory_new(sizeof(*said));
	snprintf(said->name, sizeof(said->name), "%s", task->name);
	said->open = !record_is_final(task->status);
	snprintf(subject, sizeof(subject), "corder.v1.task.%s", verb);
	snprintf(body, sizeof(body), "{\"project\":\"%.*s\",\"task_id\":\"%s\"%s}", project, task->name,
	         task->name + project + 1, more);
	bus_request(client->bus, subject, NULL, 0, slice_of(body), scenario.request_ms, on_said, said);
}

static struct fold_task *any_task(void) {
	size_t at = 0, skip = world_draw(40);
	struct fold_task *task, *found = NULL;
	while ((task = ledger_next(&at)) && (found = task, skip-- > 0))
		;
	return found;
}

static void command(struct client *client) {
	struct fold_task *task = any_task();
	char body[80];
	uint32_t kind = world_draw(10);
	if (kind >= 8) {
		snprintf(body, sizeof(body), "{\"task_type\":\"type-%u\"%s}", world_draw(scenario.types),
		         world_draw(2) ? ",\"project\":\"shop\"" : "");
		bus_request(client->bus, kind == 8 ? "corder.v1.queue.pause" : "corder.v1.queue.resume", NULL, 0,
		            slice_of(body), scenario.request_ms, on_said, NULL);
	} else if (task && kind < 2) {
		say(client, "cancel", task, "");
	} else if (task && kind < 4) {
		say(client, "retry", task, world_draw(2) ? ",\"cascade\":true" : "");
	} else if (task && kind < 6) {
		say(client, "update", task, world_draw(2) ? ",\"priority\":1" : ",\"priority\":10");
	} else if (task) {
		say(client, world_draw(3) ? "approve" : "reject", task, "");
	}
}

/* In some worlds whatever did not end well is tried again, also after it has left Redis. Drawn by the seed's number alone, so
 * that the seeds of old mean what they meant. */
static void retry_in_turn(struct client *client) {
	size_t at = 0;
	int skip = client->retried++ % 5;
	if (world.seed % 11 != 5 && world.seed % 13 != 4)
		return;
	for (struct fold_task *task; (task = ledger_next(&at));) {
		if (!record_is_final(task->status) || task->status == 'c' || skip-- > 0)
			continue;
		say(client, "retry", task, client->retried % 3 == 0 ? ",\"cascade\":true" : "");
		return;
	}
}

/* All that is left gets what it waits for; in the end it is cancelled. */
static void help_along(struct client *client) {
	size_t at = 0;
	int said = 0;
	char body[80];
	for (uint32_t i = 0; i < scenario.types; i++)
		for (int project = 0; project < 2; project++) {
			snprintf(body, sizeof(body), "{\"task_type\":\"type-%u\"%s}", i, project ? ",\"project\":\"shop\"" : "");
			bus_request(client->bus, "corder.v1.queue.resume", NULL, 0, slice_of(body), scenario.request_ms, on_said,
			            NULL);
		}
	bool patient = world.now_us - client->calm_since_us < 3000000;
	for (struct fold_task *task; (task = ledger_next(&at)) && said < 20;) {
		if (task->waits_for_approval && task->status == 'b')
			say(client, "approve", task, ""), said++;
		else if (!patient && task->status == 'b' && task->policy == 'b')
			say(client, "cancel", task, ""), said++;
	}
}

static void on_tick(void *context) {
	struct client *client = context;
	if (world.calm && !client->calm_since_us)
		client->calm_since_us = world.now_us;
	if (!world.calm && scenario.commands && world_draw(3) == 0)
		command(client);
	if (!world.calm)
		retry_in_turn(client);
	if (world.calm && scenario.first_client == client->process->id)
		help_along(client);
	later(client, world.calm ? 500000 : 300000 + world_draw(1500000), on_tick, client);
}

void client_start(struct process *process) {
	struct client *client = memory_new(sizeof(*client));
	struct bus_options options = { 0 };
	struct error err = { 0 };
	client->process = process;
	client->loop = process->loop = loop_open();
	bus_open(client->loop, &options, &client->bus, &err);
	client->most = (int)scenario.batches;
	scenario.unanswered += client->most;
	later(client, 1000 + world_draw(300000), next_batch, client);
	later(client, 500000, on_tick, client);
}
