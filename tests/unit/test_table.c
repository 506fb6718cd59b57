/* The hash table, against a plain array of what it should hold. */
#include "../support/test.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/id.h"
#include "shared/base/table.h"

enum { KEYS = 2000, STEPS = 200000 };

static struct slice key_of(char *buffer, size_t number) {
	return (struct slice){ buffer, (size_t)sprintf(buffer, "key %zu", number) };
}

static void it_holds_what_was_put_and_not_removed(void **state) {
	(void)state;
	static int values[KEYS];
	void *expected[KEYS] = { 0 };
	size_t count = 0;
	struct table *table = table_open();
	for (int step = 0; step < STEPS; step++) {
		char buffer[32];
		size_t number = (size_t)(id_random() % KEYS);
		struct slice key = key_of(buffer, number);
		void *value = &values[id_random() % KEYS];
		if (id_random() % 2) {
			assert_ptr_equal(table_put(table, key, value), expected[number]);
			count += !expected[number];
			expected[number] = value;
		} else {
			assert_ptr_equal(table_remove(table, key), expected[number]);
			count -= expected[number] != NULL;
			expected[number] = NULL;
		}
		assert_int_equal(table_count(table), count);
		assert_ptr_equal(table_get(table, key), expected[number]);
	}
	table_close(&table);
	assert_null(table);
}

static void a_walk_meets_each_entry_once_and_may_remove_it(void **state) {
	(void)state;
	static bool met[KEYS];
	static size_t numbers[KEYS];
	struct table *table = table_open();
	char buffer[32];
	for (size_t i = 0; i < KEYS; i++) {
		numbers[i] = i;
		table_put(table, key_of(buffer, i), &numbers[i]);
	}
	size_t at = 0, count = 0;
	struct slice key;
	void *value;
	while (table_next(table, &at, &key, &value)) {
		size_t number = *(size_t *)value;
		assert_true(slice_equal(key, key_of(buffer, number)));
		assert_false(met[number]);
		met[number] = true;
		count++;
		if (number % 3)
			assert_ptr_equal(table_remove(table, key_of(buffer, number)), value);
	}
	assert_int_equal(count, KEYS);
	assert_int_equal(table_count(table), (KEYS + 2) / 3);
	table_close(&table);
}

static void keys_are_copied_and_may_hold_any_bytes(void **state) {
	(void)state;
	struct table *table = table_open();
	char key[] = { 'a', '\0', 'b' };
	int one, two;
	assert_null(table_get(table, SLICE("nothing yet")));
	table_put(table, (struct slice){ key, 3 }, &one);
	table_put(table, (struct slice){ NULL, 0 }, &two);
	memset(key, 'x', sizeof(key));
	assert_ptr_equal(table_get(table, (struct slice){ "a\0b", 3 }), &one);
	assert_ptr_equal(table_get(table, SLICE("")), &two);
	assert_null(table_get(table, SLICE("a")));
	table_close(&table);
	table_close(&table);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_what_was_put_and_not_removed),
		cmocka_unit_test(a_walk_meets_each_entry_once_and_may_remove_it),
		cmocka_unit_test(keys_are_copied_and_may_hold_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
