/* Connection URLs. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/url.h"
#include "tests/support/test.h"

static void every_part_is_found_and_decoded(void **state) {
	(void)state;
	struct url url;
	assert_int_equal(url_parse("mysql://us%40er:p%3A%2Fw@db.local:3307/corder?socket=/a%20b&x", &url, NULL), STATUS_OK);
	assert_string_equal(url.scheme, "mysql");
	assert_string_equal(url.user, "us@er");
	assert_string_equal(url.password, "p:/w");
	assert_string_equal(url.host, "db.local");
	assert_int_equal(url.port, 3307);
	assert_string_equal(url.path, "/corder");
	char *value = url_query(&url, "socket");
	assert_string_equal(value, "/a b");
	free(value);
	value = url_query(&url, "x");
	assert_string_equal(value, "");
	free(value);
	assert_null(url_query(&url, "y"));
	url_release(&url);
}

static void what_is_absent_is_empty(void **state) {
	(void)state;
	struct url url;
	assert_int_equal(url_parse("redis://host", &url, NULL), STATUS_OK);
	assert_string_equal(url.user, "");
	assert_string_equal(url.password, "");
	assert_string_equal(url.path, "");
	assert_int_equal(url.port, 0);
	url_release(&url);
	assert_int_equal(url_parse("unix:///run/redis.sock", &url, NULL), STATUS_OK);
	assert_string_equal(url.host, "");
	assert_string_equal(url.path, "/run/redis.sock");
	url_release(&url);
	assert_int_equal(url_parse("redis://[::1]:6380/2", &url, NULL), STATUS_OK);
	assert_string_equal(url.host, "::1");
	assert_int_equal(url.port, 6380);
	url_release(&url);
}

static void what_is_no_url_is_refused_without_showing_it(void **state) {
	(void)state;
	static const char *const texts[] = {
		"",           "host",        "://host",           "a://h:0",           "a://h:65536",
		"a://h:port", "a://[::1",    "a://u:secret%zz@h", "a://u:secret%00@h", "a://u:secret%0d@h",
		"a://h/%",    ":secret@://h"
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct url url;
		struct error err = { 0 };
		assert_int_equal(url_parse(texts[i], &url, &err), STATUS_REJECT);
		assert_true(err.message[0] != 0);
		assert_null(strstr(err.message, "secret"));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_is_found_and_decoded),
		cmocka_unit_test(what_is_absent_is_empty),
		cmocka_unit_test(what_is_no_url_is_refused_without_showing_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
