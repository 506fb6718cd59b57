/* The persister on real servers: what is in the log gets into the tables once, whatever happens to whom. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/persister/persister.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/support/history.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 60000000, WRITERS_MOST = 3 };

/* An instance in this process, with a database connection of its own. */
struct writer {
	struct bus *bus;
	struct db *db;
	struct persister *persister;
};

static struct {
	struct server *nats, *mariadb;
	struct loop *loop;
	struct bus *bus;
	struct db *db; /* the witness */
	struct writer writers[WRITERS_MOST];
	struct history history;
	uint64_t stream_seq;
	bool called;
	enum status status;
	struct text answer; /* values of the last question, parted by '|' and ';' */
} t;

/* ---- the log ---- */

static void done(void *context, enum status status, const struct error *err) {
	(void)context;
	(void)err;
	t.called = true;
	t.status = status;
}

static void appended(void *context, enum status status, uint64_t sequence) {
	(void)context;
	t.called = true;
	t.status = status;
	t.stream_seq = sequence;
}

static void await_call(void) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (!t.called && clock_mono_us() < limit)
		loop_turn(t.loop, 10000);
	assert_true(t.called);
	t.called = false;
}

static void make_stream(void) {
	struct stream_config config = { .name = "CORDER_LOG_0",
		                            .subjects = { "corder.v1.internal.log.0" },
		                            .subject_count = 1,
		                            .discard_new = true,
		                            .max_bytes = -1 };
	do {
		stream_ensure(t.bus, &config, done, NULL);
		await_call();
	} while (t.status == STATUS_RETRY);
	assert_int_equal(t.status, STATUS_OK);
}

static void on_deleted(void *context, enum status status, const struct bus_message *message) {
	(void)context;
	(void)message;
	t.called = true;
	t.status = status;
}

static void delete_stream(void) {
	bus_request(t.bus, "$JS.API.STREAM.DELETE.CORDER_LOG_0", NULL, 0, SLICE(""), 5000, on_deleted, NULL);
	await_call();
}

static void append(struct slice block, bool mark) {
	char text[96];
	stream_append(t.bus, "corder.v1.internal.log.0", STREAM_ANY_SEQUENCE, block, 5000, appended, NULL);
	await_call();
	assert_int_equal(t.status, STATUS_OK);
	if (!mark)
		return;
	snprintf(text, sizeof(text), "epoch %lld %llu\n%s", (long long)t.history.seq, (unsigned long long)t.stream_seq,
	         t.history.entry_id);
	assert_int_equal(bus_publish(t.bus, "corder.v1.internal.mark.0", slice_of(text)), STATUS_OK);
}

/* Ends the entry and appends what was made since. */
static void append_history(void) {
	if (t.history.records.length)
		history_end_entry(&t.history);
	append((struct slice){ t.history.block.bytes, t.history.block.length }, true);
	history_clear_block(&t.history);
}

/* One entry an event type, as the scripts write them, all in one block. */
static void append_lives(const char *name, int count) {
	int64_t *numbers = memory_array((size_t)count, sizeof(*numbers));
	char id[64];
	for (int step = 0; step < 3; step++) {
		for (int i = 0; i < count; i++) {
			snprintf(id, sizeof(id), "%s-%d", name, i);
			if (step == 0)
				numbers[i] = history_submit(&t.history, id, "");
			else if (step == 1)
				history_lease(&t.history, numbers[i], id, 1);
			else
				history_complete(&t.history, numbers[i], id, 1);
		}
		history_end_entry(&t.history);
	}
	append_history();
	free(numbers);
}

/* ---- the witness ---- */

static void answered(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *result) {
	(void)context;
	(void)number;
	t.called = true;
	t.status = status;
	text_clear(&t.answer);
	text_add(&t.answer, status == STATUS_OK ? "" : err->message);
	for (size_t row = 0; row < db_rows(result); row++) {
		text_add(&t.answer, row ? ";" : "");
		for (size_t column = 0; column < 8; column++) {
			struct slice value = db_value(result, row, column);
			if (!value.bytes)
				continue;
			text_add(&t.answer, column ? "|" : "");
			text_append(&t.answer, value.bytes, value.length);
		}
	}
}

