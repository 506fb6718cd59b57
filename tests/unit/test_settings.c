/* Settings: from the environment and from files, their limits, unknown names, and printing without secrets. */
#include "../support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/settings.h"

struct fields {
	const char *text, *token, *url;
	int64_t number, flag;
	const char *secret;
};

#define FIELD(name) offsetof(struct fields, name)

static const struct setting rows[] = {
	{ "CORDER_T_TEXT", SETTING_TEXT, FIELD(text), "a text", 0, 0, "", "A text." },
	{ "CORDER_T_TOKEN", SETTING_TOKEN, FIELD(token), "corder", 0, 0, "", "A token." },
	{ "CORDER_T_URL", SETTING_URL, FIELD(url), "nats://127.0.0.1:4222", 0, 0, "", "A URL." },
	{ "CORDER_T_NUMBER", SETTING_INT, FIELD(number), "10", 1, 64, "ms", "A number." },
	{ "CORDER_T_FLAG", SETTING_BOOL, FIELD(flag), "true", 0, 0, "", "A flag." },
	{ "CORDER_T_SECRET", SETTING_SECRET, FIELD(secret), "", 4, 0, "", "A secret." },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static int clean(void **state) {
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		char file_name[64];
		snprintf(file_name, sizeof(file_name), "%s_FILE", rows[i].name);
		unsetenv(rows[i].name);
		unsetenv(file_name);
	}
	return 0;
}

static void release(struct fields *fields) {
	free((void *)(uintptr_t)fields->text);
	free((void *)(uintptr_t)fields->secret);
	free((void *)(uintptr_t)fields->token);
	free((void *)(uintptr_t)fields->url);
}

static void expect_refusal(const char *name, const char *value, const char *part_of_message) {
	struct fields fields = { 0 };
	struct error err = { 0 };
	setenv(name, value, 1);
	assert_int_equal(settings_read(rows, ROWS, &fields, &err), STATUS_REJECT);
	if (!strstr(err.message, part_of_message))
		fail_msg("\"%s\" says nothing of \"%s\"", err.message, part_of_message);
	release(&fields);
	unsetenv(name);
}

static void defaults_hold_where_nothing_is_set(void **state) {
	(void)state;
	struct fields fields = { 0 };
	struct error err;
	assert_int_equal(settings_read(rows, ROWS, &fields, &err), STATUS_OK);
	assert_string_equal(fields.text, "a text");
	assert_string_equal(fields.token, "corder");
	assert_int_equal(fields.number, 10);
	assert_int_equal(fields.flag, 1);
	release(&fields);
}

static void the_environment_decides(void **state) {
	(void)state;
	struct fields fields = { 0 };
	struct error err;
	setenv("CORDER_T_TEXT", "", 1);
	setenv("CORDER_T_NUMBER", "64", 1);
	setenv("CORDER_T_FLAG", "no", 1);
	assert_int_equal(settings_read(rows, ROWS, &fields, &err), STATUS_OK);
	assert_string_equal(fields.text, "");
	assert_int_equal(fields.number, 64);
	assert_int_equal(fields.flag, 0);
	release(&fields);
}

static void bad_values_are_refused_with_the_name_and_the_limits(void **state) {
	(void)state;
	expect_refusal("CORDER_T_NUMBER", "65", "from 1 to 64 ms");
	expect_refusal("CORDER_T_NUMBER", "0", "CORDER_T_NUMBER");
	expect_refusal("CORDER_T_NUMBER", "", "CORDER_T_NUMBER");
	expect_refusal("CORDER_T_NUMBER", "5s", "\"5s\"");
	expect_refusal("CORDER_T_FLAG", "maybe", "true or false");
	expect_refusal("CORDER_T_TOKEN", "a.b", "CORDER_T_TOKEN");
	expect_refusal("CORDER_T_TOKEN", "", "CORDER_T_TOKEN");
	expect_refusal("CORDER_T_SECRET", "abc", "4 characters");
	expect_refusal("CORDER_T_TEXT_FILE", "/nonexistent/file", "/nonexistent/file");
}

