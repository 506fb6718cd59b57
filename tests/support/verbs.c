/* See verbs.h. */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "test.h"

int scripts_set_up(void **state) {
	*state = scripts_open();
	return 0;
}

int scripts_tear_down(void **state) {
	struct scripts *s = *state;
	scripts_witness(s);
	scripts_close(&s);
	return 0;
}

void lease_and_settle(struct scripts *s, const char *id, const char *outcome, const char *status) {
	char ids[256], lease[128], name[300];
	assert_int_equal(scripts_lease(s, "coding", 1, ids, lease), 1);
	assert_string_equal(ids, id);
	snprintf(name, sizeof(name), "shop/%s", id);
	assert_string_equal(scripts_settle(s, name, lease, outcome, "7"), status);
}

void assert_status(struct scripts *s, const char *name, char status, const char *waits) {
	char got[16];
	char letter = scripts_status(s, name, got);
	if (letter != status || strcmp(got, waits) != 0)
		fail_msg("%s is %c (waits for \"%s\"), not %c (\"%s\")", name, letter, got, status, waits);
}

/* Sweeps until the task has this status. */
void await_status(struct scripts *s, const char *name, char status) {
	int64_t limit_us = clock_mono_us() + 20000000;
	while (scripts_status(s, name, NULL) != status && clock_mono_us() < limit_us)
		scripts_sweep(s);
	assert_int_equal(scripts_status(s, name, NULL), status);
}
