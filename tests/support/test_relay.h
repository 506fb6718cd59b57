/* A stand-in for the scheduler's relay, for tests of what waits for the log: it says of each entry of the outbox that it
 * is in the log, without a log. It can be told to hold its tongue. */
#ifndef CORDER_TESTS_TEST_RELAY_H
#define CORDER_TESTS_TEST_RELAY_H

#include <stdbool.h>

#include "shared/bus/bus.h"
#include "tests/support/scripts.h"

struct test_relay;

struct test_relay *test_relay_open(struct scripts *scripts, struct bus *bus, struct state *state);
void test_relay_close(struct test_relay **relay);
void test_relay_mute(struct test_relay *relay, bool muted);
/* Says from now on, until the next entry comes, that the log ends with this entry: "seq id". */
void test_relay_claim(struct test_relay *relay, const char *end);

#endif
