/* The state machine's verbs on a real Redis, one by one. After each test the witness of tests/support/scripts.h compares
 * all that the outbox tells with all that Redis says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/scripts.h"
#include "tests/support/test.h"

#define ADMIT(s, ...)                                                                                                  \
	scripts_admit(s, "shop", "admit", (const struct new_task[]){ __VA_ARGS__ },                                        \
	              sizeof((const struct new_task[]){ __VA_ARGS__ }) / sizeof(struct new_task))

static int set_up(void **state) {
	*state = scripts_open();
	return 0;
}

static int tear_down(void **state) {
	struct scripts *s = *state;
	scripts_witness(s);
	scripts_close(&s);
	return 0;
}

static void lease_and_settle(struct scripts *s, const char *id, const char *outcome, const char *status) {
	char ids[256], lease[128], name[300];
	assert_int_equal(scripts_lease(s, "coding", 1, ids, lease), 1);
	assert_string_equal(ids, id);
	snprintf(name, sizeof(name), "shop/%s", id);
	assert_string_equal(scripts_settle(s, name, lease, outcome, "7"), status);
}

static void assert_status(struct scripts *s, const char *name, char status, const char *waits) {
	char got[16];
	char letter = scripts_status(s, name, got);
	if (letter != status || strcmp(got, waits) != 0)
		fail_msg("%s is %c (waits for \"%s\"), not %c (\"%s\")", name, letter, got, status, waits);
}

/* Sweeps until the task has this status. */
static void await_status(struct scripts *s, const char *name, char status) {
	int64_t limit_us = clock_mono_us() + 20000000;
	while (scripts_status(s, name, NULL) != status && clock_mono_us() < limit_us)
		scripts_sweep(s);
	assert_int_equal(scripts_status(s, name, NULL), status);
}

/* admit -------------------------------------------------------------------------------------------------------------- */

static void a_submission_is_admitted_and_its_repeat_is_a_duplicate(void **state) {
	struct scripts *s = *state;
	assert_string_equal(ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca" }), "ok\x1f\x1f\x1d"
	                                                                           "ap\x1e"
	                                                                           "ab");
	assert_string_equal(ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca" }), "ok\x1f\x1f\x1d"
	                                                                           "dp\x1e"
	                                                                           "db");
	lease_and_settle(s, "a", "completed", "c");
	assert_string_equal(ADMIT(s, { .id = "a" }), "ok\x1f\x1f\x1d"
	                                             "dc");
	assert_status(s, "shop/b", 'p', "");
}

static void another_body_is_a_conflict_and_changes_nothing(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a" });
	assert_string_equal(ADMIT(s, { .id = "new" }, { .id = "a", .context = "{\"x\":1}" }),
	                    "conflict\x1f"
	                    "a task of this id exists with another body\x1f\x1d"
	                    "a");
	assert_status(s, "shop/new", '-', "");
	lease_and_settle(s, "a", "completed", "c");
	assert_memory_equal(ADMIT(s, { .id = "a", .context = "{\"x\":1}" }), "conflict", 8);
	assert_memory_equal(ADMIT(s, { .id = "a" }), "ok", 2);
}

static void an_unknown_dependency_is_refused_unless_it_may_come_later(void **state) {
	struct scripts *s = *state;
	assert_memory_equal(ADMIT(s, { .id = "a", .needs = "cx,cy" }), "unknown_dependency", 18);
	assert_status(s, "shop/a", '-', "");
	assert_memory_equal(ADMIT(s, { .id = "a", .needs = "Cx" }), "ok", 2);
	assert_status(s, "shop/a", 'b', "d");
	ADMIT(s, { .id = "x" });
	assert_status(s, "shop/a", 'b', "d");
	lease_and_settle(s, "x", "completed", "c");
	assert_status(s, "shop/a", 'p', "");
}

static void who_waited_for_a_task_that_is_skipped_as_it_comes_is_told(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = -1 }, { .id = "skip", .needs = "Clater" },
	      { .id = "any", .needs = "Xlater", .type = "t" });
	lease_and_settle(s, "a", "failed", "f");
	ADMIT(s, { .id = "on-skip", .needs = "cskip" }, { .id = "later", .needs = "ca" },
	      { .id = "after", .needs = "xlater", .type = "t" });
	assert_status(s, "shop/on-skip", 's', "");
	assert_status(s, "shop/later", 's', "");
	assert_status(s, "shop/skip", 's', "");
	assert_status(s, "shop/any", 'p', "");
	assert_status(s, "shop/after", 'p', "");
}

/* Their edges are not written yet when the second is looked at. */
static void a_loop_of_two_submissions_in_one_call_is_seen(void **state) {
	const struct new_task first[] = { { .id = "a", .needs = "Cc" }, { .id = "b", .needs = "ca" } };
	const struct new_task second[] = { { .id = "c", .needs = "cb" } };
	struct answer answer = scripts_admission_of_two(*state, first, 2, second, 1);
	assert_memory_equal(said_at(&answer.reply, 1), "ok", 2);
	assert_memory_equal(said_at(&answer.reply, 2), "cycle", 5);
	answer_release(&answer);
}

