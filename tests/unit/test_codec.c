/* The record that admits a task, and the hash that tells whether two bodies are the same task. */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/task/task.h"

/* Every field set to something else than its default. */
#define FULL                                                                                                           \
	"{\"task_id\":\"build\",\"task_type\":\"coding\",\"priority\":9,\"hold\":true,\"timeout\":60,\"max_retries\":7,"   \
	"\"dependencies\":[\"plan\",{\"task_id\":\"x\",\"when\":\"failed\",\"future\":true}],"                             \
	"\"retry_backoff\":{\"factor\":3},\"concurrency_key\":\"repo\",\"concurrency_limit\":2,"                           \
	"\"on_dependency_failure\":\"block\",\"not_before\":\"2026-01-31T12:00:00Z\","                                     \
	"\"service_name\":\"cart\",\"estimated_duration\":1.50,\"execution_context\":{\"a\": [1]}}"

static void write_record(const char *body, const char *traceparent, struct text *out) {
	struct task task;
	struct error err = { 0 };
	struct json *json = json_read(slice_of(body), &err);
	if (json == NULL || task_parse(json_root(json), &task_limits_default, &task, &err) != STATUS_OK)
		fail_msg("%s: %s", body, err.message);
	task_add_record(out, &task, slice_of(traceparent));
	json_close(&json);
}

static void assert_slice(struct slice slice, const char *expected) {
	if (!slice_is(slice, expected))
		fail_msg("\"%.*s\" is not \"%s\"", (int)slice.length, slice.bytes, expected);
}

static void a_record_is_read_back_as_it_was_written(void **state) {
	(void)state;
	struct text out = { 0 };
	struct task_record record;
	write_record(FULL, "trace", &out);
	assert_true(task_record_parse((struct slice){ out.bytes, out.length }, &record));
	const struct specification *s = &record.specification;
	assert_slice(record.task_id, "build");
	assert_slice(record.task_type, "coding");
	assert_int_equal(record.priority, 9);
	assert_slice(s->flags, "hb");
	assert_int_equal(s->max_retries, 7);
	assert_int_equal(s->timeout_us, 60000000);
	assert_int_equal(s->not_before_us, 1769860800000000);
	assert_slice(s->backoff, "1000,3,60000");
	assert_slice(s->concurrency_key, "repo");
	assert_int_equal(s->concurrency_limit, 2);
	assert_int_equal(s->hash.length, 16);
	assert_slice(s->service_name, "cart");
	assert_slice(s->estimated_duration, "1.50");
	assert_slice(s->traceparent, "trace");
	assert_slice(s->dependencies, "cplan,Fx");
	assert_slice(s->execution_context, "{\"a\": [1]}");
	text_release(&out);
}

static void what_is_no_record_is_refused(void **state) {
	(void)state;
	struct task_record record;
	assert_false(task_record_parse(SLICE(""), &record));
	assert_false(task_record_parse((struct slice){ NULL, 0 }, &record));
	assert_false(task_record_parse(SLICE("a\x1f"
	                                     "b"),
	                               &record));
	assert_false(task_record_parse(SLICE("a\x1f"
	                                     "b\x1f"
	                                     "5\x1fs\x1f"
	                                     "3"),
	                               &record));
}

static uint64_t hash_of_fields(const char *fields) {
	char body[1024];
	struct task task;
	struct error err = { 0 };
	snprintf(body, sizeof(body), "{\"task_type\":\"t\"%s}", fields);
	struct json *json = json_read(slice_of(body), &err);
	if (json == NULL || task_parse(json_root(json), &task_limits_default, &task, &err) != STATUS_OK)
		fail_msg("%s: %s", body, err.message);
	uint64_t hash = task_hash(&task);
	json_close(&json);
	return hash;
}

static void what_says_the_same_has_the_same_hash(void **state) {
	(void)state;
	uint64_t plain = hash_of_fields("");
	static const char *const same[] = {
		",\"task_id\":\"another\"", ",\"priority\":5.0",
		",\"dependencies\":[]",     ",\"retry_backoff\":{\"factor\":2}",
		",\"timeout\":null",        ",\"execution_context\":{}",
		",\"unknown\":1",           ",\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"",
	};
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (hash_of_fields(same[i]) != plain)
			fail_msg("%s changes the hash", same[i]);
	assert_true(hash_of_fields(",\"dependencies\":[\"a\",\"b\",\"a\"]") ==
	            hash_of_fields(",\"dependencies\":[\"b\",\"a\"]"));
}

static void every_field_counts(void **state) {
	(void)state;
	static const char *const fields[] = {
		"",
		",\"priority\":6",
		",\"max_retries\":4",
		",\"timeout\":5",
		",\"hold\":true",
		",\"concurrency_limit\":5",
		",\"concurrency_key\":\"a\"",
		",\"service_name\":\"a\"",
		",\"estimated_duration\":5",
		",\"execution_context\":{\"a\":1}",
		",\"not_before\":\"2026-01-31T12:00:00Z\"",
		",\"retry_backoff\":{\"factor\":3}",
		",\"on_dependency_failure\":\"run\"",
		",\"on_dependency_failure\":\"block\"",
		",\"dependencies\":[\"a\"]",
		",\"dependencies\":[\"b\"]",
		",\"dependencies\":[{\"task_id\":\"a\",\"when\":\"failed\"}]",
		",\"dependencies\":[{\"task_id\":\"a\",\"future\":true}]",
		",\"execution_context\":{\"a\":2}",
		",\"execution_context\":{\"a\": 1}",
	};
	const size_t count = sizeof(fields) / sizeof(*fields);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (hash_of_fields(fields[i]) == hash_of_fields(fields[j]))
				fail_msg("%s and %s have one hash", fields[i], fields[j]);
}

/* It is stored: a client's repeat after an upgrade must still be a duplicate. */
static void the_hash_is_the_same_for_ever(void **state) {
	(void)state;
	struct text out = { 0 };
	struct task_record record;
	write_record(FULL, "", &out);
	assert_true(task_record_parse((struct slice){ out.bytes, out.length }, &record));
	assert_slice(record.specification.hash, "5ec3c10609399cd7");
	text_release(&out);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_read_back_as_it_was_written), cmocka_unit_test(what_is_no_record_is_refused),
		cmocka_unit_test(what_says_the_same_has_the_same_hash),    cmocka_unit_test(every_field_counts),
		cmocka_unit_test(the_hash_is_the_same_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
