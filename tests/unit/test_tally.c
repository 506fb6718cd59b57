/* Counts, health and the status reply; windows of recent rates; places of pages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/monitor/pages.h"
#include "services/monitor/tally.h"
#include "tests/support/test.h"

static const struct health_limits limits = { .instances = 1,
	                                         .ready_s = 900,
	                                         .no_workers_s = 60,
	                                         .overdue_s = 2,
	                                         .outbox_events = 100,
	                                         .persister_lag = 1000,
	                                         .stream_percent = 80,
	                                         .redis_percent = 80,
	                                         .poison_events = 1,
	                                         .stuck_tasks = 1,
	                                         .error_percent = 50 };

static struct health_facts well(void) {
	return (struct health_facts){ .bus_connected = true,
		                          .redis_connected = true,
		                          .database_connected = true,
		                          .instances_known = true,
		                          .instances = { 1, 1, 1, 1 },
		                          .oldest_ready_s = -1,
		                          .no_workers_s = -1,
		                          .stream_percent = -1,
		                          .redis_percent = -1 };
}

static void one_dead_server_or_service_is_critical(void **state) {
	(void)state;
	struct health_facts facts = well();
	assert_int_equal(health_judge(&facts, &limits), HEALTH_OK);
	facts.instances[HEALTH_PERSISTER] = 0;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_CRITICAL);
	facts.instances_known = false;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_OK);
	facts.redis_connected = false;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_CRITICAL);
}

static void a_lag_is_degraded_at_its_limit_and_critical_at_ten_times_that(void **state) {
	(void)state;
	struct health_facts facts = well();
	facts.persister_lag = 999;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_OK);
	facts.persister_lag = 1000;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts.persister_lag = 9999;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts.persister_lag = 10000;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_CRITICAL);
}

static void what_waits_or_was_set_aside_is_degraded_and_what_is_stuck_critical(void **state) {
	(void)state;
	struct health_facts facts = well();
	facts.oldest_ready_s = 900;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts = well();
	facts.poison_events = 1;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts = well();
	facts.no_workers_s = 60;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts = well();
	facts.tries = facts.failed_tries = HEALTH_TRIES_MIN - 1;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_OK);
	facts.tries = HEALTH_TRIES_MIN;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts = well();
	facts.unwell[HEALTH_INGEST] = 1;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts.violations = 1;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_CRITICAL);
}

static void what_fills_up_is_critical_half_way_from_its_limit_to_full(void **state) {
	(void)state;
	struct health_facts facts = well();
	facts.stream_percent = 79;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_OK);
	facts.stream_percent = 80;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
	facts.stream_percent = 90;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_CRITICAL);
	facts = well();
	facts.redis_percent = 85;
	assert_int_equal(health_judge(&facts, &limits), HEALTH_DEGRADED);
}

static void a_server_that_is_away_is_critical_after_its_time(void **state) {
	(void)state;
	struct health_facts facts = well();
	struct health_limits patient = limits;
	patient.away_s = 5;
	facts.bus_connected = false;
	facts.bus_away_s = 4;
	assert_int_equal(health_judge(&facts, &patient), HEALTH_DEGRADED);
	facts.bus_away_s = 5;
	assert_int_equal(health_judge(&facts, &patient), HEALTH_CRITICAL);
}

static struct tally sample(void) {
	struct tally tally = { .at_us = 1000000 };
	tally_add(&tally, SLICE("shop"), SLICE("coding"), 'p', 3);
	tally_add(&tally, SLICE("shop"), SLICE("coding"), 'r', 1);
	tally_add(&tally, SLICE("shop"), SLICE("testing"), 'c', 7);
	tally_add(&tally, SLICE("blog"), SLICE("coding"), 'p', 5);
	tally_add(&tally, SLICE("shop"), SLICE("coding"), 'f', 2);  /* from another partition, say */
	tally_add(&tally, SLICE("shop"), SLICE("coding"), 'q', 9);  /* no status of a task */
	tally_add(&tally, SLICE("shop"), SLICE("coding"), 'b', -1); /* counts are never negative */
	return tally;
}