/* What was cancelled or skipped may be tried again, and would wait for itself. */
static void a_loop_through_what_has_ended_is_seen(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .needs = "Cc" }, { .id = "b", .needs = "ca" });
	assert_string_equal(scripts_command(s, "cancel|shop/a|"), "x");
	assert_status(s, "shop/b", 's', "");
	assert_memory_equal(ADMIT(s, { .id = "c", .needs = "cb" }), "cycle", 5);
}

static void a_loop_through_earlier_submissions_is_named(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .needs = "Cc" });
	ADMIT(s, { .id = "b", .needs = "ca" });
	const char *verdict = ADMIT(s, { .id = "c", .needs = "cb" });
	assert_memory_equal(verdict, "cycle", 5);
	assert_string_equal(strchr(verdict, '\x1d'), "\x1d"
	                                             "c\x1e"
	                                             "b\x1e"
	                                             "a\x1e"
	                                             "c");
	assert_memory_equal(ADMIT(s, { .id = "c" }), "ok", 2);
}

static void a_check_says_the_same_and_writes_nothing(void **state) {
	struct scripts *s = *state;
	const struct new_task tasks[] = { { .id = "a" }, { .id = "b", .needs = "ca" }, { .id = "c", .flags = "sh" } };
	assert_string_equal(scripts_admit(s, "shop", "check", tasks, 3), "ok\x1f\x1f\x1d"
	                                                                 "ap\x1e"
	                                                                 "ab\x1e"
	                                                                 "ab");
	assert_status(s, "shop/a", '-', "");
	assert_string_equal(scripts_admit(s, "shop", "admit", tasks, 3), "ok\x1f\x1f\x1d"
	                                                                 "ap\x1e"
	                                                                 "ab\x1e"
	                                                                 "ab");
}

static void a_large_graph_reserves_its_ids_and_then_takes_its_place(void **state) {
	struct scripts *s = *state;
	const struct new_task first[] = { { .id = "a" } }, second[] = { { .id = "b", .needs = "ca" } };
	assert_memory_equal(scripts_admit(s, "shop", "reserve", first, 1), "ok", 2);
	assert_memory_equal(scripts_admit(s, "shop", "reserve", second, 1), "ok", 2);
	assert_memory_equal(ADMIT(s, { .id = "b" }), "ok", 2); /* the same token: this test has but one */
	assert_memory_equal(scripts_admit(s, "shop", "unreserve", first, 1), "ok", 2);
	assert_memory_equal(ADMIT(s, { .id = "c", .needs = "ca" }), "unknown_dependency", 18);
	assert_memory_equal(scripts_admit(s, "shop", "place", first, 1), "ok", 2);
	assert_memory_equal(scripts_admit(s, "shop", "place", first, 1), "ok", 2);
	assert_status(s, "shop/a", 'p', "");
}

/* lease, settle, renew ----------------------------------------------------------------------------------------------- */

static void the_highest_score_is_leased_first_and_ties_in_order(void **state) {
	struct scripts *s = *state;
	char ids[256];
	ADMIT(s, { .id = "low", .priority = 1 }, { .id = "t1" }, { .id = "t2" }, { .id = "high", .priority = 10 },
	      { .id = "other", .type = "review" });
	assert_int_equal(scripts_lease(s, "coding", 3, ids, NULL), 3);
	assert_string_equal(ids, "high t1 t2");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 1);
	assert_string_equal(ids, "low");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 0);
	assert_int_equal(scripts_lease(s, "review", 9, ids, NULL), 1);
}

static void only_the_current_lease_settles_and_a_repeat_answers_the_same(void **state) {
	struct scripts *s = *state;
	char lease[128], again[128];
	ADMIT(s, { .id = "a", .retries = 2 });
	assert_string_equal(scripts_settle(s, "shop/a", "", "completed", NULL), "stale_lease");
	assert_string_equal(scripts_settle(s, "shop/none", "x", "completed", NULL), "not_found");
	scripts_lease(s, "coding", 1, NULL, lease);
	assert_string_equal(scripts_settle(s, "shop/a", "other", "completed", NULL), "stale_lease");
	assert_string_equal(scripts_settle(s, "shop/a", "", "completed", NULL), "stale_lease");
	assert_string_equal(scripts_settle(s, "shop/a", lease, "failed", NULL), "p");
	assert_string_equal(scripts_settle(s, "shop/a", lease, "failed", NULL), "p");
	/* a result that comes too late counts for nothing, and is told so: also before the next worker has the task */
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", "1"), "stale_lease");
	scripts_lease(s, "coding", 1, NULL, again);
	assert_string_not_equal(lease, again);
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", NULL), "stale_lease");
	assert_string_equal(scripts_settle(s, "shop/a", again, "completed", "1"), "c");
	assert_string_equal(scripts_settle(s, "shop/a", again, "completed", "1"), "c");
	assert_string_equal(scripts_settle(s, "shop/a", again, "failed", NULL), "c");
}

static void a_released_task_is_ready_at_once_and_costs_no_try(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = -1 });
	lease_and_settle(s, "a", "released", "p");
	lease_and_settle(s, "a", "failed", "f");
}

static void tries_end_after_max_retries_or_an_error_that_no_retry_helps(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = 1 });
	lease_and_settle(s, "a", "failed", "p");
	lease_and_settle(s, "a", "failed", "f");
	ADMIT(s, { .id = "b", .retries = 100 });
	lease_and_settle(s, "b", "final", "f");
}