static const char *ask(const char *sql) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	do {
		db_query(t.db, slice_of(sql), answered, NULL);
		await_call();
	} while (t.status == STATUS_RETRY && clock_mono_us() < limit);
	return t.answer.bytes ? t.answer.bytes : "";
}

static void expect(const char *sql, const char *answer) {
	assert_string_equal(ask(sql), answer);
}

static void await_answer(const char *sql, const char *answer) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (strcmp(ask(sql), answer) != 0 && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_string_equal(ask(sql), answer);
}

static void await_position(int64_t seq) {
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)seq);
	await_answer("SELECT MAX(seq) FROM log_position", text);
}

/* Everything up to the end of the log stands in the tables once, and tasks equals the fold of the events. */
static void await_all(void) {
	char text[32];
	await_position(t.history.seq);
	snprintf(text, sizeof(text), "%lld|1|%lld", (long long)t.history.seq, (long long)t.history.seq);
	expect("SELECT COUNT(*), MIN(seq), MAX(seq) FROM (SELECT seq FROM task_events UNION ALL SELECT seq FROM "
	       "poison_events) a",
	       text);
	expect(
		"SELECT COUNT(*) FROM (SELECT number, COUNT(*) versions, MAX(seq) seq, MAX(version) version FROM task_events "
		"WHERE number IS NOT NULL GROUP BY number) e LEFT JOIN tasks t USING (number) WHERE t.number IS NULL OR "
		"t.version<>e.version OR t.last_seq<>e.seq OR e.version<>e.versions",
		"0");
	expect("SELECT COUNT(*) FROM tasks t JOIN task_events e ON e.seq=t.last_seq WHERE t.status<>CAST(e.status AS CHAR)",
	       "0");
}

/* ---- instances ---- */

static void open_writer(size_t index) {
	struct writer *writer = &t.writers[index];
	struct persister_options options = {
		.prefix = "corder", .partitions = 1, .log_keep_blocks = 10000, .retention_step_rows = 500
	};
	struct bus_options bus_options = { .url = server_url(t.nats), .name = "persister" };
	struct error err = { 0 };
	assert_int_equal(bus_open(t.loop, &bus_options, &writer->bus, &err), STATUS_OK);
	assert_int_equal(db_open(t.loop, server_url(t.mariadb), &writer->db, &err), STATUS_OK);
	assert_int_equal(persister_open(t.loop, writer->bus, writer->db, &options, &writer->persister, &err), STATUS_OK);
}

static void close_writer(size_t index) {
	struct writer *writer = &t.writers[index];
	persister_close(&writer->persister);
	db_close(&writer->db);
	bus_close(&writer->bus);
}

static pid_t start_process(const char *const *more) {
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	if (!getenv("CORDER_TEST_VERBOSE"))
		dup2(null, 2);
	setenv("NATS_URL", server_url(t.nats), 1);
	setenv("DATABASE_URL", server_url(t.mariadb), 1);
	for (; more && *more; more += 2)
		setenv(more[0], more[1], 1);
	execl(CORDER_BIN_DIR "/corder-persister", "corder-persister", (char *)NULL);
	_exit(127);
}

