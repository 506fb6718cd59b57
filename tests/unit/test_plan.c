/* A submission as a graph: ids once, no loops, slices that one script call can take and that need nothing later. */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/ingest/plan.h"
#include "shared/base/memory.h"
#include "shared/task/task.h"
#include "subjects/subjects.h"

static void add_record(struct text *records, const char *id, const char *estimate, const char *dependencies,
                       const char *context) {
	if (records->length > 0)
		text_add_char(records, RECORD_RS);
	text_printf(records,
	            "%s\x1ft\x1f"
	            "5\x1fs\x1f"
	            "3\x1f\x1f\x1f\x1f\x1f"
	            "1\x1f"
	            "0123456789abcdef\x1f\x1f%s\x1f\x1f%s\x1f%s",
	            id, estimate, dependencies, context);
}

static void add_task(struct text *records, const char *id, const char *dependencies, size_t context_bytes) {
	char *context = memory_array(context_bytes + 1, 1);
	memset(context, 'x', context_bytes);
	add_record(records, id, "", dependencies, context);
	free(context);
}

static void take_and_sort(struct plan *plan, struct text *records) {
	struct error err = { 0 };
	struct text tasks = { 0 };
	assert_true(plan_take(plan, records));
	if (plan_sort(plan, &err, &tasks) != STATUS_OK)
		fail_msg("%s: %s", err.message, tasks.bytes);
	text_release(&tasks);
}

static void expect_refusal(struct plan *plan, const char *code, const char *path, const char *ids) {
	struct error err = { 0 };
	struct text tasks = { 0 };
	assert_int_equal(plan_sort(plan, &err, &tasks), STATUS_REJECT);
	assert_string_equal(err.code, code);
	assert_string_equal(err.path, path);
	assert_string_equal(tasks.bytes, ids);
	text_release(&tasks);
	plan_close(plan);
}

static void add_estimated(struct text *records, const char *id, const char *dependencies, const char *estimate) {
	add_record(records, id, estimate, dependencies, "{}");
}

static void expect_points(const struct plan *plan, const int16_t *points) {
	for (uint32_t i = 0; i < plan->count; i++)
		assert_int_equal(plan->points[i], points[i]);
}

/* a(1) -> b(2) -> d(4), c(7): 7 s from a, 6 from b, 4 from d, 7 from c. */
static void the_longest_way_to_the_end_gives_the_order(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 }, slice = { 0 };
	uint32_t at = 0;
	add_estimated(&records, "d", "cb", "4");
	add_estimated(&records, "a", "", "1");
	add_estimated(&records, "b", "ca", "2");
	add_estimated(&records, "c", "", "7");
	take_and_sort(&plan, &records);
	plan_rank(&plan, 10);
	expect_points(&plan, (const int16_t[]){ 571, 1000, 857, 1000 });
	assert_int_equal(plan_slice(&plan, &at, &slice), 4);
	struct slice rest = { slice.bytes, slice.length };
	const char *const orders[] = { "1000", "857", "571", "1000" };
	for (size_t i = 0; rest.bytes != NULL; i++) {
		struct task_record record;
		assert_true(task_record_parse(slice_cut(&rest, RECORD_RS), &record));
		assert_true(slice_is(specification_order(&record.specification), orders[plan.order[0] == 1 ? i : 0]));
		assert_true(slice_is(record.specification.hash, "0123456789abcdef"));
	}
	plan_rank(&plan, 0);
	expect_points(&plan, (const int16_t[]){ 0, 0, 0, 0 });
	text_release(&slice);
	plan_close(&plan);
}

static void what_has_no_estimate_counts_as_its_type_does(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 };
	add_estimated(&records, "a", "", "2");
	add_estimated(&records, "b", "", "4");
	add_estimated(&records, "c", "", "");
	add_estimated(&records, "d", "cc", "3");
	take_and_sort(&plan, &records);
	plan_rank(&plan, 95);
	expect_points(&plan, (const int16_t[]){ 3167, 6333, 9500, 4750 });
	plan_close(&plan);
}

static void an_id_twice_names_the_second(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 };
	add_task(&records, "a", "", 2);
	add_task(&records, "b", "", 2);
	assert_true(plan_take(&plan, &records));
	add_task(&records, "a", "", 2);
	assert_true(plan_take(&plan, &records));
	expect_refusal(&plan, "duplicate_id", "/tasks/2/task_id", "[\"a\"]");
}

static void a_loop_is_named_by_its_ids(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 };
	add_task(&records, "a", "cb,cout", 2);
	add_task(&records, "b", "Xc", 2);
	add_task(&records, "c", "fa", 2);
	assert_true(plan_take(&plan, &records));
	expect_refusal(&plan, "cycle", "", "[\"a\",\"b\",\"c\",\"a\"]");
	add_task(&records, "a", "ca", 2);
	assert_true(plan_take(&plan, &records));
	expect_refusal(&plan, "cycle", "", "[\"a\",\"a\"]");
}