static void a_retry_waits_for_its_backoff(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .backoff = "50,2,60000" });
	lease_and_settle(s, "a", "failed", "t");
	assert_int_equal(scripts_lease(s, "coding", 1, NULL, NULL), 0);
	await_status(s, "shop/a", 'p');
	ADMIT(s, { .id = "b", .backoff = "86400000,100,86400000" });
	lease_and_settle(s, "b", "failed", "t"); /* fewer retries count for it */
	lease_and_settle(s, "a", "completed", "c");
	scripts_sweep(s);
	assert_status(s, "shop/b", 't', "");
}

static struct answer work(struct scripts *s, const char *const *words, size_t count) {
	return scripts_work(s, words, count);
}

static void a_renewal_moves_the_end_and_tells_of_a_cancel(void **state) {
	struct scripts *s = *state;
	char lease[128], renewal[256];
	ADMIT(s, { .id = "a" }, { .id = "b" });
	scripts_lease(s, "coding", 1, NULL, lease);
	snprintf(renewal, sizeof(renewal),
	         "shop/a\x1f%s\x1f"
	         "90000000",
	         lease);
	const char *words[] = { "0",
		                    "3",
		                    "0",
		                    "60",
		                    renewal,
		                    "shop/b\x1fx\x1f"
		                    "1000",
		                    "shop/c\x1fx\x1f"
		                    "1000" };
	struct answer answer = work(s, words, 7);
	assert_true(atoll(said_at(&answer.reply, 1)) >= clock_wall_us() + 80000000);
	assert_string_equal(strchr(said_at(&answer.reply, 1), '\x1f'), "\x1f"
	                                                               "0");
	assert_string_equal(said_at(&answer.reply, 2), "stale_lease");
	assert_string_equal(said_at(&answer.reply, 3), "not_found");
	answer_release(&answer);
	assert_string_equal(scripts_command(s, "cancel|shop/a|because"), "r");
	assert_string_equal(scripts_command(s, "cancel|shop/a|because"), "r");
	answer = work(s, words, 7);
	assert_string_equal(strchr(said_at(&answer.reply, 1), '\x1f'), "\x1f"
	                                                               "1");
	answer_release(&answer);
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", "1"), "x");
}

static void a_lease_that_is_not_in_the_log_costs_no_try_when_it_runs_out(void **state) {
	struct scripts *s = *state;
	const char *words[] = { "0", "0", "1", "60",
		                    "coding\x1fw\x1f"
		                    "1\x1f"
		                    "1000\x1f" };
	ADMIT(s, { .id = "a", .retries = -1 });
	struct answer answer = work(s, words, 5);
	assert_int_equal(leased_count(&answer.reply, 1), 1);
	answer_release(&answer);
	int64_t limit_us = clock_mono_us() + 5000000;
	while (scripts_status(s, "shop/a", NULL) == 'r' && clock_mono_us() < limit_us) {
		answer = scripts_call(s, s->state, &state_script_sweep, (const char *[]){ "200", "3" }, 2);
		answer_release(&answer);
	}
	assert_status(s, "shop/a", 'p', "");
	answer = work(s, words, 5);
	assert_int_equal(leased_count(&answer.reply, 1), 1);
	answer_release(&answer);
	await_status(s, "shop/a", 'f'); /* this time it is in the log */
}

static void a_lost_worker_costs_a_try_and_its_late_word_is_stale(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = 1 });
	struct answer answer = work(s,
	                            (const char *[]){ "0", "0", "1", "60",
	                                              "coding\x1fw\x1f"
	                                              "1\x1f"
	                                              "1000\x1f" },
	                            5);
	char lease[128];
	snprintf(lease, sizeof(lease), "%s", leased_lease(&answer.reply, 1, 0));
	answer_release(&answer);
	await_status(s, "shop/a", 'p');
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", NULL), "stale_lease");
	answer = work(s,
	              (const char *[]){ "0", "0", "1", "60",
	                                "coding\x1fw\x1f"
	                                "1\x1f"
	                                "1000\x1f" },
	              5);
	answer_release(&answer);
	await_status(s, "shop/a", 'f');
}

static void a_try_longer_than_its_timeout_ends(void **state) {
	struct scripts *s = *state;
	char lease[128], renewal[256];
	ADMIT(s, { .id = "a", .retries = -1, .timeout_us = 30000 });
	scripts_lease(s, "coding", 1, NULL, lease);
	snprintf(renewal, sizeof(renewal),
	         "shop/a\x1f%s\x1f"
	         "90000000",
	         lease);
	struct answer answer = work(s, (const char *[]){ "0", "1", "0", "60", renewal }, 5);
	assert_true(atoll(said_at(&answer.reply, 1)) < clock_wall_us() + 31000);
	answer_release(&answer);
	await_status(s, "shop/a", 'f');
}

