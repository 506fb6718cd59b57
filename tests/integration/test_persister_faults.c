/* The persister on real servers while something breaks: what is in the log gets into the tables once all the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/persisting.h"

static void several_instances_write_everything_once(void **state) {
	(void)state;
	for (size_t i = 0; i < WRITERS_MOST; i++)
		persisting_open_writer(i);
	for (int round = 0; round < 60; round++) {
		char name[16];
		snprintf(name, sizeof(name), "r%d", round);
		persisting_append_lives(name, 20);
		if (round == 30)
			persisting_close_writer(0); /* whoever wrote: another takes over */
	}
	persisting_await_all();
	uint64_t events = 0;
	for (size_t i = 1; i < WRITERS_MOST; i++)
		events += stage.writers[i].persister->counters.events;
	assert_true(events > 0);
}

static void killed_processes_lose_nothing_and_write_nothing_twice(void **state) {
	(void)state;
	pid_t pids[2] = { persisting_start_process(CORDER_BIN_DIR "/corder-persister"),
		              persisting_start_process(CORDER_BIN_DIR "/corder-persister") };
	for (int round = 0; round < 40; round++) {
		char name[16];
		snprintf(name, sizeof(name), "k%d", round);
		persisting_append_lives(name, 30);
		if (round % 4 == 3) {
			persisting_kill_process(pids[round / 4 % 2]);
			pids[round / 4 % 2] = persisting_start_process(CORDER_BIN_DIR "/corder-persister");
		}
	}
	persisting_await_all();
	persisting_kill_process(pids[0]);
	persisting_kill_process(pids[1]);
}

static void a_killed_connection_is_made_again(void **state) {
	(void)state;
	persisting_open_writer(0);
	persisting_append_lives("first", 10);
	persisting_await_all();
	for (int round = 0; round < 10; round++) {
		char name[16];
		snprintf(name, sizeof(name), "c%d", round);
		persisting_ask(
			"SELECT GROUP_CONCAT(CONCAT('KILL ', id) SEPARATOR ';') INTO @kill FROM information_schema.processlist "
			"WHERE "
			"id<>CONNECTION_ID() AND db='corder'; EXECUTE IMMEDIATE COALESCE(@kill,'DO 0')");
		persisting_append_lives(name, 100);
	}
	persisting_await_all();
}

static void a_restarted_database_is_waited_for(void **state) {
	(void)state;
	struct error reason = { 0 };
	persisting_open_writer(0);
	persisting_append_lives("before", 20);
	persisting_await_all();
	persisting_append_lives("during", 500);
	server_kill(stage.mariadb);
	persisting_await_health(STATUS_RETRY, &reason);
	persisting_append_lives("while", 20);
	server_restart(stage.mariadb);
	persisting_await_all();
	persisting_await_health(STATUS_OK, &reason);
}

static void a_restarted_nats_server_is_waited_for(void **state) {
	(void)state;
	persisting_open_writer(0);
	persisting_append_lives("before", 20);
	server_restart(stage.nats);
	int64_t limit = clock_mono_us() + LIMIT_US;
	persisting_make_stream();
	while (!bus_connected(stage.bus) && clock_mono_us() < limit)
		loop_turn(stage.loop, 5000);
	persisting_append_lives("after", 20);
	persisting_await_all();
}

static void poison_is_set_aside_and_stands_in_nobodys_way(void **state) {
	char entry[sizeof(stage.history.entry_id)];
	(void)state;
	persisting_open_writer(0);
	persisting_append_lives("good", 30);
	int64_t number = history_submit(&stage.history, "bad", "");
	struct record bad = { .status = 'r',
		                  .previous = 'p',
		                  .number = number,
		                  .project = SLICE("demo"),
		                  .task_id = SLICE("bad"),
		                  .task_type = SLICE("coding"),
		                  .version = 2,
		                  .attempt = 1,
		                  .worker = SLICE("a worker whose name is far too long for its column: "
		                                  "0123456789012345678901234567890123456789") };
	int64_t seq = history_add(&stage.history, bad);
	history_submit(&stage.history, "not utf-8 \xff\xfe", "");
	history_end_entry(&stage.history);
	memcpy(entry, stage.history.entry_id, sizeof(entry));
	persisting_append_lives("more", 30);
	persisting_await_position(stage.history.seq);
	persisting_expect("SELECT COUNT(*) FROM poison_events", "2");
	char sql[160], answer[80];
	snprintf(sql, sizeof(sql), "SELECT seq, reason LIKE '%%worker%%', event_id FROM poison_events WHERE seq=%lld",
	         (long long)seq);
	snprintf(answer, sizeof(answer), "%lld|1|%s-1", (long long)seq, entry);
	persisting_expect(sql, answer);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (stage.writers[0].persister->counters.poison < 2 && clock_mono_us() < limit)
		loop_turn(stage.loop, 5000);
	assert_int_equal(stage.writers[0].persister->counters.poison, 2);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE status='completed'", "60");
	persisting_expect("SELECT status FROM tasks WHERE task_id='bad'", "pending");
	persisting_append_lives("after", 10);
	persisting_await_position(stage.history.seq);
}

