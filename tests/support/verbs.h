/* What tests of the state machine's single verbs share. Each test has a Redis of its own, and a witness looks at it afterwards. */
#ifndef CORDER_TESTS_VERBS_H
#define CORDER_TESTS_VERBS_H

#include "scripts.h"

#define ADMIT(s, ...)                                                                                                  \
	scripts_admit(s, "shop", "admit", (const struct new_task[]){ __VA_ARGS__ },                                        \
	              sizeof((const struct new_task[]){ __VA_ARGS__ }) / sizeof(struct new_task))
int scripts_set_up(void **state);
int scripts_tear_down(void **state);
void lease_and_settle(struct scripts *scripts, const char *id, const char *outcome, const char *status);
void assert_status(struct scripts *scripts, const char *name, char status, const char *waits);
void await_status(struct scripts *scripts, const char *name, char status); /* sweeps until the task has it */

#endif
