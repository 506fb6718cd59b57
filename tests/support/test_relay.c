/* See test_relay.h. Reads the outbox every millisecond. */
#include "tests/support/test_relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "tests/support/test.h"

struct test_relay {
	struct scripts *scripts;
	struct bus *bus;
	struct state *state;
	struct loop_timer *timer;
	char last[64]; /* stream id */
	char end[64];  /* of the log: seq and id of the last entry */
	bool muted, reading, closed;
};

static void on_timer(void *context);

static void arm(struct test_relay *relay) {
	relay->timer = loop_timer_start(relay->scripts->loop, loop_now(relay->scripts->loop) + 1000, on_timer, relay);
}

static void on_marked(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                      const struct error *err) {
	(void)context;
	(void)status;
	(void)head;
	(void)reply;
	(void)err;
}

static void publish(struct test_relay *relay, const struct kv_reply *entries) {
	struct text mark = { 0 };
	char subject[64], number[24] = "", id[32] = "";
	for (size_t i = 0; i < kv_count(entries); i++) {
		struct slice header = kv_text(kv_at(kv_at(kv_at(entries, i), 1), 1));
		struct slice f[5];
		for (size_t k = 0; k < 5; k++)
			f[k] = slice_cut(&header, RECORD_US);
		if (i == 0)
			text_printf(&mark, "%.*s 0 0", (int)f[4].length, f[4].bytes);
		text_printf(&mark, "\n%.*s", (int)f[0].length, f[0].bytes);
		snprintf(number, sizeof(number), "%.*s", (int)f[3].length, f[3].bytes);
		snprintf(id, sizeof(id), "%.*s", (int)f[0].length, f[0].bytes);
		snprintf(relay->last, sizeof(relay->last), "%.*s", (int)kv_text(kv_at(kv_at(entries, i), 0)).length,
		         kv_text(kv_at(kv_at(entries, i), 0)).bytes);
	}
	if (mark.length == 0)
		return;
	snprintf(subject, sizeof(subject), "corder.v1.internal.mark.%" PRId64, state_partition(relay->state));
	bus_publish(relay->bus, subject, (struct slice){ mark.bytes, mark.length });
	snprintf(relay->end, sizeof(relay->end), "%s %s", number, id);
	struct slice words[] = { slice_of(number), slice_of(id), SLICE(""), SLICE("") };
	state_call(relay->state, &state_script_mark, words, 4, on_marked, relay);
	text_release(&mark);
}

static void on_entries(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct test_relay *relay = context;
	(void)err;
	relay->reading = false;
	if (relay->closed)
		free(relay);
	else {
		if (status == STATUS_OK)
			publish(relay, reply);
		arm(relay);
	}
}

static void on_timer(void *context) {
	struct test_relay *relay = context;
	char key[32], from[80];
	relay->timer = NULL;
	if (relay->muted) {
		arm(relay);
		return;
	}
	snprintf(key, sizeof(key), "%sob", state_prefix(relay->state));
	snprintf(from, sizeof(from), "(%s", relay->last);
	struct slice words[] = { SLICE("XRANGE"), slice_of(key), slice_of(from), SLICE("+"), SLICE("COUNT"), SLICE("500") };
	relay->reading = true;
	kv_command(relay->scripts->kv, words, 6, 0, on_entries, relay);
}

static void on_prove(void *context, const struct bus_message *message) {
	struct test_relay *relay = context;
	bus_publish(relay->bus, message->reply, slice_of(relay->end));
}

struct test_relay *test_relay_open(struct scripts *scripts, struct bus *bus, struct state *state) {
	struct test_relay *relay = memory_new(sizeof(*relay));
	relay->scripts = scripts;
	relay->bus = bus;
	relay->state = state;
	snprintf(relay->last, sizeof(relay->last), "0-0");
	char subject[64];
	struct error err = { 0 };
	snprintf(subject, sizeof(subject), "corder.v1.internal.prove.%" PRId64, state_partition(state));
	assert_int_equal(bus_subscribe(bus, subject, NULL, on_prove, relay, &err), STATUS_OK);
	arm(relay);
	return relay;
}

void test_relay_close(struct test_relay **relay) {
	loop_timer_stop((*relay)->scripts->loop, &(*relay)->timer);
	(*relay)->closed = true;
	if (!(*relay)->reading)
		free(*relay);
	*relay = NULL;
}

void test_relay_claim(struct test_relay *relay, const char *end) {
	snprintf(relay->end, sizeof(relay->end), "%s", end);
}

void test_relay_mute(struct test_relay *relay, bool muted) {
	relay->muted = muted;
}