/* A lease whose worker no column can hold. */
static void add_refused_lease(int64_t number, const char *task_id, int64_t version) {
	history_add(&stage.history, (struct record){ .status = 'r',
	                                             .previous = 'p',
	                                             .number = number,
	                                             .project = SLICE("demo"),
	                                             .task_id = slice_of(task_id),
	                                             .task_type = SLICE("coding"),
	                                             .version = version,
	                                             .attempt = 1,
	                                             .worker = SLICE("a worker whose name is far too long for its column: "
	                                                             "0123456789012345678901234567890123456789") });
}

static void expect_set_aside(int64_t count) {
	char answer[32];
	snprintf(answer, sizeof(answer), "%lld", (long long)count);
	persisting_expect("SELECT COUNT(*) FROM poison_events", answer);
}

static void an_entry_of_many_refused_events_is_written_without_them(void **state) {
	enum { TASKS = 400 };
	int64_t numbers[TASKS];
	char id[TASKS][16];
	(void)state;
	for (int i = 0; i < TASKS; i++) {
		snprintf(id[i], sizeof(id[i]), "task-%d", i);
		numbers[i] = history_submit(&stage.history, id[i], "");
	}
	for (int i = 0; i < TASKS; i++) {
		add_refused_lease(numbers[i], id[i], 2);
		if (i % 4 == 0)
			history_complete(&stage.history, numbers[i], id[i], 1);
	}
	persisting_append_history();
	persisting_append_lives("after", 10);
	persisting_open_writer(0);
	persisting_await_position(stage.history.seq);
	expect_set_aside(TASKS);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE task_id LIKE 'task%' AND status='completed'", "100");
	persisting_expect("SELECT COUNT(*) FROM poison_events WHERE reason LIKE '%worker%'", "400");
	persisting_expect("SELECT COUNT(DISTINCT event_id) FROM poison_events", "400");
}

static void many_refused_events_of_many_entries_are_set_aside(void **state) {
	char id[24];
	(void)state;
	int64_t number = history_submit(&stage.history, "one", "");
	for (int entry = 0; entry < 20; entry++) {
		for (int i = 0; i < 20; i++)
			add_refused_lease(number, "one", 2 + entry * 20 + i);
		snprintf(id, sizeof(id), "good-%d", entry);
		history_submit(&stage.history, id, "");
		history_end_entry(&stage.history);
	}
	persisting_append_lives("after", 10);
	persisting_open_writer(0);
	persisting_await_position(stage.history.seq);
	expect_set_aside(400);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE task_id LIKE 'good%'", "20");
}

/* Each of the two is good alone. The first one stands, wherever the pieces that are tried begin. */
static void an_event_that_another_one_of_its_entry_excludes_is_set_aside(void **state) {
	(void)state;
	int64_t number = history_submit(&stage.history, "twice", "");
	history_lease(&stage.history, number, "twice", 1);
	for (int i = 0; i < 5; i++)
		history_submit(&stage.history, (const char *[]){ "a", "b", "c", "d", "e" }[i], "");
	int64_t second = stage.history.seq + 1;
	history_lease(&stage.history, number, "twice", 1);
	persisting_append_history();
	persisting_open_writer(0);
	persisting_await_position(stage.history.seq);
	expect_set_aside(1);
	char answer[32];
	snprintf(answer, sizeof(answer), "%lld", (long long)second);
	persisting_expect("SELECT seq FROM poison_events", answer);
	persisting_expect("SELECT COUNT(*) FROM tasks", "6");
}