static void the_same_request_id_gets_the_same_tasks(void **state) {
	struct scripts *s = *state;
	const char *words[] = { "0", "0", "1", "60",
		                    "coding\x1fw\x1f"
		                    "2\x1f"
		                    "30000000\x1fr-1" };
	ADMIT(s, { .id = "a" }, { .id = "b" }, { .id = "c" });
	struct answer first = work(s, words, 5), second = work(s, words, 5);
	assert_int_equal(first.reply.items[1].count, 7);
	assert_int_equal(second.reply.items[1].count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(said_in(&first.reply, 1, i), said_in(&second.reply, 1, i));
	assert_string_equal(scripts_settle(s, "shop/a", leased_lease(&first.reply, 1, 0), "completed", "1"), "c");
	struct answer third = work(s, words, 5);
	char id[130];
	assert_int_equal(leased_count(&third.reply, 1), 1);
	leased_id(&third.reply, 1, 0, id);
	assert_string_equal(id, "b");
	answer_release(&first);
	answer_release(&second);
	answer_release(&third);
}

static void give_back(struct scripts *s, const char *lease, const char *holder) {
	const char *words[] = { "1", "0", "0", "60", "shop/a", lease, "unheard", holder };
	struct answer answer = work(s, words, 8);
	answer_release(&answer);
}

/* Whoever asked by the id last holds the tasks: another request's end does not take them from it. */
static void what_nobody_was_told_of_goes_back_unless_it_was_asked_for_again(void **state) {
	struct scripts *s = *state;
	const char *one[] = { "0", "0", "1", "60",
		                  "coding\x1fw\x1f"
		                  "2\x1f"
		                  "30000000\x1fr-1\x1fone" };
	const char *two[] = { "0", "0", "1", "60",
		                  "coding\x1fw\x1f"
		                  "2\x1f"
		                  "30000000\x1fr-1\x1ftwo" };
	ADMIT(s, { .id = "a", .retries = -1 });
	struct answer first = work(s, one, 5), second = work(s, two, 5);
	const char *lease = leased_lease(&first.reply, 1, 0);
	assert_int_equal(leased_count(&second.reply, 1), 1);
	give_back(s, lease, "coding/w/r-1\x1fone");
	assert_status(s, "shop/a", 'r', "");
	give_back(s, lease, "coding/w/r-1\x1ftwo");
	assert_status(s, "shop/a", 'p', "");
	struct answer third = work(s, one, 5);
	assert_int_equal(leased_count(&third.reply, 1), 1);
	assert_string_not_equal(leased_lease(&third.reply, 1, 0), lease);
	give_back(s, lease, "coding/w/r-1\x1ftwo"); /* said twice */
	assert_status(s, "shop/a", 'r', "");
	assert_string_equal(scripts_settle(s, "shop/a", leased_lease(&third.reply, 1, 0), "completed", "1"), "c");
	struct answer fourth = work(s, one, 5);
	assert_int_equal(leased_count(&fourth.reply, 1), 0);
	answer_release(&first);
	answer_release(&second);
	answer_release(&third);
	answer_release(&fourth);
}

static void a_request_id_is_its_worker_s(void **state) {
	struct scripts *s = *state;
	const char *words[] = { "0",
		                    "0",
		                    "2",
		                    "60",
		                    "coding\x1fone\x1f"
		                    "1\x1f"
		                    "30000000\x1f"
		                    "1",
		                    "coding\x1f"
		                    "two\x1f"
		                    "1\x1f"
		                    "30000000\x1f"
		                    "1" };
	ADMIT(s, { .id = "a" }, { .id = "b" });
	struct answer answer = work(s, words, 6);
	char one[130], two[130];
	leased_id(&answer.reply, 1, 0, one);
	leased_id(&answer.reply, 2, 0, two);
	assert_string_equal(one, "a");
	assert_string_equal(two, "b");
	answer_release(&answer);
}

static void expect_count(struct scripts *s, const char *command, int count) {
	struct said said = scripts_redis(s, "%s", command);
	assert_int_equal(atoi(said.text), count);
	said_release(&said);
}

static void leases_that_ended_leave_nothing_behind_for_long(void **state) {
	struct scripts *s = *state;
	const char *hours[] = { "0", "0", "1", "60",
		                    "coding\x1fw\x1f"
		                    "2\x1f"
		                    "3600000000\x1f" };
	ADMIT(s, { .id = "a" }, { .id = "b" }, { .id = "c" });
	struct answer answer = work(s, hours, 5);
	expect_count(s, "ZCARD {p0}:due", 2);
	assert_string_equal(scripts_settle(s, "shop/a", leased_lease(&answer.reply, 1, 0), "completed", "1"), "c");
	assert_string_equal(scripts_settle(s, "shop/b", leased_lease(&answer.reply, 1, 1), "completed", "1"), "c");
	answer_release(&answer);
	lease_and_settle(s, "c", "completed", "c"); /* a short one, but alone */
	expect_count(s, "ZCARD {p0}:due", 0);
	expect_count(s, "HLEN {p0}:lg", 0);
}

static void a_request_id_that_comes_twice_in_one_call_gets_the_same_task_twice(void **state) {
	struct scripts *s = *state;
	char lease[128];
	const char *wish = "coding\x1fw\x1f"
					   "1\x1f"
					   "30000000\x1fr-1";
	const char *words[] = { "0", "0", "2", "60", wish, wish };
	ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca" });
	scripts_lease(s, "coding", 1, NULL, lease);
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", "1"), "c");
	struct answer answer = work(s, words, 6);
	char id[130];
	assert_int_equal(answer.reply.items[1].count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(said_in(&answer.reply, 1, i), said_in(&answer.reply, 2, i));
	leased_id(&answer.reply, 2, 0, id);
	assert_string_equal(id, "b");
	answer_release(&answer);
}

static void one_call_settles_and_leases_what_became_ready(void **state) {
	struct scripts *s = *state;
	char lease[128], id[130];
	ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca", .context = "{\"x\" : 1}" });
	scripts_lease(s, "coding", 1, NULL, lease);
	const char *words[] = { "1",
		                    "0",
		                    "1",
		                    "60",
		                    "shop/a",
		                    lease,
		                    "completed",
		                    "{\"y\":[2]}",
		                    "coding\x1fw\x1f"
		                    "5\x1f"
		                    "30000000\x1f" };
	struct answer answer = work(s, words, 9);
	assert_string_equal(said_at(&answer.reply, 1), "c");
	assert_string_equal(said_in(&answer.reply, 2, 0), "0");
	leased_id(&answer.reply, 2, 0, id);
	assert_string_equal(id, "b");
	assert_non_null(strstr(said_in(&answer.reply, 2, 2), "{\"x\" : 1}"));
	assert_string_equal(said_in(&answer.reply, 3, 1), "=a\x1f{\"y\":[2]}");
	assert_int_equal(answer.head.woken.length, 0);
	answer_release(&answer);
}

static void the_same_settle_twice_in_one_call_counts_once(void **state) {
	struct scripts *s = *state;
	char lease[128];
	ADMIT(s, { .id = "a" });
	scripts_lease(s, "coding", 1, NULL, lease);
	struct answer answer = work(s,
	                            (const char *[]){ "2", "0", "0", "60", "shop/a", lease, "completed", "[1]", "shop/a",
	                                              lease, "completed", "[1]" },
	                            12);
	assert_string_equal(said_at(&answer.reply, 1), "c");
	assert_string_equal(said_at(&answer.reply, 2), "c");
	answer_release(&answer);
}

/* dependencies ------------------------------------------------------------------------------------------------------- */

static void the_end_of_a_dependency_releases_skips_or_keeps_by_policy(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = -1 }, { .id = "skip", .needs = "ca" }, { .id = "deep", .needs = "cskip" },
	      { .id = "block", .needs = "ca", .flags = "b" }, { .id = "run", .needs = "ca", .flags = "r", .type = "t" },
	      { .id = "on-failure", .needs = "fa", .type = "t" }, { .id = "finished", .needs = "xdeep", .type = "t" });
	lease_and_settle(s, "a", "failed", "f");
	assert_status(s, "shop/skip", 's', "");
	assert_status(s, "shop/deep", 's', "");
	assert_status(s, "shop/block", 'b', "d");
	assert_status(s, "shop/run", 'p', "");
	assert_status(s, "shop/on-failure", 'p', "");
	assert_status(s, "shop/finished", 'p', "");
	/* and for those that come after the end */
	assert_string_equal(ADMIT(s, { .id = "late-skip", .needs = "ca" }, { .id = "late-deep", .needs = "clate-skip" },
	                          { .id = "late-block", .needs = "ca", .flags = "b" },
	                          { .id = "late-run", .needs = "ca", .flags = "r", .type = "t" },
	                          { .id = "late-failure", .needs = "fa", .type = "t" }),
	                    "ok\x1f\x1f\x1d"
	                    "as\x1e"
	                    "as\x1e"
	                    "ab\x1e"
	                    "ap\x1e"
	                    "ap");
}

