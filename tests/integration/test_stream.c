/* stream.c and consumer.c on a real JetStream: compare-and-append, reading by sequence, purging, a consumer that goes on
 * through restarts and gets every message at least once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 30000000, TIMEOUT_MS = 5000, MESSAGES = 2000 };

struct fixture {
	struct server *nats;
	struct loop *loop;
	struct bus *bus;
	size_t done;
	enum status status;
	uint64_t sequence;
	struct stream_state state;
	struct text body;
	char message[320];
	struct consumer *consumer;
	bool seen[MESSAGES + 1];
	size_t distinct, delivered, refuse;
};

static int set_up(void **state) {
	struct fixture *f = memory_new(sizeof(*f));
	struct error err = { 0 };
	log_open("test", LOG_LEVEL_ERROR);
	f->nats = server_start_nats();
	f->loop = loop_open();
	if (bus_open(f->loop, &(struct bus_options){ server_url(f->nats), "test" }, &f->bus, &err) != STATUS_OK)
		fail_msg("%s", err.message);
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	consumer_close(&f->consumer);
	bus_close(&f->bus);
	loop_close(&f->loop);
	server_stop(&f->nats);
	text_release(&f->body);
	free(f);
	return 0;
}

static void await(struct fixture *f, const size_t *count, size_t wanted) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (*count < wanted && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	if (*count < wanted)
		fail_msg("only %zu of %zu", *count, wanted);
}

static enum status await_done(struct fixture *f) {
	await(f, &f->done, 1);
	assert_int_equal(f->done, 1);
	f->done = 0;
	return f->status;
}

static void on_done(void *context, enum status status, const struct error *err) {
	struct fixture *f = context;
	f->done++;
	f->status = status;
	snprintf(f->message, sizeof(f->message), "%s", err->message);
}

static void on_info(void *context, enum status status, const struct stream_state *state) {
	struct fixture *f = context;
	f->done++;
	f->status = status;
	f->state = *state;
}

static void on_appended(void *context, enum status status, uint64_t sequence) {
	struct fixture *f = context;
	f->done++;
	f->status = status;
	f->sequence = sequence;
}

static void on_got(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fixture *f = context;
	on_appended(f, status, sequence);
	text_clear(&f->body);
	text_add_slice(&f->body, body);
}

static struct stream_config plain_config(void) {
	return (struct stream_config){ .name = "LOG", .subjects = { "log.>" }, .subject_count = 1, .max_bytes = -1 };
}

static enum status ensure(struct fixture *f, const struct stream_config *config) {
	stream_ensure(f->bus, config, on_done, f);
	return await_done(f);
}

static void make_stream(struct fixture *f) {
	struct stream_config config = plain_config();
	if (ensure(f, &config) != STATUS_OK)
		fail_msg("%s", f->message);
}

static enum status append(struct fixture *f, const char *subject, uint64_t expected_last, const char *body) {
	stream_append(f->bus, subject, expected_last, slice_of(body), TIMEOUT_MS, on_appended, f);
	return await_done(f);
}

static enum status append_after(struct fixture *f, uint64_t expected_last, const char *id, const char *after) {
	stream_append_after(f->bus, "log.0", expected_last, id, after, slice_of(id), TIMEOUT_MS, on_appended, f);
	return await_done(f);
}

static enum status get(struct fixture *f, uint64_t sequence) {
	stream_get(f->bus, "LOG", sequence, on_got, f);
	return await_done(f);
}

static enum status info(struct fixture *f) {
	stream_info(f->bus, "LOG", on_info, f);
	return await_done(f);
}

static void a_stream_is_made_kept_and_changed(void **state) {
	struct fixture *f = *state;
	struct stream_config config = plain_config();
	assert_int_equal(ensure(f, &config), STATUS_OK);
	assert_int_equal(append(f, "log.a", 0, "kept"), STATUS_OK);
	assert_int_equal(ensure(f, &config), STATUS_OK);
	config.max_bytes = 1000000;
	config.max_age_s = 60;
	config.discard_new = true;
	config.max_per_subject = 10;
	config.subjects[config.subject_count++] = "more.*";
	assert_int_equal(ensure(f, &config), STATUS_OK);
	config.work_queue = true; /* cannot be changed, and is left as it is */
	assert_int_equal(ensure(f, &config), STATUS_OK);
	assert_int_equal(append(f, "more.b", 1, "too"), STATUS_OK);
	assert_int_equal(info(f), STATUS_OK);
	assert_int_equal(f->state.messages, 2);
	config.subjects[1] = "bad subject";
	assert_int_not_equal(ensure(f, &config), STATUS_OK);
	assert_true(strlen(f->message) > 0);
}

