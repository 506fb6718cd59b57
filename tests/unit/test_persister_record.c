/* The persister's fold: events in, changes of rows out; and the chain of the log. */
#include <string.h>

#include "services/persister/changes.h"
#include "tests/support/test.h"

static struct changes changes;

static struct record event(int64_t seq, char status, char previous, int64_t number, int64_t version, int64_t attempt) {
	return (struct record){ .seq = seq,
		                    .status = status,
		                    .previous = previous,
		                    .number = number,
		                    .version = version,
		                    .attempt = attempt,
		                    .at_us = seq * 1000,
		                    .project = SLICE("p"),
		                    .task_id = SLICE("t"),
		                    .task_type = SLICE("coding"),
		                    .priority = 5 };
}

static void add(struct record record) {
	changes_add(&changes, &record, SLICE("entry"), 0);
}

static int begin(void **state) {
	(void)state;
	changes_clear(&changes, 0);
	return 0;
}

static int end(void **state) {
	(void)state;
	changes_release(&changes);
	return 0;
}

static void a_whole_life_in_one_batch_is_one_new_task_and_one_attempt(void **state) {
	(void)state;
	struct record run = event(2, 'r', 'p', 1, 2, 1);
	run.worker = SLICE("w");
	run.lease = SLICE("l");
	run.lease_until_us = 99;
	add(event(1, 'p', 0, 1, 1, 0));
	add(run);
	add(event(3, 'c', 'r', 1, 3, 1));
	changes_sort(&changes);
	assert_int_equal(changes.event_count, 3);
	assert_int_equal(changes.task_count, 1);
	assert_int_equal(changes.new_count, 1);
	assert_int_equal(changes.tasks[0].first, 0);
	assert_int_equal(changes.tasks[0].last, 2);
	assert_int_equal(changes.tasks[0].started_at_us, 2000);
	assert_int_equal(changes.tasks[0].lease_until_us, 0);
	assert_int_equal(changes.tasks[0].cancel_requested, 0);
	assert_int_equal(changes.attempt_count, 1);
	assert_int_equal(changes.attempts[0].started_at_us, 2000);
	assert_int_equal(changes.attempts[0].finished_at_us, 3000);
	assert_string_equal(changes.attempts[0].outcome, "completed");
}

static void what_an_event_does_not_tell_is_not_told(void **state) {
	(void)state;
	struct record updated = event(9, 'r', 'r', 1, 4, 1);
	updated.reason = SLICE("updated");
	add(updated);
	assert_int_equal(changes.tasks[0].first, NO_EVENT);
	assert_int_equal(changes.tasks[0].started_at_us, 0);
	assert_int_equal(changes.tasks[0].cancel_requested, -1);
	assert_null(changes.tasks[0].worker.bytes);
	assert_int_equal(changes.attempt_count, 0);
	updated.seq = 10;
	updated.reason = SLICE("cancel requested");
	add(updated);
	assert_int_equal(changes.tasks[0].cancel_requested, 1);
}

static void each_end_of_a_try_has_its_outcome(void **state) {
	(void)state;
	static const struct {
		char status;
		const char *error, *outcome;
	} ends[] = { { 'c', "", "completed" },
		         { 'x', "", "cancelled" },
		         { 'p', "", "released" },
		         { 'b', "", "released" },
		         { 't', "task_error", "failed" },
		         { 't', "timeout", "timeout" },
		         { 'p', "task_error", "failed" }, /* no backoff: ready again at once, or waiting for its key */
		         { 'p', "timeout", "timeout" },
		         { 'b', "worker_lost", "worker_lost" },
		         { 'f', "worker_lost", "worker_lost" } };
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct record record = event((int64_t)i + 1, ends[i].status, 'r', (int64_t)i + 100, 3, 7);
		record.error_code = slice_of(ends[i].error);
		add(record);
		assert_int_equal(changes.attempts[i].attempt, 7);
		assert_int_equal(changes.attempts[i].started_at_us, 0);
		assert_string_equal(changes.attempts[i].outcome, ends[i].outcome);
	}
}