static void a_thousand_and_more_dependents_are_told_in_slices(void **state) {
	struct scripts *s = *state;
	enum { MANY = 2500 };
	static struct new_task tasks[MANY + 1];
	static char ids[MANY][16];
	tasks[0] = (struct new_task){ .id = "root" };
	for (int i = 0; i < MANY; i++) {
		snprintf(ids[i], sizeof(ids[i]), "t-%d", i);
		tasks[i + 1] = (struct new_task){ .id = ids[i], .type = "leaf", .needs = i % 2 == 0 ? "croot" : "froot" };
	}
	assert_memory_equal(scripts_admit(s, "shop", "admit", tasks, MANY + 1), "ok", 2);
	lease_and_settle(s, "root", "completed", "c");
	scripts_witness(s); /* also half-way nothing is stuck */
	scripts_sweep(s);
	for (int i = 0; i < MANY; i++) {
		char name[32];
		snprintf(name, sizeof(name), "shop/%s", ids[i]);
		assert_status(s, name, i % 2 == 0 ? 'p' : 's', "");
	}
}

static void a_skip_goes_down_a_chain_of_any_length(void **state) {
	struct scripts *s = *state;
	enum { LONG = 3000 };
	static struct new_task tasks[LONG];
	static char ids[LONG][16], needs[LONG][16];
	for (int i = 0; i < LONG; i++) {
		snprintf(ids[i], sizeof(ids[i]), "t-%d", i);
		snprintf(needs[i], sizeof(needs[i]), "ct-%d", i - 1);
		tasks[i] = (struct new_task){ .id = ids[i], .needs = i > 0 ? needs[i] : NULL, .retries = -1 };
	}
	assert_memory_equal(scripts_admit(s, "shop", "admit", tasks, LONG), "ok", 2);
	lease_and_settle(s, "t-0", "failed", "f");
	scripts_sweep(s);
	assert_status(s, "shop/t-2999", 's', "");
}

