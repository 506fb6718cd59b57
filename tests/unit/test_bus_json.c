/* Single members out of JetStream's replies. */
#include "../support/test.h"

#include "shared/bus/bus_json.h"

#define INFO                                                                                                           \
	"{ \"type\":\"x\", \"config\":{\"name\":\"L\\\"og\",\"messages\":99,\"subjects\":[\"a}\",\"b\"]},"                 \
	"\"state\" : {\"messages\":3,\"first_seq\":18446744073709551615 , \"last\":-1,\"f\":1.5},\"ok\":true }"

static void members_are_found_at_their_own_level(void **state) {
	(void)state;
	struct slice info = SLICE(INFO);
	assert_true(slice_is(bus_json_text(info, "type"), "x"));
	assert_true(slice_is(bus_json_text(bus_json_member(info, "config"), "name"), "L\\\"og"));
	assert_int_equal(bus_json_number(bus_json_member(info, "state"), "messages", 7), 3);
	assert_int_equal(bus_json_number(info, "messages", 7), 7);
	assert_true(slice_is(bus_json_member(info, "ok"), "true"));
}

static void numbers_are_whole_and_fit(void **state) {
	(void)state;
	struct slice found = bus_json_member(SLICE(INFO), "state");
	assert_true(bus_json_number(found, "first_seq", 0) == UINT64_MAX);
	assert_int_equal(bus_json_number(found, "last", 7), 7);
	assert_int_equal(bus_json_number(found, "f", 7), 7);
	assert_int_equal(bus_json_number(SLICE("{\"a\":18446744073709551616}"), "a", 7), 7);
	assert_int_equal(bus_json_number(SLICE("{\"a\":\"5\"}"), "a", 7), 7);
}

static void what_is_cut_or_broken_has_no_members(void **state) {
	(void)state;
	const char whole[] = INFO;
	for (size_t length = 0; length < sizeof(whole) - 1; length++)
		assert_null(bus_json_member((struct slice){ whole, length }, "none").bytes);
	const char *const bad[] = { "",        "[]",       "7",     "{",           "{\"a\"",
		                        "{\"a\":", "{\"a\":}", "{a:1}", "{\"a\":\"1}", "{\"a\":[1}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bus_json_number(slice_of(bad[i]), "a", 7), 7);
	assert_null(bus_json_member(slice_of(NULL), "a").bytes);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_at_their_own_level),
		cmocka_unit_test(numbers_are_whole_and_fit),
		cmocka_unit_test(what_is_cut_or_broken_has_no_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