static void kill_process(pid_t pid) {
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- set-up ---- */

static int start_servers(void **state) {
	(void)state;
	t.nats = server_start_nats();
	t.mariadb = server_start_mariadb();
	return 0;
}

static int stop_servers(void **state) {
	(void)state;
	server_stop(&t.nats);
	server_stop(&t.mariadb);
	return 0;
}

static int set_up(void **state) {
	struct bus_options options = { .url = server_url(t.nats), .name = "test" };
	struct error err = { 0 };
	(void)state;
	t.loop = loop_open();
	assert_int_equal(bus_open(t.loop, &options, &t.bus, &err), STATUS_OK);
	assert_int_equal(db_open(t.loop, server_url(t.mariadb), &t.db, &err), STATUS_OK);
	db_create_missing(t.db);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while ((!bus_connected(t.bus) || !db_connected(t.db)) && clock_mono_us() < limit)
		loop_turn(t.loop, 10000);
	delete_stream();
	make_stream();
	ask("DROP DATABASE corder; CREATE DATABASE corder; USE corder");
	t.history = (struct history){ 0 };
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	for (size_t i = 0; i < WRITERS_MOST; i++)
		if (t.writers[i].persister)
			close_writer(i);
	db_close(&t.db);
	bus_close(&t.bus);
	loop_close(&t.loop);
	history_release(&t.history);
	text_release(&t.answer);
	t.answer = (struct text){ 0 };
	return 0;
}

/* ---- tests ---- */

static void a_life_of_a_task_becomes_its_rows(void **state) {
	(void)state;
	open_writer(0);
	int64_t build = history_submit(&t.history, "build", "");
	history_submit(&t.history, "test", "cbuild,Xlater");
	append_history();
	await_all();
	expect("SELECT task_id,status,waits_for,dependencies,version,timeout,estimated_duration,max_retries FROM tasks",
	       "build|pending||1|1.5|2.5|3;test|blocked|dependency|cbuild,Xlater|1|1.5|2.5|3");
	expect("SELECT task_id,position,dependency_id,`condition`,future FROM task_dependencies",
	       "test|0|build|completed|0;test|1|later|finished|1");
	history_lease(&t.history, build, "build", 1);
	append_history();
	await_all();
	expect("SELECT status,attempt,worker,lease,lease_until,started_at,finished_at,cancel_requested FROM tasks WHERE "
	       "number=1",
	       "running|1|worker-1|lease-1|2026-11-23 17:02:32.000000|2026-11-23 17:02:02.003000|0");
	expect("SELECT attempt,worker,started_at,outcome FROM task_attempts", "1|worker-1|2026-11-23 17:02:02.003000");
	history_complete(&t.history, build, "build", 1);
	append_history();
	await_all();
	expect(
		"SELECT status,result,lease,worker,started_at,finished_at,actual_duration,execution_context FROM tasks WHERE "
		"number=1",
		"completed|{\"ok\":true}|worker-1|2026-11-23 17:02:02.003000|2026-11-23 17:02:02.004000|0.001|{\"n\":1}");
	expect("SELECT attempt,worker,finished_at,outcome FROM task_attempts",
	       "1|worker-1|2026-11-23 17:02:02.004000|completed");
	expect("SELECT event_id,status,previous,detail FROM task_events WHERE seq=4",
	       "ENTRY0000000000000000003-0|completed|running|{\"ok\":true}");
	expect("SELECT seq,entry_id FROM log_position", "4|ENTRY0000000000000000003");
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
	open_writer(0);
	history_submit(&t.history, "build", "");
	history_lease(&t.history, 1, "build", 1);
	append_history();
	await_all();
	struct record failed = build_record('t', 'r', 3, 1);
	failed.error_code = SLICE("task_error");
	failed.error_message = SLICE("a \\\"quote\\\"\\n\\u00e9 \\ud83d\\ude00 'x'");
	failed.retry_count = 1;
	failed.due_at_us = HISTORY_START_US + 9000000;
	history_add(&t.history, failed);
	append_history();
	await_all();
	expect("SELECT status,retry_count,due_at,error_code,error_message FROM tasks",
	       "retry|1|2026-11-23 17:02:11.000000|task_error|a \"quote\"\n\xc3\xa9 \xf0\x9f\x98\x80 'x'");
	history_add(&t.history, build_record('p', 't', 4, 1));
	struct record again = build_record('r', 'p', 5, 2);
	again.worker = SLICE("worker-2");
	again.lease = SLICE("lease-2");
	again.lease_until_us = HISTORY_START_US + 60000000;
	history_add(&t.history, again);
	append_history();
	await_all();
	struct record cancel = build_record('r', 'r', 6, 2);
	cancel.lease = SLICE("lease-2");
	cancel.reason = SLICE("cancel requested");
	history_add(&t.history, cancel);
	append_history();
	await_all();
	expect("SELECT status,worker,lease,lease_until,cancel_requested,error_code FROM tasks",
	       "running|worker-2|lease-2|2026-11-23 17:03:02.000000|1|task_error");
	history_add(&t.history, build_record('x', 'r', 7, 2));
	append_history();
	await_all();
	expect("SELECT status,worker,lease,lease_until,cancel_requested FROM tasks", "cancelled|worker-2|0");
	expect("SELECT attempt,outcome,error_code FROM task_attempts", "1|failed|task_error;2|cancelled");
}

static void what_is_about_no_task_has_its_tables_too(void **state) {
	(void)state;
	open_writer(0);
	history_add(&t.history,
	            (struct record){
					.status = 'q', .project = SLICE("demo"), .task_type = SLICE("coding"), .reason = SLICE("paused") });
	history_add(&t.history, (struct record){ .status = 'q', .task_type = SLICE("review"), .reason = SLICE("paused") });
	history_add(&t.history, (struct record){ .status = 'g',
	                                         .project = SLICE("demo"),
	                                         .batch_id = SLICE("big"),
	                                         .extra = SLICE("token\x1f"
	                                                        "4\x1f"
	                                                        "1000\x1f") });
	history_add(&t.history, (struct record){ .status = 'j',
	                                         .project = SLICE("demo"),
	                                         .error_code = SLICE("bad_json"),
	                                         .error_message = SLICE("no"),
	                                         .extra = SLICE("/tasks/0") });
	append_history();
	await_all();
	expect("SELECT task_type,project FROM queue_pauses ORDER BY task_type", "coding|demo;review|");
	expect("SELECT token,batch_id,slices,tasks,state FROM batches", "token|big|4|1000|admitting");
	expect("SELECT status,error_code,error_message,detail,version FROM task_events WHERE seq=4",
	       "rejected|bad_json|no|/tasks/0");
	history_add(&t.history, (struct record){ .status = 'q', .task_type = SLICE("review"), .reason = SLICE("resumed") });
	history_add(&t.history,
	            (struct record){
					.status = 'h', .project = SLICE("demo"), .batch_id = SLICE("big"), .extra = SLICE("token") });
	append_history();
	await_all();
	expect("SELECT task_type,project FROM queue_pauses ORDER BY task_type", "coding|demo");
	expect("SELECT state,seq FROM batches", "admitted|6");
}

static void duplicate_blocks_and_lost_marks_change_nothing(void **state) {
	(void)state;
	struct text copy = { 0 };
	open_writer(0);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "a%d", i);
		for (int step = 0; step < 2; step++) {
			char id[32];
			snprintf(id, sizeof(id), "%s-%d", name, step);
			history_submit(&t.history, id, "");
			history_end_entry(&t.history);
		}
		text_clear(&copy);
		text_append(&copy, t.history.block.bytes, t.history.block.length);
		append((struct slice){ copy.bytes, copy.length }, false);
		if (i % 3 == 0)
			append((struct slice){ copy.bytes, copy.length }, i % 2 == 0);
		history_clear_block(&t.history);
	}
	await_all();
	text_release(&copy);
}