static void two_dependencies_that_end_in_one_call_release_once(void **state) {
	struct scripts *s = *state;
	char names[2][80], leases[2][128];
	ADMIT(s, { .id = "a" }, { .id = "b" }, { .id = "c", .needs = "ca,cb" });
	for (int i = 0; i < 2; i++) {
		char ids[64];
		scripts_lease(s, "coding", 1, ids, leases[i]);
		snprintf(names[i], sizeof(names[i]), "shop/%s", ids);
	}
	struct answer answer = work(s,
	                            (const char *[]){ "2", "0", "0", "60", names[0], leases[0], "completed", "1", names[1],
	                                              leases[1], "completed", "1" },
	                            12);
	assert_string_equal(said_at(&answer.reply, 2), "c");
	assert_true(slice_is(answer.head.woken, "coding"));
	answer_release(&answer);
	assert_status(s, "shop/c", 'p', "");
}

/* time, approval, keys ----------------------------------------------------------------------------------------------- */

static void a_task_waits_for_its_time_and_its_approval(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .not_before_us = clock_wall_us() + 1000000 }, { .id = "b", .flags = "sh", .needs = "ca" },
	      { .id = "c", .flags = "sh" }, { .id = "past", .not_before_us = 1000, .type = "t" });
	assert_status(s, "shop/a", 'b', "t");
	assert_status(s, "shop/b", 'b', "da");
	assert_status(s, "shop/past", 'p', "");
	assert_string_equal(scripts_command(s, "approve|shop/b|"), "b");
	assert_status(s, "shop/b", 'b', "d");
	assert_string_equal(scripts_command(s, "approve|shop/b|"), "wrong_status");
	assert_string_equal(scripts_command(s, "reject|shop/c|no"), "x");
	assert_string_equal(scripts_command(s, "approve|shop/c|"), "wrong_status");
	assert_string_equal(scripts_command(s, "approve|shop/none|"), "not_found");
	await_status(s, "shop/a", 'p');
	lease_and_settle(s, "a", "completed", "c");
	assert_status(s, "shop/b", 'p', "");
}

static void a_key_lets_so_many_run_and_the_best_waiter_is_next(void **state) {
	struct scripts *s = *state;
	char ids[256], lease[128];
	ADMIT(s, { .id = "a", .key = "repo" }, { .id = "b", .key = "repo" }, { .id = "c", .key = "repo", .priority = 9 },
	      { .id = "free" });
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 2);
	assert_string_equal(ids, "c free");
	assert_status(s, "shop/a", 'b', "k");
	ADMIT(s, { .id = "d", .key = "repo", .priority = 8 });
	assert_status(s, "shop/d", 'b', "k");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 0);
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "tasks", "shop/c" }, 2);
	snprintf(lease, sizeof(lease), "%s", said_in(&answer.reply, 1, 18));
	answer_release(&answer);
	assert_string_equal(scripts_settle(s, "shop/c", lease, "completed", "1"), "c");
	assert_status(s, "shop/d", 'p', "");
	assert_status(s, "shop/a", 'b', "k");
	lease_and_settle(s, "d", "released", "p");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, lease), 1);
	assert_string_equal(ids, "d");
	assert_string_equal(scripts_settle(s, "shop/d", lease, "final", NULL), "f");
	lease_and_settle(s, "a", "completed", "c");
	assert_string_equal(scripts_command(s, "cancel|shop/b|"), "x");
}

static void who_begins_to_wait_for_a_key_in_the_call_that_frees_it_is_next(void **state) {
	struct scripts *s = *state;
	char first[128], second[128];
	ADMIT(s, { .id = "a", .key = "k", .limit = 1, .backoff = "0,1,0" });
	scripts_lease(s, "coding", 1, NULL, first);
	ADMIT(s, { .id = "b", .key = "k", .limit = 2 });
	scripts_lease(s, "coding", 1, NULL, second);
	const char *words[] = { "2", "0", "0", "60", "shop/a", first, "failed", "no", "shop/b", second, "completed", "1" };
	struct answer answer = work(s, words, 12);
	assert_string_equal(said_at(&answer.reply, 1), "b");
	assert_string_equal(said_at(&answer.reply, 2), "c");
	answer_release(&answer);
	assert_status(s, "shop/a", 'p', "");
}

static void a_limit_above_one_and_other_projects_have_their_own_places(void **state) {
	struct scripts *s = *state;
	const struct new_task other[] = { { .id = "a", .key = "k", .limit = 2 } };
	ADMIT(s, { .id = "a", .key = "k", .limit = 2 }, { .id = "b", .key = "k", .limit = 2 },
	      { .id = "c", .key = "k", .limit = 2 });
	scripts_admit(s, "other", "admit", other, 1);
	assert_int_equal(scripts_lease(s, "coding", 9, NULL, NULL), 3);
	assert_status(s, "shop/c", 'b', "k");
}

