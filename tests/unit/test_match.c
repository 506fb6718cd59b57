/* Who is asked for next, and who is answered when: match.c alone, with a clock that the tests move. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/dispatcher/match.h"
#include "tests/support/test.h"

enum { ROOM = 256 };

static struct match_waiter waiters[600];

static struct match_waiter *add(struct match *match, int i, const char *type, int64_t max, int64_t deadline_us,
                                bool once) {
	waiters[i] = (struct match_waiter){ .max = max, .deadline_us = deadline_us, .once = once };
	match_add(match, &waiters[i], slice_of(type));
	return &waiters[i];
}

/* Gathers one call; returns how many were taken. */
static size_t gather(struct match *match, int64_t partition, struct match_waiter **taken) {
	size_t count = 0;
	int64_t room = ROOM;
	struct match_waiter *waiter;
	match_begin(match, partition);
	while ((waiter = match_take(match, partition, &room)) != NULL)
		taken[count++] = waiter;
	match_end(match, partition);
	return count;
}

/* The call finds `tasks`: each taken gets what it asks for while there are some; who gets nothing goes back. */
static size_t answer(struct match *match, int64_t partition, struct match_waiter **taken, size_t count, int64_t tasks) {
	struct match_waiter *back[ROOM];
	size_t served = 0, backs = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t got = tasks < taken[i]->ask ? tasks : taken[i]->ask;
		tasks -= got;
		match_answered(match, taken[i], partition, got == taken[i]->ask);
		if (got > 0)
			served++;
		else
			back[backs++] = taken[i];
	}
	while (backs > 0)
		match_put_back(match, back[--backs]);
	return served;
}

static void the_first_of_a_type_is_asked_for_and_then_it_is_cold(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	assert_false(match_is_warm(match, 0));
	add(match, 0, "coding", 3, 100, false);
	assert_true(match_is_warm(match, 0));
	assert_int_equal(gather(match, 0, taken), 1);
	assert_ptr_equal(taken[0], &waiters[0]);
	assert_int_equal(taken[0]->ask, 3);
	assert_false(match_was_asked(&waiters[0]));
	answer(match, 0, taken, 1, 0);
	assert_true(match_was_asked(&waiters[0]));
	assert_false(match_is_warm(match, 0));
	add(match, 1, "coding", 1, 100, false); /* joins the cold */
	assert_false(match_is_warm(match, 0));
	assert_true(match_was_asked(&waiters[1]));
	assert_int_equal(match_waiting(match), 2);
	match_close(&match);
}

static void a_hint_wakes_the_line_in_order_a_few_at_first_then_more(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	for (int i = 0; i < 100; i++)
		add(match, i, "coding", 1, 100, false);
	answer(match, 0, taken, gather(match, 0, taken), 0);
	assert_false(match_wake(match, SLICE("review"), 0));
	assert_true(match_wake(match, SLICE("coding"), 0));
	size_t count = gather(match, 0, taken), all = 0, rounds = 0;
	assert_int_equal(count, 8);
	for (; count > 0; count = gather(match, 0, taken), rounds++) {
		for (size_t i = 0; i < count; i++)
			assert_ptr_equal(taken[i], &waiters[all + i]);
		all += answer(match, 0, taken, count, 50 - (int64_t)all);
	}
	assert_int_equal(all, 50);
	assert_true(rounds <= 5);
	assert_int_equal(match_waiting(match), 50);
	/* the line has kept its order */
	match_wake(match, SLICE("coding"), 0);
	assert_int_equal(gather(match, 0, taken), 8);
	for (int i = 0; i < 8; i++)
		assert_ptr_equal(taken[i], &waiters[50 + i]);
	match_close(&match);
}

static void a_hint_that_comes_while_the_call_is_under_way_is_not_lost(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	add(match, 0, "coding", 1, 100, false);
	size_t count = gather(match, 0, taken);
	assert_true(match_wake(match, SLICE("coding"), 0));
	assert_int_equal(gather(match, 0, taken + 8), 0);
	answer(match, 0, taken, count, 0);
	assert_int_equal(gather(match, 0, taken), 1);
	match_close(&match);
}