static void a_restarted_persister_goes_on_where_the_last_one_was(void **state) {
	(void)state;
	open_writer(0);
	append_lives("one", 50);
	await_all();
	close_writer(0);
	append_lives("two", 50);
	open_writer(0);
	await_all();
	append_lives("three", 50);
	await_all();
}

static void several_instances_write_everything_once(void **state) {
	(void)state;
	for (size_t i = 0; i < WRITERS_MOST; i++)
		open_writer(i);
	for (int round = 0; round < 60; round++) {
		char name[16];
		snprintf(name, sizeof(name), "r%d", round);
		append_lives(name, 20);
		if (round == 30)
			close_writer(0); /* whoever wrote: another takes over */
	}
	await_all();
	uint64_t events = 0;
	for (size_t i = 1; i < WRITERS_MOST; i++)
		events += t.writers[i].persister->counters.events;
	assert_true(events > 0);
}

static void killed_processes_lose_nothing_and_write_nothing_twice(void **state) {
	(void)state;
	pid_t pids[2] = { start_process(NULL), start_process(NULL) };
	for (int round = 0; round < 40; round++) {
		char name[16];
		snprintf(name, sizeof(name), "k%d", round);
		append_lives(name, 30);
		if (round % 4 == 3) {
			kill_process(pids[round / 4 % 2]);
			pids[round / 4 % 2] = start_process(NULL);
		}
	}
	await_all();
	kill_process(pids[0]);
	kill_process(pids[1]);
}

