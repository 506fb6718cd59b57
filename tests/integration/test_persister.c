/* The persister on real servers: what is in the log becomes its rows, once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/persisting.h"

static void a_life_of_a_task_becomes_its_rows(void **state) {
	(void)state;
	persisting_open_writer(0);
	int64_t build = history_submit(&stage.history, "build", "");
	history_submit(&stage.history, "test", "cbuild,Xlater");
	persisting_append_history();
	persisting_await_all();
	persisting_expect(
		"SELECT task_id,status,waits_for,dependencies,version,timeout,estimated_duration,max_retries FROM tasks",
		"build|pending||1|1.5|2.5|3;test|blocked|dependency|cbuild,Xlater|1|1.5|2.5|3");
	persisting_expect("SELECT task_id,position,dependency_id,`condition`,future FROM task_dependencies",
	                  "test|0|build|completed|0;test|1|later|finished|1");
	history_lease(&stage.history, build, "build", 1);
	persisting_append_history();
	persisting_await_all();
	persisting_expect(
		"SELECT status,attempt,worker,lease,lease_until,started_at,finished_at,cancel_requested FROM tasks WHERE "
		"number=1",
		"running|1|worker-1|lease-1|2026-11-23 17:02:32.000000|2026-11-23 17:02:02.003000|0");
	persisting_expect("SELECT attempt,worker,started_at,outcome FROM task_attempts",
	                  "1|worker-1|2026-11-23 17:02:02.003000");
	history_complete(&stage.history, build, "build", 1);
	persisting_append_history();
	persisting_await_all();
	persisting_expect(
		"SELECT status,result,lease,worker,started_at,finished_at,actual_duration,execution_context FROM tasks WHERE "
		"number=1",
		"completed|{\"ok\":true}|worker-1|2026-11-23 17:02:02.003000|2026-11-23 17:02:02.004000|0.001|{\"n\":1}");
	persisting_expect("SELECT attempt,worker,finished_at,outcome FROM task_attempts",
	                  "1|worker-1|2026-11-23 17:02:02.004000|completed");
	persisting_expect("SELECT event_id,status,previous,detail FROM task_events WHERE seq=4",
	                  "ENTRY0000000000000000003-0|completed|running|{\"ok\":true}");
	persisting_expect("SELECT seq,entry_id FROM log_position", "4|ENTRY0000000000000000003");
}

static struct record build_record(char status, char previous, int64_t version, int64_t attempt) {
	return (struct record){ .status = status,
		                    .previous = previous,
		                    .number = 1,
		                    .project = SLICE("demo"),
		                    .task_id = SLICE("build"),
		                    .task_type = SLICE("coding"),
		                    .batch_id = SLICE("batch-1"),
		                    .version = version,
		                    .attempt = attempt,
		                    .priority = 5 };
}

static void a_failed_try_a_retry_and_a_cancel_are_told_apart(void **state) {
	(void)state;
	persisting_open_writer(0);
	history_submit(&stage.history, "build", "");
	history_lease(&stage.history, 1, "build", 1);
	persisting_append_history();
	persisting_await_all();
	struct record failed = build_record('t', 'r', 3, 1);
	failed.error_code = SLICE("task_error");
	failed.error_message = SLICE("a \\\"quote\\\"\\n\\u00e9 \\ud83d\\ude00 'x'");
	failed.retry_count = 1;
	failed.due_at_us = HISTORY_START_US + 9000000;
	history_add(&stage.history, failed);
	persisting_append_history();
	persisting_await_all();
	persisting_expect("SELECT status,retry_count,due_at,error_code,error_message FROM tasks",
	                  "retry|1|2026-11-23 17:02:11.000000|task_error|a \"quote\"\n\xc3\xa9 \xf0\x9f\x98\x80 'x'");
	history_add(&stage.history, build_record('p', 't', 4, 1));
	struct record again = build_record('r', 'p', 5, 2);
	again.worker = SLICE("worker-2");
	again.lease = SLICE("lease-2");
	again.lease_until_us = HISTORY_START_US + 60000000;
	history_add(&stage.history, again);
	persisting_append_history();
	persisting_await_all();
	struct record cancel = build_record('r', 'r', 6, 2);
	cancel.lease = SLICE("lease-2");
	cancel.reason = SLICE("cancel requested: wrong branch");
	history_add(&stage.history, cancel);
	persisting_append_history();
	persisting_await_all();
	persisting_expect("SELECT status,worker,lease,lease_until,cancel_requested,error_code FROM tasks",
	                  "running|worker-2|lease-2|2026-11-23 17:03:02.000000|1|task_error");
	history_add(&stage.history, build_record('x', 'r', 7, 2));
	persisting_append_history();
	persisting_await_all();
	persisting_expect("SELECT status,worker,lease,lease_until,cancel_requested FROM tasks", "cancelled|worker-2|0");
	persisting_expect("SELECT attempt,outcome,error_code FROM task_attempts", "1|failed|task_error;2|cancelled");
}

static void what_is_about_no_task_has_its_tables_too(void **state) {
	(void)state;
	persisting_open_writer(0);
	history_add(&stage.history, (struct record){ .status = 'q',
	                                             .project = SLICE("demo"),
	                                             .task_type = SLICE("coding"),
	                                             .reason = SLICE("paused: release freeze") });
	history_add(&stage.history,
	            (struct record){ .status = 'q', .task_type = SLICE("review"), .reason = SLICE("paused") });
	history_add(&stage.history, (struct record){ .status = 'g',
	                                             .project = SLICE("demo"),
	                                             .batch_id = SLICE("big"),
	                                             .extra = SLICE("token\x1f"
	                                                            "4\x1f"
	                                                            "1000\x1f") });
	history_add(&stage.history, (struct record){ .status = 'j',
	                                             .project = SLICE("demo"),
	                                             .error_code = SLICE("bad_json"),
	                                             .error_message = SLICE("no"),
	                                             .extra = SLICE("/tasks/0") });
	persisting_append_history();
	persisting_await_all();
	persisting_expect("SELECT task_type,project FROM queue_pauses ORDER BY task_type", "coding|demo;review|");
	persisting_expect("SELECT token,batch_id,slices,tasks,state FROM batches", "token|big|4|1000|admitting");
	persisting_expect("SELECT status,error_code,error_message,detail,version FROM task_events WHERE seq=4",
	                  "rejected|bad_json|no|/tasks/0");
	history_add(&stage.history,
	            (struct record){ .status = 'q', .task_type = SLICE("review"), .reason = SLICE("resumed: paused") });
	history_add(&stage.history,
	            (struct record){
					.status = 'h', .project = SLICE("demo"), .batch_id = SLICE("big"), .extra = SLICE("token") });
	persisting_append_history();
	persisting_await_all();
	persisting_expect("SELECT task_type,project FROM queue_pauses ORDER BY task_type", "coding|demo");
	persisting_expect("SELECT state,seq FROM batches", "admitted|6");
}

static void duplicate_blocks_and_lost_marks_change_nothing(void **state) {
	(void)state;
	struct text copy = { 0 };
	persisting_open_writer(0);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "a%d", i);
		for (int step = 0; step < 2; step++) {
			char id[32];
			snprintf(id, sizeof(id), "%s-%d", name, step);
			history_submit(&stage.history, id, "");
			history_end_entry(&stage.history);
		}
		text_clear(&copy);
		text_append(&copy, stage.history.block.bytes, stage.history.block.length);
		persisting_append((struct slice){ copy.bytes, copy.length }, false);
		if (i % 3 == 0)
			persisting_append((struct slice){ copy.bytes, copy.length }, i % 2 == 0);
		history_clear_block(&stage.history);
	}
	persisting_await_all();
	text_release(&copy);
}

static void a_restarted_persister_goes_on_where_the_last_one_was(void **state) {
	(void)state;
	persisting_open_writer(0);
	persisting_append_lives("one", 50);
	persisting_await_all();
	persisting_close_writer(0);
	persisting_append_lives("two", 50);
	persisting_open_writer(0);
	persisting_await_all();
	persisting_append_lives("three", 50);
	persisting_await_all();
}

/* The history has fixed dates, so that what is old is older than any year in which this runs. Who waits for an old one keeps it. */
static void old_tasks_are_deleted_in_small_steps(void **state) {
	(void)state;
	persisting_open_writer(0);
	stage.writers[0].persister->options.retention_step_rows = 7;
	persisting_append_lives("old", 50);
	history_submit(&stage.history, "waits", "cold-1");
	history_add(&stage.history, (struct record){ .status = 'j', .project = SLICE("demo"), .at_us = 1000000 });
	persisting_append_history();
	persisting_await_all();
	persisting_ask("UPDATE tasks SET finished_at='1971-01-01' WHERE task_id<>'old-3' AND finished_at IS NOT NULL");
	stage.writers[0].persister->options.retention_days =
		18000; /* a walk before would find nothing, and rest a minute */
	persisting_await_answer("SELECT COUNT(*) FROM tasks", "3");
	persisting_await_answer("SELECT COUNT(*) FROM task_events", "7");
	persisting_expect("SELECT task_id FROM tasks ORDER BY task_id", "old-1;old-3;waits");
	persisting_expect("SELECT COUNT(*) FROM task_attempts", "2");
	persisting_expect("SELECT COUNT(*) FROM task_dependencies", "1");
	persisting_append_lives("new", 10);
	persisting_await_position(stage.history.seq);
}