/* As arrays the batch fits, a packet a table; as text, which the search tries, it does not. */
static void a_culprit_is_found_through_small_packets(void **state) {
	char name[16];
	(void)state;
	persisting_ask("SET GLOBAL max_allowed_packet=1048576");
	for (int i = 0; i < 25; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		persisting_append_lives(name, 50);
	}
	add_refused_lease(history_submit(&stage.history, "bad", ""), "bad", 2);
	history_end_entry(&stage.history);
	persisting_append_lives("after", 10);
	persisting_open_writer(0);
	persisting_await_position(stage.history.seq);
	persisting_ask("SET GLOBAL max_allowed_packet=16777216");
	expect_set_aside(1);
	persisting_expect("SELECT COUNT(*) FROM tasks WHERE status='completed'", "1260");
}

/* The position and the rows are those of the entry before, and health does not forget it while nothing is repaired. */
static void an_entry_that_does_not_hold_what_it_says_is_not_written_in_part(void **state) {
	(void)state;
	struct error reason = { 0 };
	persisting_append_lives("good", 10);
	int64_t written = stage.history.seq;
	history_submit(&stage.history, "first-half", "");
	stage.history.seq++; /* an event that the header counts, and that is not there */
	persisting_append_history();
	persisting_open_writer(0);
	persisting_await_position(written);
	persisting_await_health(STATUS_RETRY, &reason);
	int64_t until_us = clock_mono_us() + STOPPED_US + 1000000; /* past the next try */
	while (clock_mono_us() < until_us) {
		loop_turn(stage.loop, 10000);
		assert_int_equal(persister_health(stage.writers[0].persister, &reason), STATUS_RETRY);
		assert_non_null(strstr(reason.message, "does not hold the events it says"));
	}
	persisting_await_position(written);
	expect_set_aside(0);
	persisting_expect("SELECT COUNT(*), MAX(seq) FROM task_events", "30|30");
}

static void a_gap_or_a_foreign_history_is_never_skipped(void **state) {
	(void)state;
	struct error reason = { 0 };
	persisting_open_writer(0);
	persisting_append_lives("a", 10);
	persisting_await_all();
	int64_t written = stage.history.seq;
	struct history kept = stage.history;
	struct history lost = stage.history; /* an entry that never gets into the log */
	lost.records = lost.block = (struct text){ 0 };
	history_submit(&lost, "lost", "");
	history_end_entry(&lost);
	stage.history.seq = lost.seq;
	memcpy(stage.history.entry_id, lost.entry_id, sizeof(lost.entry_id));
	stage.history.entries = lost.entries;
	persisting_append_lives("b", 10);
	persisting_await_health(STATUS_RETRY, &reason);
	assert_non_null(strstr(reason.message, "events are missing"));
	kept.records = stage.history.records;
	kept.block = stage.history.block;
	stage.history = kept;
	persisting_await_position(written);
	history_release(&lost);
}

static void a_log_that_was_made_anew_is_followed(void **state) {
	(void)state;
	struct text block = { 0 };
	persisting_open_writer(0);
	for (int i = 0; i < 5; i++)
		persisting_append_lives((const char *[]){ "a", "b", "c", "d", "e" }[i], 10);
	persisting_await_all();
	persisting_delete_stream();
	persisting_make_stream();
	struct record_entry entry = { .id = slice_of(stage.history.entry_id),
		                          .first_seq = stage.history.seq,
		                          .last_seq = stage.history.seq,
		                          .epoch = SLICE("e2") };
	struct record record = { .seq = stage.history.seq, .status = 'm', .extra = slice_of(stage.history.entry_id) };
	record_add_entry_header(&block, &entry);
	record_add(&block, &record);
	persisting_append((struct slice){ block.bytes, block.length }, true);
	for (int i = 0; i < 9; i++)
		persisting_append_lives((const char *[]){ "f", "g", "h", "i", "j", "k", "l", "m", "n" }[i], 10);
	persisting_await_all();
	text_release(&block);
}

