/* A submitted task's fields: defaults, ranges, exact paths, edges that are named once. The examples of the contract are
 * held to their verdicts by tests/contract; here stands what no schema can say. */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/task/requests.h"

static struct json *json;
static struct submit_request request;

static int open_json(void **state) {
	(void)state;
	json = json_open();
	return 0;
}

static int close_json(void **state) {
	(void)state;
	json_close(&json);
	return 0;
}

static const struct task *take_one(const char *fields) {
	static char body[4096];
	struct error err = { 0 };
	snprintf(body, sizeof(body), "{\"project\":\"shop\",\"task_type\":\"t\"%s}", fields);
	if (submit_request_parse(json, slice_of(body), (struct slice){ NULL, 0 }, &task_limits_default, &request, &err) !=
	    STATUS_OK)
		fail_msg("%s: %s at %s", body, err.message, err.path);
	return request.tasks;
}

static void refuse_body(struct slice body, struct slice project, const char *code, const char *path) {
	struct error err = { 0 };
	enum status status = submit_request_parse(json, body, project, &task_limits_default, &request, &err);
	if (status != STATUS_REJECT || strcmp(err.code, code) != 0 || strcmp(err.path, path) != 0)
		fail_msg("%.*s: %s at \"%s\" (%s), not %s at \"%s\"", (int)body.length, body.bytes, err.code, err.path,
		         err.message, code, path);
}

static void refuse_one(const char *fields, const char *code, const char *path) {
	char body[4096];
	snprintf(body, sizeof(body), "{\"project\":\"shop\",\"task_type\":\"t\"%s}", fields);
	refuse_body(slice_of(body), (struct slice){ NULL, 0 }, code, path);
}

static void assert_slice(struct slice slice, const char *expected) {
	if (!slice_is(slice, expected))
		fail_msg("\"%.*s\" is not \"%s\"", (int)slice.length, slice.bytes, expected);
}

static void a_task_has_the_defaults_of_the_contract(void **state) {
	(void)state;
	const struct task *task = take_one("");
	assert_int_equal(request.kind, SUBMIT_TASK);
	assert_int_equal(request.task_count, 1);
	assert_slice(request.batch_id, "");
	assert_slice(task->task_id, "");
	assert_slice(task->service_name, "");
	assert_slice(task->execution_context, "{}");
	assert_slice(task->backoff, "");
	assert_int_equal(task->priority, 5);
	assert_int_equal(task->max_retries, 3);
	assert_int_equal(task->concurrency_limit, 1);
	assert_int_equal(task->on_dependency_failure, 's');
	assert_int_equal(task->timeout_us + task->not_before_us, 0);
	assert_false(task->hold);
}

static void times_become_microseconds(void **state) {
	(void)state;
	assert_int_equal(take_one(",\"timeout\":1.5")->timeout_us, 1500000);
	assert_int_equal(take_one(",\"timeout\":0.0000001")->timeout_us, 1000);
	assert_int_equal(take_one(",\"not_before\":\"2026-01-31T12:00:00.123456Z\"")->not_before_us, 1769860800123456);
	assert_int_equal(take_one(",\"not_before\":\"1969-01-01T00:00:00Z\"")->not_before_us, 1);
	refuse_one(",\"not_before\":\"2026-01-31T12:00:00+01:00\"", "invalid_field", "/not_before");
	refuse_one(",\"not_before\":\"2026-02-29T12:00:00Z\"", "invalid_field", "/not_before");
	refuse_one(",\"not_before\":\"2026-01-31T12:00:00.Z\"", "invalid_field", "/not_before");
}

static void a_backoff_is_kept_only_when_it_is_not_the_usual_one(void **state) {
	(void)state;
	assert_slice(take_one(",\"retry_backoff\":{}")->backoff, "");
	assert_slice(take_one(",\"retry_backoff\":{\"factor\":2.0,\"max_ms\":60000}")->backoff, "");
	assert_slice(take_one(",\"retry_backoff\":{\"factor\":1.5}")->backoff, "1000,1.5,60000");
	assert_slice(take_one(",\"retry_backoff\":{\"initial_ms\":0,\"max_ms\":5}")->backoff, "0,2,5");
	/* Its column has 64 characters. */
	assert_slice(take_one(",\"retry_backoff\":{\"initial_ms\":86400000,\"max_ms\":86400000,\"factor\":"
	                      "1.33333333333333333333333333333333333333333333333333333333333333333333333333}")
	                 ->backoff,
	             "86400000,1.33333333333333,86400000");
}

