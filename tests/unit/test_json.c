/* The strict reader of JSON: what it refuses, what it hands on byte for byte, and that width does not cost. */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/task/json.h"

static struct json *read_text(const char *text) {
	struct error err = { 0 };
	struct json *json = json_read(slice_of(text), &err);
	if (json == NULL)
		fail_msg("%s: %s at %s", text, err.message, err.path);
	return json;
}

static void assert_slice(struct slice slice, const char *expected) {
	if (!slice_is(slice, expected))
		fail_msg("%.*s is not %s", (int)slice.length, slice.bytes, expected);
}

static void refuse(struct slice text, const char *code, const char *path) {
	struct error err = { 0 };
	struct json *json = json_read(text, &err);
	if (json != NULL || strcmp(err.code, code) != 0 || strcmp(err.path, path) != 0)
		fail_msg("%.*s: %s at \"%s\", not %s at \"%s\"", (int)text.length, text.bytes, err.code, err.path, code, path);
}

static void values_of_every_kind_are_read(void **state) {
	(void)state;
	struct json *json =
		read_text(" {\"s\":\"x\",\"n\":-12,\"d\":1.5,\"t\":true,\"f\":false,\"z\":null,\"l\":[1,[],{}],\"o\":{}} ");
	struct json_value root = json_root(json);
	assert_int_equal(json_kind(root), JSON_OBJECT);
	assert_int_equal(json_count(root), 8);
	assert_slice(json_text(json_member(root, "s")), "x");
	assert_int_equal(json_int(json_member(root, "n"), 0), -12);
	assert_true(json_double(json_member(root, "d"), 0) == 1.5);
	assert_true(json_bool(json_member(root, "t"), false));
	assert_false(json_bool(json_member(root, "f"), true));
	assert_true(json_present(json_member(root, "z")));
	assert_false(json_given(json_member(root, "z")));
	assert_int_equal(json_count(json_member(root, "l")), 3);
	assert_int_equal(json_count(json_member(root, "o")), 0);
	assert_false(json_present(json_first(json_member(root, "o"))));
	json_close(&json);
}

static void an_absent_value_needs_no_checks(void **state) {
	(void)state;
	struct json *json = read_text("{\"a\":1}");
	struct json_value absent = json_member(json_member(json_root(json), "x"), "y");
	assert_int_equal(json_kind(absent), JSON_ABSENT);
	assert_int_equal(json_kind(json_member(json_member(json_root(json), "a"), "y")), JSON_ABSENT);
	assert_null(json_text(absent).bytes);
	assert_null(json_raw(absent).bytes);
	assert_int_equal(json_int(absent, 7), 7);
	assert_false(json_present(json_next(absent)));
	assert_false(json_present(json_root(NULL)));
	json_close(&json);
	json_close(&json);
}

static void raw_values_are_byte_for_byte(void **state) {
	(void)state;
	struct json *json = read_text("{\"a\": {\"b\" : [1,\t2.50e0 , 9007199254740993] } , \"s\":\"\\u0041\" }");
	assert_slice(json_raw(json_member(json_root(json), "a")), "{\"b\" : [1,\t2.50e0 , 9007199254740993] }");
	assert_slice(json_raw(json_member(json_root(json), "s")), "\"\\u0041\"");
	json_close(&json);
}

static void members_and_items_are_walked_in_order(void **state) {
	(void)state;
	struct json *json = read_text("{\"a\":[1,[2,3],4],\"b\":{\"c\":{}},\"\\u0064\":5}");
	char seen[64] = "";
	for (struct json_value m = json_first(json_root(json)); json_present(m); m = json_next(m))
		strncat(seen, json_name(m).bytes, json_name(m).length);
	assert_string_equal(seen, "abd");
	int64_t sum = 0;
	for (struct json_value i = json_first(json_member(json_root(json), "a")); json_present(i); i = json_next(i))
		sum = sum * 10 + json_int(i, 9);
	assert_int_equal(sum, 194);
	json_close(&json);
}