static void whose_own_limit_says_no_does_not_hold_up_the_others(void **state) {
	struct scripts *s = *state;
	char lease[128];
	ADMIT(s, { .id = "a", .key = "k", .limit = 2 }, { .id = "b", .key = "k", .limit = 2 });
	assert_int_equal(scripts_lease(s, "coding", 1, NULL, lease), 1);
	assert_int_equal(scripts_lease(s, "coding", 1, NULL, NULL), 1);
	ADMIT(s, { .id = "alone", .key = "k", .priority = 9 }, { .id = "c", .key = "k", .limit = 2 });
	assert_int_equal(scripts_lease(s, "coding", 9, NULL, NULL), 0);
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", "1"), "c");
	assert_status(s, "shop/alone", 'b', "k");
	assert_status(s, "shop/c", 'p', "");
}

static void a_cancelled_task_frees_the_place_it_was_ready_for(void **state) {
	struct scripts *s = *state;
	char lease[128];
	ADMIT(s, { .id = "a", .key = "k" }, { .id = "b", .key = "k" }, { .id = "c", .key = "k" });
	assert_int_equal(scripts_lease(s, "coding", 9, NULL, lease), 1);
	assert_string_equal(scripts_settle(s, "shop/a", lease, "completed", "1"), "c");
	assert_status(s, "shop/b", 'p', "");
	assert_string_equal(scripts_command(s, "cancel|shop/b|"), "x");
	assert_status(s, "shop/c", 'p', "");
}

/* commands ----------------------------------------------------------------------------------------------------------- */

static void cancel_ends_what_waits_and_asks_what_runs(void **state) {
	struct scripts *s = *state;
	char lease[128];
	ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca" }, { .id = "c", .needs = "xa", .type = "t" });
	assert_string_equal(scripts_command(s, "cancel|shop/a|enough"), "x");
	assert_status(s, "shop/b", 's', "");
	assert_status(s, "shop/c", 'p', "");
	assert_string_equal(scripts_command(s, "cancel|shop/a|enough"), "wrong_status");
	ADMIT(s, { .id = "d" });
	scripts_lease(s, "coding", 1, NULL, lease);
	assert_string_equal(scripts_command(s, "cancel|shop/d|enough"), "r");
	assert_string_equal(scripts_settle(s, "shop/d", lease, "released", NULL), "x");
}

static void a_cancelled_running_task_whose_worker_is_lost_ends_cancelled(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a" });
	struct answer answer = work(s,
	                            (const char *[]){ "0", "0", "1", "60",
	                                              "coding\x1fw\x1f"
	                                              "1\x1f"
	                                              "1000\x1f" },
	                            5);
	answer_release(&answer);
	scripts_command(s, "cancel|shop/a|enough");
	await_status(s, "shop/a", 'x');
}

static void retry_brings_back_a_task_and_with_cascade_what_was_skipped(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = -1 }, { .id = "b", .needs = "ca" }, { .id = "c", .needs = "cb,ca" },
	      { .id = "block", .needs = "ca", .flags = "b" }, { .id = "fin", .needs = "xa,cblock" });
	lease_and_settle(s, "a", "failed", "f");
	assert_string_equal(scripts_command(s, "retry|shop/b|0"), "wrong_status");
	assert_string_equal(scripts_command(s, "retry|shop/a|1"), "p");
	assert_status(s, "shop/b", 'b', "d");
	assert_status(s, "shop/c", 'b', "d");
	scripts_witness(s);
	lease_and_settle(s, "a", "completed", "c");
	assert_status(s, "shop/block", 'p', "");
	char ids[64], lease[128];
	for (int i = 0; i < 4; i++) {
		assert_int_equal(scripts_lease(s, "coding", 1, ids, lease), 1);
		char name[80];
		snprintf(name, sizeof(name), "shop/%s", ids);
		assert_string_equal(scripts_settle(s, name, lease, "completed", "1"), "c");
	}
	assert_status(s, "shop/c", 'c', "");
	assert_status(s, "shop/fin", 'c', "");
	assert_string_equal(scripts_command(s, "retry|shop/a|0"), "wrong_status");
}

static void a_retried_task_still_waits_for_what_has_not_come_yet(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = -1 }, { .id = "b", .needs = "ca,Clater" });
	lease_and_settle(s, "a", "failed", "f");
	assert_string_equal(scripts_command(s, "retry|shop/a|1"), "p");
	lease_and_settle(s, "a", "completed", "c");
	assert_status(s, "shop/b", 'b', "d");
	ADMIT(s, { .id = "later" });
	lease_and_settle(s, "later", "completed", "c");
}

static void a_dependency_that_comes_in_the_same_call_is_kept_beside_the_others(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca,Clater" }, { .id = "later" });
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "edges", "shop/b", "9" }, 3);
	assert_string_equal(said_at(&answer.reply, 1), "a");
	assert_string_equal(said_at(&answer.reply, 4), "later");
	answer_release(&answer);
}

static void a_cascade_leaves_out_what_stays_impossible(void **state) {
	struct scripts *s = *state;
	char lease[128];
	ADMIT(s, { .id = "d", .type = "t" }, { .id = "a", .retries = -1 }, { .id = "b", .needs = "ca" },
	      { .id = "c", .needs = "cb,fd" }, { .id = "e", .needs = "cc" });
	lease_and_settle(s, "a", "failed", "f");
	scripts_lease(s, "t", 1, NULL, lease);
	assert_string_equal(scripts_settle(s, "shop/d", lease, "completed", "1"), "c");
	assert_string_equal(scripts_command(s, "retry|shop/a|1"), "p");
	assert_status(s, "shop/b", 'b', "d");
	assert_status(s, "shop/c", 's', "");
	assert_status(s, "shop/e", 's', "");
}