static void edges_are_named_once(void **state) {
	(void)state;
	const struct task *task =
		take_one(",\"dependencies\":[\"a\",{\"task_id\":\"b\",\"when\":\"finished\",\"future\":true},"
	             "\"a\",{\"task_id\":\"a\",\"future\":true}]");
	assert_int_equal(task->dependency_count, 2);
	assert_slice(task->dependency_list, "Ca,Xb");
	refuse_one(",\"dependencies\":[\"a\",\"b\",{\"task_id\":\"a\",\"when\":\"failed\"}]", "invalid_field",
	           "/dependencies/2");
}

/* With and without the table that is used for many. */
static void many_edges_are_checked_as_few_are(void **state) {
	(void)state;
	struct text body = { 0 };
	text_add(&body, "{\"project\":\"shop\",\"task_type\":\"t\",\"dependencies\":[");
	for (int i = 0; i < 900; i++)
		text_printf(&body, "\"d%d\",", i % 450);
	text_add(&body, "{\"task_id\":\"d449\",\"when\":\"failed\"}]}");
	refuse_body((struct slice){ body.bytes, body.length }, (struct slice){ NULL, 0 }, "invalid_field",
	            "/dependencies/900");
	text_release(&body);
}

static void names_are_counted_in_characters(void **state) {
	(void)state;
	char fields[1024] = ",\"concurrency_key\":\"";
	for (int i = 0; i < 128; i++)
		strcat(fields, "\xC3\xA4");
	strcat(fields, "\"");
	assert_int_equal(take_one(fields)->concurrency_key.length, 256);
	strcpy(fields + strlen(fields) - 1, "x\"");
	refuse_one(fields, "invalid_field", "/concurrency_key");
	refuse_one(",\"concurrency_key\":\"a\\u001fb\"", "invalid_field", "/concurrency_key");
	refuse_one(",\"service_name\":\"a\\u007fb\"", "invalid_field", "/service_name");
}

static void a_context_that_is_too_large_names_its_path(void **state) {
	(void)state;
	struct text body = { 0 };
	text_add(
		&body,
		"{\"project\":\"shop\",\"tasks\":[{\"task_type\":\"t\"},{\"task_type\":\"t\",\"execution_context\":{\"a\":\"");
	for (int i = 0; i < 262145; i++)
		text_add_char(&body, 'x');
	text_add(&body, "\"}}]}");
	refuse_body((struct slice){ body.bytes, body.length }, (struct slice){ NULL, 0 }, "too_large",
	            "/tasks/1/execution_context");
	text_release(&body);
}

static void too_many_tasks_are_a_limit_not_a_mistake(void **state) {
	(void)state;
	struct text body = { 0 };
	text_add(&body, "{\"project\":\"shop\",\"tasks\":[{}");
	for (int i = 0; i < 10000; i++)
		text_add(&body, ",{}");
	text_add(&body, "]}");
	refuse_body((struct slice){ body.bytes, body.length }, (struct slice){ NULL, 0 }, "limit_exceeded", "/tasks");
	text_release(&body);
}

static void the_subjects_project_counts(void **state) {
	(void)state;
	struct error err = { 0 };
	assert_int_equal(submit_request_parse(json, SLICE("{\"task_type\":\"t\"}"), SLICE("shop"), &task_limits_default,
	                                      &request, &err),
	                 STATUS_OK);
	assert_slice(request.project, "shop");
	refuse_body(SLICE("{\"task_type\":\"t\",\"project\":\"other\"}"), SLICE("shop"), "invalid_field", "/project");
	refuse_body(SLICE("{\"task_type\":\"t\"}"), (struct slice){ NULL, 0 }, "invalid_field", "/project");
}

static void parts_and_seals_are_told_apart(void **state) {
	(void)state;
	struct error err = { 0 };
	struct slice part = SLICE("{\"project\":\"p\",\"batch_id\":\"b\",\"part\":7,\"tasks\":[{\"task_type\":\"t\"}]}");
	struct slice seal =
		SLICE("{\"project\":\"p\",\"batch_id\":\"b\",\"seal\":7,\"ack\":\"archived\",\"dry_run\":true}");
	assert_int_equal(submit_request_parse(json, part, (struct slice){ NULL, 0 }, &task_limits_default, &request, &err),
	                 STATUS_OK);
	assert_int_equal(request.kind, SUBMIT_PART);
	assert_int_equal(request.part, 7);
	assert_int_equal(submit_request_parse(json, seal, (struct slice){ NULL, 0 }, &task_limits_default, &request, &err),
	                 STATUS_OK);
	assert_int_equal(request.kind, SUBMIT_SEAL);
	assert_true(request.seal == 7 && request.archived && request.dry_run);
}

