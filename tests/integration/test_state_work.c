/* Leases, settles and renewals of the state machine on a real Redis, one by one. After each test the witness of tests/support/scripts.h compares
 * all that the outbox tells with all that Redis says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/test.h"
#include "tests/support/verbs.h"

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
	struct answer answer = scripts_work(s, words, 7);
	assert_true(atoll(said_at(&answer.reply, 1)) >= clock_wall_us() + 80000000);
	assert_string_equal(strchr(said_at(&answer.reply, 1), '\x1f'), "\x1f"
	                                                               "0");
	assert_string_equal(said_at(&answer.reply, 2), "stale_lease");
	assert_string_equal(said_at(&answer.reply, 3), "not_found");
	answer_release(&answer);
	assert_string_equal(scripts_command(s, "cancel|shop/a|because"), "r");
	assert_string_equal(scripts_command(s, "cancel|shop/a|because"), "r");
	answer = scripts_work(s, words, 7);
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
	struct answer answer = scripts_work(s, words, 5);
	assert_int_equal(leased_count(&answer.reply, 1), 1);
	answer_release(&answer);
	int64_t limit_us = clock_mono_us() + 5000000;
	while (scripts_status(s, "shop/a", NULL) == 'r' && clock_mono_us() < limit_us) {
		answer = scripts_call(s, s->state, &state_script_sweep, (const char *[]){ "200", "3" }, 2);
		answer_release(&answer);
	}
	assert_status(s, "shop/a", 'p', "");
	answer = scripts_work(s, words, 5);
	assert_int_equal(leased_count(&answer.reply, 1), 1);
	answer_release(&answer);
	await_status(s, "shop/a", 'f'); /* this time it is in the log */
}

static void a_lost_worker_costs_a_try_and_its_late_word_is_stale(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .retries = 1 });
	struct answer answer = scripts_work(s,
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
	answer = scripts_work(s,
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
	struct answer answer = scripts_work(s, (const char *[]){ "0", "1", "0", "60", renewal }, 5);
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
	struct answer first = scripts_work(s, words, 5), second = scripts_work(s, words, 5);
	assert_int_equal(first.reply.items[1].count, 7);
	assert_int_equal(second.reply.items[1].count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(said_in(&first.reply, 1, i), said_in(&second.reply, 1, i));
	assert_string_equal(scripts_settle(s, "shop/a", leased_lease(&first.reply, 1, 0), "completed", "1"), "c");
	struct answer third = scripts_work(s, words, 5);
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
	struct answer answer = scripts_work(s, words, 8);
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
	struct answer first = scripts_work(s, one, 5), second = scripts_work(s, two, 5);
	const char *lease = leased_lease(&first.reply, 1, 0);
	assert_int_equal(leased_count(&second.reply, 1), 1);
	give_back(s, lease, "coding/w/r-1\x1fone");
	assert_status(s, "shop/a", 'r', "");
	give_back(s, lease, "coding/w/r-1\x1ftwo");
	assert_status(s, "shop/a", 'p', "");
	struct answer third = scripts_work(s, one, 5);
	assert_int_equal(leased_count(&third.reply, 1), 1);
	assert_string_not_equal(leased_lease(&third.reply, 1, 0), lease);
	give_back(s, lease, "coding/w/r-1\x1ftwo"); /* said twice */
	assert_status(s, "shop/a", 'r', "");
	assert_string_equal(scripts_settle(s, "shop/a", leased_lease(&third.reply, 1, 0), "completed", "1"), "c");
	struct answer fourth = scripts_work(s, one, 5);
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
	struct answer answer = scripts_work(s, words, 6);
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
	struct answer answer = scripts_work(s, hours, 5);
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
	struct answer answer = scripts_work(s, words, 6);
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
	struct answer answer = scripts_work(s, words, 9);
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
	struct answer answer = scripts_work(s,
	                                    (const char *[]){ "2", "0", "0", "60", "shop/a", lease, "completed", "[1]",
	                                                      "shop/a", lease, "completed", "[1]" },
	                                    12);
	assert_string_equal(said_at(&answer.reply, 1), "c");
	assert_string_equal(said_at(&answer.reply, 2), "c");
	answer_release(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scripts_set_up, scripts_tear_down)
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
