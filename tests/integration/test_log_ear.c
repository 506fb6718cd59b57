/* log_ear.c on a real JetStream: what is heard of an append, and what is not believed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/bus/stream.h"
#include "shared/service/log_ear.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 30000000 };

static const char log_subject[] = "corder.v1.internal.log.0", other_subject[] = "corder.v1.enqueue.shop";

struct heard {
	size_t answers, marks;
	int64_t partition;
	char mark[300], block[60];
	enum status status;
	uint64_t sequence;
};

struct fixture {
	struct server *nats;
	struct loop *loop;
	struct bus *bus;
	struct log_ear ear, patient;
	struct heard heard, patiently;
	size_t done, pongs;
};

static void note(void *context, int64_t partition, struct slice mark, const struct log_answer *answer) {
	struct heard *heard = context;
	heard->partition = partition;
	heard->answers += answer != NULL;
	heard->marks += mark.bytes != NULL;
	snprintf(heard->mark, sizeof(heard->mark), "%.*s", (int)mark.length, mark.bytes != NULL ? mark.bytes : "");
	if (answer == NULL)
		return;
	snprintf(heard->block, sizeof(heard->block), "%.*s", (int)answer->block.length, answer->block.bytes);
	heard->status = answer->status;
	heard->sequence = answer->sequence;
}

static void on_done(void *context, enum status status, const struct error *err) {
	struct fixture *f = context;
	if (status != STATUS_OK)
		fail_msg("%s", err->message);
	f->done++;
}

static void await(struct fixture *f, const size_t *count, size_t wanted) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (*count < wanted && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_int_equal(*count, wanted);
}

static void on_pong(void *context, const struct bus_message *message) {
	(void)message;
	(*(size_t *)context)++;
}

/* All that was sent before this has come back, if it comes at all. */
static void settle(struct fixture *f) {
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bus_publish(f->bus, "pong", SLICE("")), STATUS_OK);
		await(f, &f->pongs, f->pongs + 1);
	}
}

static void make_stream(struct fixture *f, const char *name, const char *subject) {
	struct stream_config config = { .name = name, .subjects = { subject }, .subject_count = 1, .max_bytes = -1 };
	size_t wanted = f->done + 1;
	stream_ensure(f->bus, &config, on_done, f);
	await(f, &f->done, wanted);
}

static int set_up(void **state) {
	struct fixture *f = memory_new(sizeof(*f));
	struct error err = { 0 };
	log_open("test", LOG_LEVEL_ERROR);
	f->nats = server_start_nats();
	f->loop = loop_open();
	if (bus_open(f->loop, &(struct bus_options){ server_url(f->nats), "test" }, &f->bus, &err) != STATUS_OK)
		fail_msg("%s", err.message);
	f->ear = (struct log_ear){ "corder", note, &f->heard, false };
	f->patient = (struct log_ear){ "corder", note, &f->patiently, true };
	assert_int_equal(log_ear_open(&f->ear, f->bus, &err), STATUS_OK);
	assert_int_equal(log_ear_open(&f->patient, f->bus, &err), STATUS_OK);
	assert_int_equal(bus_subscribe(f->bus, "pong", NULL, on_pong, &f->pongs, &err), STATUS_OK);
	make_stream(f, "CORDER_LOG_0", log_subject);
	make_stream(f, "CORDER_ENQUEUE", other_subject);
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	bus_close(&f->bus);
	loop_close(&f->loop);
	server_stop(&f->nats);
	free(f);
	return 0;
}

static char *answer_subject(const char *name) {
	struct log_block block = { 0, "epoch-1", 42, name };
	struct text subject = { 0 };
	log_ear_add_answer(&subject, "corder", &block, SLICE("aaa\nbbb"));
	return text_take(&subject);
}

static void append(struct fixture *f, const char *subject, uint64_t expected, const char *name) {
	char *answer = answer_subject(name);
	assert_int_equal(stream_append_heard(f->bus, subject, expected, name, "", answer, SLICE("block")), STATUS_OK);
	free(answer);
}

static void test_an_append_is_heard(void **state) {
	struct fixture *f = *state;
	append(f, log_subject, 0, "run-1");
	await(f, &f->heard.answers, 1);
	assert_int_equal(f->heard.marks, 1);
	assert_int_equal(f->heard.partition, 0);
	assert_string_equal(f->heard.mark, "epoch-1 42 1\naaa\nbbb");
	assert_string_equal(f->heard.block, "run-1");
	assert_int_equal(f->heard.status, STATUS_OK);
	assert_int_equal(f->heard.sequence, 1);
	assert_int_equal(f->patiently.marks, 0);
}

