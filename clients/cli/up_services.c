/* The five services: which programs run, with what environment, and whether they answer on the bus (ADR-32 STATS). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/text.h"
#include "up_inside.h"

enum { ASK_EVERY_US = 100000, HEALTH_PATIENCE_US = 5000000, ENVIRONMENT_MAX = 8 };

const char *const up_service_names[UP_SERVICES] = { "ingest", "scheduler", "dispatcher", "persister", "monitor" };

static const enum up_stage stages[UP_SERVICES] = {
	UP_STAGE_INTAKE, UP_STAGE_SCHEDULER, UP_STAGE_INTAKE, UP_STAGE_READERS, UP_STAGE_READERS,
};

int up_service_index(const char *name, size_t length) {
	for (int i = 0; i < UP_SERVICES; i++)
		if (strlen(up_service_names[i]) == length && memcmp(up_service_names[i], name, length) == 0)
			return i;
	return -1;
}

static char *setting(const char *name, const char *value) {
	struct text line = { 0 };
	text_printf(&line, "%s=%s", name, value);
	return text_take(&line);
}

/* What stands in our own environment already goes on by itself, a NATS_URL_FILE included. */
static char **environment(const struct up *up, const char *port_setting, int64_t port_number) {
	char **lines = memory_array(ENVIRONMENT_MAX, sizeof(*lines));
	size_t count = 0;
	if (up->own_nats)
		lines[count++] = setting("NATS_URL", up->nats_url);
	if (up->own_redis)
		lines[count++] = setting("REDIS_URL", up->redis_socket_url != NULL ? up->redis_socket_url : up->redis_url);
	if (up->own_mariadb)
		lines[count++] = setting("DATABASE_URL", up->database_url);
	char port[32];
	snprintf(port, sizeof(port), "%" PRId64, port_number);
	lines[count++] = setting(port_setting, port);
	return lines;
}

static enum status add_instance(struct up *up, int index, int64_t instance, struct error *err) {
	const char *service = up_service_names[index];
	char name[32];
	if (up->scale[index] > 1)
		snprintf(name, sizeof(name), "%s-%" PRId64, service, instance + 1);
	else
		snprintf(name, sizeof(name), "%s", service);
	/* The first monitor has the port that is announced. */
	bool is_monitor = strcmp(service, "monitor") == 0;
	int64_t port = up->kept.http_port;
	if (instance > 0 || !is_monitor) {
		enum status status = up_port_find(&port, err);
		if (status != STATUS_OK)
			return status;
	}
	struct text program = { 0 };
	text_printf(&program, "%s/corder-%s", up->programs, service);
	if (access(program.bytes, X_OK) != 0) {
		fail(err, STATUS_REJECT, "%s is not there; it belongs beside this program", program.bytes);
		text_release(&program);
		return STATUS_REJECT;
	}
	struct up_process *process = up_process_add(up, name, stages[index]);
	snprintf(process->service, sizeof(process->service), "%s", service);
	process->argv = up_words(program.bytes, NULL);
	process->environment = environment(up, is_monitor ? "CORDER_HTTP_PORT" : "CORDER_METRICS_PORT", port);
	process->metrics_port = port;
	text_release(&program);
	return STATUS_OK;
}

enum status up_services_add(struct up *up, struct error *err) {
	for (int index = 0; index < UP_SERVICES; index++) {
		for (int64_t instance = 0; instance < up->scale[index]; instance++) {
			enum status status = add_instance(up, index, instance, err);
			if (status != STATUS_OK)
				return status;
		}
	}
	return STATUS_OK;
}

enum status up_services_write_targets(const struct up *up, struct error *err) {
	struct text out = { 0 };
	text_add_char(&out, '[');
	for (size_t i = 0; i < up->process_count; i++) {
		const struct up_process *process = &up->processes[i];
		if (process->metrics_port > 0)
			text_printf(&out, "%s\n{\"targets\": [\"127.0.0.1:%" PRId64 "\"], \"labels\": {\"process\": \"%s\"}}",
			            out.length > 1 ? "," : "", process->metrics_port, process->name);
	}
	text_add(&out, "\n]\n");
	enum status status = up_write(up, "metrics.json", out.bytes, err);
	text_release(&out);
	return status;
}

static bool holds(struct slice text, const char *words) {
	return memmem(text.bytes, text.length, words, strlen(words)) != NULL;
}

/* Which service it is stands in the answer as "name":"corder-<service>", how it is as "health":{"ok":… . Answers to an
 * earlier question do not count. */
static void on_answer(void *context, const struct bus_message *message) {
	struct up *up = context;
	static const char key[] = "\"corder-";
	if (strcmp(message->subject, up->inbox) != 0)
		return;
	const char *at = memmem(message->body.bytes, message->body.length, key, sizeof(key) - 1);
	if (at == NULL)
		return;
	at += sizeof(key) - 1;
	const char *end = memchr(at, '"', message->body.length - (size_t)(at - message->body.bytes));
	int index = end != NULL ? up_service_index(at, (size_t)(end - at)) : -1;
	if (index < 0)
		return;
	up->answered[index]++;
	if (holds(message->body, "\"health\":{\"ok\":true"))
		up->healthy[index]++;
}

static void listen_for_answers(struct up *up) {
	struct bus_options options = { .url = up->nats_url, .name = "corder up" };
	struct error err = { 0 };
	if (bus_open(up->loop, &options, &up->bus, &err) != STATUS_OK)
		return;
	snprintf(up->inbox, sizeof(up->inbox), "%scorder-up.%016" PRIx64 ".*", bus_inbox(up->bus), id_random());
	if (bus_subscribe(up->bus, up->inbox, NULL, on_answer, up, &err) != STATUS_OK)
		bus_close(&up->bus);
}

static void ask(struct up *up) {
	char *last_dot = strrchr(up->inbox, '.');
	snprintf(last_dot, sizeof(up->inbox) - (size_t)(last_dot - up->inbox), ".%08" PRIx32, (uint32_t)id_random());
	memset(up->answered, 0, sizeof(up->answered));
	memset(up->healthy, 0, sizeof(up->healthy));
	up->asked_mono_us = loop_now(up->loop);
	bus_publish_with(up->bus, "$SRV.STATS", up->inbox, NULL, 0, (struct slice){ "", 0 });
}

static bool enough(const struct up *up, const int64_t *counts) {
	for (int i = 0; i < UP_SERVICES; i++)
		if (counts[i] < up->scale[i])
			return false;
	return up->asked_mono_us > 0;
}

bool up_services_answer(struct up *up) {
	if (up->bus == NULL)
		listen_for_answers(up);
	if (up->bus == NULL)
		return false;
	int64_t now = loop_now(up->loop);
	if (enough(up, up->healthy))
		return true;
	if (enough(up, up->answered)) {
		if (up->answered_mono_us == 0)
			up->answered_mono_us = now;
		if (now > up->answered_mono_us + HEALTH_PATIENCE_US)
			return true;
	}
	if (now >= up->asked_mono_us + ASK_EVERY_US)
		ask(up);
	return false;
}
