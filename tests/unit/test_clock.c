/* RFC 3339 both ways. */
#include "../support/test.h"

#include <string.h>

#include "shared/base/clock.h"

static void check_parse(const char *text, int64_t expected_us) {
	int64_t at_us = -1;
	if (!clock_parse(text, strlen(text), &at_us))
		fail_msg("%s was refused", text);
	if (at_us != expected_us)
		fail_msg("%s was read as %lld", text, (long long)at_us);
}

static void times_are_written_in_utc_with_microseconds(void **state) {
	(void)state;
	static const struct {
		int64_t at_us;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ 1769860800123456, "2026-01-31T12:00:00.123456Z" },
		{ 951782399999999, "2000-02-28T23:59:59.999999Z" },
		{ 951782400000000, "2000-02-29T00:00:00.000000Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999999Z" },
		{ INT64_MIN, "0000-01-01T00:00:00.000000Z" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[CLOCK_TEXT_BYTES];
		clock_format(rows[i].at_us, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void what_was_written_is_read_back(void **state) {
	(void)state;
	for (int64_t at_us = -62167219200000000; at_us < 253402300799999999; at_us += 123456789012345) {
		char text[CLOCK_TEXT_BYTES];
		clock_format(at_us, text);
		check_parse(text, at_us);
	}
}

static void offsets_and_fractions_are_understood(void **state) {
	(void)state;
	check_parse("2026-01-31T12:00:00Z", 1769860800000000);
	check_parse("2026-01-31t12:00:00z", 1769860800000000);
	check_parse("2026-01-31T14:30:00+02:30", 1769860800000000);
	check_parse("2026-01-31T00:00:00-12:00", 1769860800000000);
	check_parse("2026-01-31T12:00:00.5Z", 1769860800500000);
	check_parse("2026-01-31T12:00:00.123456789Z", 1769860800123456);
	check_parse("2016-12-31T23:59:60Z", 1483228800000000);
}

static void what_is_no_time_is_refused(void **state) {
	(void)state;
	const char *const bad[] = { "",
		                        "2026-01-31",
		                        "2026-01-31T12:00:00",
		                        "2026-01-31 12:00:00Z",
		                        "2026-02-29T12:00:00Z",
		                        "2026-13-01T12:00:00Z",
		                        "2026-00-01T12:00:00Z",
		                        "2026-01-00T12:00:00Z",
		                        "2026-01-31T24:00:00Z",
		                        "2026-01-31T12:60:00Z",
		                        "2026-01-31T12:00:61Z",
		                        "2026-01-31T12:00:00.Z",
		                        "2026-01-31T12:00:00.1234567890Z",
		                        "2026-01-31T12:00:00+0200",
		                        "2026-01-31T12:00:00+24:00",
		                        "2026-01-31T12:00:00Zx",
		                        "26-01-31T12:00:00Z",
		                        "2026-1-31T12:00:00Z" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t at_us;
		if (clock_parse(bad[i], strlen(bad[i]), &at_us))
			fail_msg("%s was taken for a time", bad[i]);
	}
}

static void nothing_is_read_behind_the_end(void **state) {
	(void)state;
	const char *text = "2026-01-31T12:00:00.123456Z";
	int64_t at_us;
	for (size_t length = 0; length < strlen(text); length++)
		assert_false(clock_parse(text, length, &at_us));
}

static void the_monotonic_clock_does_not_run_backwards(void **state) {
	(void)state;
	int64_t before_us = clock_mono_us();
	assert_true(clock_mono_us() >= before_us);
	assert_true(clock_wall_us() > 1700000000000000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_written_in_utc_with_microseconds),
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(offsets_and_fractions_are_understood),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(nothing_is_read_behind_the_end),
		cmocka_unit_test(the_monotonic_clock_does_not_run_backwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
