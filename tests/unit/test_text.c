/* Text and slices: what is appended, how it is escaped, and how pieces are cut. */
#include "../support/test.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/text.h"

static void text_always_ends_in_a_nul(void **state) {
	(void)state;
	struct text text = { 0 };
	text_append(&text, NULL, 0);
	assert_int_equal(text.bytes[0], '\0');
	for (int i = 0; i < 1000; i++)
		text_add_char(&text, 'x');
	assert_int_equal(text.length, 1000);
	assert_int_equal(strlen(text.bytes), 1000);
	text_clear(&text);
	assert_int_equal(text.length, 0);
	assert_string_equal(text.bytes, "");
	text_release(&text);
	assert_null(text.bytes);
}

static void bytes_that_are_taken_belong_to_the_caller(void **state) {
	(void)state;
	struct text text = { 0 };
	char *empty = text_take(&text);
	assert_string_equal(empty, "");
	free(empty);
	text_add(&text, "hello");
	char *bytes = text_take(&text);
	assert_string_equal(bytes, "hello");
	assert_null(text.bytes);
	free(bytes);
}

static void integers_are_written_to_the_last_one(void **state) {
	(void)state;
	struct text text = { 0 };
	const int64_t values[] = { 0, 7, 10, 99, 100, 1005, -1, -60, INT64_MAX, INT64_MIN };
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		text_add_int(&text, values[i]);
		text_add_char(&text, ' ');
	}
	assert_string_equal(text.bytes, "0 7 10 99 100 1005 -1 -60 9223372036854775807 -9223372036854775808 ");
	text_release(&text);
}

static void printf_grows_as_far_as_it_must(void **state) {
	(void)state;
	struct text text = { 0 };
	text_add(&text, "a");
	text_printf(&text, "%0500d|%s", 1, "end");
	assert_int_equal(text.length, 1 + 500 + 4);
	assert_string_equal(text.bytes + 501, "|end");
	text_release(&text);
}

static void json_strings_escape_what_they_must(void **state) {
	(void)state;
	struct text text = { 0 };
	text_add_json(&text, SLICE("a\"b\\c\b\f\n\r\t\x01\x0b\x1f\x7f/\xc3\xa4"));
	assert_string_equal(text.bytes, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u000b\\u001f\\u007f/\xc3\xa4\"");
	text_clear(&text);
	text_add_json(&text, (struct slice){ NULL, 0 });
	assert_string_equal(text.bytes, "\"\"");
	text_clear(&text);
	text_add_json(&text, (struct slice){ "a\0b", 3 });
	assert_string_equal(text.bytes, "\"a\\u0000b\"");
	text_release(&text);
}

static void times_are_json_strings_and_no_time_is_null(void **state) {
	(void)state;
	struct text text = { 0 };
	text_add_json_time(&text, 0);
	text_add_json_time(&text, 1);
	assert_string_equal(text.bytes, "null\"1970-01-01T00:00:00.000001Z\"");
	text_release(&text);
}

static void slices_are_equal_by_content(void **state) {
	(void)state;
	assert_true(slice_equal(SLICE("ab"), slice_of("ab")));
	assert_false(slice_equal(SLICE("ab"), slice_of("abc")));
	assert_true(slice_equal((struct slice){ NULL, 0 }, slice_of("")));
	assert_true(slice_is(slice_of(NULL), ""));
}

static void cutting_gives_every_part_once(void **state) {
	(void)state;
	struct slice rest = SLICE("a,,bc,");
	const char *const parts[] = { "a", "", "bc", "" };
	size_t count = 0;
	while (rest.bytes) {
		assert_true(count < 4);
		assert_true(slice_is(slice_cut(&rest, ','), parts[count++]));
	}
	assert_int_equal(count, 4);
	rest = SLICE("");
	assert_int_equal(slice_cut(&rest, ',').length, 0);
	assert_null(rest.bytes);
}

static void only_whole_decimals_are_integers(void **state) {
	(void)state;
	assert_int_equal(slice_int(SLICE("0"), 9), 0);
	assert_int_equal(slice_int(SLICE("-12"), 9), -12);
	assert_true(slice_int(SLICE("9223372036854775807"), 9) == INT64_MAX);
	assert_true(slice_int(SLICE("-9223372036854775808"), 9) == INT64_MIN);
	const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(slice_int(slice_of(bad[i]), 77), 77);
}

static void a_slice_is_cut_to_what_fits(void **state) {
	char out[4] = "xyz";
	(void)state;
	slice_fit(out, sizeof(out), slice_of("ab"));
	assert_string_equal(out, "ab");
	slice_fit(out, sizeof(out), slice_of("abcdef"));
	assert_string_equal(out, "abc");
	slice_fit(out, sizeof(out), (struct slice){ NULL, 0 });
	assert_string_equal(out, "");
}

static void utf8_is_told_from_other_bytes(void **state) {
	(void)state;
	const char *const good[] = { "", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(slice_is_utf8(slice_of(good[i])));
	const char *const bad[] = { "\x80",
		                        "\xc3",
		                        "\xc0\x80",
		                        "\xe0\x80\x80",
		                        "\xed\xa0\x80",
		                        "\xf0\x80\x80\x80",
		                        "\xf4\x90\x80\x80",
		                        "\xf5\x80\x80\x80",
		                        "\xff",
		                        "a\xe2\x82" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(slice_is_utf8(slice_of(bad[i])));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_always_ends_in_a_nul),
		cmocka_unit_test(bytes_that_are_taken_belong_to_the_caller),
		cmocka_unit_test(integers_are_written_to_the_last_one),
		cmocka_unit_test(printf_grows_as_far_as_it_must),
		cmocka_unit_test(json_strings_escape_what_they_must),
		cmocka_unit_test(times_are_json_strings_and_no_time_is_null),
		cmocka_unit_test(slices_are_equal_by_content),
		cmocka_unit_test(cutting_gives_every_part_once),
		cmocka_unit_test(only_whole_decimals_are_integers),
		cmocka_unit_test(a_slice_is_cut_to_what_fits),
		cmocka_unit_test(utf8_is_told_from_other_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