static void several_attempts_of_a_task_stay_apart(void **state) {
	(void)state;
	add(event(1, 'r', 'p', 5, 2, 1));
	add(event(2, 't', 'r', 5, 3, 1));
	add(event(3, 'p', 't', 5, 4, 1));
	add(event(4, 'r', 'p', 5, 5, 2));
	changes_sort(&changes);
	assert_int_equal(changes.attempt_count, 2);
	assert_int_equal(changes.attempts[0].attempt, 1);
	assert_int_equal(changes.attempts[0].finished_at_us, 2000);
	assert_int_equal(changes.attempts[1].attempt, 2);
	assert_int_equal(changes.attempts[1].finished_at_us, 0);
}

static void rows_come_in_the_order_of_their_keys(void **state) {
	(void)state;
	for (int64_t i = 0; i < 5000; i++)
		add(event(i + 1, 'r', 'p', (i * 7919) % 5003 + 1, 2, 1));
	assert_int_equal(changes.task_count, 5000);
	changes_sort(&changes);
	for (size_t i = 1; i < changes.task_count; i++) {
		assert_true(changes.tasks[i - 1].number < changes.tasks[i].number);
		assert_true(changes.attempts[i - 1].number < changes.attempts[i].number);
	}
}

static void events_about_no_task_change_no_task(void **state) {
	(void)state;
	add(event(1, 'j', 0, 0, 0, 0));
	add(event(2, 'q', 0, 0, 0, 0));
	assert_int_equal(changes.event_count, 2);
	assert_int_equal(changes.task_count, 0);
}

static enum chain check(const char *id, const char *previous, int64_t first, int64_t last, const char *records) {
	const struct position position = { .seq = 10, .entry_id = "ten" };
	struct record_entry entry = { .id = slice_of(id),
		                          .previous = slice_of(previous),
		                          .first_seq = first,
		                          .last_seq = last,
		                          .records = slice_of(records) };
	return chain_check(&position, &entry);
}

static void only_the_next_entry_of_the_same_history_is_taken(void **state) {
	(void)state;
	assert_int_equal(check("next", "ten", 11, 13, ""), CHAIN_NEXT);
	assert_int_equal(check("next", "other", 11, 13, ""), CHAIN_OTHER);
	assert_int_equal(check("later", "eleven", 12, 13, ""), CHAIN_GAP);
	assert_int_equal(check("ten", "nine", 9, 10, ""), CHAIN_OLD);
	assert_int_equal(check("another ten", "nine", 9, 10, ""), CHAIN_OTHER);
	assert_int_equal(check("nine", "eight", 8, 9, ""), CHAIN_OLD);
	assert_int_equal(check("across", "eight", 9, 12, ""), CHAIN_OTHER);
}

static enum chain check_continue(int64_t seq, const char *id) {
	struct text text = { 0 };
	struct record record = { .seq = seq, .status = RECORD_CONTINUE, .extra = slice_of(id) };
	record_add(&text, &record);
	enum chain chain = check(id, "", seq, seq, text.bytes);
	text_release(&text);
	return chain;
}

static void a_continuation_is_accepted_where_the_database_is(void **state) {
	(void)state;
	assert_int_equal(check_continue(10, "ten"), CHAIN_OLD);
	assert_int_equal(check_continue(9, "nine"), CHAIN_OLD);
	assert_int_equal(check_continue(10, "another"), CHAIN_OTHER);
	assert_int_equal(check_continue(11, "eleven"), CHAIN_GAP);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_whole_life_in_one_batch_is_one_new_task_and_one_attempt),
		TEST(what_an_event_does_not_tell_is_not_told),
		TEST(each_end_of_a_try_has_its_outcome),
		TEST(several_attempts_of_a_task_stay_apart),
		TEST(rows_come_in_the_order_of_their_keys),
		TEST(events_about_no_task_change_no_task),
		TEST(only_the_next_entry_of_the_same_history_is_taken),
		TEST(a_continuation_is_accepted_where_the_database_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