static void counts_are_summed_by_project_and_by_type(void **state) {
	(void)state;
	struct tally tally = sample();
	struct tally_counts shop = tally_sum(&tally, SLICE("shop"), SLICE("")),
						all = tally_sum(&tally, SLICE(""), SLICE(""));
	assert_int_equal(shop.of[TALLY_PENDING], 3);
	assert_int_equal(shop.of[TALLY_FAILED], 2);
	assert_int_equal(shop.of[TALLY_BLOCKED], 0);
	assert_int_equal(all.of[TALLY_PENDING], 8);
	assert_int_equal(tally_sum(&tally, SLICE("nothing"), SLICE("")).of[TALLY_PENDING], 0);
	struct tally_type *types;
	assert_int_equal(tally_types(&tally, SLICE(""), &types), 2);
	assert_true(slice_is(types[0].task_type, "coding"));
	assert_int_equal(types[0].counts.of[TALLY_PENDING], 8);
	assert_int_equal(types[0].counts.of[TALLY_RUNNING], 1);
	free(types);
	tally_release(&tally);
}

static void a_pause_covers_its_type_its_project_or_both(void **state) {
	(void)state;
	struct tally tally = { 0 };
	tally_add_pause(&tally, SLICE(""), SLICE("coding"));
	tally_add_pause(&tally, SLICE("shop"), SLICE("review"));
	assert_true(tally_paused(&tally, SLICE("any"), SLICE("coding")));
	assert_true(tally_paused(&tally, SLICE("shop"), SLICE("review")));
	assert_false(tally_paused(&tally, SLICE("blog"), SLICE("review")));
	tally_release(&tally);
}

static void the_status_reply_has_the_seven_fields(void **state) {
	(void)state;
	struct tally tally = sample();
	struct health_facts facts = well();
	struct tally_view view = { .project = SLICE("shop"),
		                       .window_s = 60,
		                       .known_s = 30,
		                       .window = { .started = 4, .wait_us = 6000000, .completed = 15 },
		                       .tally = &tally,
		                       .facts = &facts,
		                       .limits = &limits };
	struct text out = { 0 };
	tally_add_json(&out, &view);
	assert_non_null(strstr(out.bytes, "\"pending_count\":3"));
	assert_non_null(strstr(out.bytes, "\"running_count\":1"));
	assert_non_null(strstr(out.bytes, "\"completed_count\":7"));
	assert_non_null(strstr(out.bytes, "\"failed_count\":2"));
	assert_non_null(strstr(out.bytes, "\"queue_health\":{\"status\":\"ok\""));
	assert_non_null(strstr(out.bytes, "\"average_wait_time\":1.5,\"throughput\":0.5,\"window_s\":60"));
	assert_non_null(strstr(out.bytes, "{\"task_type\":\"coding\",\"pending_count\":3,\"running_count\":1"));
	text_clear(&out);
	view.window.started = 0;
	tally_add_json(&out, &view);
	assert_non_null(strstr(out.bytes, "\"average_wait_time\":null"));
	assert_non_null(strstr(out.bytes, "\"oldest_ready_s\":null"));
	text_clear(&out);
	view.project = SLICE("");
	tally.at_us = 9 * INT64_C(1000000);
	tally_note_oldest(&tally, SLICE("coding"), 8 * INT64_C(1000000)); /* of one partition … */
	tally_note_oldest(&tally, SLICE("coding"), 2 * INT64_C(1000000)); /* … and another */
	tally_add_json(&out, &view);
	assert_non_null(strstr(out.bytes, "\"oldest_ready_s\":7"));
	text_release(&out);
	tally_release(&tally);
}

/* ------------------------------------------------------------------------------------------------ windows */

enum { SECOND_US = 1000000 };
static const int64_t noon_us = (int64_t)1800000000 * SECOND_US;

static void add_completed(struct window *window, const char *project, int64_t at_us, uint64_t count) {
	struct window_counts counts = { .completed = count };
	window_add(window, slice_of(project), at_us, &counts);
}

static uint64_t completed(const struct window *window, const char *project, int64_t now_us, int64_t window_s) {
	struct window_counts sum;
	window_sum(window, slice_of(project), now_us, window_s, &sum);
	return sum.completed;
}