static void nothing_is_deleted_while_the_log_has_more_than_the_database(void **state) {
	(void)state;
	persisting_open_writer(0);
	struct persister *persister = stage.writers[0].persister;
	persisting_append_lives("old", 3);
	persisting_await_all();
	persisting_ask("UPDATE tasks SET finished_at='1971-01-01' WHERE task_id<>'old-2'");
	persister->partitions[0].next_write_us = clock_mono_us() + INT64_C(3600000000);
	history_submit(&stage.history, "waits", "cold-1");
	persisting_append_history();
	int64_t until_us = clock_mono_us() + 1000000; /* its mark and some ticks */
	while (persister->partitions[0].log_seq < stage.history.seq)
		loop_turn(stage.loop, 10000);
	persister->options.retention_days = 18000;
	while (clock_mono_us() < until_us)
		loop_turn(stage.loop, 10000);
	persisting_expect("SELECT COUNT(*) FROM tasks", "3");
	assert_int_equal(bus_publish(stage.bus, "corder.v1.internal.hurry.0", SLICE("")), STATUS_OK);
	persisting_await_answer("SELECT GROUP_CONCAT(task_id ORDER BY task_id) FROM tasks", "old-1,old-2,waits");
}

/* The first after a pause is written at once, the next ones together; somebody who waits for them need not wait so long. */
static void transactions_keep_their_distance_unless_somebody_waits(void **state) {
	(void)state;
	persisting_open_writer(0);
	struct persister *persister = stage.writers[0].persister;
	persister->options.write_every_us = INT64_C(3600000000);
	persisting_append_lives("first", 1);
	persisting_await_position(stage.history.seq);
	uint64_t transactions = persister->counters.transactions;
	int64_t seq = stage.history.seq;
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "next-%d", i);
		persisting_append_lives(name, 1);
	}
	int64_t until_us = clock_mono_us() + 1000000; /* some ticks, whose safety poll must not write either */
	while (clock_mono_us() < until_us)
		loop_turn(stage.loop, 10000);
	assert_int_equal(persister->partitions[0].position.seq, seq);
	assert_int_equal(bus_publish(stage.bus, "corder.v1.internal.hurry.0", SLICE("")), STATUS_OK);
	persisting_await_position(stage.history.seq);
	assert_true(persister->counters.transactions <= transactions + 2);
}

