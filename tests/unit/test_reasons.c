/* Why a task is not running, the terms of its score, and the JSON of tasks; what a block of the log adds to the rates. */
#include <stdlib.h>
#include <string.h>

#include "services/monitor/feed.h"
#include "services/monitor/reasons.h"
#include "services/monitor/score.h"
#include "tests/support/test.h"

static const int64_t now_us = (int64_t)1800000000 * 1000000;

static struct view task(char status) {
	return (struct view){ .project = SLICE("shop"),
		                  .task_id = SLICE("t-1"),
		                  .task_type = SLICE("coding"),
		                  .status = status,
		                  .priority = 5,
		                  .ready_at_us = now_us - (int64_t)7200 * 1000000,
		                  .specification = { .concurrency_limit = 1 } };
}

static char *explain(struct reasons_input *input, const struct view *view) {
	struct text out = { 0 };
	input->view = view;
	input->now_us = now_us;
	input->hour_weight = 1;
	reasons_add_json(&out, input);
	return text_take(&out);
}

#define ASSERT_HAS(text, part) assert_non_null(strstr(text, part))
#define ASSERT_LACKS(text, part) assert_null(strstr(text, part))

static void the_score_is_the_sum_of_its_terms(void **state) {
	(void)state;
	struct score score = score_of(now_us, now_us - (int64_t)5400 * 1000000, 7, 3, SLICE(""), 2, 2);
	assert_true(score.priority == 700 && score.waiting_hours == 3 && score.dependencies == 7 && score.retries == 3);
	assert_true(score_sum(&score) == 713);
	score = score_of(now_us, now_us + 5, 1, 500, SLICE(""), 500, 1);
	assert_true(score_sum(&score) == 100);
	assert_true(score_of(now_us, 0, 1, 0, SLICE(""), 0, 1).waiting_hours == 0);
	score = score_of(now_us, 0, 5, 3, SLICE("731"), 0, 1);
	assert_true(score.dependencies == 0 && score.order == 7.31 && score_sum(&score) == 512.31);
}

static void numbers_have_no_idle_zeros(void **state) {
	(void)state;
	struct text out = { 0 };
	score_add_number(&out, 100);
	text_add_char(&out, ' ');
	score_add_number(&out, 1.25);
	text_add_char(&out, ' ');
	score_add_number(&out, 0);
	assert_string_equal(out.bytes, "100 1.25 0");
	text_release(&out);
}

