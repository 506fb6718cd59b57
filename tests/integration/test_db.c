/* db.c on a real mariadbd: several statements at once, results, errors by what they ask for, and connections that are lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/db/db.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 30000000 };

struct fixture {
	struct server *mariadb;
	struct loop *loop;
	struct db *db;
};

struct answer {
	int count;
	enum status status;
	unsigned number;
	size_t rows;
	uint64_t affected;
	struct text text; /* the first row, '|' between values */
};

static struct fixture shared;

static void keep(void *context, enum status status, unsigned number, const struct error *err,
                 const struct db_result *result) {
	struct answer *answer = context;
	(void)err;
	answer->count++;
	answer->status = status;
	answer->number = number;
	answer->rows = db_rows(result);
	answer->affected = db_affected(result);
	text_clear(&answer->text);
	for (size_t row = 0; row < db_rows(result); row++)
		for (size_t column = 0; column < 2; column++) {
			struct slice value = db_value(result, row, column);
			text_append(&answer->text, value.bytes, value.length);
			text_add_char(&answer->text, '|');
		}
}

static void await(struct fixture *f, const int *count, int wanted) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (*count < wanted && clock_mono_us() < limit)
		loop_turn(f->loop, 10000);
	assert_true(*count >= wanted);
}

static void await_connection(struct fixture *f) {
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (!db_connected(f->db) && clock_mono_us() < limit)
		loop_turn(f->loop, 10000);
	assert_true(db_connected(f->db));
}

static void ask(struct fixture *f, struct answer *answer, const char *sql) {
	int before = answer->count;
	db_query(f->db, slice_of(sql), keep, answer);
	assert_int_equal(answer->count, before); /* never from within */
	await(f, &answer->count, before + 1);
}

static int set_up(void **state) {
	struct fixture *f = &shared;
	struct error err = { 0 };
	struct answer answer = { 0 };
	f->loop = loop_open();
	assert_int_equal(db_open(f->loop, server_url(f->mariadb), &f->db, &err), STATUS_OK);
	db_create_missing(f->db);
	await_connection(f);
	ask(f, &answer, "CREATE OR REPLACE TABLE t (a INT PRIMARY KEY, b VARCHAR(10))");
	assert_int_equal(answer.status, STATUS_OK);
	text_release(&answer.text);
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	db_close(&f->db);
	loop_close(&f->loop);
	return 0;
}

static void several_statements_are_one_round_trip(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	ask(f, &answer,
	    "BEGIN; INSERT INTO t VALUES (1, 'x'), (2, NULL); SELECT a, b FROM t ORDER BY a; UPDATE t SET b = 'y'; COMMIT");
	assert_int_equal(answer.status, STATUS_OK);
	assert_int_equal(answer.rows, 2);
	assert_string_equal(answer.text.bytes, "1|x|2||");
	ask(f, &answer, "SELECT a, b FROM t ORDER BY a DESC");
	assert_string_equal(answer.text.bytes, "2|y|1|y|");
	ask(f, &answer, "UPDATE t SET b = 'y'");
	assert_int_equal(answer.affected, 2); /* rows found, changed or not */
	text_release(&answer.text);
}

static void a_failed_transaction_leaves_nothing(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	ask(f, &answer, "BEGIN; INSERT INTO t VALUES (1, 'x'); INSERT INTO t VALUES (1, 'x'); COMMIT");
	assert_int_equal(answer.status, STATUS_REJECT);
	assert_int_equal(answer.number, 1062);
	ask(f, &answer, "BEGIN; COMMIT; SELECT COUNT(*), 0 FROM t");
	assert_string_equal(answer.text.bytes, "0|0|");
	ask(f, &answer, "INSERT INTO t VALUES (5, 'far too long for it')");
	assert_int_equal(answer.status, STATUS_REJECT);
	assert_int_equal(answer.number, 1406);
	text_release(&answer.text);
}

