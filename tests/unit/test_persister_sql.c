/* The persister's SQL: literals, and that both forms of a row have a cell for each column. */
#include <stdlib.h>
#include <string.h>

#include "services/persister/changes.h"
#include "services/persister/rows.h"
#include "services/persister/sql.h"
#include "services/persister/write_changed.h"
#include "shared/db/db_bulk_inside.h"
#include "tests/support/history.h"
#include "tests/support/test.h"

static void times_are_utc_with_microseconds(void **state) {
	(void)state;
	struct text sql = { 0 };
	sql_time(&sql, INT64_C(1795453322000001));
	sql_time(&sql, INT64_C(1795453322999999));
	sql_time(&sql, INT64_C(951782400000000));
	assert_string_equal(sql.bytes,
	                    "'2026-11-23 17:02:02.000001''2026-11-23 17:02:02.999999''2000-02-29 00:00:00.000000'");
	text_release(&sql);
}

static void an_id_that_needs_it_is_escaped(void **state) {
	(void)state;
	char longer[300];
	struct text sql = { 0 };
	memset(longer, 'x', sizeof(longer));
	sql_id(&sql, SLICE("a-1"));
	sql_id(&sql, SLICE("a'b"));
	assert_string_equal(sql.bytes, "'a-1''a\\'b'");
	text_clear(&sql);
	sql_id(&sql, (struct slice){ longer, sizeof(longer) });
	assert_int_equal(sql.length, sizeof(longer) + 2);
	text_release(&sql);
}

static void expect_json(const char *body, const char *plain) {
	struct text text = { 0 };
	json_body_text(&text, slice_of(body));
	assert_string_equal(text.bytes ? text.bytes : "", plain);
	text_release(&text);
}

static void json_string_bodies_become_their_text(void **state) {
	(void)state;
	expect_json("", "");
	expect_json("plain", "plain");
	expect_json("a\\\"b\\\\c\\/d", "a\"b\\c/d");
	expect_json("\\b\\f\\n\\r\\t", "\b\f\n\r\t");
	expect_json("\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac");
	expect_json("\\ud83d\\ude00", "\xf0\x9f\x98\x80");
	expect_json("\\ud83d alone", "\xef\xbf\xbd alone");
	expect_json("\\ude00", "\xef\xbf\xbd");
	expect_json("cut\\u12", "cut\xef\xbf\xbd");
	expect_json("end\\", "end\\");
}

/* A row ends when its last cell was given: a row with a cell too few or too many would leave one open. */
static void every_row_has_a_cell_for_each_column(void **state) {
	(void)state;
	struct history history = { 0 };
	struct changes changes = { 0 };
	struct record_entry entry;
	struct record record;
	bool valid = false;
	changes_clear(&changes, 0);
	int64_t number = history_submit(&history, "a", "");
	history_submit(&history, "b", "ca,Xb");
	history_lease(&history, number, "a", 1);
	history_complete(&history, 400, "known", 1);
	history_end_entry(&history);
	struct slice rest = { history.block.bytes, history.block.length };
	assert_true(record_next_entry(&rest, &entry, &valid) && valid);
	while (record_next(&entry.records, &record, &valid))
		changes_add(&changes, &record, entry.id, 0);
	changes_sort(&changes);
	/* The try of "known" began before: as an array its end stands with the task. */
	static const size_t expected[SHEET_COUNT] = { 4, 2, 1, 2, 1 };
	for (int sheet = 0; sheet < SHEET_COUNT; sheet++) {
		struct text statement = { 0 };
		write_bulk_statement(&statement, (enum sheet)sheet);
		struct db_bulk *bulk = db_bulk_open(statement.bytes);
		struct rows rows = { .bulk = bulk };
		write_sheet(&rows, (enum sheet)sheet, &changes);
		assert_int_equal(db_bulk_rows(bulk), expected[sheet]);
		assert_int_equal(rows.count, expected[sheet]);
		db_bulk_clear(bulk); /* must() would end the test if a row were open */
		db_bulk_free(bulk);
		text_release(&statement);
	}
	changes_release(&changes);
	history_release(&history);
}

static void add_records(struct changes *changes, const struct history *history) {
	struct slice rest = { history->block.bytes, history->block.length };
	struct record_entry entry;
	struct record record;
	bool valid = false;
	while (record_next_entry(&rest, &entry, &valid) && valid)
		while (record_next(&entry.records, &record, &valid))
			changes_add(changes, &record, entry.id, 0);
	changes_sort(changes);
}

static void known_rows_that_lie_close_are_a_range_and_others_a_list(void **state) {
	(void)state;
	struct history history = { 0 };
	struct changes changes = { 0 };
	struct text sql = { 0 };
	changes_clear(&changes, 3);
	history_lease(&history, 400, "a", 1);
	history_complete(&history, 402, "b", 1);
	history_end_entry(&history);
	add_records(&changes, &history);
	write_changed_rows(&sql, &changes);
	assert_non_null(
		strstr(sql.bytes, "t.partition_id=3 AND t.number BETWEEN 400 AND 402;SET @found=IF(ROW_COUNT()=2,"));
	assert_non_null(
		strstr(sql.bytes, "a.partition_id=3 AND a.number BETWEEN 402 AND 402;SET @found=IF(ROW_COUNT()=1,"));
	history_lease(&history, 90000, "c", 1);
	history_end_entry(&history);
	changes_clear(&changes, 3);
	add_records(&changes, &history);
	text_clear(&sql);
	write_changed_rows(&sql, &changes);
	assert_non_null(strstr(sql.bytes, "t.number IN(400,402,90000);SET @found=IF(ROW_COUNT()=3,"));
	text_release(&sql);
	changes_release(&changes);
	history_release(&history);
}

static void what_is_empty_in_all_rows_is_left_out_of_the_statement(void **state) {
	(void)state;
	struct db_bulk *bulk = db_bulk_open("INSERT INTO t(a,b,c,d)VALUES(?,?,?,?)ON DUPLICATE KEY UPDATE b=VALUES(b)");
	for (int row = 0; row < 2; row++) {
		db_bulk_int(bulk, row);
		db_bulk_null(bulk);
		db_bulk_text(bulk, SLICE(""));
		db_bulk_text(bulk, row ? SLICE("x") : SLICE(""));
	}
	assert_false(db_bulk_fits(bulk));
	db_bulk_choose(bulk);
	assert_string_equal(bulk->prepared.bytes, "INSERT INTO t(a,d)VALUES(?,?)ON DUPLICATE KEY UPDATE b=VALUES(b)");
	assert_true(db_bulk_fits(bulk));
	db_bulk_clear(bulk);
	db_bulk_int(bulk, 1), db_bulk_int(bulk, 2), db_bulk_null(bulk), db_bulk_null(bulk);
	assert_false(db_bulk_fits(bulk));
	db_bulk_choose(bulk); /* few rows: what the last ones needed stays */
	assert_string_equal(bulk->prepared.bytes, "INSERT INTO t(a,b,d)VALUES(?,?,?)ON DUPLICATE KEY UPDATE b=VALUES(b)");
	db_bulk_free(bulk);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_utc_with_microseconds),
		cmocka_unit_test(an_id_that_needs_it_is_escaped),
		cmocka_unit_test(json_string_bodies_become_their_text),
		cmocka_unit_test(every_row_has_a_cell_for_each_column),
		cmocka_unit_test(known_rows_that_lie_close_are_a_range_and_others_a_list),
		cmocka_unit_test(what_is_empty_in_all_rows_is_left_out_of_the_statement),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