static void types_take_turns_within_the_room(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	add(match, 0, "a", 100, 100, false);
	add(match, 1, "b", 100, 100, false);
	add(match, 2, "c", 100, 100, false);
	add(match, 3, "b", 56, 100, false);
	assert_int_equal(gather(match, 0, taken), 3);
	assert_ptr_equal(taken[0], &waiters[0]);
	assert_ptr_equal(taken[1], &waiters[1]);
	assert_ptr_equal(taken[2], &waiters[3]);
	answer(match, 0, taken, 3, 0);
	assert_int_equal(gather(match, 0, taken), 1); /* c is still warm */
	assert_ptr_equal(taken[0], &waiters[2]);
	match_close(&match);
}

static void who_does_not_wait_is_answered_when_all_partitions_were_asked(void **state) {
	struct match *match = match_open(2);
	struct match_waiter *taken[ROOM];
	(void)state;
	add(match, 0, "coding", 1, 100, true);
	assert_null(match_next_cold(match));
	answer(match, 0, taken, gather(match, 0, taken), 0);
	assert_null(match_next_cold(match));
	answer(match, 1, taken, gather(match, 1, taken), 0);
	assert_ptr_equal(match_next_cold(match), &waiters[0]);
	assert_true(match_was_asked(&waiters[0]));
	/* a partition that is down is not waited for */
	match_set_down(match, 1, true);
	add(match, 1, "coding", 1, 100, true);
	assert_null(match_next_cold(match));
	answer(match, 0, taken, gather(match, 0, taken), 0);
	assert_ptr_equal(match_next_cold(match), &waiters[1]);
	match_set_down(match, 0, true);
	add(match, 2, "coding", 1, 100, true);
	assert_ptr_equal(match_next_cold(match), &waiters[2]);
	assert_false(match_was_asked(&waiters[2]));
	match_close(&match);
}

static void who_waited_longest_comes_first_whether_patient_or_not(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	add(match, 0, "coding", 1, 100, false);
	answer(match, 0, taken, gather(match, 0, taken), 0);
	add(match, 1, "coding", 1, 100, true);
	add(match, 2, "coding", 1, 100, false);
	assert_int_equal(gather(match, 0, taken), 3);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(taken[i], &waiters[i]);
	match_close(&match);
}

static void deadlines_come_in_order_and_who_is_in_a_call_is_left_alone(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	for (int i = 0; i < 500; i++)
		add(match, i, i % 2 == 0 ? "a" : "b", 1, 1000 + (i * 7919) % 500, false);
	size_t count = gather(match, 0, taken);
	int64_t last_us = 0;
	size_t expired = 0;
	struct match_waiter *waiter;
	assert_null(match_next_expired(match, 999));
	while ((waiter = match_next_expired(match, 5000)) != NULL) {
		assert_true(waiter->deadline_us >= last_us);
		assert_int_equal(waiter->place, MATCH_NOWHERE);
		last_us = waiter->deadline_us;
		expired++;
	}
	assert_int_equal(expired + count, 500);
	assert_int_equal(match_next_deadline(match), 0);
	answer(match, 0, taken, count, 0);
	assert_int_equal(match_waiting(match), count);
	while (match_next_any(match) != NULL)
		count--;
	assert_int_equal(count, 0);
	match_close(&match);
}

static void a_call_that_failed_leaves_everybody_in_place(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	for (int i = 0; i < 5; i++)
		add(match, i, "coding", 1, 100, false);
	size_t count = gather(match, 0, taken);
	while (count > 0)
		match_failed(match, taken[--count], 0);
	assert_int_equal(gather(match, 0, taken), 5);
	for (int i = 0; i < 5; i++)
		assert_ptr_equal(taken[i], &waiters[i]);
	match_close(&match);
}

static void one_may_leave_from_the_line_and_from_a_call(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	for (int i = 0; i < 3; i++)
		add(match, i, "coding", 1, 100, false);
	match_remove(match, &waiters[1]);
	assert_int_equal(gather(match, 0, taken), 2);
	match_remove(match, taken[1]);
	answer(match, 0, taken, 1, 0);
	assert_int_equal(match_waiting(match), 1);
	match_close(&match);
}

static void the_poll_asks_for_one_of_each_type_that_waits(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	for (int i = 0; i < 20; i++)
		add(match, i, i % 2 == 0 ? "a" : "b", 1, 100, false);
	answer(match, 0, taken, gather(match, 0, taken), 0);
	match_poll(match, 0, 1);
	size_t count = gather(match, 0, taken);
	assert_int_equal(count, 2);
	assert_int_equal(answer(match, 0, taken, count, 2), 2);
	assert_int_equal(gather(match, 0, taken), 4);
	match_close(&match);
}

