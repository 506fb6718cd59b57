/* See persisting.h. */
#include "persisting.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"

struct persisting stage;

/* ---- the log ---- */

void persisting_done(void *context, enum status status, const struct error *err) {
	(void)context;
	(void)err;
	stage.called = true;
	stage.status = status;
}

void persisting_appended(void *context, enum status status, uint64_t sequence) {
	(void)context;
	stage.called = true;
	stage.status = status;
	stage.stream_seq = sequence;
}

void persisting_await_call(void) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (!stage.called && clock_mono_us() < limit)
		loop_turn(stage.loop, 10000);
	assert_true(stage.called);
	stage.called = false;
}

void persisting_make_stream(void) {
	struct stream_config config = { .name = "CORDER_LOG_0",
		                            .subjects = { "corder.v1.internal.log.0" },
		                            .subject_count = 1,
		                            .discard_new = true,
		                            .max_bytes = -1 };
	do {
		stream_ensure(stage.bus, &config, persisting_done, NULL);
		persisting_await_call();
	} while (stage.status == STATUS_RETRY);
	assert_int_equal(stage.status, STATUS_OK);
}

void persisting_on_deleted(void *context, enum status status, const struct bus_message *message) {
	(void)context;
	(void)message;
	stage.called = true;
	stage.status = status;
}

void persisting_delete_stream(void) {
	bus_request(stage.bus, "$JS.API.STREAM.DELETE.CORDER_LOG_0", NULL, 0, SLICE(""), 5000, persisting_on_deleted, NULL);
	persisting_await_call();
}

void persisting_append(struct slice block, bool mark) {
	char text[96];
	stream_append(stage.bus, "corder.v1.internal.log.0", STREAM_ANY_SEQUENCE, block, 5000, persisting_appended, NULL);
	persisting_await_call();
	assert_int_equal(stage.status, STATUS_OK);
	if (!mark)
		return;
	snprintf(text, sizeof(text), "epoch %lld %llu\n%s", (long long)stage.history.seq,
	         (unsigned long long)stage.stream_seq, stage.history.entry_id);
	assert_int_equal(bus_publish(stage.bus, "corder.v1.internal.mark.0", slice_of(text)), STATUS_OK);
}

/* Ends the entry and appends what was made since. */
void persisting_append_history(void) {
	if (stage.history.records.length)
		history_end_entry(&stage.history);
	persisting_append((struct slice){ stage.history.block.bytes, stage.history.block.length }, true);
	history_clear_block(&stage.history);
}

/* One entry an event type, as the scripts write them, all in one block. */
void persisting_append_lives(const char *name, int count) {
	int64_t *numbers = memory_array((size_t)count, sizeof(*numbers));
	char id[64];
	for (int step = 0; step < 3; step++) {
		for (int i = 0; i < count; i++) {
			snprintf(id, sizeof(id), "%s-%d", name, i);
			if (step == 0)
				numbers[i] = history_submit(&stage.history, id, "");
			else if (step == 1)
				history_lease(&stage.history, numbers[i], id, 1);
			else
				history_complete(&stage.history, numbers[i], id, 1);
		}
		history_end_entry(&stage.history);
	}
	persisting_append_history();
	free(numbers);
}

/* ---- the witness ---- */

static void answered(void *context, enum status status, unsigned number, const struct error *err,
                     const struct db_result *result) {
	(void)context;
	(void)number;
	stage.called = true;
	stage.status = status;
	text_clear(&stage.answer);
	text_add(&stage.answer, status == STATUS_OK ? "" : err->message);
	for (size_t row = 0; row < db_rows(result); row++) {
		text_add(&stage.answer, row ? ";" : "");
		for (size_t column = 0; column < 8; column++) {
			struct slice value = db_value(result, row, column);
			if (!value.bytes)
				continue;
			text_add(&stage.answer, column ? "|" : "");
			text_append(&stage.answer, value.bytes, value.length);
		}
	}
}

const char *persisting_ask(const char *sql) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	do {
		db_query(stage.db, slice_of(sql), answered, NULL);
		persisting_await_call();
	} while (stage.status == STATUS_RETRY && clock_mono_us() < limit);
	return stage.answer.bytes ? stage.answer.bytes : "";
}

void persisting_expect(const char *sql, const char *answer) {
	assert_string_equal(persisting_ask(sql), answer);
}

void persisting_await_answer(const char *sql, const char *answer) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (strcmp(persisting_ask(sql), answer) != 0 && clock_mono_us() < limit)
		loop_turn(stage.loop, 5000);
	assert_string_equal(persisting_ask(sql), answer);
}

