/* The forecast on small graphs whose answer is known, error messages that are alike, and quantiles of a day. */
#include <math.h>
#include <string.h>

#include "services/monitor/alike.h"
#include "services/monitor/outlook.h"
#include "services/monitor/pulse.h"
#include "shared/task/record.h"
#include "tests/support/test.h"

#define S 1000000L

static struct outlook_task open_task(int64_t duration_s, double rank) {
	return (struct outlook_task){
		.status = RECORD_BLOCKED, .key = OUTLOOK_NONE, .duration_us = duration_s * S, .rank = rank
	};
}

static void play(struct outlook *outlook, struct outlook_task *tasks, size_t count, size_t slots) {
	static struct outlook_pool pool;
	pool.slots = slots;
	outlook->now_us = 1000 * S;
	outlook->tasks = tasks;
	outlook->task_count = count;
	outlook->pools = &pool;
	outlook->pool_count = 1;
	outlook_play(outlook);
}

static void a_diamond_takes_its_longest_way(void **state) {
	(void)state;
	struct outlook_task tasks[] = { open_task(10, 0), open_task(5, 0), open_task(20, 0), open_task(1, 0) };
	const struct outlook_edge edges[] = { { 0, 1 }, { 0, 2 }, { 1, 3 }, { 2, 3 } };
	struct outlook outlook = { .edges = edges, .edge_count = 4 };
	size_t path[4];
	play(&outlook, tasks, 4, 2);
	assert_int_equal(tasks[3].start_us, 1030 * S);
	assert_int_equal(tasks[3].finish_us, 1031 * S);
	assert_int_equal(outlook_critical_path(&outlook, 4, path), 3);
	assert_true(path[0] == 0 && path[1] == 2 && path[2] == 3);
	play(&outlook, tasks, 4, 1); /* one after the other */
	assert_int_equal(tasks[3].finish_us, 1036 * S);
}

static void what_has_the_lower_rank_starts_first(void **state) {
	(void)state;
	struct outlook_task tasks[] = { open_task(10, 2), open_task(10, 1), open_task(10, 3) };
	struct outlook outlook = { 0 };
	play(&outlook, tasks, 3, 1);
	assert_int_equal(tasks[1].start_us, 1000 * S);
	assert_int_equal(tasks[0].start_us, 1010 * S);
	assert_int_equal(tasks[2].start_us, 1020 * S);
}

static void what_runs_goes_on_and_what_ended_stays(void **state) {
	(void)state;
	struct outlook_task tasks[] = { open_task(10, 0), open_task(10, 0), open_task(5, 0), open_task(5, 0) };
	const struct outlook_edge edges[] = { { 0, 2 }, { 1, 3 } };
	struct outlook outlook = { .edges = edges, .edge_count = 2 };
	tasks[0].status = RECORD_RUNNING;
	tasks[0].started_at_us = 996 * S;
	tasks[1].status = RECORD_COMPLETED;
	tasks[1].started_at_us = 900 * S;
	tasks[1].finished_at_us = 910 * S;
	play(&outlook, tasks, 4, 1);
	assert_int_equal(tasks[0].start_us, 996 * S);
	assert_int_equal(tasks[0].finish_us, 1006 * S);
	assert_int_equal(tasks[1].finish_us, 910 * S);
	/* The slot is taken until then; both are ready then, the first one first. */
	assert_int_equal(tasks[2].start_us, 1006 * S);
	assert_int_equal(tasks[3].start_us, 1011 * S);
}

static void a_time_a_key_and_a_hold_are_kept(void **state) {
	(void)state;
	struct outlook_task tasks[] = { open_task(10, 0), open_task(10, 1), open_task(10, 2), open_task(10, 3),
		                            open_task(1, 4) };
	const struct outlook_edge edges[] = { { 3, 4 } };
	const struct outlook_key key = { .limit = 1 };
	struct outlook outlook = { .edges = edges, .edge_count = 1, .keys = &key, .key_count = 1 };
	tasks[0].key = tasks[1].key = 0;
	tasks[2].not_before_us = 1100 * S;
	tasks[3].held = true;
	play(&outlook, tasks, 5, 8);
	assert_int_equal(tasks[0].start_us, 1000 * S);
	assert_int_equal(tasks[1].start_us, 1010 * S);
	assert_int_equal(tasks[2].start_us, 1100 * S);
	assert_int_equal(tasks[3].finish_us, 0); /* cannot be told */
	assert_int_equal(tasks[4].finish_us, 0);
	tasks[0].pool = OUTLOOK_NONE;
	play(&outlook, tasks, 5, 8);
	assert_int_equal(tasks[0].finish_us, 0);
}

