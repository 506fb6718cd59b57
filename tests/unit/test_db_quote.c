/* Quoting for SQL: nothing that is quoted can end its string. */
#include <stdlib.h>
#include <string.h>

#include "shared/db/db.h"
#include "tests/support/test.h"

static void expect(struct slice value, const char *quoted) {
	struct text sql = { 0 };
	db_quote(&sql, value);
	assert_string_equal(sql.bytes, quoted);
	text_release(&sql);
}

static void what_could_end_a_string_is_escaped(void **state) {
	(void)state;
	expect(SLICE(""), "''");
	expect(SLICE("plain"), "'plain'");
	expect(SLICE("it's"), "'it\\'s'");
	expect(SLICE("\\"), "'\\\\'");
	expect(SLICE("\\' OR 1=1 -- "), "'\\\\\\' OR 1=1 -- '");
	expect(SLICE("a\0b"), "'a\\0b'");
	expect(SLICE("\xf0\x9f\x98\x80"), "'\xf0\x9f\x98\x80'");
}

static void no_bytes_are_null(void **state) {
	(void)state;
	expect((struct slice){ NULL, 0 }, "NULL");
}

/* Reads it back as the server does. */
static size_t unquote(const char *sql, char *out) {
	size_t length = 0;
	assert_int_equal(*sql++, '\'');
	while (*sql != '\'') {
		assert_true(*sql != 0);
		if (*sql == '\\')
			out[length++] = *++sql == '0' ? '\0' : *sql;
		else
			out[length++] = *sql;
		sql++;
	}
	assert_int_equal(sql[1], 0);
	return length;
}

static void random_bytes_come_back_as_they_were(void **state) {
	(void)state;
	static const char alphabet[] = "'\\\0a0\"`;\n%_";
	unsigned seed = 1;
	for (int round = 0; round < 2000; round++) {
		char bytes[24], back[64];
		size_t length = (size_t)round % sizeof(bytes);
		for (size_t i = 0; i < length; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		struct text sql = { 0 };
		db_quote(&sql, (struct slice){ bytes, length });
		assert_int_equal(unquote(sql.bytes, back), length);
		assert_memory_equal(back, bytes, length);
		text_release(&sql);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_end_a_string_is_escaped),
		cmocka_unit_test(no_bytes_are_null),
		cmocka_unit_test(random_bytes_come_back_as_they_were),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