static void appending_compares_and_the_second_has_lost(void **state) {
	struct fixture *f = *state;
	make_stream(f);
	assert_int_equal(append(f, "log.a", 0, "one"), STATUS_OK);
	assert_int_equal(f->sequence, 1);
	assert_int_equal(append(f, "log.a", 0, "other one"), STATUS_STALE);
	assert_int_equal(append(f, "log.b", 1, "two"), STATUS_OK);
	assert_int_equal(f->sequence, 2);
	assert_int_equal(append(f, "log.a", 1, "other two"), STATUS_STALE);
	assert_int_equal(append(f, "log.a", 3, "far"), STATUS_STALE);
	assert_int_equal(append(f, "log.a", STREAM_ANY_SEQUENCE, "three"), STATUS_OK);
	assert_int_equal(append(f, "nowhere.a", STREAM_ANY_SEQUENCE, "lost"), STATUS_RETRY);
	assert_int_equal(info(f), STATUS_OK);
	assert_int_equal(f->state.first_sequence, 1);
	assert_int_equal(f->state.last_sequence, 3);
	int64_t age_us = clock_wall_us() - f->state.first_at_us;
	assert_true(age_us >= 0 && age_us < 60000000);
	assert_int_equal(f->state.messages, 3);
	assert_true(f->state.bytes > 0);
}

static void messages_are_read_by_sequence_and_by_subject(void **state) {
	struct fixture *f = *state;
	make_stream(f);
	append(f, "log.a", 0, "one");
	append(f, "log.b", 1, "");
	append(f, "log.a", 2, "three");
	assert_int_equal(get(f, 1), STATUS_OK);
	assert_string_equal(f->body.bytes, "one");
	assert_int_equal(get(f, 2), STATUS_OK);
	assert_int_equal(f->sequence, 2);
	assert_string_equal(f->body.bytes, "");
	assert_int_equal(get(f, 4), STATUS_REJECT);
	stream_get_last(f->bus, "LOG", "log.a", on_got, f);
	assert_int_equal(await_done(f), STATUS_OK);
	assert_int_equal(f->sequence, 3);
	stream_get_last(f->bus, "LOG", "log.none", on_got, f);
	assert_int_equal(await_done(f), STATUS_REJECT);
	stream_get(f->bus, "NONE", 1, on_got, f);
	assert_int_equal(await_done(f), STATUS_RETRY);
}

static void purging_keeps_the_tail_or_the_other_subjects(void **state) {
	struct fixture *f = *state;
	make_stream(f);
	for (uint64_t i = 0; i < 10; i++)
		append(f, i % 2 ? "log.odd" : "log.even", i, "x");
	stream_purge(f->bus, "LOG", NULL, 5, on_done, f);
	assert_int_equal(await_done(f), STATUS_OK);
	assert_int_equal(info(f), STATUS_OK);
	assert_int_equal(f->state.first_sequence, 5);
	assert_int_equal(f->state.messages, 6);
	stream_purge(f->bus, "LOG", "log.odd", 0, on_done, f);
	assert_int_equal(await_done(f), STATUS_OK);
	info(f);
	assert_int_equal(f->state.messages, 3);
	assert_int_equal(append(f, "log.a", 10, "goes on"), STATUS_OK);
	stream_purge(f->bus, "NONE", NULL, 5, on_done, f);
	assert_int_equal(await_done(f), STATUS_REJECT);
}