static void strings_are_decoded(void **state) {
	(void)state;
	struct json *json = read_text("[\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude9a\",\"plain \xC3\xA9\",\"\"]");
	struct json_value item = json_first(json_root(json));
	assert_slice(json_text(item), "a\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x9A\x9A");
	assert_slice(json_text(json_next(item)), "plain \xC3\xA9");
	assert_slice(json_text(json_next(json_next(item))), "");
	json_close(&json);
}

static void integers_are_read_exactly_in_any_notation(void **state) {
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = {
		{ "[5]", 5 },
		{ "[5.0]", 5 },
		{ "[5e0]", 5 },
		{ "[0.5e1]", 5 },
		{ "[50E-1]", 5 },
		{ "[-0]", 0 },
		{ "[0e99999999999]", 0 },
		{ "[9007199254740992]", INT64_C(9007199254740992) },
		{ "[-9007199254740992]", -INT64_C(9007199254740992) },
		{ "[9007199254740993]", -1 },
		{ "[4.99999999999999999999999999]", -1 },
		{ "[1e300]", -1 },
		{ "[1e-300]", -1 },
		{ "[5.00000000000000000000000000000000000000000000000000000000000000000000000000]", 5 },
		{ "[1e15]", 1000000000000000 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json *json = read_text(cases[i].text);
		if (json_int(json_first(json_root(json)), -1) != cases[i].value)
			fail_msg("%s is not %lld", cases[i].text, (long long)cases[i].value);
		json_close(&json);
	}
}

static const char *const bad[] = {
	"",
	" ",
	"{",
	"}",
	"[",
	"[1",
	"[1,",
	"[1,]",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1,}",
	"{a:1}",
	"{1:1}",
	"[01]",
	"[-]",
	"[+1]",
	"[1.]",
	"[.5]",
	"[1e]",
	"[1e+]",
	"[0x1]",
	"[NaN]",
	"[Infinity]",
	"[-Infinity]",
	"[tru]",
	"[nul]",
	"['a']",
	"[\"a]",
	"[\"\\x\"]",
	"[\"\\u12\"]",
	"[\"\\u12g4\"]",
	"[\"\\",
	"[\"\\u",
	"[1 2]",
	"[1]x",
	"[1][2]",
	"{}{}",
	"[1]]",
	"[}",
	"{]",
	"[1}",
	"{\"a\":1]",
	"// x",
	"[\"\n\"]",
	"[\"\x1f\"]",
	"\xEF\xBB\xBF{}",
	"[\"\\ud800\"]",
	"[\"\\ud800x\"]",
	"[\"\\ud800\\n\"]",
	"[\"\\ud800\\ud800\"]",
	"[\"\\udc00\"]",
	"[\"\\u0000\"]",
	"[\"\x80\"]",
	"[\"\xC0\x80\"]",
	"[\"\xC3\"]",
	"[\"\xED\xA0\x80\"]",
	"[\"\xF4\x90\x80\x80\"]",
	"[\"\xF0\x80\x80\x80\"]",
	"[\"\xE0\x80\x80\"]",
	"[\"\xFF\"]",
	"[\xC3\xA9]",
};

static void what_is_no_json_is_refused(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refuse(slice_of(bad[i]), "bad_json", "");
	refuse((struct slice){ "[1]\0", 4 }, "bad_json", "");
	refuse((struct slice){ "[\"a\0b\"]", 7 }, "bad_json", "");
	refuse((struct slice){ NULL, 0 }, "bad_json", "");
}

/* A refusal goes into the log, whose records and fields such bytes part. */
static void a_path_has_no_control_characters(void **state) {
	(void)state;
	refuse(SLICE("{\"a\\u001e\":1,\"a\\u001e\":2}"), "bad_json", "/a?");
	refuse(SLICE("{\"\\u001c.\\u001d\":{\"\\u001f\\nb\":[1e999]}}"), "invalid_field", "/?.?/??b/0");
}