/* What a process that stops has under way ends by what it hears. */
static void test_an_append_is_heard_after_all_else_was_unsubscribed(void **state) {
	struct fixture *f = *state;
	bus_unsubscribe_all(f->bus);
	append(f, log_subject, 0, "run-1");
	await(f, &f->heard.answers, 1);
	assert_int_equal(f->heard.status, STATUS_OK);
}

static void test_a_refused_append_makes_no_mark(void **state) {
	struct fixture *f = *state;
	append(f, log_subject, 7, "run-2");
	await(f, &f->heard.answers, 1);
	assert_int_equal(f->heard.marks, 0);
	assert_string_equal(f->heard.block, "run-2");
	assert_int_equal(f->heard.status, STATUS_STALE);
}

static void test_a_mark_of_the_relay_says_the_same(void **state) {
	struct fixture *f = *state;
	struct log_block block = { 0, "epoch-1", 42, "" };
	struct text mark = { 0 };
	log_ear_add_mark(&mark, &block, 1, SLICE("aaa\nbbb"));
	bus_publish(f->bus, "corder.v1.internal.mark.0", (struct slice){ mark.bytes, mark.length });
	await(f, &f->patiently.marks, 1);
	assert_string_equal(f->patiently.mark, "epoch-1 42 1\naaa\nbbb");
	await(f, &f->heard.marks, 1);
	assert_string_equal(f->heard.mark, f->patiently.mark);
	text_release(&mark);
}

static void test_a_mark_is_read(void **state) {
	uint64_t sequence = 7;
	struct slice id;
	(void)state;
	assert_true(log_ear_read_mark(SLICE("epoch-1 42 12\naaa\nbbb"), &sequence, &id));
	assert_int_equal(sequence, 12);
	assert_true(slice_is(id, "bbb"));
	assert_false(log_ear_read_mark(SLICE("epoch-1 42 12"), &sequence, &id));
	assert_false(log_ear_read_mark(SLICE("no mark"), &sequence, &id));
	assert_false(log_ear_read_mark((struct slice){ NULL, 0 }, &sequence, &id));
}

/* Another stream takes a message, and would say so where the log's answers are heard. */
static void test_another_streams_answer_is_not_believed(void **state) {
	struct fixture *f = *state;
	append(f, other_subject, STREAM_ANY_SEQUENCE, "run-3");
	await(f, &f->heard.answers, 1);
	assert_int_equal(f->heard.status, STATUS_REJECT);
	settle(f);
	assert_int_equal(f->heard.marks, 0);
}

/* A message that reads like an answer is stored, and asked for with the reply subject of the log's answers. */
static void test_a_stored_answer_is_not_believed(void **state) {
	struct fixture *f = *state;
	char *answer = answer_subject("run-4");
	bus_publish(f->bus, other_subject, SLICE("{\"stream\":\"CORDER_LOG_0\",\"seq\":3}"));
	bus_publish_with(f->bus, "$JS.API.DIRECT.GET.CORDER_ENQUEUE", answer, NULL, 0, SLICE("{\"seq\":1}"));
	await(f, &f->heard.answers, 1);
	assert_int_equal(f->heard.status, STATUS_REJECT);
	bus_publish_with(f->bus, "$JS.API.STREAM.INFO.CORDER_LOG_0", answer, NULL, 0, SLICE(""));
	bus_publish_with(f->bus, "$JS.API.STREAM.MSG.GET.CORDER_ENQUEUE", answer, NULL, 0, SLICE("{\"seq\":1}"));
	await(f, &f->heard.answers, 3);
	settle(f);
	assert_int_equal(f->heard.marks, 0);
	free(answer);
}

static void test_malformed_subjects_are_passed_over(void **state) {
	struct fixture *f = *state;
	static const char *const subjects[] = {
		"x", "0", "0.e", "0.e.1", "0.e.x.id.block", "-1.e.1.id.block", "0.e.0.id.block"
	};
	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++) {
		char subject[100];
		snprintf(subject, sizeof(subject), "corder.v1.internal.logged.%s", subjects[i]);
		bus_publish(f->bus, subject, SLICE("{\"stream\":\"CORDER_LOG_0\",\"seq\":3}"));
	}
	settle(f);
	assert_int_equal(f->heard.answers + f->heard.marks, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_append_is_heard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_append_is_heard_after_all_else_was_unsubscribed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_refused_append_makes_no_mark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_mark_of_the_relay_says_the_same, set_up, tear_down),
		cmocka_unit_test(test_a_mark_is_read),
		cmocka_unit_test_setup_teardown(test_another_streams_answer_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stored_answer_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_malformed_subjects_are_passed_over, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
