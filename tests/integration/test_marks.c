/* Who waits for a mark that was lost asks Redis: on a real one, whose answer comes late. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/state/marks.h"
#include "tests/support/scripts.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { OTHERS = 12, LIMIT_US = 30000000 };

struct waiting {
	struct state_head head;
	size_t told;
	enum status status;
};

static int set_up(void **state) {
	*state = scripts_open();
	return 0;
}

static int tear_down(void **state) {
	struct scripts *s = *state;
	scripts_close(&s);
	return 0;
}

static void on_told(void *context, enum status status) {
	struct waiting *waiting = context;
	waiting->told++;
	waiting->status = status;
}

/* A reply that depends on the last entry. */
static struct waiting of_last_entry(struct scripts *s) {
	struct said seq = scripts_redis(s, "HGET {p0}:m seq"), id = scripts_redis(s, "HGET {p0}:m id");
	struct waiting waiting = { .head.seq = atoi(seq.text) };
	snprintf(waiting.head.epoch, sizeof(waiting.head.epoch), "epoch-1");
	snprintf(waiting.head.wait, sizeof(waiting.head.wait), "%s", id.text);
	said_release(&seq);
	said_release(&id);
	return waiting;
}

static struct waiting admitted(struct scripts *s, int number) {
	char id[16];
	snprintf(id, sizeof(id), "t%d", number);
	const char *verdict = scripts_admit(s, "shop", "admit", &(struct new_task){ .id = id }, 1);
	assert_int_equal(strncmp(verdict, "ok", 2), 0);
	return of_last_entry(s);
}

static void run(struct scripts *s, int64_t us) {
	int64_t until_us = clock_mono_us() + us;
	while (clock_mono_us() < until_us)
		loop_turn(s->loop, 5000);
}

/* The first is in the log, and Redis is asked of it. While its answer is on the way, others begin to wait, which are not. */
static void a_late_answer_counts_for_what_was_asked_and_nothing_else(void **state) {
	struct scripts *s = *state;
	struct waiting first = admitted(s, 0), others[OTHERS];
	char seq[24];
	snprintf(seq, sizeof(seq), "%d", (int)first.head.seq);
	struct answer marked =
		scripts_call(s, s->state, &state_script_mark, (const char *[]){ seq, first.head.wait, "", "" }, 4);
	assert_string_equal(said_at(&marked.reply, 1), "ok");
	answer_release(&marked);
	for (int i = 0; i < OTHERS; i++)
		others[i] = admitted(s, 1 + i);

	struct marks *marks = marks_open(s->loop, s->state, 60000);
	marks_wait(marks, &first.head, on_told, &first);
	server_pause(s->redis);
	run(s, 150000); /* it is asked after 100 ms */
	for (int i = 0; i < OTHERS; i++)
		marks_wait(marks, &others[i].head, on_told, &others[i]);
	run(s, 300000); /* when these would be asked */
	server_resume(s->redis);
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (first.told == 0 && clock_mono_us() < limit_us)
		loop_turn(s->loop, 5000);
	run(s, 300000);
	assert_int_equal(first.told, 1);
	assert_int_equal(first.status, STATUS_OK);
	for (int i = 0; i < OTHERS; i++)
		assert_int_equal(others[i].told, 0);
	marks_close(&marks);
}

static void who_waits_is_told_in_time_also_while_redis_is_silent(void **state) {
	struct scripts *s = *state;
	struct waiting waiting = admitted(s, 0);
	struct marks *marks = marks_open(s->loop, s->state, 400);
	marks_wait(marks, &waiting.head, on_told, &waiting);
	server_pause(s->redis);
	run(s, 1000000); /* it is asked after 100 ms, and does not answer */
	assert_int_equal(waiting.told, 1);
	assert_int_equal(waiting.status, STATUS_RETRY);
	server_resume(s->redis);
	marks_close(&marks);
	run(s, 200000); /* the answer comes */
}

static void say_that_it_is_logged(struct scripts *s, const struct waiting *waiting) {
	char seq[24];
	snprintf(seq, sizeof(seq), "%d", (int)waiting->head.seq);
	struct answer marked =
		scripts_call(s, s->state, &state_script_mark, (const char *[]){ seq, waiting->head.wait, "", "" }, 4);
	assert_string_equal(said_at(&marked.reply, 1), "ok");
	answer_release(&marked);
}

static void the_log_stands_still_until_it_has_what_was_waited_for(void **state) {
	struct scripts *s = *state;
	struct waiting first = admitted(s, 0), second = admitted(s, 1);
	struct marks *marks = marks_open(s->loop, s->state, 1500);
	marks_wait(marks, &first.head, on_told, &first);
	run(s, 500000);
	assert_false(marks_stand_still(marks));
	run(s, 700000);
	assert_true(marks_stand_still(marks));
	marks_wait(marks, &second.head, on_told, &second);
	run(s, 2000000);
	assert_int_equal(first.told, 1);
	assert_int_equal(second.told, 1);
	assert_int_equal(marks_waiting(marks), 0);
	assert_true(marks_stand_still(marks)); /* nobody waits any more */
	say_that_it_is_logged(s, &first);
	run(s, 400000);
	assert_false(marks_stand_still(marks));
	marks_close(&marks);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_late_answer_counts_for_what_was_asked_and_nothing_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_is_told_in_time_also_while_redis_is_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_log_stands_still_until_it_has_what_was_waited_for, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
