/* See dispatching.h. */
#include "tests/support/dispatching.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/support/test.h"

enum { LIMIT_MS = 20000 };

static pid_t spawn(struct dispatching *d, const char *program, int partitions, const char *const *settings) {
	char text[32];
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NATS_URL", server_url(d->nats), 1);
	setenv("REDIS_URL", server_url(d->scripts->redis), 1);
	snprintf(text, sizeof(text), "%d", partitions);
	setenv("CORDER_PARTITIONS", text, 1);
	for (; settings != NULL && *settings != NULL; settings++)
		putenv(memory_copy(*settings, strlen(*settings)));
	execl(program, "corder-dispatcher", (char *)NULL);
	_exit(127);
}

void turn_for(struct dispatching *d, int64_t ms) {
	int64_t limit_us = clock_mono_us() + 1000 * ms;
	while (clock_mono_us() < limit_us)
		loop_turn(d->scripts->loop, 2000);
}

/* Each instance answers a ping for itself. */
static void await_instances(struct dispatching *d) {
	struct asked *asked;
	int64_t limit_us = clock_mono_us() + 1000 * LIMIT_MS;
	int kinds = 0;
	while (kinds < 8 * d->count && clock_mono_us() < limit_us) {
		asked = ask_now(d, "work.nobody", "{'worker':'w'}");
		if (asked->body.length > 0 && strcmp(text_in(asked, "ok"), "true") == 0)
			kinds++;
		else
			turn_for(d, 10);
		asked_free(&asked);
	}
	assert_true(kinds > 0);
}

struct dispatching *dispatching_open_program(const char *program, int instances, int partitions,
                                             const char *const *settings) {
	struct dispatching *d = memory_new(sizeof(*d));
	struct error err = { 0 };
	d->scripts = scripts_open();
	d->nats = server_start_nats();
	struct bus_options options = { server_url(d->nats), "test" };
	assert_int_equal(bus_open(d->scripts->loop, &options, &d->bus, &err), STATUS_OK);
	d->relays[0] = test_relay_open(d->scripts, d->bus, d->scripts->state);
	if (partitions > 1) {
		d->other = scripts_state(d->scripts, 1);
		d->relays[1] = test_relay_open(d->scripts, d->bus, d->other);
	}
	for (d->count = 0; d->count < instances; d->count++)
		d->pids[d->count] = spawn(d, program, partitions, settings);
	await_instances(d);
	return d;
}

void dispatching_close(struct dispatching **dispatching) {
	struct dispatching *d = *dispatching;
	for (int i = 0; i < d->count; i++) {
		if (d->pids[i] == 0)
			continue;
		int status = 0;
		kill(d->pids[i], SIGTERM);
		assert_int_equal(waitpid(d->pids[i], &status, 0), d->pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	for (size_t i = 0; i < 2; i++)
		if (d->relays[i] != NULL)
			test_relay_close(&d->relays[i]);
	if (d->other != NULL)
		state_close(&d->other);
	bus_close(&d->bus);
	scripts_close(&d->scripts);
	server_stop(&d->nats);
	free(d);
	*dispatching = NULL;
}

static void on_reply(void *context, enum status status, const struct bus_message *message) {
	struct asked *asked = context;
	struct error err = { 0 };
	if (status == STATUS_OK)
		text_append(&asked->body, message->body.bytes, message->body.length);
	asked->json =
		json_read(asked->body.length > 0 ? (struct slice){ asked->body.bytes, asked->body.length } : SLICE("{}"), &err);
	if (asked->json == NULL)
		fail_msg("no JSON: %s in %s", err.message, asked->body.bytes);
	asked->reply = json_root(asked->json);
	asked->done = true;
}

__attribute__((format(printf, 3, 0))) static struct asked *ask_with(struct dispatching *d, const char *subject,
                                                                    const char *format, va_list arguments) {
	struct asked *asked = memory_new(sizeof(*asked));
	char full[128], *body = NULL;
	snprintf(full, sizeof(full), "corder.v1.%s", subject);
	assert_true(vasprintf(&body, format, arguments) >= 0);
	for (char *c = body; *c != '\0'; c++)
		*c = *c == '\'' ? '"' : *c;
	bus_request(d->bus, full, NULL, 0, slice_of(body), LIMIT_MS, on_reply, asked);
	free(body);
	return asked;
}

struct asked *ask(struct dispatching *d, const char *subject, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	struct asked *asked = ask_with(d, subject, format, arguments);
	va_end(arguments);
	return asked;
}

void await_reply(struct dispatching *d, struct asked *asked) {
	int64_t limit_us = clock_mono_us() + 2000 * LIMIT_MS;
	while (!asked->done && clock_mono_us() < limit_us)
		loop_turn(d->scripts->loop, 10000);
	assert_true(asked->done);
}

struct asked *ask_now(struct dispatching *d, const char *subject, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	struct asked *asked = ask_with(d, subject, format, arguments);
	va_end(arguments);
	await_reply(d, asked);
	return asked;
}

void asked_free(struct asked **asked) {
	json_close(&(*asked)->json);
	text_release(&(*asked)->body);
	free(*asked);
	*asked = NULL;
}

static struct json_value value_in(const struct asked *asked, const char *path) {
	struct json_value value = asked->reply;
	struct slice rest = slice_of(path);
	while (rest.bytes != NULL) {
		struct slice name = slice_cut(&rest, '/');
		if (json_kind(value) == JSON_LIST) {
			value = json_first(value);
			for (int64_t i = slice_int(name, 0); i > 0; i--)
				value = json_next(value);
		} else {
			char *text = slice_copy(name);
			value = json_member(value, text);
			free(text);
		}
	}
	return value;
}

const char *text_in(const struct asked *asked, const char *path) {
	static char texts[8][1024];
	static unsigned next;
	struct json_value value = value_in(asked, path);
	struct slice text = json_kind(value) == JSON_STRING ? json_text(value) : json_raw(value);
	char *out = texts[next++ % 8];
	snprintf(out, sizeof(texts[0]), "%.*s", (int)text.length, text.bytes != NULL ? text.bytes : "");
	return out;
}

size_t count_in(const struct asked *asked, const char *path) {
	return json_count(value_in(asked, path));
}