static void an_edge_is_met_open_or_impossible(void **state) {
	(void)state;
	static const struct {
		char condition, status;
		enum reasons_edge verdict;
	} cases[] = {
		{ 'c', 'c', EDGE_MET }, { 'c', 'f', EDGE_IMPOSSIBLE }, { 'c', 'r', EDGE_OPEN },
		{ 'c', 0, EDGE_OPEN },  { 'f', 'f', EDGE_MET },        { 'f', 'c', EDGE_IMPOSSIBLE },
		{ 'x', 's', EDGE_MET }, { 'x', 'c', EDGE_MET },        { 'x', 'p', EDGE_OPEN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct view_edge edge = { .condition = cases[i].condition, .status = cases[i].status };
		assert_int_equal(reasons_judge_edge(&edge), cases[i].verdict);
	}
}

static void a_blocked_task_names_each_unmet_dependency_and_no_met_one(void **state) {
	(void)state;
	struct view view = task(RECORD_BLOCKED);
	struct view_edge edges[] = { { .task_id = SLICE("met"), .condition = 'c', .status = 'c' },
		                         { .task_id = SLICE("open"), .condition = 'c', .status = 'r' },
		                         { .task_id = SLICE("lost"), .condition = 'c', .status = 'f' },
		                         { .task_id = SLICE("later"), .condition = 'x', .future = true } };
	struct reasons_input input = { .edges = edges, .edge_count = 4 };
	view.waits = SLICE("da");
	char *text = explain(&input, &view);
	ASSERT_LACKS(text, "\"met\"");
	ASSERT_HAS(text, "{\"task_id\":\"open\",\"when\":\"completed\",\"status\":\"running\"}");
	ASSERT_HAS(text, "Retry the dependency, or cancel this task.");
	ASSERT_HAS(text, "\"task_id\":\"later\",\"when\":\"finished\",\"future\":true,\"status\":null");
	ASSERT_HAS(text, "\"kind\":\"approval\"");
	ASSERT_HAS(text, "\"position\":null,\"score\":null,\"terms\":null");
	ASSERT_HAS(text, "\"runnable\":false");
	free(text);
}

static void a_ready_task_tells_its_place_and_score(void **state) {
	(void)state;
	struct view view = task(RECORD_PENDING);
	struct reasons_input input = { .position = 3, .workers_known = true, .workers = 0 };
	char *text = explain(&input, &view);
	ASSERT_HAS(text, "\"runnable\":true");
	ASSERT_HAS(text, "2 tasks of its type come before it");
	ASSERT_HAS(text, "\"kind\":\"no_workers\"");
	ASSERT_HAS(text, "\"position\":3,\"score\":517,\"terms\":{\"priority\":500,\"waiting_hours\":2,");
	free(text);
	input.type_paused = true;
	text = explain(&input, &view);
	ASSERT_HAS(text, "\"kind\":\"pause\"");
	ASSERT_HAS(text, "\"runnable\":false");
	free(text);
}

static void a_try_a_backoff_a_key_and_an_end_are_told(void **state) {
	(void)state;
	const struct slice holder = SLICE("t-0");
	struct reasons_input input = { .key_running = 1, .holders = &holder, .holder_count = 1 };
	struct view view = task(RECORD_RUNNING);
	view.worker = SLICE("w1");
	view.lease_until_us = now_us + 1000000;
	char *text = explain(&input, &view);
	ASSERT_HAS(text, "\"kind\":\"running\"");
	ASSERT_HAS(text, "\"worker\":\"w1\"");
	free(text);
	view = task(RECORD_RETRY);
	view.due_at_us = now_us + 2500000;
	text = explain(&input, &view);
	ASSERT_HAS(text,
	           "\"kind\":\"backoff\",\"message\":\"It waits after a failed try; its next one may start in 2.5 s.\"");
	free(text);
	view = task(RECORD_BLOCKED);
	view.waits = SLICE("k");
	view.specification.concurrency_key = SLICE("repo");
	text = explain(&input, &view);
	ASSERT_HAS(text, "\"kind\":\"key\",\"message\":\"Its concurrency key repo is held by t-0; 1 may run with it at "
	                 "once.\",\"holders\":[\"t-0\"]");
	free(text);
	view = task(RECORD_SKIPPED);
	view.because = SLICE("a");
	text = explain(&input, &view);
	ASSERT_HAS(text, "\"kind\":\"ended\"");
	ASSERT_HAS(text, "\"because\":\"a\"");
	free(text);
}

static void a_ready_task_whose_key_is_taken_is_not_runnable(void **state) {
	(void)state;
	struct view view = task(RECORD_PENDING);
	struct reasons_input input = { .position = 1, .key_running = 1 };
	view.specification.concurrency_key = SLICE("repo");
	char *text = explain(&input, &view);
	ASSERT_HAS(text, "\"runnable\":false");
	ASSERT_HAS(text, "Its concurrency key repo is held by 1 that run; 1 may run with it at once.");
	free(text);
	view.specification.concurrency_limit = 2;
	text = explain(&input, &view);
	ASSERT_HAS(text, "\"runnable\":true");
	ASSERT_LACKS(text, "\"kind\":\"key\"");
	free(text);
}

static void long_waits_are_told_in_hours_and_days(void **state) {
	(void)state;
	static const struct {
		int64_t left_s;
		const char *told;
	} cases[] = { { 75, "in 1m 15s." }, { 7260, "in 2h 01m." }, { 147023, "in 1d 16h." } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct view view = task(RECORD_BLOCKED);
		struct reasons_input input = { 0 };
		view.waits = SLICE("t");
		view.due_at_us = now_us + cases[i].left_s * 1000000;
		char *text = explain(&input, &view);
		ASSERT_HAS(text, cases[i].told);
		free(text);
	}
}

static void an_error_message_is_escaped_once_wherever_it_comes_from(void **state) {
	(void)state;
	struct text plain = { 0 }, escaped = { 0 };
	view_add_error(&plain, SLICE("task_error"), SLICE("say \"no\""), true);
	view_add_error(&escaped, SLICE("task_error"), SLICE("say \\\"no\\\""), false);
	assert_string_equal(plain.bytes, "{\"code\":\"task_error\",\"message\":\"say \\\"no\\\"\"}");
	assert_string_equal(plain.bytes, escaped.bytes);
	text_release(&plain);
	text_release(&escaped);
}

/* ------------------------------------------------------------------------------------------------ blocks */

static void add_record(struct text *out, int64_t seq, char previous, char status) {
	struct record record = { .seq = seq,
		                     .status = status,
		                     .number = 1,
		                     .project = SLICE("shop"),
		                     .task_id = SLICE("t"),
		                     .task_type = SLICE("coding"),
		                     .previous = previous,
		                     .version = seq,
		                     .at_us = now_us,
		                     .ready_at_us = now_us - 3000000,
		                     .priority = 5 };
	record_add(out, &record);
}

static void add_entry(struct text *out, int64_t first_seq, char previous, char status, char next) {
	struct record_entry entry = { .id = SLICE("0123456789abcdef01234567"),
		                          .previous = SLICE(""),
		                          .first_seq = first_seq,
		                          .last_seq = first_seq + 1,
		                          .epoch = SLICE("e") };
	if (out->length > 0)
		text_add_char(out, RECORD_FS);
	record_add_entry_header(out, &entry);
	add_record(out, first_seq, previous, status);
	text_add_char(out, RECORD_RS);
	add_record(out, first_seq + 1, status, next);
}

static void sum_record(void *context, const struct record *record) {
	struct window_counts *sum = context, counts;
	struct pulse_event pulse;
	struct feed_event event;
	if (!feed_event_of(record, -1, &event) || !feed_measure(&event, &pulse, &counts))
		return;
	sum->started += counts.started;
	sum->completed += counts.completed;
	sum->wait_us += counts.wait_us;
}

static void each_event_of_the_log_counts_once(void **state) {
	(void)state;
	struct text block = { 0 };
	struct window_counts sum = { 0 };
	int64_t last_seq = 0;
	add_entry(&block, 1, 0, 'p', 'r');
	add_entry(&block, 3, 'r', 'r', 'c');
	struct slice bytes = { block.bytes, block.length };
	assert_int_equal(feed_read_block(bytes, &last_seq, sum_record, &sum), 1);
	assert_int_equal(last_seq, 4);
	assert_int_equal(sum.started, 1);
	assert_int_equal(sum.completed, 1);
	assert_int_equal(sum.wait_us, 3000000);
	assert_int_equal(feed_read_block(bytes, &last_seq, sum_record, &sum), 0);
	assert_int_equal(sum.started, 1);
	assert_int_equal(feed_read_block(SLICE("no block"), &last_seq, sum_record, &sum), 0);
	text_release(&block);
}

static bool counts_as_failed(char status, char previous, const char *error_code) {
	struct record record = {
		.seq = 1, .number = 1, .status = status, .previous = previous, .error_code = slice_of(error_code)
	};
	struct window_counts counts;
	struct pulse_event pulse;
	struct feed_event event;
	return feed_event_of(&record, 1000, &event) && feed_measure(&event, &pulse, &counts) && pulse.failed;
}

static void a_try_that_failed_counts_wherever_its_task_goes(void **state) {
	(void)state;
	assert_true(counts_as_failed('t', 'r', "task_error"));
	assert_true(counts_as_failed('f', 'r', "timeout"));
	assert_true(counts_as_failed('p', 'r', "worker_lost")); /* no backoff */
	assert_true(counts_as_failed('b', 'r', "task_error"));  /* and its key is taken */
	assert_false(counts_as_failed('p', 'r', ""));
	assert_false(counts_as_failed('x', 'r', ""));
	assert_false(counts_as_failed('c', 'r', ""));
	assert_false(counts_as_failed('s', 'b', "dependency"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_score_is_the_sum_of_its_terms),
		cmocka_unit_test(numbers_have_no_idle_zeros),
		cmocka_unit_test(an_edge_is_met_open_or_impossible),
		cmocka_unit_test(a_blocked_task_names_each_unmet_dependency_and_no_met_one),
		cmocka_unit_test(a_ready_task_tells_its_place_and_score),
		cmocka_unit_test(a_try_a_backoff_a_key_and_an_end_are_told),
		cmocka_unit_test(a_ready_task_whose_key_is_taken_is_not_runnable),
		cmocka_unit_test(long_waits_are_told_in_hours_and_days),
		cmocka_unit_test(an_error_message_is_escaped_once_wherever_it_comes_from),
		cmocka_unit_test(each_event_of_the_log_counts_once),
		cmocka_unit_test(a_try_that_failed_counts_wherever_its_task_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