static void a_window_counts_what_lies_in_it_at_every_resolution(void **state) {
	(void)state;
	struct window *window = window_open(noon_us);
	add_completed(window, "shop", noon_us, 1);
	add_completed(window, "shop", noon_us - (int64_t)30 * SECOND_US, 2);
	add_completed(window, "blog", noon_us - (int64_t)3600 * SECOND_US, 4);
	add_completed(window, "shop", noon_us - (int64_t)86400 * 3 * SECOND_US, 8);
	assert_int_equal(completed(window, "shop", noon_us, 10), 1);
	assert_int_equal(completed(window, "shop", noon_us, 60), 3);
	assert_int_equal(completed(window, "", noon_us, 7300), 7);
	assert_int_equal(completed(window, "", noon_us, 604800), 15);
	assert_int_equal(completed(window, "", noon_us + (int64_t)604800 * 2 * SECOND_US, 604800), 0);
	assert_int_equal(completed(window, "none", noon_us, 60), 0);
	window_close(&window);
}

static void a_young_window_says_how_much_it_knows(void **state) {
	(void)state;
	struct window_counts sum;
	struct window *window = window_open(noon_us);
	assert_int_equal(window_sum(window, SLICE(""), noon_us, 300, &sum), 1);
	assert_int_equal(window_sum(window, SLICE(""), noon_us + 20 * SECOND_US, 300, &sum), 20);
	window_reach(window, noon_us - (int64_t)100 * SECOND_US);
	assert_int_equal(window_sum(window, SLICE(""), noon_us, 300, &sum), 100);
	window_reach(window, 0);
	assert_int_equal(window_sum(window, SLICE(""), noon_us, 300, &sum), 300);
	window_close(&window);
}

static void the_idlest_projects_lose_their_windows_first(void **state) {
	(void)state;
	struct window *window = window_open(noon_us);
	char name[32];
	for (int i = 0; i < WINDOW_PROJECTS + 1; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		add_completed(window, name, noon_us + i, 1);
	}
	assert_int_equal(completed(window, "p0", noon_us, 60), 0);
	assert_int_equal(completed(window, name, noon_us, 60), 1);
	assert_int_equal(completed(window, "", noon_us, 60), WINDOW_PROJECTS + 1);
	window_close(&window);
}

/* ------------------------------------------------------------------------------------------------ pages */

static void a_place_is_read_as_it_was_written(void **state) {
	(void)state;
	struct page page, again;
	struct text text = { 0 };
	page_start(&page, 3);
	page.below[1] = 42;
	page_add(&text, &page);
	assert_string_equal(text.bytes, "-.42.-");
	assert_true(page_parse(&again, 3, (struct slice){ text.bytes, text.length }));
	assert_int_equal(again.below[1], 42);
	assert_true(again.below[0] == INT64_MAX);
	text_release(&text);
}

static void what_is_no_place_is_refused(void **state) {
	(void)state;
	static const char *const bad[] = { "", "x", "1.2", "-1", "1.", ".", "99999999999999999999999", "+1" };
	struct page page;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(page_parse(&page, 1, (struct slice){ bad[i], strlen(bad[i]) }));
	assert_true(page_parse(&page, 1, SLICE("7")));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_dead_server_or_service_is_critical),
		cmocka_unit_test(a_lag_is_degraded_at_its_limit_and_critical_at_ten_times_that),
		cmocka_unit_test(what_waits_or_was_set_aside_is_degraded_and_what_is_stuck_critical),
		cmocka_unit_test(what_fills_up_is_critical_half_way_from_its_limit_to_full),
		cmocka_unit_test(a_server_that_is_away_is_critical_after_its_time),
		cmocka_unit_test(counts_are_summed_by_project_and_by_type),
		cmocka_unit_test(a_pause_covers_its_type_its_project_or_both),
		cmocka_unit_test(the_status_reply_has_the_seven_fields),
		cmocka_unit_test(a_window_counts_what_lies_in_it_at_every_resolution),
		cmocka_unit_test(a_young_window_says_how_much_it_knows),
		cmocka_unit_test(the_idlest_projects_lose_their_windows_first),
		cmocka_unit_test(a_place_is_read_as_it_was_written),
		cmocka_unit_test(what_is_no_place_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