static void a_purged_log_is_followed_from_where_it_begins(void **state) {
	(void)state;
	persisting_open_writer(0);
	persisting_append_lives("a", 10);
	persisting_append_lives("b", 10);
	persisting_await_all();
	persisting_close_writer(0);
	persisting_ask("UPDATE log_position SET stream_seq=0"); /* a hint that is far too old */
	persisting_append_lives("c", 10);
	stream_purge(stage.bus, "CORDER_LOG_0", NULL, stage.stream_seq, persisting_done, NULL);
	persisting_await_call();
	persisting_open_writer(0);
	persisting_await_all();
}

static void a_read_only_database_is_waited_for(void **state) {
	(void)state;
	struct error reason = { 0 };
	char url[128];
	persisting_ask("CREATE USER IF NOT EXISTS plain@'%'; GRANT ALL ON corder.* TO plain@'%'");
	snprintf(url, sizeof(url), "mysql://plain@127.0.0.1:%d/corder", server_port(stage.mariadb));
	persisting_open_writer_at(0, url, 1);
	persisting_append_lives("before", 100);
	persisting_await_all();
	persisting_ask("SET GLOBAL read_only = 1");
	persisting_append_lives("during", 100);
	persisting_await_health(STATUS_RETRY, &reason);
	assert_non_null(strstr(reason.message, "read-only"));
	persisting_ask("SET GLOBAL read_only = 0");
	persisting_await_all();
	persisting_await_health(STATUS_OK, &reason);
}

static void partitions_take_turns(void **state) {
	(void)state;
	struct stream_config config = { .name = "CORDER_LOG_1",
		                            .subjects = { "corder.v1.internal.log.1" },
		                            .subject_count = 1,
		                            .discard_new = true,
		                            .max_bytes = -1 };
	bus_request(stage.bus, "$JS.API.STREAM.DELETE.CORDER_LOG_1", NULL, 0, SLICE(""), 5000, persisting_on_deleted, NULL);
	persisting_await_call();
	stream_ensure(stage.bus, &config, persisting_done, NULL);
	persisting_await_call();
	struct history other = { 0 };
	persisting_open_writer_at(0, server_url(stage.mariadb), 2);
	for (int round = 0; round < 30; round++) {
		char id[32];
		for (int i = 0; i < 100; i++) {
			snprintf(id, sizeof(id), "other-%d-%d", round, i);
			history_submit(&other, id, "");
		}
		history_end_entry(&other);
		stream_append(stage.bus, "corder.v1.internal.log.1", STREAM_ANY_SEQUENCE,
		              (struct slice){ other.block.bytes, other.block.length }, 5000, persisting_appended, NULL);
		persisting_await_call();
		history_clear_block(&other);
		snprintf(id, sizeof(id), "mine-%d", round);
		persisting_append_lives(id, 40);
	}
	persisting_await_answer("SELECT SUM(seq) FROM log_position", "6600");
	persisting_expect("SELECT partition_id,COUNT(*) FROM task_events GROUP BY partition_id", "0|3600;1|3000");
	persisting_expect("SELECT partition_id,COUNT(*) FROM tasks GROUP BY partition_id", "0|1200;1|3000");
	assert_int_equal(stage.writers[0].persister->counters.conflicts, 0);
	history_release(&other);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, persisting_set_up, persisting_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(several_instances_write_everything_once),
		TEST(killed_processes_lose_nothing_and_write_nothing_twice),
		TEST(a_killed_connection_is_made_again),
		TEST(a_restarted_database_is_waited_for),
		TEST(a_restarted_nats_server_is_waited_for),
		TEST(poison_is_set_aside_and_stands_in_nobodys_way),
		TEST(an_entry_of_many_refused_events_is_written_without_them),
		TEST(many_refused_events_of_many_entries_are_set_aside),
		TEST(an_event_that_another_one_of_its_entry_excludes_is_set_aside),
		TEST(a_culprit_is_found_through_small_packets),
		TEST(an_entry_that_does_not_hold_what_it_says_is_not_written_in_part),
		TEST(a_gap_or_a_foreign_history_is_never_skipped),
		TEST(a_log_that_was_made_anew_is_followed),
		TEST(a_purged_log_is_followed_from_where_it_begins),
		TEST(a_read_only_database_is_waited_for),
		TEST(partitions_take_turns),
	};
	return cmocka_run_group_tests(tests, persisting_start_servers, persisting_stop_servers);
}
