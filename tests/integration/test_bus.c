/* bus.c on a real nats-server: requests and their replies, bursts, lost connections, a server that is away, and a stop
 * that loses nothing. Two buses on one loop play two processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/bus.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 60000000, TIMEOUT_MS = 20000 };

struct fixture {
	struct server *nats;
	struct loop *loop;
	struct bus *client, *server;
	size_t served, heard, answered, refused, changes;
	size_t to_ask, window, body_bytes;
	struct text last;
	enum status last_status;
	bool inside_request, called_within;
	struct bus_kept *kept;
	struct bus_message kept_message;
};

static struct bus *open_bus(struct fixture *f, const char *name) {
	struct bus *bus = NULL;
	struct error err = { 0 };
	if (bus_open(f->loop, &(struct bus_options){ server_url(f->nats), name }, &bus, &err) != STATUS_OK)
		fail_msg("%s", err.message);
	return bus;
}

static int set_up(void **state) {
	struct fixture *f = memory_new(sizeof(*f));
	log_open("test", LOG_LEVEL_ERROR);
	f->nats = server_start_nats();
	f->loop = loop_open();
	f->client = open_bus(f, "client");
	f->server = open_bus(f, "server");
	f->body_bytes = 100;
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	bus_close(&f->client);
	bus_close(&f->server);
	loop_close(&f->loop);
	server_stop(&f->nats);
	text_release(&f->last);
	free(f);
	return 0;
}

/* Turns the loop until *count has reached wanted. */
static void await(struct fixture *f, const size_t *count, size_t wanted) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (*count < wanted && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	if (*count < wanted)
		fail_msg("only %zu of %zu", *count, wanted);
}

static void await_connections(struct fixture *f, bool connected) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while ((bus_connected(f->client) != connected || bus_connected(f->server) != connected) &&
	       clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_int_equal(bus_connected(f->client), connected);
	assert_int_equal(bus_connected(f->server), connected);
}

static void subscribe(struct fixture *f, const char *subject, const char *queue, bus_handler *handler) {
	struct error err = { 0 };
	assert_int_equal(bus_subscribe(f->server, subject, queue, handler, f, &err), STATUS_OK);
}

static void echo(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	f->served++;
	bus_publish(f->server, message->reply, message->body);
}

static void hear(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	f->heard++;
	text_clear(&f->last);
	text_add_slice(&f->last, message->body);
}

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	struct fixture *f = context;
	f->called_within |= f->inside_request;
	f->last_status = status;
	if (status != STATUS_OK) {
		f->refused++;
		return;
	}
	f->answered++;
	text_clear(&f->last);
	text_add_slice(&f->last, message->body);
}

static void ask(struct fixture *f, const char *subject, struct slice body, int64_t timeout_ms) {
	f->inside_request = true;
	bus_request(f->client, subject, NULL, 0, body, timeout_ms, on_answer, f);
	f->inside_request = false;
	assert_false(f->called_within);
}

/* The server side's SUBs are on their way when the first request goes: a request without a responder is refused, so the
 * first one is repeated until it is served. */
static void await_service(struct fixture *f, const char *subject) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	size_t before = f->answered;
	while (f->answered == before && clock_mono_us() < limit_us) {
		size_t done = f->answered + f->refused;
		ask(f, subject, SLICE("are you there?"), 1000);
		while (f->answered + f->refused == done)
			loop_turn(f->loop, 10000);
	}
	assert_true(f->answered > before);
	f->answered = f->refused = f->served = 0;
}

static void a_request_gets_its_reply(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.echo", "q", echo);
	await_service(f, "t.echo");
	ask(f, "t.echo", SLICE("hello"), TIMEOUT_MS);
	await(f, &f->answered, 1);
	assert_string_equal(f->last.bytes, "hello");
	ask(f, "t.echo", SLICE(""), TIMEOUT_MS);
	await(f, &f->answered, 2);
	assert_string_equal(f->last.bytes, "");
}

static void a_request_that_nobody_serves_fails_at_once(void **state) {
	struct fixture *f = *state;
	int64_t before_us = clock_mono_us();
	for (int i = 0; i < 1000; i++)
		ask(f, "t.nobody", SLICE("hello"), 60000);
	await(f, &f->refused, 1000);
	assert_int_equal(f->last_status, STATUS_RETRY);
	assert_true(clock_mono_us() - before_us < LIMIT_US);
}