/* Under load the next transaction waits for more, the longer the more this one had, unless there is a full one. */
static void a_transaction_of_many_events_waits_for_more(void **state) {
	(void)state;
	persisting_open_writer(0);
	struct persister *persister = stage.writers[0].persister;
	struct partition *partition = &persister->partitions[0];
	persisting_append_lives("one", 1);
	persisting_await_all();
	assert_true(partition->next_write_us <= clock_mono_us()); /* write_gathered_us is 0 */
	persister->options.write_gathered_us = INT64_C(3600000000);
	int64_t before_us = clock_mono_us();
	persisting_append_lives("many", 200);
	persisting_await_all();
	assert_true(partition->next_write_us >= before_us + 600 * EVENT_PAUSE_US);
	persister->options.write_gathered_us = 1000;
	persisting_append_lives("capped", 200);
	persisting_await_all();
	assert_true(partition->next_write_us <= clock_mono_us() + 1000);
	partition->next_write_us = clock_mono_us() + INT64_C(3600000000);
	partition->batch_events = 300;
	persisting_append_lives("full", 200);
	persisting_await_all();
}

/* Both write through one connection: their transactions of several packets must not mix. */
static void a_large_backlog_is_written_in_large_transactions(void **state) {
	(void)state;
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "l%d", i);
		persisting_append_lives(name, 100);
	}
	persisting_open_writer(0);
	persisting_await_all();
	assert_true(stage.writers[0].persister->counters.transactions < 20);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE status='completed'", "4000");
}