static void an_update_moves_a_task_in_its_queue(void **state) {
	struct scripts *s = *state;
	char ids[64];
	ADMIT(s, { .id = "a" }, { .id = "b" }, { .id = "c", .needs = "ca" });
	assert_string_equal(scripts_command(s, "update|shop/b|10"), "p");
	assert_string_equal(scripts_command(s, "update|shop/c|9"), "b");
	scripts_lease(s, "coding", 1, ids, NULL);
	assert_string_equal(ids, "b");
	assert_string_equal(scripts_command(s, "update|shop/b|1"), "r");
}

static void a_paused_type_or_project_gives_nothing_until_it_is_resumed(void **state) {
	struct scripts *s = *state;
	char ids[64];
	const struct new_task other[] = { { .id = "o" } };
	ADMIT(s, { .id = "a" }, { .id = "b", .type = "review" });
	scripts_admit(s, "other", "admit", other, 1);
	assert_string_equal(scripts_command(s, "pause|coding|"), "ok");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 0);
	assert_string_equal(scripts_command(s, "resume|coding|"), "ok");
	assert_string_equal(scripts_command(s, "pause||shop"), "ok");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 1);
	assert_string_equal(ids, "o");
	assert_int_equal(scripts_lease(s, "review", 9, ids, NULL), 0);
	assert_string_equal(scripts_command(s, "pause|review|shop"), "ok");
	assert_string_equal(scripts_command(s, "resume||shop"), "ok");
	assert_int_equal(scripts_lease(s, "coding", 9, ids, NULL), 1);
	assert_string_equal(ids, "a");
	assert_int_equal(scripts_lease(s, "review", 9, ids, NULL), 0);
	assert_string_equal(scripts_command(s, "resume|review|shop"), "ok");
	assert_int_equal(scripts_lease(s, "review", 9, ids, NULL), 1);
	assert_string_equal(scripts_command(s, "cancel|shop/a|"), "r");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_submission_is_admitted_and_its_repeat_is_a_duplicate),
		TEST(another_body_is_a_conflict_and_changes_nothing),
		TEST(an_unknown_dependency_is_refused_unless_it_may_come_later),
		TEST(who_waited_for_a_task_that_is_skipped_as_it_comes_is_told),
		TEST(a_loop_through_earlier_submissions_is_named),
		TEST(a_loop_of_two_submissions_in_one_call_is_seen),
		TEST(a_loop_through_what_has_ended_is_seen),
		TEST(a_check_says_the_same_and_writes_nothing),
		TEST(a_large_graph_reserves_its_ids_and_then_takes_its_place),
		TEST(the_highest_score_is_leased_first_and_ties_in_order),
		TEST(only_the_current_lease_settles_and_a_repeat_answers_the_same),
		TEST(a_released_task_is_ready_at_once_and_costs_no_try),
		TEST(tries_end_after_max_retries_or_an_error_that_no_retry_helps),
		TEST(a_retry_waits_for_its_backoff),
		TEST(a_renewal_moves_the_end_and_tells_of_a_cancel),
		TEST(a_lease_that_is_not_in_the_log_costs_no_try_when_it_runs_out),
		TEST(a_lost_worker_costs_a_try_and_its_late_word_is_stale),
		TEST(a_try_longer_than_its_timeout_ends),
		TEST(the_same_request_id_gets_the_same_tasks),
		TEST(what_nobody_was_told_of_goes_back_unless_it_was_asked_for_again),
		TEST(a_request_id_is_its_worker_s),
		TEST(leases_that_ended_leave_nothing_behind_for_long),
		TEST(a_request_id_that_comes_twice_in_one_call_gets_the_same_task_twice),
		TEST(one_call_settles_and_leases_what_became_ready),
		TEST(the_same_settle_twice_in_one_call_counts_once),
		TEST(the_end_of_a_dependency_releases_skips_or_keeps_by_policy),
		TEST(a_thousand_and_more_dependents_are_told_in_slices),
		TEST(a_skip_goes_down_a_chain_of_any_length),
		TEST(two_dependencies_that_end_in_one_call_release_once),
		TEST(a_task_waits_for_its_time_and_its_approval),
		TEST(a_key_lets_so_many_run_and_the_best_waiter_is_next),
		TEST(who_begins_to_wait_for_a_key_in_the_call_that_frees_it_is_next),
		TEST(whose_own_limit_says_no_does_not_hold_up_the_others),
		TEST(a_limit_above_one_and_other_projects_have_their_own_places),
		TEST(a_cancelled_task_frees_the_place_it_was_ready_for),
		TEST(cancel_ends_what_waits_and_asks_what_runs),
		TEST(a_cancelled_running_task_whose_worker_is_lost_ends_cancelled),
		TEST(retry_brings_back_a_task_and_with_cascade_what_was_skipped),
		TEST(a_retried_task_still_waits_for_what_has_not_come_yet),
		TEST(a_dependency_that_comes_in_the_same_call_is_kept_beside_the_others),
		TEST(a_cascade_leaves_out_what_stays_impossible),
		TEST(an_update_moves_a_task_in_its_queue),
		TEST(a_paused_type_or_project_gives_nothing_until_it_is_resumed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
