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

struct persisting t;

/* ---- the log ---- */

void done(void *context, enum status status, const struct error *err) {
	(void)context;
	(void)err;
	t.called = true;
	t.status = status;
}

void appended(void *context, enum status status, uint64_t sequence) {
	(void)context;
	t.called = true;
	t.status = status;
	t.stream_seq = sequence;
}

void await_call(void) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (!t.called && clock_mono_us() < limit)
		loop_turn(t.loop, 10000);
	assert_true(t.called);
	t.called = false;
}

void make_stream(void) {
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

void on_deleted(void *context, enum status status, const struct bus_message *message) {
	(void)context;
	(void)message;
	t.called = true;
	t.status = status;
}

void delete_stream(void) {
	bus_request(t.bus, "$JS.API.STREAM.DELETE.CORDER_LOG_0", NULL, 0, SLICE(""), 5000, on_deleted, NULL);
	await_call();
}

void append(struct slice block, bool mark) {
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
void append_history(void) {
	if (t.history.records.length)
		history_end_entry(&t.history);
	append((struct slice){ t.history.block.bytes, t.history.block.length }, true);
	history_clear_block(&t.history);
}

/* One entry an event type, as the scripts write them, all in one block. */
void append_lives(const char *name, int count) {
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

const char *ask(const char *sql) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	do {
		db_query(t.db, slice_of(sql), answered, NULL);
		await_call();
	} while (t.status == STATUS_RETRY && clock_mono_us() < limit);
	return t.answer.bytes ? t.answer.bytes : "";
}

void expect(const char *sql, const char *answer) {
	assert_string_equal(ask(sql), answer);
}

void await_answer(const char *sql, const char *answer) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (strcmp(ask(sql), answer) != 0 && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_string_equal(ask(sql), answer);
}

void await_position(int64_t seq) {
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)seq);
	await_answer("SELECT MAX(seq) FROM log_position", text);
}

/* Everything up to the end of the log stands in the tables once, and tasks equals the fold of the events. */
void await_all(void) {
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

void open_writer_at(size_t index, const char *database_url, int64_t partitions) {
	struct writer *writer = &t.writers[index];
	struct persister_options options = {
		.prefix = "corder", .partitions = partitions, .log_keep_blocks = 10000, .retention_step_rows = 500
	};
	struct bus_options bus_options = { .url = server_url(t.nats), .name = "persister" };
	struct error err = { 0 };
	assert_int_equal(bus_open(t.loop, &bus_options, &writer->bus, &err), STATUS_OK);
	assert_int_equal(db_open(t.loop, database_url, &writer->db, &err), STATUS_OK);
	assert_int_equal(persister_open(t.loop, writer->bus, writer->db, &options, &writer->persister, &err), STATUS_OK);
}

void open_writer(size_t index) {
	open_writer_at(index, server_url(t.mariadb), 1);
}

void await_health(enum status wanted, struct error *reason) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (persister_health(t.writers[0].persister, reason) != wanted && clock_mono_us() < limit)
		loop_turn(t.loop, 5000);
	assert_int_equal(persister_health(t.writers[0].persister, reason), wanted);
}

void close_writer(size_t index) {
	struct writer *writer = &t.writers[index];
	persister_close(&writer->persister);
	db_close(&writer->db);
	bus_close(&writer->bus);
}

pid_t start_process(const char *program) {
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	if (!getenv("CORDER_TEST_VERBOSE"))
		dup2(null, 2);
	setenv("NATS_URL", server_url(t.nats), 1);
	setenv("DATABASE_URL", server_url(t.mariadb), 1);
	execl(program, program, (char *)NULL);
	_exit(127);
}

void kill_process(pid_t pid) {
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- set-up ---- */

int start_servers(void **state) {
	(void)state;
	t.nats = server_start_nats();
	t.mariadb = server_start_mariadb();
	return 0;
}

int stop_servers(void **state) {
	(void)state;
	server_stop(&t.nats);
	server_stop(&t.mariadb);
	return 0;
}

int set_up(void **state) {
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

int tear_down(void **state) {
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