static void a_full_stream_that_refuses_says_retry(void **state) {
	struct fixture *f = *state;
	struct stream_config config = plain_config();
	config.max_bytes = 1000;
	config.discard_new = true;
	ensure(f, &config);
	enum status status = STATUS_OK;
	for (uint64_t i = 0; i < 50 && status == STATUS_OK; i++)
		status = append(f, "log.a", i, "0123456789012345678901234567890123456789");
	assert_int_equal(status, STATUS_RETRY);
}

static void on_message(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	size_t number = (size_t)slice_int(message->body, 0);
	f->delivered++;
	if (f->refuse > 0) {
		f->refuse--;
		consumer_nak(f->consumer, message->reply, 20);
		return;
	}
	if (number > 0 && number <= MESSAGES && !f->seen[number]) {
		f->seen[number] = true;
		f->distinct++;
	}
	consumer_ack(f->consumer, message->reply);
}

static void fill(struct fixture *f, size_t from, size_t to) {
	size_t appended = f->done;
	for (size_t i = from; i <= to; i++) {
		char body[24];
		snprintf(body, sizeof(body), "%zu", i);
		stream_append(f->bus, "log.work", STREAM_ANY_SEQUENCE, slice_of(body), TIMEOUT_MS, on_appended, f);
	}
	await(f, &f->done, appended + to - from + 1);
	f->done = 0;
}

static void make_work_queue(struct fixture *f) {
	struct stream_config config = plain_config();
	config.work_queue = true;
	assert_int_equal(ensure(f, &config), STATUS_OK);
}

static void start_consumer(struct fixture *f, size_t window) {
	struct error err = { 0 };
	if (consumer_open(f->bus, "LOG", "reader", 1000, window, on_message, f, &f->consumer, &err) != STATUS_OK)
		fail_msg("%s", err.message);
}

static void await_empty(struct fixture *f) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	do
		info(f);
	while ((f->status != STATUS_OK || f->state.messages > 0) && clock_mono_us() < limit_us);
	assert_int_equal(f->state.messages, 0);
}

static void a_consumer_gets_everything_and_empties_the_queue(void **state) {
	struct fixture *f = *state;
	make_work_queue(f);
	fill(f, 1, 500);
	start_consumer(f, 64);
	await(f, &f->distinct, 500);
	fill(f, 501, 1000); /* now with open pulls */
	await(f, &f->distinct, 1000);
	assert_int_equal(f->delivered, 1000);
	await_empty(f);
}

static void what_is_refused_comes_again(void **state) {
	struct fixture *f = *state;
	make_work_queue(f);
	f->refuse = 30;
	start_consumer(f, 16);
	fill(f, 1, 100);
	await(f, &f->distinct, 100);
	assert_int_equal(f->delivered, 130);
	await_empty(f);
}

static void hold_back(void *context, const struct bus_message *message) {
	struct fixture *f = context;
	(void)message;
	f->delivered++;
}

static void no_more_than_the_window_is_unanswered(void **state) {
	struct fixture *f = *state;
	struct error err;
	make_work_queue(f);
	fill(f, 1, 100);
	assert_int_equal(consumer_open(f->bus, "LOG", "reader", 60000, 10, hold_back, f, &f->consumer, &err), STATUS_OK);
	await(f, &f->delivered, 10);
	for (int i = 0; i < 20; i++)
		info(f); /* round trips in which more could have come */
	assert_int_equal(f->delivered, 10);
}

static void a_consumer_whose_stream_comes_later_finds_it(void **state) {
	struct fixture *f = *state;
	log_open("test", LOG_LEVEL_ERROR);
	start_consumer(f, 16);
	info(f);
	make_work_queue(f);
	fill(f, 1, 10);
	await(f, &f->distinct, 10);
}