static void a_killed_connection_is_made_again(void **state) {
	(void)state;
	open_writer(0);
	append_lives("first", 10);
	await_all();
	for (int round = 0; round < 10; round++) {
		char name[16];
		snprintf(name, sizeof(name), "c%d", round);
		ask("SELECT GROUP_CONCAT(CONCAT('KILL ', id) SEPARATOR ';') INTO @kill FROM information_schema.processlist "
		    "WHERE "
		    "id<>CONNECTION_ID() AND db='corder'; EXECUTE IMMEDIATE COALESCE(@kill,'DO 0')");
		append_lives(name, 100);
	}
	await_all();
}

static void a_restarted_database_is_waited_for(void **state) {
	(void)state;
	struct error reason = { 0 };
	open_writer(0);
	append_lives("before", 20);
	await_all();
	append_lives("during", 500);
	server_kill(t.mariadb);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (persister_health(t.writers[0].persister, &reason) == STATUS_OK && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_int_equal(persister_health(t.writers[0].persister, &reason), STATUS_RETRY);
	append_lives("while", 20);
	server_restart(t.mariadb);
	await_all();
	limit = clock_mono_us() + LIMIT_US;
	while (persister_health(t.writers[0].persister, &reason) != STATUS_OK && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_int_equal(persister_health(t.writers[0].persister, &reason), STATUS_OK);
}

static void a_restarted_nats_server_is_waited_for(void **state) {
	(void)state;
	open_writer(0);
	append_lives("before", 20);
	server_restart(t.nats);
	int64_t limit = clock_mono_us() + LIMIT_US;
	make_stream();
	while (!bus_connected(t.bus) && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	append_lives("after", 20);
	await_all();
}

static void poison_is_set_aside_and_stands_in_nobodys_way(void **state) {
	(void)state;
	open_writer(0);
	append_lives("good", 30);
	int64_t number = history_submit(&t.history, "bad", "");
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
	int64_t seq = history_add(&t.history, bad);
	history_submit(&t.history, "not utf-8 \xff\xfe", "");
	history_end_entry(&t.history);
	append_lives("more", 30);
	await_position(t.history.seq);
	expect("SELECT COUNT(*) FROM poison_events", "2");
	char sql[160], answer[64];
	snprintf(sql, sizeof(sql), "SELECT seq, reason LIKE '%%worker%%' FROM poison_events WHERE seq=%lld",
	         (long long)seq);
	snprintf(answer, sizeof(answer), "%lld|1", (long long)seq);
	expect(sql, answer);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (t.writers[0].persister->counters.poison < 2 && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_int_equal(t.writers[0].persister->counters.poison, 2);
	expect("SELECT COUNT(*) FROM tasks WHERE status='completed'", "60");
	expect("SELECT status FROM tasks WHERE task_id='bad'", "pending");
	append_lives("after", 10);
	await_position(t.history.seq);
}

static void a_gap_or_a_foreign_history_is_never_skipped(void **state) {
	(void)state;
	struct error reason = { 0 };
	open_writer(0);
	append_lives("a", 10);
	await_all();
	int64_t written = t.history.seq;
	struct history kept = t.history;
	struct history lost = t.history; /* an entry that never gets into the log */
	lost.records = lost.block = (struct text){ 0 };
	history_submit(&lost, "lost", "");
	history_end_entry(&lost);
	t.history.seq = lost.seq;
	memcpy(t.history.entry_id, lost.entry_id, sizeof(lost.entry_id));
	t.history.entries = lost.entries;
	append_lives("b", 10);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (persister_health(t.writers[0].persister, &reason) == STATUS_OK && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_non_null(strstr(reason.message, "events are missing"));
	kept.records = t.history.records;
	kept.block = t.history.block;
	t.history = kept;
	await_position(written);
	history_release(&lost);
}

/* The stream is deleted and made anew; the relay says where the database is, and goes on. */
static void a_log_that_was_made_anew_is_followed(void **state) {
	(void)state;
	struct text block = { 0 };
	open_writer(0);
	for (int i = 0; i < 5; i++)
		append_lives((const char *[]){ "a", "b", "c", "d", "e" }[i], 10);
	await_all();
	delete_stream();
	make_stream();
	struct record_entry entry = {
		.id = slice_of(t.history.entry_id), .first_seq = t.history.seq, .last_seq = t.history.seq, .epoch = SLICE("e2")
	};
	struct record record = { .seq = t.history.seq, .status = 'm', .extra = slice_of(t.history.entry_id) };
	record_add_entry_header(&block, &entry);
	record_add(&block, &record);
	append((struct slice){ block.bytes, block.length }, true);
	for (int i = 0; i < 9; i++)
		append_lives((const char *[]){ "f", "g", "h", "i", "j", "k", "l", "m", "n" }[i], 10);
	await_all();
	text_release(&block);
}

static void a_purged_log_is_followed_from_where_it_begins(void **state) {
	(void)state;
	open_writer(0);
	append_lives("a", 10);
	append_lives("b", 10);
	await_all();
	close_writer(0);
	ask("UPDATE log_position SET stream_seq=0"); /* a hint that is far too old */
	append_lives("c", 10);
	stream_purge(t.bus, "CORDER_LOG_0", NULL, t.stream_seq, done, NULL);
	await_call();
	open_writer(0);
	await_all();
}

static void old_tasks_are_deleted_in_small_steps(void **state) {
	(void)state;
	open_writer(0);
	t.writers[0].persister->options.retention_days = 1;
	t.writers[0].persister->options.retention_step_rows = 7;
	append_lives("old", 50);
	history_submit(&t.history, "waits", "cold-1");
	append_history();
	await_all();
	ask("UPDATE tasks SET finished_at='2020-01-01' WHERE task_id<>'old-3' AND finished_at IS NOT NULL");
	await_answer("SELECT COUNT(*) FROM tasks", "2");
	expect("SELECT COUNT(*) FROM task_events", "4");
	expect("SELECT COUNT(*) FROM task_attempts", "1");
	expect("SELECT COUNT(*) FROM task_dependencies", "1");
	append_lives("new", 10);
	await_position(t.history.seq);
}

static void a_large_backlog_is_written_in_large_transactions(void **state) {
	(void)state;
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "l%d", i);
		append_lives(name, 100);
	}
	open_writer(0);
	await_all();
	assert_true(t.writers[0].persister->counters.transactions < 20);
	expect("SELECT COUNT(*) FROM tasks WHERE status='completed'", "4000");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_life_of_a_task_becomes_its_rows),
		TEST(a_failed_try_a_retry_and_a_cancel_are_told_apart),
		TEST(what_is_about_no_task_has_its_tables_too),
		TEST(duplicate_blocks_and_lost_marks_change_nothing),
		TEST(a_restarted_persister_goes_on_where_the_last_one_was),
		TEST(several_instances_write_everything_once),
		TEST(killed_processes_lose_nothing_and_write_nothing_twice),
		TEST(a_killed_connection_is_made_again),
		TEST(a_restarted_database_is_waited_for),
		TEST(a_restarted_nats_server_is_waited_for),
		TEST(poison_is_set_aside_and_stands_in_nobodys_way),
		TEST(a_gap_or_a_foreign_history_is_never_skipped),
		TEST(a_log_that_was_made_anew_is_followed),
		TEST(a_purged_log_is_followed_from_where_it_begins),
		TEST(old_tasks_are_deleted_in_small_steps),
		TEST(a_large_backlog_is_written_in_large_transactions),
	};
	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