static void a_value_may_stand_in_a_file(void **state) {
	(void)state;
	char path[] = "/tmp/corder-settings-XXXXXX";
	int fd = mkstemp(path);
	struct fields fields = { 0 };
	struct error err = { 0 };
	assert_int_equal(write(fd, "nats://me:secret@host:1\r\n", 25), 25);
	close(fd);
	setenv("CORDER_T_URL_FILE", path, 1);
	assert_int_equal(settings_read(rows, ROWS, &fields, &err), STATUS_OK);
	assert_string_equal(fields.url, "nats://me:secret@host:1");
	release(&fields);
	expect_refusal("CORDER_T_URL", "nats://other:1", "both set");
	unlink(path);
}

static void unknown_names_are_refused_with_the_likeliest_one(void **state) {
	(void)state;
	static const char *const names[] = { "CORDER_LEASE_MS", "CORDER_PREFIX" };
	struct error err = { 0 };
	setenv("CORDER_PREFIX", "x", 1);
	setenv("CORDER_LEASE_MS_FILE", "/some/file", 1);
	assert_int_equal(settings_check_unknown(names, 2, &err), STATUS_OK);
	setenv("CORDER_LEASES_MS", "1", 1);
	assert_int_equal(settings_check_unknown(names, 2, &err), STATUS_REJECT);
	assert_string_equal(err.message, "CORDER_LEASES_MS is no setting of Corder: did you mean CORDER_LEASE_MS?");
	unsetenv("CORDER_LEASES_MS");
	setenv("CORDER_", "1", 1);
	assert_int_equal(settings_check_unknown(names, 2, &err), STATUS_REJECT);
	unsetenv("CORDER_");
	unsetenv("CORDER_PREFIX");
	unsetenv("CORDER_LEASE_MS_FILE");
}

static void secrets_are_masked_when_printed(void **state) {
	(void)state;
	static const struct {
		const char *url, *printed;
	} urls[] = {
		{ "nats://me:secret@a:1,nats://b:2", "nats://me:***@a:1,nats://b:2" },
		{ "nats://token@a:1", "nats://***@a:1" },
		{ "mysql://corder@a/db", "mysql://corder@a/db" },
		{ "mysql://corder:p@ss@a/db", "mysql://corder:***@a/db" },
		{ "redis://:secret@a", "redis://:***@a" },
		{ "redis://:sec,ret@a,redis://:other@b", "redis://:***@a,redis://:***@b" },
		{ "mysql://corder:se:c,ret@a/db", "mysql://corder:***@a/db" },
		{ "", "" },
	};
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct fields fields = { 0 };
		struct error err;
		struct text out = { 0 };
		char expected[200];
		setenv("CORDER_T_URL", urls[i].url, 1);
		setenv("CORDER_T_SECRET", "sesame", 1);
		assert_int_equal(settings_read(rows, ROWS, &fields, &err), STATUS_OK);
		settings_print(rows, ROWS, &fields, &out);
		snprintf(expected, sizeof(expected),
		         "CORDER_T_TEXT=a "
		         "text\nCORDER_T_TOKEN=corder\nCORDER_T_URL=%s\nCORDER_T_NUMBER=10\nCORDER_T_FLAG=true\nCORDER_T_"
		         "SECRET=***\n",
		         urls[i].printed);
		assert_string_equal(out.bytes, expected);
		text_release(&out);
		release(&fields);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clean, clean)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(defaults_hold_where_nothing_is_set),
		TEST(the_environment_decides),
		TEST(bad_values_are_refused_with_the_name_and_the_limits),
		TEST(a_value_may_stand_in_a_file),
		TEST(unknown_names_are_refused_with_the_likeliest_one),
		TEST(secrets_are_masked_when_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
