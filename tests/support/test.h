/* What every test includes first: cmocka with the four headers it wants before it. cmocka's macro fail() is removed,
 * because fail() is ours (shared/base/error.h); a test fails with fail_msg(). */
#ifndef CORDER_TESTS_TEST_H
#define CORDER_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail
#undef fail_msg /* cmocka's uses its fail() */
#define fail_msg(...) (print_error("ERROR: " __VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#endif