static void nobody_hits_only_the_request_that_nobody_serves(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.silent", NULL, hear);
	subscribe(f, "t.echo", NULL, echo);
	await_service(f, "t.echo");
	ask(f, "t.silent", SLICE("a"), 60000);
	ask(f, "t.nobody", SLICE("b"), 60000);
	ask(f, "t.echo", SLICE("c"), 60000);
	await(f, &f->refused, 1);
	await(f, &f->answered, 1);
	assert_string_equal(f->last.bytes, "c");
	assert_int_equal(f->refused, 1); /* "a" still waits */
}

static void a_silent_responder_costs_the_timeout_and_no_more(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.silent", NULL, hear);
	subscribe(f, "t.echo", NULL, echo);
	await_service(f, "t.echo");
	int64_t before_us = clock_mono_us();
	ask(f, "t.silent", SLICE("hello"), 50);
	await(f, &f->refused, 1);
	assert_int_equal(f->last_status, STATUS_RETRY);
	assert_true(clock_mono_us() - before_us >= 50000);
	assert_int_equal(f->heard, 1);
}

static void ask_again(struct fixture *f);

static void on_chained_answer(void *context, enum status status, const struct bus_message *message) {
	struct fixture *f = context;
	if (status == STATUS_OK) {
		f->answered += message->body.length == f->body_bytes;
	} else {
		f->refused++;
	}
	ask_again(f);
}

static void ask_again(struct fixture *f) {
	static char body[65536];
	if (f->to_ask == 0)
		return;
	f->to_ask--;
	memset(body, 'x', sizeof(body));
	bus_request(f->client, "t.echo", NULL, 0, (struct slice){ body, f->body_bytes }, TIMEOUT_MS, on_chained_answer, f);
}

static void a_hundred_thousand_requests_all_get_their_replies(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.echo", "q", echo);
	await_service(f, "t.echo");
	f->to_ask = 100000;
	for (int i = 0; i < 1000; i++)
		ask_again(f);
	await(f, &f->answered, 100000);
	assert_int_equal(f->refused, 0);
	assert_int_equal(f->served, 100000);
}

static void two_hundred_thousand_publishes_in_one_turn_all_arrive(void **state) {
	struct fixture *f = *state;
	enum { COUNT = 200000 };
	subscribe(f, "t.burst", NULL, hear);
	subscribe(f, "t.echo", NULL, echo);
	await_service(f, "t.echo");
	char body[200] = { 0 };
	size_t sent = 0;
	for (size_t i = 0; i < COUNT; i++)
		sent += bus_publish(f->client, "t.burst", (struct slice){ body, sizeof(body) }) == STATUS_OK;
	await(f, &f->heard, sent);
	assert_int_equal(sent, COUNT);
	assert_int_equal(bus_dropped(f->server), 0);
}

