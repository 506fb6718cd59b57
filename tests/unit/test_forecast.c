/* What a graph would take: chains, width, keys, guesses, tasks that are done, in the scheduler's own order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test.h"
#include "services/ingest/forecast.h"
#include "shared/task/record.h"

/* One task as a record: id, type, priority, dependencies ("ca,cb"), its estimate ("" none) and a concurrency key. */
static void add_task(struct text *records, const char *id, const char *type, int priority, const char *dependencies,
                     const char *estimate, const char *key) {
	if (records->length > 0)
		text_add_char(records, RECORD_RS);
	text_printf(records, "%s\x1f%s\x1f%d\x1fs\x1f", id, type, priority);
	text_printf(records, "3\x1f\x1f\x1f\x1f%s\x1f", key);
	text_printf(records,
	            "1\x1f"
	            "0123456789abcdef\x1f\x1f%s\x1f\x1f%s\x1f{}",
	            estimate, dependencies);
}

static char *forecast(struct text *records, int64_t workers, const char *items) {
	struct plan plan = { 0 };
	struct error err = { 0 };
	struct text tasks = { 0 }, out = { 0 };
	assert_true(plan_take(&plan, records));
	assert_int_equal(plan_sort(&plan, &err, &tasks), STATUS_OK);
	forecast_add(&plan, slice_of(items), workers, &out);
	plan_close(&plan);
	text_release(&tasks);
	return text_take(&out);
}

static void expect(struct text *records, int64_t workers, const char *items, const char *const *parts, size_t count) {
	char *found = forecast(records, workers, items);
	for (size_t i = 0; i < count; i++)
		if (strstr(found, parts[i]) == NULL)
			fail_msg("no %s in %s", parts[i], found);
	free(found);
}
#define EXPECT(records, workers, items, ...)                                                                           \
	do {                                                                                                               \
		const char *const parts[] = { __VA_ARGS__ };                                                                   \
		expect(records, workers, items, parts, sizeof(parts) / sizeof(*parts));                                        \
	} while (0)

static void a_chain_takes_as_long_as_its_tasks_however_many_workers(void **state) {
	(void)state;
	for (int64_t workers = 0; workers < 4; workers += 3) {
		struct text records = { 0 };
		add_task(&records, "c", "t", 5, "cb", "3", "");
		add_task(&records, "a", "t", 5, "", "1", "");
		add_task(&records, "b", "t", 5, "ca", "2", "");
		EXPECT(&records, workers, "", "\"makespan_s\":6.000000", "\"critical_path_s\":6.000000",
		       "\"critical_path\":[\"a\",\"b\",\"c\"]", "\"order\":[\"a\",\"b\",\"c\"]", "\"estimated_count\":3");
	}
}

static void width_is_shared_by_the_workers(void **state) {
	(void)state;
	static const struct {
		int64_t workers;
		const char *makespan;
	} cases[] = { { 1, "\"makespan_s\":8.0" },
		          { 2, "\"makespan_s\":4.0" },
		          { 3, "\"makespan_s\":4.0" },
		          { 4, "\"makespan_s\":2.0" },
		          { 0, "\"makespan_s\":2.0" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct text records = { 0 };
		for (int k = 0; k < 4; k++) {
			char id[8];
			snprintf(id, sizeof(id), "t%d", k);
			add_task(&records, id, "t", 5, "", "2", "");
		}
		EXPECT(&records, cases[i].workers, "", cases[i].makespan, "\"critical_path_s\":2.0", "\"work_s\":8.0");
	}
}

static void the_most_urgent_start_first_and_few_dependencies_count(void **state) {
	(void)state;
	struct text records = { 0 };
	add_task(&records, "low", "t", 1, "", "1", "");
	add_task(&records, "high", "t", 9, "", "1", "");
	add_task(&records, "after", "t", 9, "chigh", "1", "");
	add_task(&records, "free", "t", 9, "", "1", "");
	EXPECT(&records, 1, "", "\"order\":[\"high\",\"free\",\"after\",\"low\"]", "\"workers\":1");
}

static void tasks_with_one_key_run_one_after_the_other(void **state) {
	(void)state;
	struct text records = { 0 };
	add_task(&records, "a", "t", 5, "", "2", "repo");
	add_task(&records, "b", "t", 5, "", "2", "repo");
	add_task(&records, "c", "t", 5, "", "1", "");
	EXPECT(&records, 0, "", "\"makespan_s\":4.0", "\"critical_path_s\":2.0", "\"order\":[\"a\",\"c\",\"b\"]");
}

static void what_has_no_estimate_takes_what_its_type_takes(void **state) {
	(void)state;
	struct text records = { 0 }, none = { 0 };
	add_task(&records, "a", "x", 5, "", "4", "");
	add_task(&records, "b", "x", 5, "ca", "2", "");
	add_task(&records, "guess", "x", 5, "cb", "", "");
	add_task(&records, "other", "y", 5, "cguess", "", "");
	EXPECT(&records, 0, "", "\"makespan_s\":12.0", "\"estimated_count\":2");
	add_task(&none, "a", "x", 5, "", "", "");
	EXPECT(&none, 0, "", "\"makespan_s\":1.0", "\"estimated_count\":0", "\"workers\":null");
}

static void what_has_ended_takes_no_time_and_what_is_unknown_is_met(void **state) {
	(void)state;
	struct text records = { 0 };
	add_task(&records, "a", "x", 5, "celsewhere", "4", "");
	add_task(&records, "b", "x", 5, "ca", "2", "");
	EXPECT(&records, 0, "dcnb", "\"makespan_s\":2.0", "\"work_s\":2.0");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_takes_as_long_as_its_tasks_however_many_workers),
		cmocka_unit_test(width_is_shared_by_the_workers),
		cmocka_unit_test(the_most_urgent_start_first_and_few_dependencies_count),
		cmocka_unit_test(tasks_with_one_key_run_one_after_the_other),
		cmocka_unit_test(what_has_no_estimate_takes_what_its_type_takes),
		cmocka_unit_test(what_has_ended_takes_no_time_and_what_is_unknown_is_met),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