static void queries_run_in_the_order_they_were_asked(void **state) {
	struct fixture *f = *state;
	enum { QUERIES = 200 };
	static struct answer answers[QUERIES];
	for (int i = 0; i < QUERIES; i++) {
		struct text sql = { 0 };
		text_printf(&sql, "SELECT %d, 'z'", i);
		db_query(f->db, (struct slice){ sql.bytes, sql.length }, keep, &answers[i]);
		text_release(&sql);
	}
	await(f, &answers[QUERIES - 1].count, 1);
	for (int i = 0; i < QUERIES; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(strtol(answers[i].text.bytes, NULL, 10), i);
		text_release(&answers[i].text);
	}
}

enum { MANY_ROWS = 100000 };

static void read_backwards(void *context, enum status status, unsigned number, const struct error *err,
                           const struct db_result *result) {
	int *count = context;
	(void)number, (void)err;
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(db_rows(result), MANY_ROWS);
	assert_int_equal(db_int(result, 0, 0), 1);
	for (size_t row = MANY_ROWS; row-- > 0;)
		assert_int_equal(db_int(result, row, 0), row + 1);
	for (size_t row = 0; row < MANY_ROWS; row++) /* and in order after that */
		assert_int_equal(db_int(result, row, 0), row + 1);
	(*count)++;
}

/* By walking to each from the first it would be half a minute of steps. */
static void rows_are_read_in_any_order_in_no_time(void **state) {
	struct fixture *f = *state;
	int count = 0;
	char sql[64];
	snprintf(sql, sizeof(sql), "SELECT seq FROM seq_1_to_%d", MANY_ROWS);
	db_query(f->db, slice_of(sql), read_backwards, &count);
	int64_t began_us = clock_mono_us();
	await(f, &count, 1);
	assert_true(clock_mono_us() - began_us < 2000000);
}

static void quoted_bytes_come_back_as_they_were(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	static const char bytes[] = "it's \\ \"q\" \0 \x1a \n \r ; -- /* \xf0\x9f\x98\x80 `";
	struct text sql = { 0 };
	text_add(&sql, "SELECT ");
	db_quote(&sql, (struct slice){ bytes, sizeof(bytes) });
	text_add(&sql, ", ");
	db_quote(&sql, (struct slice){ NULL, 0 });
	db_query(f->db, (struct slice){ sql.bytes, sql.length }, keep, &answer);
	await(f, &answer.count, 1);
	assert_int_equal(answer.text.length, sizeof(bytes) + 2);
	assert_memory_equal(answer.text.bytes, bytes, sizeof(bytes));
	text_release(&sql);
	text_release(&answer.text);
}

static void a_large_query_and_a_large_result_pass(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	enum { BYTES = 6000000 };
	assert_true(db_max_query_bytes(f->db) > BYTES);
	char *bytes = memory_new(BYTES);
	memset(bytes, 'q', BYTES);
	struct text sql = { 0 };
	text_add(&sql, "SELECT ");
	db_quote(&sql, (struct slice){ bytes, BYTES });
	text_add(&sql, ", 1");
	db_query(f->db, (struct slice){ sql.bytes, sql.length }, keep, &answer);
	await(f, &answer.count, 1);
	assert_int_equal(answer.status, STATUS_OK);
	assert_int_equal(answer.text.length, BYTES + 3);
	free(bytes);
	text_release(&sql);
	text_release(&answer.text);
}

static void the_session_is_strict_utc_and_utf8mb4(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	ask(f, &answer, "SELECT CONCAT(@@time_zone, @@character_set_client, @@character_set_connection), @@tx_isolation");
	assert_string_equal(answer.text.bytes, "+00:00utf8mb4utf8mb4|READ-COMMITTED|");
	ask(f, &answer, "SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%', @@autocommit");
	assert_string_equal(answer.text.bytes, "1|1|");
	text_release(&answer.text);
}

