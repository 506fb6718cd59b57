/* Who works on what: from events as they come, and from those that were before this process. */
#include <stdlib.h>

#include "services/monitor/workers.h"
#include "tests/support/test.h"

static const int64_t now_us = (int64_t)1800000000 * 1000000;
static const int64_t second_us = 1000000;

static void note(struct workers *workers, int64_t number, char previous, char status, int64_t at_us) {
	struct record record = { .number = number,
		                     .project = SLICE("shop"),
		                     .task_id = SLICE("t"),
		                     .task_type = SLICE("coding"),
		                     .worker = SLICE("w1"),
		                     .attempt = 1,
		                     .previous = previous,
		                     .status = status,
		                     .at_us = at_us };
	workers_note(workers, 0, &record);
}

/* The only one there is; copied, for the list goes. */
static struct worker only(struct workers *workers, int64_t at_us) {
	struct worker **list, found;
	assert_int_equal(workers_list(workers, at_us, &list), 1);
	found = *list[0];
	free(list);
	return found;
}

static void a_worker_has_what_it_runs_and_what_it_ended(void **state) {
	(void)state;
	struct workers *workers = workers_open();
	note(workers, 1, RECORD_PENDING, RECORD_RUNNING, now_us);
	note(workers, 2, RECORD_PENDING, RECORD_RUNNING, now_us);
	struct worker w1 = only(workers, now_us);
	assert_string_equal(w1.name, "w1");
	assert_int_equal(w1.running, 2);
	note(workers, 1, RECORD_RUNNING, RECORD_COMPLETED, now_us + second_us);
	note(workers, 2, RECORD_RUNNING, RECORD_RETRY, now_us + second_us);
	w1 = only(workers, now_us);
	assert_int_equal(w1.running, 0);
	assert_int_equal(w1.completed, 1);
	assert_int_equal(w1.failed, 1);
	workers_close(&workers);
}

static void what_was_before_this_process_counts_for_who_was_seen_lately(void **state) {
	(void)state;
	const int64_t old_us = now_us - (WORKERS_SEEN_S + 1) * second_us;
	struct workers *workers = workers_open();
	workers_recall(workers, SLICE("gone"), SLICE("coding"), RECORD_COMPLETED, old_us, now_us);
	workers_recall(workers, SLICE("w1"), SLICE("coding"), RECORD_FAILED, now_us - second_us, now_us);
	workers_recall(workers, SLICE("w1"), SLICE("review"), RECORD_COMPLETED, old_us, now_us);
	workers_recall(workers, SLICE(""), SLICE("coding"), RECORD_COMPLETED, now_us, now_us);
	struct worker w1 = only(workers, now_us);
	assert_string_equal(w1.name, "w1");
	assert_int_equal(w1.completed, 1);
	assert_int_equal(w1.failed, 1);
	assert_int_equal(w1.type_count, 2);
	assert_int_equal(w1.last_at_us, now_us - second_us);
	workers_close(&workers);
}

static void a_worker_that_was_not_seen_for_long_is_forgotten(void **state) {
	(void)state;
	struct worker **list;
	struct workers *workers = workers_open();
	note(workers, 1, RECORD_PENDING, RECORD_RUNNING, now_us);
	only(workers, now_us + 2 * WORKERS_SEEN_S * second_us); /* it runs something */
	note(workers, 1, RECORD_RUNNING, RECORD_COMPLETED, now_us);
	assert_int_equal(workers_list(workers, now_us + WORKERS_SEEN_S * second_us, &list), 0);
	free(list);
	workers_close(&workers);
}

/* Number 1 ends and number 2 goes on while nobody listens; 3 ends after that, before Redis has told that it ran. */
static void what_runs_is_seen_anew_after_a_gap(void **state) {
	(void)state;
	struct workers *workers = workers_open();
	struct workers_seen seen = { 0, 2, 1, now_us, SLICE("shop"), SLICE("t"), SLICE("coding"), SLICE("w1") };
	workers_all_seen(workers);
	for (int64_t number = 1; number <= 3; number++)
		note(workers, number, RECORD_PENDING, RECORD_RUNNING, now_us);
	note(workers, 4, RECORD_PENDING, RECORD_RUNNING, now_us);
	note(workers, 4, RECORD_RUNNING, RECORD_COMPLETED, now_us);
	workers_forget_tasks(workers);
	assert_int_equal(workers_running(workers), 0);
	assert_int_equal(only(workers, now_us).running, 0);
	note(workers, 3, RECORD_RUNNING, RECORD_COMPLETED, now_us);
	workers_see(workers, &seen);
	seen.number = 3;
	workers_see(workers, &seen);
	seen.number = 4; /* retried meanwhile */
	workers_see(workers, &seen);
	workers_all_seen(workers);
	assert_null(workers_find(workers, 0, 1));
	assert_non_null(workers_find(workers, 0, 2));
	assert_null(workers_find(workers, 0, 3));
	assert_non_null(workers_find(workers, 0, 4));
	workers_mark(workers);
	assert_int_equal(workers_marked(workers, SLICE("coding")), 2);
	note(workers, 2, RECORD_RUNNING, RECORD_COMPLETED, now_us);
	struct worker w1 = only(workers, now_us);
	assert_int_equal(w1.running, 1);
	assert_int_equal(w1.completed, 2);
	workers_close(&workers);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_has_what_it_runs_and_what_it_ended),
		cmocka_unit_test(what_was_before_this_process_counts_for_who_was_seen_lately),
		cmocka_unit_test(a_worker_that_was_not_seen_for_long_is_forgotten),
		cmocka_unit_test(what_runs_is_seen_anew_after_a_gap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