/* settle: what the message may hold, and what fails alone. */

static struct settle_item settle_one(struct slice body) {
	struct settle_request settle;
	struct error err = { 0 };
	if (settle_request_parse(json, body, &task_limits_default, &settle, &err) != STATUS_OK)
		fail_msg("%s at %s", err.message, err.path);
	assert_int_equal(settle.done_count, 1);
	return settle.done[0];
}

#define ITEM "{\"worker\":\"w\",\"done\":[{\"project\":\"p\",\"task_id\":\"t\",\"lease\":\"l\",\"outcome\":"

static void results_are_handed_on_byte_for_byte(void **state) {
	(void)state;
	assert_slice(settle_one(SLICE(ITEM "\"completed\",\"result\": [1, 2.50] }]}")).result, "[1, 2.50]");
	assert_slice(settle_one(SLICE(ITEM "\"completed\",\"result\":null}]}")).result, "");
	assert_slice(settle_one(SLICE(ITEM "\"completed\"}]}")).result, "");
	assert_slice(settle_one(SLICE(ITEM "\"completed\",\"result\":\"\\u00e9\"}]}")).result, "\"\\u00e9\"");
}

static void a_result_that_is_too_large_fails_alone(void **state) {
	(void)state;
	struct text body = { 0 };
	text_add(&body, ITEM "\"completed\",\"result\":\"");
	for (int i = 0; i < 262143; i++)
		text_add_char(&body, 'x');
	text_add(&body, "\"}]}");
	struct settle_item item = settle_one((struct slice){ body.bytes, body.length });
	assert_string_equal(item.error_code, "too_large");
	assert_int_equal(item.outcome, 'c');
	text_release(&body);
}

static void an_error_message_fits_a_record(void **state) {
	(void)state;
	struct settle_item item =
		settle_one(SLICE(ITEM "\"failed\",\"error\":{\"message\":\"a \\\"b\\\"\\n\",\"retryable\":false}}]}"));
	assert_slice(item.error_message, "a \\\"b\\\"\\n");
	assert_false(item.retryable);
	assert_true(settle_one(SLICE(ITEM "\"failed\",\"error\":{}}]}")).retryable);
	assert_true(settle_one(SLICE(ITEM "\"failed\",\"error\":null}]}")).retryable);
	struct text body = { 0 };
	text_add(&body, ITEM "\"failed\",\"error\":{\"message\":\"x");
	for (int i = 0; i < 3000; i++)
		text_add(&body, "\\n\xC3\xA4");
	text_add(&body, "\"}}]}");
	item = settle_one((struct slice){ body.bytes, body.length });
	/* 4,096 bytes of text would end inside a character: x, then 1,365 times three bytes. */
	assert_int_equal(item.error_message.length, 1 + 1365 * 4);
	assert_memory_equal(item.error_message.bytes + item.error_message.length - 4, "\\n\xC3\xA4", 4);
	text_release(&body);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_has_the_defaults_of_the_contract),
		cmocka_unit_test(times_become_microseconds),
		cmocka_unit_test(a_backoff_is_kept_only_when_it_is_not_the_usual_one),
		cmocka_unit_test(edges_are_named_once),
		cmocka_unit_test(many_edges_are_checked_as_few_are),
		cmocka_unit_test(names_are_counted_in_characters),
		cmocka_unit_test(a_context_that_is_too_large_names_its_path),
		cmocka_unit_test(too_many_tasks_are_a_limit_not_a_mistake),
		cmocka_unit_test(the_subjects_project_counts),
		cmocka_unit_test(parts_and_seals_are_told_apart),
		cmocka_unit_test(results_are_handed_on_byte_for_byte),
		cmocka_unit_test(a_result_that_is_too_large_fails_alone),
		cmocka_unit_test(an_error_message_fits_a_record),
	};
	return cmocka_run_group_tests(tests, open_json, close_json);
}