static void a_key_twice_is_refused_with_its_path(void **state) {
	(void)state;
	refuse(SLICE("{\"a\":1,\"b\":2,\"a\":3}"), "bad_json", "/a");
	refuse(SLICE("{\"a\":1,\"\\u0061\":3}"), "bad_json", "/a");
	refuse(SLICE("[0,{\"x\":{\"y/~\":{\"\":1,\"\":2}}}]"), "bad_json", "/1/x/y~1~0/");
	json_close(&(struct json *){ read_text("{\"a\":{\"a\":{\"a\":1}},\"A\":2}") });
}

static void numbers_beyond_a_double_are_refused_with_their_path(void **state) {
	(void)state;
	struct text digits = { 0 };
	refuse(SLICE("{\"a\":[1,-1e400]}"), "invalid_field", "/a/1");
	text_add(&digits, "{\"n\":");
	for (int i = 0; i < 400; i++)
		text_add_char(&digits, '9');
	text_add_char(&digits, '}');
	refuse((struct slice){ digits.bytes, digits.length }, "invalid_field", "/n");
	text_release(&digits);
	json_close(&(struct json *){ read_text("[1e308,-1.5e-300,1e-999,123456789012345678901234567890]") });
}

static void limits_hold(void **state) {
	(void)state;
	struct json *json = json_open();
	struct json_limits limits = { .max_bytes = 10, .max_depth = 3 };
	struct error err = { 0 };
	assert_int_equal(json_parse(json, SLICE("[1,2,3,45]"), &limits, &err), STATUS_OK);
	assert_int_equal(json_parse(json, SLICE("[1,2,3,456]"), &limits, &err), STATUS_REJECT);
	assert_string_equal(err.code, "too_large");
	assert_int_equal(json_parse(json, SLICE("[[[1]]]"), &limits, &err), STATUS_OK);
	assert_int_equal(json_parse(json, SLICE("[[[[]]]]"), &limits, &err), STATUS_REJECT);
	assert_string_equal(err.code, "limit_exceeded");
	assert_false(json_present(json_root(json)));
	json_close(&json);
}

static void a_reader_is_used_again_and_again(void **state) {
	(void)state;
	struct json *json = json_open();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(json_parse(json, SLICE("{\"a\":\"\\n\",\"b\":[1,2]}"), NULL, NULL), STATUS_OK);
		assert_slice(json_text(json_member(json_root(json), "a")), "\n");
		char *memory = json_allocate(json, 3000, 1);
		for (int j = 0; j < 3000; j++)
			assert_int_equal(memory[j], 0);
		memset(memory, 1, 3000);
		assert_int_equal(json_parse(json, SLICE("{"), NULL, NULL), STATUS_REJECT);
	}
	json_close(&json);
}

/* 100,000 names: quadratic work would be ten thousand million comparisons. */
static void wide_objects_are_linear(void **state) {
	(void)state;
	struct text text = { 0 };
	text_add_char(&text, '{');
	for (int i = 0; i < 100000; i++)
		text_printf(&text, "%s\"\\u006b%d\":%d", i > 0 ? "," : "", i, i);
	text_add(&text, ",\"k77777\":1}");
	int64_t start_us = clock_mono_us();
	refuse((struct slice){ text.bytes, text.length }, "bad_json", "/k77777");
	assert_true(clock_mono_us() - start_us < 5000000);
	text_release(&text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_kind_are_read),
		cmocka_unit_test(an_absent_value_needs_no_checks),
		cmocka_unit_test(raw_values_are_byte_for_byte),
		cmocka_unit_test(members_and_items_are_walked_in_order),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(integers_are_read_exactly_in_any_notation),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(a_key_twice_is_refused_with_its_path),
		cmocka_unit_test(a_path_has_no_control_characters),
		cmocka_unit_test(numbers_beyond_a_double_are_refused_with_their_path),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_reader_is_used_again_and_again),
		cmocka_unit_test(wide_objects_are_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
