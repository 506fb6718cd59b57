/* The monitor's rings: who an event is counted for, also when events of several kinds take turns and when there are too many. */
#include <stdio.h>

#include "services/monitor/pulse.h"
#include "tests/support/test.h"

enum { NOW_S = 1700000000 };

static void add(struct pulse *pulse, const char *project, const char *type, int64_t priority, int64_t at_s) {
	struct pulse_event event = { .project = slice_of(project),
		                         .task_type = slice_of(type),
		                         .priority = priority,
		                         .at_us = at_s * 1000000,
		                         .completed = 1,
		                         .ended = 1,
		                         .wait_us = -1,
		                         .run_us = 2000000 };
	pulse_add(pulse, &event);
}

static uint64_t completed(const struct pulse *pulse, enum pulse_kind kind, const char *name, int64_t priority) {
	struct pulse_sum sum;
	pulse_read(pulse, kind, slice_of(name), priority, (NOW_S + 1) * INT64_C(1000000), 60, &sum);
	return sum.completed;
}

static void an_event_counts_for_its_project_its_type_and_both(void **state) {
	(void)state;
	struct pulse *pulse = pulse_open((NOW_S - 100) * INT64_C(1000000));
	for (int i = 0; i < 4; i++) {
		add(pulse, "shop", "coding", 5, NOW_S);
		add(pulse, "shop", i % 2 ? "coding" : "testing", 7, NOW_S);
		add(pulse, "shopcoding", "x", 5, NOW_S);
		add(pulse, "sho", "pcoding", 5, NOW_S);
	}
	add(pulse, "shop", "coding", 0, NOW_S);
	assert_int_equal(completed(pulse, PULSE_ALL, "", 0), 17);
	assert_int_equal(completed(pulse, PULSE_PROJECT, "shop", 0), 9);
	assert_int_equal(completed(pulse, PULSE_PROJECT, "sho", 0), 4);
	assert_int_equal(completed(pulse, PULSE_TYPE, "coding", 0), 7);
	assert_int_equal(completed(pulse, PULSE_TYPE, "coding", 5), 4);
	assert_int_equal(completed(pulse, PULSE_TYPE, "coding", 7), 2);
	assert_int_equal(completed(pulse, PULSE_TYPE, "testing", 7), 2);
	assert_int_equal(completed(pulse, PULSE_BOTH, "shop/coding", 0), 7);
	pulse_close(&pulse);
}

static void those_without_an_event_for_longest_make_room(void **state) {
	(void)state;
	struct pulse *pulse = pulse_open((NOW_S - 100) * INT64_C(1000000));
	char name[16];
	for (int i = 0; i < PULSE_SERIES; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		add(pulse, name, "t", 5, NOW_S - PULSE_SERIES / 10 + i / 10);
		add(pulse, "old", "t", 5, 1); /* older than all others, so that its own series go first */
	}
	assert_int_equal(completed(pulse, PULSE_PROJECT, name, 0), 1);
	assert_int_equal(completed(pulse, PULSE_PROJECT, "p0", 0), 0);
	assert_int_equal(completed(pulse, PULSE_PROJECT, "old", 0), 0);
	assert_true(completed(pulse, PULSE_TYPE, "t", 0) > 0);
	pulse_close(&pulse);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_counts_for_its_project_its_type_and_both),
		cmocka_unit_test(those_without_an_event_for_longest_make_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