enum { CROWD = 1000 };

static void submit_crowd(const char *name, int64_t numbers[CROWD]) {
	for (int i = 0; i < CROWD; i++) {
		char id[24];
		snprintf(id, sizeof(id), "%s-%d", name, i);
		numbers[i] = history_submit(&stage.history, id, "");
	}
	persisting_append_history();
	persisting_await_position(stage.history.seq);
}

/* A transaction of the leases of every so-many-th task, and one of their ends: both are changes of rows that are there. */
static void work_crowd(const char *name, const int64_t numbers[CROWD], int from, int each) {
	for (int step = 0; step < 2; step++) {
		for (int i = from; i < CROWD; i += each) {
			char id[24];
			snprintf(id, sizeof(id), "%s-%d", name, i);
			(step ? history_complete : history_lease)(&stage.history, numbers[i], id, 1);
		}
		persisting_append_history();
		persisting_await_position(stage.history.seq);
		if (step == 0)
			persisting_expect("SELECT COUNT(*),COUNT(lease),COUNT(finished_at) FROM tasks WHERE status='running'",
			                  each == 1 ? "1000|1000|0" : "100|100|0");
	}
}

static void rows_that_are_there_are_changed_where_they_stand_close_or_far_apart(void **state) {
	(void)state;
	static int64_t numbers[CROWD];
	persisting_open_writer(0);
	submit_crowd("far", numbers);
	work_crowd("far", numbers, 3, 10);
	persisting_expect("SELECT COUNT(*),SUM(task_id LIKE '%3'),COUNT(lease),COUNT(started_at) FROM tasks WHERE "
	                  "status='completed'",
	                  "100|100|0|100");
	persisting_expect("SELECT COUNT(*),SUM(outcome='completed'),COUNT(finished_at) FROM task_attempts", "100|100|100");
	submit_crowd("close", numbers);
	work_crowd("close", numbers, 0, 1);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE status='completed' AND number>1200", "1000");
	persisting_expect("SELECT COUNT(*),SUM(outcome='completed'),COUNT(finished_at) FROM task_attempts",
	                  "1100|1100|1100");
}

static void a_row_that_should_be_there_and_is_not_is_added(void **state) {
	(void)state;
	static int64_t numbers[CROWD];
	persisting_open_writer(0);
	submit_crowd("crowd", numbers);
	(void)persisting_ask("DELETE FROM tasks WHERE task_id='crowd-7'");
	work_crowd("crowd", numbers, 0, 1);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE status='completed'", "1000");
	persisting_expect("SELECT version,attempt,worker IS NULL FROM tasks WHERE task_id='crowd-7'", "3|1|0");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, persisting_set_up, persisting_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_life_of_a_task_becomes_its_rows),
		TEST(a_failed_try_a_retry_and_a_cancel_are_told_apart),
		TEST(what_is_about_no_task_has_its_tables_too),
		TEST(duplicate_blocks_and_lost_marks_change_nothing),
		TEST(a_restarted_persister_goes_on_where_the_last_one_was),
		TEST(old_tasks_are_deleted_in_small_steps),
		TEST(nothing_is_deleted_while_the_log_has_more_than_the_database),
		TEST(transactions_keep_their_distance_unless_somebody_waits),
		TEST(a_transaction_of_many_events_waits_for_more),
		TEST(a_large_backlog_is_written_in_large_transactions),
		TEST(rows_that_are_there_are_changed_where_they_stand_close_or_far_apart),
		TEST(a_row_that_should_be_there_and_is_not_is_added),
	};
	return cmocka_run_group_tests(tests, persisting_start_servers, persisting_stop_servers);
}
