/* The state machine's verbs on a real Redis, one by one. After each test the witness of tests/support/scripts.h compares
 * all that the outbox tells with all that Redis says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/test.h"
#include "tests/support/verbs.h"

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
	struct answer answer = scripts_work(s,
	                                    (const char *[]){ "2", "0", "0", "60", names[0], leases[0], "completed", "1",
	                                                      names[1], leases[1], "completed", "1" },
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
	struct answer answer = scripts_work(s, words, 12);
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
	struct answer answer = scripts_work(s,
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

/* what was said ------------------------------------------------------------------------------------------------------ */

/* Of the log as it will be, which must be one that can be read; the caller frees it. */
static struct record last_record(struct scripts *s, char **log) {
	struct record_entry entry;
	struct record record = { 0 };
	bool valid = true;
	*log = scripts_outbox(s);
	struct slice rest = slice_of(*log);
	while (record_next_entry(&rest, &entry, &valid)) {
		assert_true(valid);
		int64_t seq = entry.first_seq;
		while (record_next(&entry.records, &record, &valid))
			assert_true(valid && record.seq == seq++);
		assert_int_equal(seq, entry.last_seq + 1);
	}
	return record;
}

static void assert_slice(struct slice slice, const char *expected) {
	if (!slice_is(slice, expected))
		fail_msg("\"%.*s\" is not \"%s\"", (int)slice.length, slice.bytes, expected);
}

static void assert_reason(struct scripts *s, const char *command, const char *expected) {
	char *log;
	scripts_command(s, "%s", command);
	struct record record = last_record(s, &log);
	assert_slice(record.reason, expected);
	free(log);
}

/* Those who fold the log go by the word: no reason may make one of another, or take it away. */
static void what_somebody_gives_as_a_reason_stands_behind_the_word(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a" }, { .id = "b" });
	scripts_lease(s, "coding", 2, NULL, NULL);
	assert_reason(s, "update|shop/a|7|", "updated");
	assert_reason(s, "update|shop/a|8|cancel requested", "updated: cancel requested");
	assert_reason(s, "cancel|shop/a|", "cancel requested");
	assert_reason(s, "cancel|shop/b|enough", "cancel requested: enough");
	assert_reason(s, "pause|coding|shop|", "paused");
	assert_reason(s, "resume|coding|shop|", "resumed");
	assert_reason(s, "pause|coding|shop|resumed", "paused: resumed");
	assert_reason(s, "resume|coding|shop|paused", "resumed: paused");
}

/* Whatever it was that wrote it down so. */
static void a_refusal_has_nothing_in_it_that_parts_the_log(void **state) {
	struct scripts *s = *state;
	char *log;
	assert_string_equal(scripts_command(s, "refused|shop||a\x1c|g\x1d|bad_json|/x\x1c\x1d\x1ey|it | is \x1e so"), "ok");
	struct record record = last_record(s, &log);
	assert_int_equal(record.status, RECORD_REJECTED);
	assert_slice(record.task_id, "a?");
	assert_slice(record.batch_id, "g?");
	assert_slice(record.error_code, "bad_json");
	assert_slice(record.extra, "/x???y");
	assert_slice(record.error_message, "it ? is ? so");
	free(log);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scripts_set_up, scripts_tear_down)
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
		TEST(what_somebody_gives_as_a_reason_stands_behind_the_word),
		TEST(a_refusal_has_nothing_in_it_that_parts_the_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