static void assert_alike(const char *message, const char *expected) {
	struct text out = { 0 };
	alike_add(&out, slice_of(message));
	assert_string_equal(out.bytes != NULL ? out.bytes : "", expected);
	text_release(&out);
}

static void messages_that_differ_by_a_thing_are_alike(void **state) {
	(void)state;
	assert_alike("line 17: no such file \"a b.txt\"", "line #: no such file #");
	assert_alike("line 4711: no such file 'x'", "line #: no such file #");
	assert_alike("commit 8f14e45fceea167a not found", "commit # not found");
	assert_alike("it's the worker's fault", "it's the worker's fault");
	assert_alike("deadbeef is a word", "deadbeef is a word");
	assert_alike("0x7f3a + 12.5 s", "#x# + #.# s");
	assert_alike("an open \"quote", "an open \"quote");
	assert_alike("", "");
	assert_alike("\xc3\xa9t\xc3\xa9 3", "\xc3\xa9t\xc3\xa9 #");
}

static void a_quantile_is_near_and_a_window_ends(void **state) {
	(void)state;
	enum { NOW_S = 1000000 };
	struct pulse *pulse = pulse_open((NOW_S - 7200) * S);
	struct pulse_sum sum;
	struct pulse_event event = {
		.project = SLICE("p"), .task_type = SLICE("t"), .priority = 7, .started = true, .run_us = -1
	};
	for (int64_t i = 1; i <= 1000; i++) {
		event.at_us = (NOW_S - 100) * S;
		event.wait_us = i * 1000; /* 1 ms to a second */
		pulse_add(pulse, &event);
	}
	assert_in_range(pulse_read(pulse, PULSE_ALL, SLICE(""), 0, NOW_S * S, 900, &sum), 900, 930);
	assert_int_equal(sum.started, 1000);
	assert_true(fabs(pulse_quantile_s(&sum.wait, 0.5) - 0.5) < 0.1);
	assert_true(fabs(pulse_quantile_s(&sum.wait, 0.95) - 0.95) < 0.19);
	assert_true(fabs(pulse_mean_s(&sum.wait) - 0.5005) < 0.001);
	pulse_read(pulse, PULSE_TYPE, SLICE("t"), 7, NOW_S * S, 900, &sum);
	assert_int_equal(sum.started, 1000);
	assert_int_equal(pulse_priorities(pulse, SLICE("t")), 1U << 7);
	pulse_read(pulse, PULSE_BOTH, SLICE("p/t"), 0, NOW_S * S, 900, &sum);
	assert_int_equal(sum.started, 1000);
	pulse_read(pulse, PULSE_PROJECT, SLICE("q"), 0, NOW_S * S, 900, &sum);
	assert_int_equal(sum.started, 0);
	assert_true(pulse_quantile_s(&sum.wait, 0.5) < 0);
	pulse_read(pulse, PULSE_ALL, SLICE(""), 0, (NOW_S + 900) * S, 900, &sum);
	assert_int_equal(sum.started, 0);
	pulse_read(pulse, PULSE_ALL, SLICE(""), 0, (NOW_S + 900) * S, 3600, &sum);
	assert_int_equal(sum.started, 1000);
	pulse_close(&pulse);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diamond_takes_its_longest_way),
		cmocka_unit_test(what_has_the_lower_rank_starts_first),
		cmocka_unit_test(what_runs_goes_on_and_what_ended_stays),
		cmocka_unit_test(a_time_a_key_and_a_hold_are_kept),
		cmocka_unit_test(messages_that_differ_by_a_thing_are_alike),
		cmocka_unit_test(a_quantile_is_near_and_a_window_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
