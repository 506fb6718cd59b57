/* A client: one connection on one loop. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/log.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/version.h"
#include "../../subjects/subjects.h"
#include "inside.h"

enum {
	PATIENCE_MS = 30000,
	SPARE_BYTES = 4096,
	BACKOFF_LEAST_US = 50000,
	BACKOFF_DOUBLINGS = 5,
	BACKOFF_MOST_US = 1000000
};

void corder_fail(struct corder_error *error, enum corder_status status, const char *format, ...) {
	if (error == NULL)
		return;
	va_list arguments;
	*error = (struct corder_error){ .status = status };
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
}

static char *copy(const char *text) {
	return text != NULL ? slice_copy(slice_of(text)) : NULL;
}

static void on_change(void *context, bool connected) {
	struct corder *client = context;
	if (connected)
		askings_hurry(client);
	events_on_change(client, connected);
}

struct corder *corder_on(struct loop *loop, struct bus *bus, const char *prefix) {
	struct corder *client = memory_new(sizeof *client);
	client->loop = loop;
	client->bus = bus;
	client->prefix = copy(prefix);
	client->patience_ms = PATIENCE_MS;
	client->json = json_open();
	bus_on_change(bus, on_change, client);
	return client;
}

static const char *setting(const char *given, const char *name, const char *otherwise) {
	const char *value = given != NULL ? given : getenv(name);
	return value != NULL && *value != 0 ? value : otherwise;
}

/* A prefix is one or more tokens with dots between. */
static bool is_prefix(const char *prefix) {
	struct slice rest = slice_of(prefix);
	while (rest.bytes != NULL)
		if (!id_is_token(slice_cut(&rest, '.')))
			return false;
	return true;
}

struct corder *corder_open(const struct corder_options *options, struct corder_error *error) {
	const struct corder_options none = { 0 }, *given = options != NULL ? options : &none;
	const char *prefix = setting(given->prefix, "CORDER_PREFIX", "corder");
	const char *project = setting(given->project, "CORDER_PROJECT", NULL);
	struct bus_options bus_options = { setting(given->url, "NATS_URL", "nats://127.0.0.1:4222"),
		                               given->name != NULL ? given->name : "libcorder" };
	struct bus *bus;
	struct error err = { 0 };
	if (!is_prefix(prefix)) {
		corder_fail(error, CORDER_USAGE, "prefix: tokens of [A-Za-z0-9_-]{1,64} with dots between, not \"%.100s\"",
		            prefix);
		return NULL;
	}
	if (corder_project(&(struct corder){ 0 }, project != NULL ? project : "x", false, error) == NULL)
		return NULL;
	log_open("libcorder", LOG_LEVEL_ERROR);
	struct loop *loop = loop_open();
	if (bus_open(loop, &bus_options, &bus, &err) != STATUS_OK) {
		corder_fail(error, CORDER_USAGE, "url: %s", err.message);
		loop_close(&loop);
		return NULL;
	}
	struct corder *client = corder_on(loop, bus, prefix);
	client->owns = true;
	client->project = copy(project);
	client->patience_ms = given->patience_ms > 0 ? given->patience_ms : PATIENCE_MS;
	return client;
}

void corder_close(struct corder **client) {
	struct corder *old = *client;
	if (old == NULL)
		return;
	*client = NULL;
	while (old->events != NULL) {
		struct corder_events *events = old->events;
		corder_events_close(&events);
	}
	services_drop(old);
	bus_off_change(old->bus, on_change, old);
	if (old->owns)
		bus_close(&old->bus);
	askings_drop(old);
	if (old->owns)
		loop_close(&old->loop);
	size_t at = 0;
	struct slice key;
	void *watched;
	while (old->watched != NULL && table_next(old->watched, &at, &key, &watched))
		free(watched);
	table_close(&old->watched);
	json_close(&old->json);
	free(old->prefix);
	free(old->project);
	free(old);
}

void corder_turn(struct corder *client, int64_t wait_ms) {
	loop_turn(client->loop, wait_ms * 1000);
}

bool corder_connected(const struct corder *client) {
	return bus_connected(client->bus);
}

const char *corder_version(void) {
	return CORDER_VERSION;
}

void corder_wake(struct corder *client) {
	loop_wake(client->loop);
}

void corder_later(struct corder *client, int64_t delay_us, void (*call)(void *context), void *context) {
	loop_timer_start(client->loop, clock_mono_us() + delay_us, call, context);
}

/* A watched descriptor; the loop knows only one context. */
struct watched {
	void (*ready)(void *context, int fd);
	void *context;
};

static void on_ready(void *context, int fd, int events) {
	struct watched watched = *(struct watched *)context;
	(void)events;
	watched.ready(watched.context, fd);
}

void corder_watch(struct corder *client, int fd, void (*ready)(void *context, int fd), void *context) {
	struct slice key = { (const char *)&fd, sizeof fd };
	if (client->watched == NULL)
		client->watched = table_open();
	loop_watch(client->loop, fd, 0, NULL, NULL);
	free(table_remove(client->watched, key));
	if (ready == NULL)
		return;
	struct watched *watched = memory_new(sizeof *watched);
	*watched = (struct watched){ ready, context };
	table_put(client->watched, key, watched);
	loop_watch(client->loop, fd, LOOP_READ, on_ready, watched);
}

char *corder_subject(const struct corder *client, const char *relative) {
	struct text subject = { 0 };
	text_printf(&subject, "%s." SUBJECT_VERSION ".%s", client->prefix, relative);
	return text_take(&subject);
}

char *corder_stream(const struct corder *client, const char *name) {
	struct text stream = { 0 };
	for (const char *c = client->prefix; *c != 0; c++)
		text_add_char(&stream, *c == '.' ? '_' : (char)toupper((unsigned char)*c));
	text_printf(&stream, "_%s", name);
	return text_take(&stream);
}

const char *corder_project(const struct corder *client, const char *given, bool wild, struct corder_error *error) {
	const char *project = given != NULL ? given : client->project;
	if (project != NULL && (id_is_token(slice_of(project)) || (wild && strcmp(project, "*") == 0)))
		return project;
	if (project == NULL)
		corder_fail(error, CORDER_USAGE, "project is missing: name it in the call, the options or CORDER_PROJECT");
	else
		corder_fail(error, CORDER_USAGE, "project must match [A-Za-z0-9_-]{1,64}, and is \"%.100s\"", project);
	return NULL;
}

size_t corder_most_bytes(const struct corder *client) {
	size_t payload = bus_max_payload(client->bus);
	size_t most = payload > 2 * SPARE_BYTES ? payload - SPARE_BYTES : payload;
	return most < LIMIT_REQUEST_BYTES ? most : LIMIT_REQUEST_BYTES;
}

int64_t corder_backoff_us(int attempt) {
	int64_t pause_us = BACKOFF_LEAST_US << (attempt < BACKOFF_DOUBLINGS ? attempt : BACKOFF_DOUBLINGS);
	pause_us = pause_us < BACKOFF_MOST_US ? pause_us : BACKOFF_MOST_US;
	return pause_us / 2 + (int64_t)(id_random() % (uint64_t)(pause_us / 2));
}