static void a_long_loop_is_shortened_and_still_closes(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 }, tasks = { 0 };
	struct error err = { 0 };
	for (int i = 0; i < 1000; i++) {
		char id[16], dependency[16];
		snprintf(id, sizeof(id), "t%d", i);
		snprintf(dependency, sizeof(dependency), "ct%d", (i + 1) % 1000);
		add_task(&records, id, dependency, 2);
	}
	assert_true(plan_take(&plan, &records));
	assert_int_equal(plan_sort(&plan, &err, &tasks), STATUS_REJECT);
	struct json *json = json_read((struct slice){ tasks.bytes, tasks.length }, NULL);
	assert_int_equal(json_count(json_root(json)), 100);
	assert_memory_equal(tasks.bytes, "[\"t0\",\"t1\",", 11);
	assert_string_equal(tasks.bytes + tasks.length - 6, ",\"t0\"]");
	json_close(&json);
	text_release(&tasks);
	plan_close(&plan);
}

static void dependencies_go_first_and_the_rest_stays(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 }, slice = { 0 };
	uint32_t at = 0;
	add_task(&records, "a", "cc", 2);
	add_task(&records, "b", "", 2);
	add_task(&records, "c", "", 2);
	take_and_sort(&plan, &records);
	assert_true(plan_is_small(&plan));
	assert_int_equal(plan_slice(&plan, &at, &slice), 3);
	assert_int_equal(plan_slice(&plan, &at, &slice), 0);
	struct slice rest = { slice.bytes, slice.length };
	char first[4] = "";
	while (rest.bytes != NULL)
		strncat(first, slice_cut(&rest, RECORD_RS).bytes, 1);
	assert_string_equal(first, "bca");
	assert_int_equal(plan.place[0], 2);
	text_release(&slice);
	plan_close(&plan);
}

/* tasks of so many context bytes and edges; returns the sizes of the slices, checked against every limit. */
static size_t cut(uint32_t tasks, size_t context_bytes, uint32_t edges, uint32_t *largest) {
	struct plan plan = { 0 };
	struct text records = { 0 }, slice = { 0 }, dependencies = { 0 };
	uint32_t at = 0, taken, sum = 0;
	size_t slices = 0;
	for (uint32_t i = 0; i < edges; i++)
		text_printf(&dependencies, "%sCelsewhere-%u", i > 0 ? "," : "", i);
	for (uint32_t i = 0; i < tasks; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%u", i);
		add_task(&records, id, edges > 0 ? dependencies.bytes : "", context_bytes);
	}
	take_and_sort(&plan, &records);
	*largest = 0;
	while ((taken = plan_slice(&plan, &at, &slice)) > 0) {
		assert_true(taken == 1 || (slice.length <= LIMIT_SLICE_BYTES && taken * edges <= PLAN_SLICE_EDGES));
		*largest = taken > *largest ? taken : *largest;
		sum += taken;
		slices++;
		text_clear(&slice);
	}
	assert_int_equal(sum, tasks);
	assert_true(plan_is_small(&plan) == (slices == 1));
	text_release(&slice);
	text_release(&dependencies);
	plan_close(&plan);
	return slices;
}

static void slices_fit_one_call(void **state) {
	(void)state;
	uint32_t largest;
	assert_int_equal(cut(256, 10, 0, &largest), 1);
	assert_int_equal(cut(257, 10, 0, &largest), 2);
	assert_int_equal(largest, 256);
	assert_int_equal(cut(10, 200000, 0, &largest), 5);
	assert_int_equal(largest, 2);
	assert_int_equal(cut(9, 10, 1000, &largest), 5);
	assert_int_equal(cut(3, 500000, 0, &largest), 3);
}

static void a_check_of_a_slice_trusts_in_the_earlier_ones(void **state) {
	(void)state;
	struct plan plan = { 0 };
	struct text records = { 0 }, slice = { 0 };
	struct task_record record;
	uint32_t at = 0;
	for (int i = 0; i < 257; i++) {
		char id[16];
		snprintf(id, sizeof(id), "t%03d", i);
		add_task(&records, id, i == 256 ? "ct255,celsewhere" : i == 255 ? "ct254" : "", 2);
	}
	take_and_sort(&plan, &records);
	assert_int_equal(plan_slice_to_check(&plan, &at, &slice), 256);
	struct slice last = { memrchr(slice.bytes, RECORD_RS, slice.length), 0 };
	last.bytes++;
	last.length = (size_t)(slice.bytes + slice.length - last.bytes);
	assert_true(task_record_parse(last, &record));
	assert_true(slice_is(record.specification.dependencies, "ct254"));
	text_clear(&slice);
	assert_int_equal(plan_slice_to_check(&plan, &at, &slice), 1);
	assert_true(task_record_parse((struct slice){ slice.bytes, slice.length }, &record));
	assert_true(slice_is(record.specification.dependencies, "Ct255,celsewhere"));
	assert_true(slice_is(record.specification.hash, "0123456789abcdef"));
	text_release(&slice);
	plan_close(&plan);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_way_to_the_end_gives_the_order),
		cmocka_unit_test(what_has_no_estimate_counts_as_its_type_does),
		cmocka_unit_test(an_id_twice_names_the_second),
		cmocka_unit_test(a_loop_is_named_by_its_ids),
		cmocka_unit_test(a_long_loop_is_shortened_and_still_closes),
		cmocka_unit_test(dependencies_go_first_and_the_rest_stays),
		cmocka_unit_test(slices_fit_one_call),
		cmocka_unit_test(a_check_of_a_slice_trusts_in_the_earlier_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