static void what_did_not_fit_is_asked_for_less_until_there_is_room_again(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	add(match, 0, "coding", 200, 100, false);
	gather(match, 0, taken);
	match_fitted(taken[0], 200, 4, false);
	answer(match, 0, taken, 1, 0);
	match_wake(match, SLICE("coding"), 0);
	gather(match, 0, taken);
	assert_int_equal(taken[0]->ask, 4);
	match_fitted(taken[0], 4, 4, false);
	match_fitted(taken[0], 4, 4, true);
	answer(match, 0, taken, 1, 0);
	match_wake(match, SLICE("coding"), 0);
	gather(match, 0, taken);
	assert_int_equal(taken[0]->ask, 8);
	match_close(&match);
}

static void others_are_told_of_what_nobody_here_takes(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	assert_false(match_wake_first(match, SLICE("coding"), 0));
	add(match, 0, "coding", 1, 100, false);
	answer(match, 0, taken, gather(match, 0, taken), 0);
	assert_true(match_wake_first(match, SLICE("coding"), 0));
	assert_int_equal(gather(match, 0, taken), 1);
	assert_true(match_answered(match, taken[0], 0, true));
	add(match, 1, "coding", 1, 100, false);
	gather(match, 0, taken);
	assert_false(match_answered(match, taken[0], 0, true)); /* told once */
	match_close(&match);
}

static void many_types_come_and_go_without_staying(void **state) {
	struct match *match = match_open(1);
	struct match_waiter *taken[ROOM];
	(void)state;
	for (int i = 0; i < 20000; i++) {
		char type[32];
		snprintf(type, sizeof(type), "type-%d", i);
		add(match, i % 600, type, 1, 100, true);
		answer(match, 0, taken, gather(match, 0, taken), 0);
		assert_ptr_equal(match_next_cold(match), &waiters[i % 600]);
		assert_null(match_next_cold(match));
	}
	assert_int_equal(match_waiting(match), 0);
	match_close(&match);
}

static void who_crowds_it_makes_room_for_others(void **state) {
	struct match *match = match_open(1);
	(void)state;
	for (int i = 0; i < 5; i++)
		add(match, i, "crowd", 1, 1000 + i, false);
	assert_false(match_make_room(match, SLICE("crowd"), 10)); /* not for one of its own */
	assert_true(match_make_room(match, SLICE("other"), 10));
	assert_true(match_make_room(match, SLICE("other"), 10)); /* the next one, in the same turn */
	assert_ptr_equal(match_next_expired(match, 10), &waiters[0]);
	assert_ptr_equal(match_next_expired(match, 10), &waiters[1]);
	assert_null(match_next_expired(match, 10));
	for (int i = 5; i < 7; i++)
		add(match, i, "other", 1, 1000, false);
	assert_false(match_make_room(match, SLICE("other"), 20)); /* with one more it would have as many */
	assert_true(match_make_room(match, SLICE("third"), 20));
	match_close(&match);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_a_type_is_asked_for_and_then_it_is_cold),
		cmocka_unit_test(a_hint_wakes_the_line_in_order_a_few_at_first_then_more),
		cmocka_unit_test(a_hint_that_comes_while_the_call_is_under_way_is_not_lost),
		cmocka_unit_test(types_take_turns_within_the_room),
		cmocka_unit_test(who_does_not_wait_is_answered_when_all_partitions_were_asked),
		cmocka_unit_test(who_waited_longest_comes_first_whether_patient_or_not),
		cmocka_unit_test(deadlines_come_in_order_and_who_is_in_a_call_is_left_alone),
		cmocka_unit_test(a_call_that_failed_leaves_everybody_in_place),
		cmocka_unit_test(one_may_leave_from_the_line_and_from_a_call),
		cmocka_unit_test(the_poll_asks_for_one_of_each_type_that_waits),
		cmocka_unit_test(what_did_not_fit_is_asked_for_less_until_there_is_room_again),
		cmocka_unit_test(others_are_told_of_what_nobody_here_takes),
		cmocka_unit_test(many_types_come_and_go_without_staying),
		cmocka_unit_test(who_crowds_it_makes_room_for_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
