/* Ids, hashes, and the two checks that guard subjects, headers and keys. */
#include "../support/test.h"

#include <string.h>

#include "shared/base/id.h"

static void ids_are_sortable_and_never_the_same(void **state) {
	(void)state;
	char before[ID_BYTES], id[ID_BYTES];
	id_make(before);
	for (int i = 0; i < 10000; i++) {
		id_make(id);
		assert_int_equal(strlen(id), 26);
		assert_true(id_is_token(slice_of(id)));
		assert_string_not_equal(id, before);
		assert_true(memcmp(before, id, 10) <= 0); /* the time */
		memcpy(before, id, sizeof(id));
	}
}

static void random_numbers_use_all_their_bits(void **state) {
	(void)state;
	uint64_t any = 0, all = UINT64_MAX;
	for (int i = 0; i < 200; i++) {
		uint64_t value = id_random();
		any |= value;
		all &= value;
	}
	assert_true(any == UINT64_MAX);
	assert_true(all == 0);
}

/* The vectors of the FNV home page. Partitions depend on this hash: it must never change. */
static void the_hash_is_fnv_1a(void **state) {
	(void)state;
	assert_true(id_hash(SLICE("")) == UINT64_C(0xcbf29ce484222325));
	assert_true(id_hash(SLICE("a")) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(id_hash(SLICE("foobar")) == UINT64_C(0x85944171f73967e8));
}

static void a_token_is_one_subject_token(void **state) {
	(void)state;
	char longest[65];
	memset(longest, 'a', sizeof(longest));
	assert_true(id_is_token((struct slice){ longest, 64 }));
	assert_false(id_is_token((struct slice){ longest, 65 }));
	const char *const good[] = { "a", "Z9", "_x-", "coding" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(id_is_token(slice_of(good[i])));
	const char *const bad[] = { "",    "a b",      "a.b", "*",   ">",   "a\n", "a\r\nPUB x 0",
		                        "{a}", "\xc3\xa4", "a:b", "a/b", "$SYS" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(id_is_token(slice_of(bad[i])));
	assert_false(id_is_token((struct slice){ "a\0b", 3 }));
}

static void a_task_id_starts_with_a_letter_or_digit(void **state) {
	(void)state;
	char longest[129];
	memset(longest, 'a', sizeof(longest));
	assert_true(id_is_task_id((struct slice){ longest, 128 }));
	assert_false(id_is_task_id((struct slice){ longest, 129 }));
	const char *const good[] = { "a", "7", "build-1.2:x_y" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(id_is_task_id(slice_of(good[i])));
	const char *const bad[] = { "", "-a", ".a", "_a", ":a", "a b", "a,b", "a*", "a\t", "a{b}", "a\x1f" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(id_is_task_id(slice_of(bad[i])));
	assert_false(id_is_task_id((struct slice){ "a\0", 2 }));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_sortable_and_never_the_same),
		cmocka_unit_test(random_numbers_use_all_their_bits),
		cmocka_unit_test(the_hash_is_fnv_1a),
		cmocka_unit_test(a_token_is_one_subject_token),
		cmocka_unit_test(a_task_id_starts_with_a_letter_or_digit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