/* The server takes nothing: what is held for it is bounded, and no call waits. */
static void a_server_that_does_not_read_gets_refusals_not_memory(void **state) {
	struct fixture *f = *state;
	enum { MOST_BYTES = 128 * 1024 * 1024, BODY_BYTES = 100000 };
	char *body = memory_new(BODY_BYTES);
	size_t sent = 0;
	server_pause(f->nats);
	while (sent < MOST_BYTES / BODY_BYTES &&
	       bus_publish(f->client, "t.burst", (struct slice){ body, BODY_BYTES }) == STATUS_OK)
		sent++;
	assert_true(sent < MOST_BYTES / BODY_BYTES);
	server_resume(f->nats);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (bus_publish(f->client, "t.burst", SLICE("x")) != STATUS_OK && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_int_equal(bus_publish(f->client, "t.burst", SLICE("x")), STATUS_OK);
	free(body);
}

static void on_change(void *context, bool connected) {
	struct fixture *f = context;
	(void)connected;
	f->changes++;
}

static void a_killed_server_fails_what_waits_and_traffic_goes_on_when_it_is_back(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.echo", "q", echo);
	subscribe(f, "t.silent", NULL, hear);
	await_service(f, "t.echo");
	bus_on_change(f->client, on_change, f);
	f->body_bytes = 50000; /* so that the kill meets half a message */
	for (int round = 0; round < 5; round++) {
		size_t refused = f->refused;
		ask(f, "t.silent", SLICE("x"), 600000);
		f->to_ask = 1000000;
		for (int i = 0; i < 100; i++)
			ask_again(f);
		await(f, &f->answered, f->answered + 300);
		server_kill(f->nats);
		f->to_ask = 0;
		await_connections(f, false);
		await(f, &f->refused, refused + 1);
		assert_int_equal(bus_publish(f->client, "t.echo", SLICE("x")), STATUS_RETRY);
		server_restart(f->nats);
		await_connections(f, true);
		await_service(f, "t.echo");
	}
	assert_int_equal(f->changes, 10);
}

/* As if this process had slept: what had to go before does not go after, and the connection is a new one. */
static void what_had_to_be_sent_before_is_not_sent_after(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.echo", "q", echo);
	subscribe(f, "t.dated", NULL, hear);
	await_service(f, "t.echo");
	bus_on_change(f->client, on_change, f);
	bus_send_before(f->client, clock_mono_us() + LIMIT_US);
	assert_int_equal(bus_publish(f->client, "t.dated", SLICE("in time")), STATUS_OK);
	await(f, &f->heard, 1);
	assert_int_equal(f->changes, 0);
	bus_send_before(f->client, clock_mono_us());
	assert_int_equal(bus_publish(f->client, "t.dated", SLICE("old")), STATUS_OK);
	await(f, &f->changes, 2);
	assert_true(bus_connected(f->client));
	assert_int_equal(bus_publish(f->client, "t.dated", SLICE("new")), STATUS_OK);
	await(f, &f->heard, 2);
	await_service(f, "t.echo"); /* whatever was behind it has come too */
	assert_int_equal(f->heard, 2);
}

static void a_server_that_is_away_at_the_start_is_found_when_it_comes(void **state) {
	struct fixture *f = *state;
	struct bus *late = NULL;
	struct error err;
	server_kill(f->nats);
	assert_int_equal(bus_open(f->loop, &(struct bus_options){ server_url(f->nats), "late" }, &late, &err), STATUS_OK);
	assert_false(bus_connected(late));
	assert_int_equal(bus_subscribe(late, "t.late", NULL, hear, f, &err), STATUS_OK);
	bus_request(late, "t.echo", NULL, 0, SLICE("x"), 60000, on_answer, f);
	await(f, &f->refused, 1);
	server_restart(f->nats);
	await_connections(f, true);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (f->heard == 0 && clock_mono_us() < limit_us) {
		bus_publish(f->client, "t.late", SLICE("hello"));
		loop_turn(f->loop, 10000);
	}
	assert_true(f->heard > 0);
	bus_close(&late);
}

static void one_of_several_servers_is_enough(void **state) {
	struct fixture *f = *state;
	struct bus *bus = NULL;
	struct error err;
	char urls[256];
	snprintf(urls, sizeof(urls), "nats://127.0.0.1:1,%s,nats://127.0.0.1:2", server_url(f->nats));
	assert_int_equal(bus_open(f->loop, &(struct bus_options){ urls, "list" }, &bus, &err), STATUS_OK);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (!bus_connected(bus) && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_true(bus_connected(bus));
	bus_close(&bus);
}

static void an_open_attempt_does_not_hold_up_closing(void **state) {
	struct fixture *f = *state;
	struct bus *bus = NULL;
	struct error err;
	server_pause(f->nats); /* accepts, and says nothing */
	int64_t before_us = clock_mono_us();
	assert_int_equal(bus_open(f->loop, &(struct bus_options){ server_url(f->nats), "x" }, &bus, &err), STATUS_OK);
	bus_close(&bus);
	assert_true(clock_mono_us() - before_us < 1500000);
	server_resume(f->nats);
}

static void malformed_urls_and_subjects_are_refused(void **state) {
	struct fixture *f = *state;
	struct bus *bus = NULL;
	struct error err;
	const char *const urls[] = { "", "http://x:1", "nats://", "nats://a b:1", "nats://a:1,", "nats://a:x" };
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (bus_open(f->loop, &(struct bus_options){ urls[i], "x" }, &bus, &err) != STATUS_REJECT)
			fail_msg("\"%s\" was taken", urls[i]);
	const char *const subjects[] = { "", "a b", "a\r\nPUB b 1\r\nx", "a\tb" };
	log_open("test", LOG_LEVEL_ERROR + 1);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		assert_int_equal(bus_publish(f->client, subjects[i], SLICE("x")), STATUS_REJECT);
		assert_int_equal(bus_publish_with(f->client, "ok", subjects[i], NULL, 0, SLICE("x")),
		                 *subjects[i] ? STATUS_REJECT : STATUS_OK);
		assert_int_equal(bus_subscribe(f->client, subjects[i], NULL, hear, f, &err), STATUS_REJECT);
	}
	const struct bus_header header = { "a", "b\r\nc: d" };
	assert_int_equal(bus_publish_with(f->client, "ok", NULL, &header, 1, SLICE("x")), STATUS_REJECT);
	char *large = memory_new(bus_max_payload(f->client) + 1);
	struct slice too_large = { large, bus_max_payload(f->client) + 1 };
	assert_int_equal(bus_publish(f->client, "ok", too_large), STATUS_REJECT);
	ask(f, "ok", too_large, TIMEOUT_MS);
	await(f, &f->refused, 1);
	assert_int_equal(f->last_status, STATUS_REJECT);
	free(large);
	assert_true(bus_connected(f->client));
}

static void on_headers(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	const char *trace = bus_header(message, "traceparent"), *id = bus_header(message, "ce-id");
	text_printf(&f->last, "%s|%s|%s", trace ? trace : "none", id ? id : "none",
	            bus_header(message, "other") ? "some" : "none");
	f->heard++;
}

static void headers_arrive_as_they_were_sent(void **state) {
	struct fixture *f = *state;
	const struct bus_header headers[] = { { "traceparent", "00-abc" }, { "ce-id", "e 1: x" } };
	subscribe(f, "t.headers", NULL, on_headers);
	subscribe(f, "t.echo", NULL, echo);
	await_service(f, "t.echo");
	text_clear(&f->last);
	assert_int_equal(bus_publish_with(f->client, "t.headers", NULL, headers, 2, SLICE("x")), STATUS_OK);
	await(f, &f->heard, 1);
	assert_string_equal(f->last.bytes, "00-abc|e 1: x|none");
}

static void keep_message(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	f->kept_message = *message;
	f->kept = bus_keep(message);
	f->served++;
}

static void a_kept_message_outlives_its_handler(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.keep", NULL, keep_message);
	subscribe(f, "t.echo", NULL, echo);
	await_service(f, "t.echo");
	ask(f, "t.keep", SLICE("kept"), TIMEOUT_MS);
	await(f, &f->served, 1);
	await_service(f, "t.echo");
	bus_publish(f->server, f->kept_message.reply, f->kept_message.body);
	bus_kept_free(&f->kept);
	await(f, &f->answered, 1);
	assert_string_equal(f->last.bytes, "kept");
}

static void unsubscribing_all_serves_what_is_on_its_way_and_then_nothing(void **state) {
	struct fixture *f = *state;
	subscribe(f, "t.echo", "q", echo);
	await_service(f, "t.echo");
	f->to_ask = 20000;
	for (int i = 0; i < 200; i++)
		ask_again(f);
	await(f, &f->answered, 1000);
	bus_unsubscribe_all(f->server);
	size_t count = 20000 - f->answered - f->refused;
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (f->answered + f->refused < 20000 && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_int_equal(f->answered + f->refused, 20000);
	assert_int_equal(f->answered, f->served); /* none was taken and lost */
	assert_true(f->refused > 0 && f->refused <= count);
	while (!bus_drained(f->server) && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_true(bus_drained(f->server));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_request_gets_its_reply),
		TEST(a_request_that_nobody_serves_fails_at_once),
		TEST(nobody_hits_only_the_request_that_nobody_serves),
		TEST(a_silent_responder_costs_the_timeout_and_no_more),
		TEST(a_hundred_thousand_requests_all_get_their_replies),
		TEST(two_hundred_thousand_publishes_in_one_turn_all_arrive),
		TEST(a_server_that_does_not_read_gets_refusals_not_memory),
		TEST(a_killed_server_fails_what_waits_and_traffic_goes_on_when_it_is_back),
		TEST(what_had_to_be_sent_before_is_not_sent_after),
		TEST(a_server_that_is_away_at_the_start_is_found_when_it_comes),
		TEST(an_open_attempt_does_not_hold_up_closing),
		TEST(one_of_several_servers_is_enough),
		TEST(malformed_urls_and_subjects_are_refused),
		TEST(headers_arrive_as_they_were_sent),
		TEST(a_kept_message_outlives_its_handler),
		TEST(unsubscribing_all_serves_what_is_on_its_way_and_then_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
