/* Databases that are not of this release, on a real server: one with rows in it that the first migration alone has made, and
 * some in which a migration broke off. The persister brings each to the form that it gives an empty one. */
#include <stdio.h>
#include <string.h>

#include "migrations.h"
#include "tests/support/persisting.h"

/* Columns and keys of all tables as one number. */
static const char form[] =
	"SELECT (SELECT SUM(CRC32(CONCAT_WS('|',table_name,ordinal_position,column_name,column_type,is_nullable,"
	"COALESCE(column_default,'none'),COALESCE(collation_name,''),extra))) FROM information_schema.columns WHERE "
	"table_schema='corder'),(SELECT SUM(CRC32(CONCAT_WS('|',table_name,index_name,seq_in_index,column_name,"
	"non_unique))) FROM information_schema.statistics WHERE table_schema='corder')";

static const char remembered[] = "SELECT COUNT(*) FROM schema_migrations";

static void is_written_to(void) {
	persisting_append_lives("life", 1);
	persisting_await_answer("SELECT status FROM tasks WHERE partition_id=0", "completed");
}

/* What an empty database becomes; it is empty again after that. */
static void form_of_new(char *into, size_t size) {
	struct error reason = { 0 };
	persisting_open_writer(0);
	persisting_await_health(STATUS_OK, &reason);
	snprintf(into, size, "%s", persisting_ask(form));
	persisting_close_writer(0);
	(void)persisting_ask("DROP DATABASE corder; CREATE DATABASE corder; USE corder");
}

static void run_only(size_t index) {
	(void)persisting_ask(migrations[index].sql);
}

static void remember(size_t index) {
	char text[512], checksum[MIGRATION_CHECKSUM_BYTES];
	migration_checksum(index, checksum);
	snprintf(
		text, sizeof text,
		"CREATE TABLE IF NOT EXISTS schema_migrations(name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin PRIMARY "
		"KEY,checksum CHAR(16) CHARACTER SET ascii NOT NULL,at DATETIME(6) NOT NULL)ENGINE=InnoDB; INSERT INTO "
		"schema_migrations(name,checksum,at)VALUES('%s','%s',UTC_TIMESTAMP(6))",
		migrations[index].name, checksum);
	(void)persisting_ask(text);
}

static void finishes(const char *wanted) {
	struct error reason = { 0 };
	char count[24];
	persisting_open_writer(0);
	persisting_await_health(STATUS_OK, &reason);
	persisting_expect(form, wanted);
	snprintf(count, sizeof count, "%zu", migration_count);
	persisting_expect(remembered, count);
}

/* A row of each table; of a partition that nobody here writes, so that they stay as they are. */
static const char old_rows[] =
	"INSERT INTO log_position VALUES(7,42,'e1',9,'2026-01-02 03:04:05');"
	"INSERT INTO tasks(partition_id,number,project,task_id,status,version,last_seq,attempt,retry_count,priority,"
	"updated_at,result)VALUES(7,1,'old','a','completed',3,42,1,0,5,'2026-01-02 03:04:05','{\"ä\":1}');"
	"INSERT INTO task_events(partition_id,seq,event_id,number,project,task_id,version,batch_id,task_type,status,"
	"attempt,at)VALUES(7,42,'7-42',1,'old','a',3,'b','t','completed',1,'2026-01-02 03:04:05');"
	"INSERT INTO task_dependencies VALUES(7,1,0,'old','a','z','finished',1);"
	"INSERT INTO task_attempts(partition_id,number,attempt,worker,outcome)VALUES(7,1,1,'w','completed');"
	"INSERT INTO batches VALUES(7,'token','old','b',2,900,'admitting',42);"
	"INSERT INTO queue_pauses VALUES(7,'t','',41,'2026-01-02 03:04:05');"
	"INSERT INTO poison_events(partition_id,seq,reason,raw,at)VALUES(7,40,'odd','raw','2026-01-02 03:04:05')";

static void a_database_of_the_first_migration_keeps_its_rows(void **state) {
	(void)state;
	char wanted[96];
	form_of_new(wanted, sizeof wanted);
	run_only(0);
	remember(0);
	(void)persisting_ask(old_rows);
	assert_string_not_equal(persisting_ask(form), wanted);
	finishes(wanted);
	is_written_to();
	persisting_expect("SELECT seq,entry_id,stream_seq FROM log_position WHERE partition_id=7", "42|e1|9");
	persisting_expect("SELECT task_id,status,version,result FROM tasks WHERE partition_id=7",
	                  "a|completed|3|{\"ä\":1}");
	persisting_expect("SELECT event_id,batch_id,task_type,at FROM task_events WHERE partition_id=7",
	                  "7-42|b|t|2026-01-02 03:04:05.000000");
	persisting_expect("SELECT dependency_id,`condition`,future FROM task_dependencies WHERE partition_id=7",
	                  "z|finished|1");
	persisting_expect("SELECT worker,outcome FROM task_attempts WHERE partition_id=7", "w|completed");
	persisting_expect("SELECT token,slices,tasks,state FROM batches WHERE partition_id=7", "token|2|900|admitting");
	persisting_expect("SELECT task_type,seq FROM queue_pauses WHERE partition_id=7", "t|41");
	persisting_expect("SELECT reason,raw,event_id='' FROM poison_events WHERE partition_id=7", "odd|raw|1");
}

/* The first broke off after its first table. */
static void tables_that_were_made_in_part_are_finished(void **state) {
	(void)state;
	char wanted[96], first[4096];
	form_of_new(wanted, sizeof wanted);
	const char *end = strstr(migrations[0].sql, "ENGINE=InnoDB;");
	assert_non_null(end);
	snprintf(first, sizeof first, "%.*s", (int)(end - migrations[0].sql), migrations[0].sql);
	(void)persisting_ask(first);
	persisting_expect("SELECT COUNT(*) FROM log_position", "0");
	finishes(wanted);
	is_written_to();
}

/* Each later one had changed its table, and was not remembered yet. */
static void a_migration_that_was_not_remembered_runs_again(void **state) {
	(void)state;
	char wanted[96];
	form_of_new(wanted, sizeof wanted);
	for (size_t i = 0; i < migration_count; i++) {
		(void)persisting_ask("DROP DATABASE corder; CREATE DATABASE corder; USE corder");
		for (size_t known = 0; known < i; known++) {
			run_only(known);
			remember(known);
		}
		run_only(i);
		finishes(wanted);
		persisting_close_writer(0);
	}
}

/* What databases remember that were migrated before the clauses that MySQL does not know became comments. */
static void a_migration_keeps_the_checksum_that_databases_remember(void **state) {
	static const char *const known[] = { "fd5eb95de3b9f591", "e927c8a76c8e0635", "0a71ac092ca31c90",
		                                 "c13e3a9867d68b3c" };
	char checksum[MIGRATION_CHECKSUM_BYTES];
	(void)state;
	assert_true(migration_count >= sizeof(known) / sizeof(*known));
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		migration_checksum(i, checksum);
		assert_string_equal(checksum, known[i]);
	}
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, persisting_set_up, persisting_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_database_of_the_first_migration_keeps_its_rows),
		TEST(tables_that_were_made_in_part_are_finished),
		TEST(a_migration_that_was_not_remembered_runs_again),
		cmocka_unit_test(a_migration_keeps_the_checksum_that_databases_remember),
	};
	return cmocka_run_group_tests(tests, persisting_start_servers, persisting_stop_servers);
}