static void a_consumer_goes_on_through_kills_of_the_server(void **state) {
	struct fixture *f = *state;
	make_work_queue(f);
	start_consumer(f, 64);
	for (size_t round = 0; round < 4; round++) {
		fill(f, round * 500 + 1, round * 500 + 500); /* some are not stored if the kill comes first: hence the await */
		await(f, &f->distinct, round * 500 + 250);
		server_kill(f->nats);
		server_restart(f->nats);
		int64_t limit_us = clock_mono_us() + LIMIT_US;
		do
			info(f);
		while (f->status != STATUS_OK && clock_mono_us() < limit_us);
		assert_int_equal(f->status, STATUS_OK);
	}
	await(f, &f->distinct, MESSAGES);
	await_empty(f);
}

static void shell(struct fixture *f, const char *command) {
	char line[512];
	snprintf(line, sizeof(line), "cd \"$(dirname \"$(find %s -type d -path '*/LOG/msgs')\")\" && %s",
	         server_folder(f->nats), command);
	assert_int_equal(system(line), 0);
}

static void await_server(struct fixture *f) {
	server_restart(f->nats);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (info(f) != STATUS_OK && clock_mono_us() < limit_us)
		continue;
	assert_int_equal(f->status, STATUS_OK);
}

/* The stream's files of before, the consumer's of after: what kill -9 and power cuts leave now and then. */
static void messages_that_a_restarted_server_takes_for_done_come_again(void **state) {
	struct fixture *f = *state;
	make_work_queue(f);
	fill(f, 1, 10);
	server_terminate(f->nats);
	shell(f, "cp -a msgs kept");
	await_server(f);
	start_consumer(f, 16);
	await(f, &f->distinct, 10);
	await_empty(f);
	server_terminate(f->nats);
	shell(f, "rm -r msgs && mv kept msgs");
	await_server(f);
	assert_int_equal(f->state.messages, 10);
	await_empty(f);
}

static void a_deleted_consumer_is_made_anew(void **state) {
	struct fixture *f = *state;
	make_work_queue(f);
	start_consumer(f, 16);
	fill(f, 1, 10);
	await(f, &f->distinct, 10);
	assert_int_equal(bus_publish(f->bus, "$JS.API.CONSUMER.DELETE.LOG.reader", SLICE("")), STATUS_OK);
	fill(f, 11, 20);
	await(f, &f->distinct, 20);
}

/* Two writers, each with two appends under way: mine-1 comes too late, and mine-2 must not stand behind theirs-1. */
static void the_second_of_two_appends_is_refused_with_the_first(void **state) {
	struct fixture *f = *state;
	make_stream(f);
	assert_int_equal(append_after(f, 0, "theirs-1", ""), STATUS_OK);
	assert_int_equal(append_after(f, 0, "mine-1", ""), STATUS_STALE);
	assert_int_equal(append_after(f, 1, "mine-2", "mine-1"), STATUS_STALE);
	assert_int_equal(append_after(f, 1, "theirs-2", "theirs-1"), STATUS_OK);
	server_kill(f->nats);
	server_restart(f->nats);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (append_after(f, 2, "theirs-3", "theirs-2") == STATUS_RETRY && clock_mono_us() < limit_us)
		continue;
	assert_int_equal(f->status, STATUS_OK);
	assert_int_equal(append_after(f, 3, "mine-3", "mine-2"), STATUS_STALE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_stream_is_made_kept_and_changed),
		TEST(appending_compares_and_the_second_has_lost),
		TEST(the_second_of_two_appends_is_refused_with_the_first),
		TEST(messages_are_read_by_sequence_and_by_subject),
		TEST(purging_keeps_the_tail_or_the_other_subjects),
		TEST(a_full_stream_that_refuses_says_retry),
		TEST(a_consumer_gets_everything_and_empties_the_queue),
		TEST(what_is_refused_comes_again),
		TEST(no_more_than_the_window_is_unanswered),
		TEST(a_consumer_whose_stream_comes_later_finds_it),
		TEST(a_consumer_goes_on_through_kills_of_the_server),
		TEST(a_deleted_consumer_is_made_anew),
		TEST(messages_that_a_restarted_server_takes_for_done_come_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