void persisting_await_position(int64_t seq) {
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)seq);
	persisting_await_answer("SELECT MAX(seq) FROM log_position", text);
}

/* Everything up to the end of the log stands in the tables once, and tasks equals the fold of the events. */
void persisting_await_all(void) {
	char text[32];
	persisting_await_position(stage.history.seq);
	snprintf(text, sizeof(text), "%lld|1|%lld", (long long)stage.history.seq, (long long)stage.history.seq);
	persisting_expect("SELECT COUNT(*), MIN(seq), MAX(seq) FROM (SELECT seq FROM task_events UNION ALL SELECT seq FROM "
	                  "poison_events) a",
	                  text);
	persisting_expect(
		"SELECT COUNT(*) FROM (SELECT number, COUNT(*) versions, MAX(seq) seq, MAX(version) version FROM task_events "
		"WHERE number IS NOT NULL GROUP BY number) e LEFT JOIN tasks t USING (number) WHERE t.number IS NULL OR "
		"t.version<>e.version OR t.last_seq<>e.seq OR e.version<>e.versions",
		"0");
	persisting_expect(
		"SELECT COUNT(*) FROM tasks t JOIN task_events e ON e.seq=t.last_seq WHERE t.status<>CAST(e.status AS CHAR)",
		"0");
}

/* ---- instances ---- */

void persisting_open_writer_at(size_t index, const char *database_url, int64_t partitions) {
	struct writer *writer = &stage.writers[index];
	struct persister_options options = {
		.prefix = "corder", .partitions = partitions, .log_keep_blocks = 10000, .retention_step_rows = 500
	};
	struct bus_options bus_options = { .url = server_url(stage.nats), .name = "persister" };
	struct error err = { 0 };
	assert_int_equal(bus_open(stage.loop, &bus_options, &writer->bus, &err), STATUS_OK);
	assert_int_equal(db_open(stage.loop, database_url, &writer->db, &err), STATUS_OK);
	assert_int_equal(persister_open(stage.loop, writer->bus, writer->db, &options, &writer->persister, &err),
	                 STATUS_OK);
}

void persisting_open_writer(size_t index) {
	persisting_open_writer_at(index, server_url(stage.mariadb), 1);
}

void persisting_await_health(enum status wanted, struct error *reason) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (persister_health(stage.writers[0].persister, reason) != wanted && clock_mono_us() < limit)
		loop_turn(stage.loop, 5000);
	assert_int_equal(persister_health(stage.writers[0].persister, reason), wanted);
}

void persisting_close_writer(size_t index) {
	struct writer *writer = &stage.writers[index];
	persister_close(&writer->persister);
	db_close(&writer->db);
	bus_close(&writer->bus);
}

pid_t persisting_start_process(const char *program) {
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	if (!getenv("CORDER_TEST_VERBOSE"))
		dup2(null, 2);
	setenv("NATS_URL", server_url(stage.nats), 1);
	setenv("DATABASE_URL", server_url(stage.mariadb), 1);
	execl(program, program, (char *)NULL);
	_exit(127);
}

void persisting_kill_process(pid_t pid) {
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- set-up ---- */

int persisting_start_servers(void **state) {
	(void)state;
	stage.nats = server_start_nats();
	stage.mariadb = server_start_mariadb();
	return 0;
}

int persisting_stop_servers(void **state) {
	(void)state;
	server_stop(&stage.nats);
	server_stop(&stage.mariadb);
	return 0;
}

int persisting_set_up(void **state) {
	struct bus_options options = { .url = server_url(stage.nats), .name = "test" };
	struct error err = { 0 };
	(void)state;
	stage.loop = loop_open();
	assert_int_equal(bus_open(stage.loop, &options, &stage.bus, &err), STATUS_OK);
	assert_int_equal(db_open(stage.loop, server_url(stage.mariadb), &stage.db, &err), STATUS_OK);
	db_create_missing(stage.db);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while ((!bus_connected(stage.bus) || !db_connected(stage.db)) && clock_mono_us() < limit)
		loop_turn(stage.loop, 10000);
	persisting_delete_stream();
	persisting_make_stream();
	persisting_ask("DROP DATABASE corder; CREATE DATABASE corder; USE corder");
	stage.history = (struct history){ 0 };
	return 0;
}

int persisting_tear_down(void **state) {
	(void)state;
	for (size_t i = 0; i < WRITERS_MOST; i++)
		if (stage.writers[i].persister)
			persisting_close_writer(i);
	db_close(&stage.db);
	bus_close(&stage.bus);
	loop_close(&stage.loop);
	history_release(&stage.history);
	text_release(&stage.answer);
	stage.answer = (struct text){ 0 };
	return 0;
}