/* A second connection kills the first one's. */
static void a_killed_connection_answers_retry_and_comes_back(void **state) {
	struct fixture *f = *state;
	struct answer id = { 0 }, victim = { 0 }, queued = { 0 }, kill = { 0 };
	struct error err = { 0 };
	struct fixture other = { .loop = f->loop };
	assert_int_equal(db_open(f->loop, server_url(f->mariadb), &other.db, &err), STATUS_OK);
	await_connection(&other);
	ask(f, &id, "SELECT CONNECTION_ID(), 0");
	db_query(f->db, SLICE("SELECT SLEEP(60), 1"), keep, &victim);
	db_query(f->db, SLICE("SELECT 1, 1"), keep, &queued);
	loop_turn(f->loop, 1000);
	struct text sql = { 0 };
	text_printf(&sql, "KILL %ld", strtol(id.text.bytes, NULL, 10));
	ask(&other, &kill, sql.bytes);
	await(f, &queued.count, 1);
	assert_int_equal(victim.status, STATUS_RETRY);
	assert_int_equal(queued.status, STATUS_RETRY);
	await_connection(f);
	ask(f, &id, "SELECT 7, 8");
	assert_string_equal(id.text.bytes, "7|8|");
	db_close(&other.db);
	text_release(&sql);
	text_release(&id.text);
	text_release(&kill.text);
	text_release(&victim.text);
	text_release(&queued.text);
}

static void a_restarted_server_is_found_again(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	server_kill(f->mariadb);
	int64_t limit = clock_mono_us() + LIMIT_US;
	while (db_connected(f->db) && clock_mono_us() < limit)
		loop_turn(f->loop, 10000);
	ask(f, &answer, "SELECT 1, 2");
	assert_int_equal(answer.status, STATUS_RETRY);
	server_restart(f->mariadb);
	await_connection(f);
	ask(f, &answer, "SELECT 1, 2");
	assert_string_equal(answer.text.bytes, "1|2|");
	text_release(&answer.text);
}

static void a_read_only_server_is_worth_another_try(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	ask(f, &answer,
	    "CREATE USER IF NOT EXISTS plain@'%'; GRANT ALL ON corder.* TO plain@'%'; SET GLOBAL read_only = 1");
	assert_int_equal(answer.status, STATUS_OK);
	struct error err = { 0 };
	struct fixture other = { .loop = f->loop };
	char url[128];
	snprintf(url, sizeof(url), "mysql://plain@127.0.0.1:%d/corder", server_port(f->mariadb));
	assert_int_equal(db_open(f->loop, url, &other.db, &err), STATUS_OK);
	await_connection(&other);
	ask(&other, &answer, "INSERT INTO t VALUES (9, 'x')");
	assert_int_equal(answer.status, STATUS_RETRY);
	ask(f, &answer, "SET GLOBAL read_only = 0");
	ask(&other, &answer, "INSERT INTO t VALUES (9, 'x')");
	assert_int_equal(answer.status, STATUS_OK);
	db_close(&other.db);
	text_release(&answer.text);
}

static void closing_answers_what_is_under_way(void **state) {
	struct fixture *f = *state;
	struct answer answer = { 0 };
	db_query(f->db, SLICE("SELECT SLEEP(60), 1"), keep, &answer);
	loop_turn(f->loop, 1000);
	db_query(f->db, SLICE("SELECT 1, 1"), keep, &answer);
	db_close(&f->db);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.status, STATUS_RETRY);
	text_release(&answer.text);
}

static void bad_urls_are_refused(void **state) {
	struct fixture *f = *state;
	static const char *const urls[] = { "",           "mysql",       "mysql://",           "mysql://h",
		                                "mysql://h/", "redis://h/x", "mysql://h:x/corder", "mysql://u:%0a@h/corder" };
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct error err = { 0 };
		struct db *db = NULL;
		assert_int_equal(db_open(f->loop, urls[i], &db, &err), STATUS_REJECT);
		assert_true(err.message[0] != 0);
	}
}

static int start_server(void **state) {
	(void)state;
	shared.mariadb = server_start_mariadb();
	return 0;
}

static int stop_server(void **state) {
	(void)state;
	server_stop(&shared.mariadb);
	return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(several_statements_are_one_round_trip),    TEST(a_failed_transaction_leaves_nothing),
		TEST(queries_run_in_the_order_they_were_asked), TEST(rows_are_read_in_any_order_in_no_time),
		TEST(quoted_bytes_come_back_as_they_were),      TEST(a_large_query_and_a_large_result_pass),
		TEST(the_session_is_strict_utc_and_utf8mb4),    TEST(a_killed_connection_answers_retry_and_comes_back),
		TEST(a_restarted_server_is_found_again),        TEST(a_read_only_server_is_worth_another_try),
		TEST(closing_answers_what_is_under_way),        TEST(bad_urls_are_refused),
	};
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
