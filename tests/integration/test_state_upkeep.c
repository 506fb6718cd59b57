/* What keeps the state machine going: marks and trims, confirmations, eviction and what comes back after it, loading,
 * counts and reads. On a real Redis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/test.h"
#include "tests/support/verbs.h"

#define US "\x1f"
#define GS "\x1d"

static int set_up(void **state) {
	*state = scripts_open();
	return 0;
}

static int tear_down(void **state) {
	struct scripts *s = *state;
	scripts_close(&s);
	return 0;
}

/* Of the last entry. */
static void last_entry(struct scripts *s, char *seq, char *id) {
	struct said a = scripts_redis(s, "HGET {p0}:m seq"), b = scripts_redis(s, "HGET {p0}:m id");
	strcpy(seq, a.text);
	strcpy(id, b.text);
	said_release(&a);
	said_release(&b);
}

static void say(struct scripts *s, struct kv_script *script, const char *const *words, size_t count, size_t item,
                const char *expected) {
	struct answer answer = scripts_call(s, s->state, script, words, count);
	assert_int_equal(answer.status, STATUS_OK);
	assert_string_equal(said_at(&answer.reply, item), expected);
	answer_release(&answer);
}

static void mark(struct scripts *s, const char *seq, const char *id, const char *trim, const char *trim_id,
                 const char *expected) {
	say(s, &state_script_mark, (const char *[]){ seq, id, trim, trim_id }, 4, 1, expected);
}

static void complete(struct scripts *s, const char *id, const char *result) {
	char ids[64], lease[128], name[80];
	assert_int_equal(scripts_lease(s, "coding", 1, ids, lease), 1);
	assert_string_equal(ids, id);
	snprintf(name, sizeof(name), "shop/%s", id);
	assert_string_equal(scripts_settle(s, name, lease, "completed", result), "c");
}

static size_t outbox(struct scripts *s) {
	struct said length = scripts_redis(s, "XLEN {p0}:ob");
	size_t count = (size_t)atoi(length.text);
	said_release(&length);
	return count;
}

static void a_reply_names_the_entry_it_depends_on_until_that_is_marked(void **state) {
	struct scripts *s = *state;
	char seq[24], id[32];
	ADMIT(s, { .id = "a" });
	last_entry(s, seq, id);
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "counts" }, 1);
	assert_string_equal(answer.head.wait, id);
	assert_int_equal(answer.head.seq, atoi(seq));
	assert_string_equal(answer.head.epoch, "epoch-1");
	answer_release(&answer);
	mark(s, seq, id, "", "", "ok");
	answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "counts" }, 1);
	assert_string_equal(answer.head.wait, "");
	answer_release(&answer);
}

static void a_mark_of_another_entry_says_that_redis_has_diverged(void **state) {
	struct scripts *s = *state;
	char seq[24], id[32];
	ADMIT(s, { .id = "a" });
	last_entry(s, seq, id);
	mark(s, seq, "somebody-elses-entry-xxxx", "", "", "stale");
	mark(s, "99", id, "", "", "stale");
	mark(s, "", "", seq, id, "stale"); /* not marked, and yet in the database */
	mark(s, seq, id, seq, "somebody-elses-entry-xxxx", "stale");
	assert_int_equal(outbox(s), 1);
	mark(s, "", "", seq, id, "ok");
	assert_int_equal(outbox(s), 0);
	mark(s, seq, id, seq, id, "ok");
}

static void lead_is(struct scripts *s, const char *expected) {
	struct said holder = scripts_redis(s, "GET {p0}:rl");
	assert_string_equal(holder.text, expected);
	said_release(&holder);
}

static void the_lead_is_given_back_by_who_has_it(void **state) {
	struct scripts *s = *state;
	struct said set = scripts_redis(s, "SET {p0}:rl one");
	said_release(&set);
	say(s, &state_script_mark, (const char *[]){ "", "", "", "", "two" }, 5, 1, "ok");
	lead_is(s, "one");
	say(s, &state_script_mark, (const char *[]){ "", "", "", "", "one" }, 5, 1, "ok");
	lead_is(s, "");
}

static void a_confirmation_says_ok_wait_or_lost(void **state) {
	struct scripts *s = *state;
	char seq[24], id[32];
	ADMIT(s, { .id = "a" });
	last_entry(s, seq, id);
	say(s, &state_script_confirm, (const char *[]){ seq, id }, 2, 1, "wait");
	say(s, &state_script_confirm, (const char *[]){ "9", id, seq, "another" }, 4, 2, "lost");
	mark(s, seq, id, "", "", "ok");
	say(s, &state_script_confirm, (const char *[]){ "9", id, seq, id }, 4, 2, "ok");
}

static void evict(struct scripts *s, const char *expected) {
	say(s, &state_script_evict, (const char *[]){ "0", "100" }, 2, 1, expected);
}

static void archive(struct scripts *s) {
	char seq[24], id[32];
	last_entry(s, seq, id);
	mark(s, seq, id, seq, id, "ok");
}

static void an_ended_task_leaves_when_the_database_has_it_and_nobody_needs_it(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca" }, { .id = "c", .type = "t" });
	complete(s, "a", "1");
	evict(s, "0");
	archive(s);
	evict(s, "0"); /* b still wants its result */
	complete(s, "b", "2");
	evict(s, "1"); /* a: b's end is not yet in the database, a's is */
	archive(s);
	evict(s, "1");
	assert_int_equal(scripts_status(s, "shop/a", NULL), '-');
	assert_int_equal(scripts_status(s, "shop/b", NULL), '-');
	assert_int_equal(scripts_status(s, "shop/c", NULL), 'p');
	static const char *const hashes[] = { "t", "x", "id" };
	for (size_t i = 0; i < 3; i++) {
		struct said length = scripts_redis(s, "HLEN {p0}:%s", hashes[i]);
		assert_string_equal(length.text, "1");
		said_release(&length);
	}
	struct said keys = scripts_redis(s, "KEYS {p0}:d:*"), edges = scripts_redis(s, "KEYS {p0}:e");
	assert_int_equal(keys.count + edges.count, 0);
	said_release(&keys);
	said_release(&edges);
	evict(s, "0");
}

static void how_the_last_try_failed_is_kept_until_one_completes_or_the_task_leaves(void **state) {
	struct scripts *s = *state;
	char lease[64];
	ADMIT(s, { .id = "a", .backoff = "0,1,0" }, { .id = "b", .type = "t" });
	for (int errors = 0; errors < 2; errors++) {
		struct said kept = scripts_redis(s, "HVALS {p0}:er");
		assert_int_equal(kept.count, errors);
		if (errors == 1)
			assert_string_equal(said_at(&kept, 0), "task_error" US "it broke");
		said_release(&kept);
		assert_int_equal(scripts_lease(s, "coding", 1, NULL, lease), 1);
		assert_string_equal(scripts_settle(s, "shop/a", lease, errors == 0 ? "failed" : "completed", "1"),
		                    errors == 0 ? "p" : "c");
	}
	assert_int_equal(scripts_lease(s, "t", 1, NULL, lease), 1);
	assert_string_equal(scripts_settle(s, "shop/b", lease, "final", ""), "f");
	struct said kept = scripts_redis(s, "HVALS {p0}:er");
	assert_int_equal(kept.count, 1);
	said_release(&kept);
	archive(s);
	evict(s, "2");
	kept = scripts_redis(s, "HVALS {p0}:er");
	assert_int_equal(kept.count, 0);
	said_release(&kept);
}

/* They stand in as many items of `fin`, and are as many for one call as if they had ended in one. */
static void tasks_that_ended_one_by_one_leave_together(void **state) {
	struct scripts *s = *state;
	for (int i = 0; i < 120; i++) {
		char id[8];
		snprintf(id, sizeof(id), "t%d", i);
		ADMIT(s, { .id = id });
		complete(s, id, "1");
	}
	archive(s);
	evict(s, "100");
	evict(s, "20");
	struct said left = scripts_redis(s, "HLEN {p0}:t");
	assert_string_equal(left.text, ""); /* 0 */
	said_release(&left);
}

/* Admits one task with what the database said of those that are not here. */
static struct answer admit_after(struct scripts *s, const char *looked, const struct new_task *task,
                                 const char *ghost) {
	return scripts_admission(s, s->state, (const char *const[]){ "shop", "b-2", "admit", "", looked }, task, 1, ghost);
}

static void assert_admitted(struct scripts *s, const char *looked, const struct new_task *task, const char *ghost,
                            const char *expected) {
	struct answer answer = admit_after(s, looked, task, ghost);
	assert_string_equal(said_at(&answer.reply, 1), expected);
	answer_release(&answer);
}

static void what_was_waited_for_comes_when_who_waited_has_left(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "b", .needs = "Clater" });
	assert_string_equal(scripts_command(s, "cancel|shop/b|"), "x");
	archive(s);
	evict(s, "1");
	struct said by = scripts_redis(s, "HGET {p0}:m evictedby"), to = scripts_redis(s, "HGET {p0}:m evictedto");
	char looked[128];
	snprintf(looked, sizeof(looked), "%s" US "%s", by.text, to.text);
	assert_admitted(s, looked, &(struct new_task){ .id = "later" }, NULL, "ok" US US GS "ap");
	struct said keys = scripts_redis(s, "EXISTS {p0}:e {p0}:fw");
	assert_string_equal(keys.text, ""); /* 0 */
	said_release(&keys);
	keys = scripts_redis(s, "KEYS {p0}:d:*");
	assert_int_equal(keys.count, 0);
	said_release(&keys);
	said_release(&by);
	said_release(&to);
}

/* Its ids were made for it, but that is some time ago: its tasks may have ended, and left. */
static void a_slice_that_is_placed_asks_for_generated_ids_too(void **state) {
	struct scripts *s = *state;
	const struct new_task fresh = { .id = "a", .flags = "sg" };
	ADMIT(s, { .id = "a" });
	assert_string_equal(scripts_command(s, "cancel|shop/a|"), "x");
	archive(s);
	evict(s, "1");
	struct answer placed =
		scripts_admission(s, s->state, (const char *const[]){ "shop", "b-1", "place", "token", "" }, &fresh, 1, NULL);
	assert_memory_equal(said_at(&placed.reply, 1), "lookup", 6);
	answer_release(&placed);
	assert_admitted(s, "", &(struct new_task){ .id = "just-made", .flags = "sg" }, NULL, "ok" US US GS "ap");
}

/* Each slice alone has none; what was decided is placed, and a cancel ends it. */
static void a_decided_graph_is_placed_although_its_slices_close_a_loop(void **state) {
	struct scripts *s = *state;
	const struct new_task first[] = { { .id = "b", .needs = "cx" } }, second[] = { { .id = "a", .needs = "cb" } };
	ADMIT(s, { .id = "x", .needs = "Ca" });
	assert_memory_equal(scripts_admit(s, "shop", "reserve", first, 1), "ok", 2);
	assert_memory_equal(scripts_admit(s, "shop", "reserve", second, 1), "ok", 2);
	assert_memory_equal(scripts_admit(s, "shop", "place", first, 1), "ok", 2);
	assert_memory_equal(scripts_admit(s, "shop", "place", second, 1), "ok", 2);
	assert_string_equal(scripts_command(s, "update|shop/a|2"), "b");
	assert_string_equal(scripts_command(s, "cancel|shop/x|"), "x");
	assert_string_equal(scripts_command(s, "retry|shop/a|0"),
	                    "wrong_status"); /* skipped: what it depended on has ended */
}

/* What the database knows is said first, then the retry. Returns the verdict's code, or the status. */
static const char *retry_with(struct scripts *s, const char *by, int to, const char *row) {
	static char verdict[128];
	char ended[512], retry[128];
	snprintf(ended, sizeof(ended), "ended" US "%s" US "%d" US "%s", by, to, row);
	snprintf(retry, sizeof(retry), "retry" US "shop/z" US "0" US "%s" US "%d", by, to);
	struct answer answer = scripts_call(s, s->state, &state_script_command, (const char *[]){ ended, retry }, 2);
	snprintf(verdict, sizeof(verdict), "%.*s", (int)strcspn(said_at(&answer.reply, 1), US), said_at(&answer.reply, 1));
	answer_release(&answer);
	return verdict;
}

/* What it was (its context, its key) stayed in the database, and comes from there. */
static void what_came_back_with_its_end_alone_is_asked_of_the_database_for_a_retry(void **state) {
	struct scripts *s = *state;
	const char *row = "1" US "shop" US "z" US "coding" US "b-1" US "x" US "5" US "0" US US "0" US "2" US "0" US "5" US
					  "0" US "0" US "6" US "2" US US US US "0" US "task_error" US "no\\n \\\"luck\\\"" US "s" US
					  "3" US US US US "one-at-a-time" US "1" US "hash" US US US US US "{}";
	ADMIT(s, { .id = "z", .key = "one-at-a-time" });
	assert_string_equal(scripts_command(s, "cancel|shop/z|"), "x");
	archive(s);
	evict(s, "1");
	assert_string_equal(scripts_command(s, "retry|shop/z|0"), "left");
	assert_string_equal(scripts_command(s, "cancel|shop/z|"), "not_found");
	struct said by = scripts_redis(s, "HGET {p0}:m evictedby"), to = scripts_redis(s, "HGET {p0}:m evictedto");
	char looked[128];
	snprintf(looked, sizeof(looked), "%s" US "%s", by.text, to.text);
	assert_admitted(s, looked, &(struct new_task){ .id = "d", .needs = "xz" },
	                "1\x1fz\x1f"
	                "coding\x1f"
	                "b-1\x1fx\x1f"
	                "2\x1fhash\x1f"
	                "5\x1f"
	                "6\x1f"
	                "2\x1f"
	                "0\x1f",
	                "ok" US US GS "ap");
	assert_int_equal(scripts_status(s, "shop/z", NULL), 'x');
	assert_string_equal(scripts_command(s, "retry|shop/z|0"), "left");
	assert_string_equal(retry_with(s, "another-call", 1000, row), "left");
	assert_string_equal(retry_with(s, by.text, 1, row), "left"); /* a database that is behind */
	assert_int_equal(scripts_status(s, "shop/z", NULL), 'x');
	assert_string_equal(retry_with(s, by.text, 1000, row), "p");
	struct said error = scripts_redis(s, "HVALS {p0}:er");
	assert_string_equal(said_at(&error, 0), "task_error" US "no\\n \\\"luck\\\"");
	said_release(&error);
	assert_admitted(s, looked, &(struct new_task){ .id = "y", .key = "one-at-a-time" }, NULL, "ok" US US GS "ap");
	char ids[64], lease[64];
	assert_int_equal(scripts_lease(s, "coding", 3, ids, lease), 2);
	assert_int_equal(scripts_status(s, "shop/y", NULL), 'b'); /* its key is taken: z has it again */
	said_release(&by);
	said_release(&to);
}

static void what_has_left_is_asked_of_the_database_and_comes_back(void **state) {
	struct scripts *s = *state;
	const struct new_task a = { .id = "a" }, other = { .id = "a", .context = "{\"x\":1}" };
	const struct new_task b = { .id = "b", .needs = "ca" }, c = { .id = "c", .needs = "cnone" };
	ADMIT(s, a);
	complete(s, "a", "[7]");
	archive(s);
	evict(s, "1");
	char *record = new_task_record(&a), ghost[256];
	struct task_fields {
		struct slice f[12];
	} fields;
	struct slice rest = slice_of(record);
	for (size_t i = 0; i < 12; i++)
		fields.f[i] = slice_cut(&rest, RECORD_US);
	snprintf(ghost, sizeof(ghost),
	         "1\x1f"
	         "a\x1f"
	         "coding\x1f"
	         "b-1\x1f"
	         "c\x1f"
	         "3\x1f%.*s\x1f"
	         "5\x1f"
	         "6\x1f"
	         "3\x1f"
	         "1\x1f[7]",
	         (int)fields.f[10].length, fields.f[10].bytes);
	free(record);
	struct said by = scripts_redis(s, "HGET {p0}:m evictedby");
	char lookup_a[64], lookup_b[64], behind[64], other_call[64], looked[64];
	snprintf(lookup_a, sizeof(lookup_a), "lookup" US "%s" GS "a", by.text);
	snprintf(lookup_b, sizeof(lookup_b), "lookup" US "%s" GS "b", by.text);
	snprintf(behind, sizeof(behind), "%s" US "2", by.text);
	snprintf(other_call, sizeof(other_call), "%.23s%c" US "3", by.text, by.text[23] == '0' ? '1' : '0');
	snprintf(looked, sizeof(looked), "%s" US "3", by.text);
	said_release(&by);
	/* asked once for each state of what has left, and again when the database has fallen back behind it */
	assert_admitted(s, "", &a, NULL, lookup_a);
	assert_admitted(s, other_call, &a, NULL, lookup_a);
	assert_admitted(s, behind, &a, NULL, lookup_a);
	assert_admitted(s, looked, &a, ghost, "ok" US US GS "dc");
	struct answer conflict = admit_after(s, looked, &other, ghost);
	assert_memory_equal(said_at(&conflict.reply, 1), "conflict", 8);
	answer_release(&conflict);
	assert_admitted(s, "", &b, NULL, lookup_b); /* a is back already */
	struct answer unknown = admit_after(s, looked, &c, NULL);
	assert_memory_equal(said_at(&unknown.reply, 1), "unknown_dependency", 18);
	answer_release(&unknown);
	/* an ended dependency is met at once, and its result is an input; a dry run says so, too */
	struct answer dry =
		scripts_admission(s, s->state, (const char *const[]){ "shop", "b-2", "check", "", looked }, &b, 1, ghost);
	assert_string_equal(said_at(&dry.reply, 1), "ok" US US GS "ap");
	answer_release(&dry);
	assert_admitted(s, looked, &b, ghost, "ok" US US GS "ap");
	struct answer work = scripts_call(s, s->state, &state_script_work,
	                                  (const char *[]){ "0", "0", "1", "60", "",
	                                                    "coding\x1fw\x1f"
	                                                    "1\x1f"
	                                                    "30000000\x1f" },
	                                  6);
	char id[130];
	leased_id(&work.reply, 1, 0, id);
	assert_string_equal(id, "b");
	assert_string_equal(said_in(&work.reply, 2, 1), "=a" US "[7]");
	answer_release(&work);
	assert_admitted(s, "", &a, NULL,
	                "ok\x1f\x1f\x1d"
	                "dc");
}

static void an_empty_redis_says_so_to_every_verb(void **state) {
	struct scripts *s = *state;
	struct kv_script *const scripts[] = { &state_script_admit,   &state_script_work,  &state_script_sweep,
		                                  &state_script_command, &state_script_mark,  &state_script_confirm,
		                                  &state_script_evict,   &state_script_audit, &state_script_read };
	struct said gone = scripts_redis(s, "FLUSHALL");
	said_release(&gone);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		struct answer answer = scripts_call(s, s->state, scripts[i], (const char *[]){ "0", "0", "0", "0" }, 4);
		assert_int_equal(answer.status, STATUS_RETRY);
		assert_string_equal(answer.err.code, "notready");
		answer_release(&answer);
	}
	struct said size = scripts_redis(s, "DBSIZE");
	assert_string_equal(size.text, "");
	said_release(&size);
}

static void load(struct scripts *s, const char *const *words, size_t count, const char *expected) {
	say(s, &state_script_load, words, count, 1, expected);
}

static void one_builder_at_a_time_holds_the_token(void **state) {
	struct scripts *s = *state;
	load(s, (const char *[]){ "one 1", "begin", "20000", "another-epoch" }, 4, "stale");
	load(s, (const char *[]){ "one 1", "begin", "20000", "epoch-1" }, 4, "ok");
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "counts" }, 1);
	assert_string_equal(answer.err.code, "notready");
	answer_release(&answer);
	load(s, (const char *[]){ "two 1", "begin", "20000", "epoch-1" }, 4, "stale");
	load(s, (const char *[]){ "two 2", "wipe" }, 2, "stale");
	load(s, (const char *[]){ "two 2", "finish", "epoch-2", "7", "e", "0" }, 6, "stale");
	load(s, (const char *[]){ "two 2", "leave" }, 2, "stale");
	load(s, (const char *[]){ "one 2", "wipe" }, 2, "ok");
	load(s, (const char *[]){ "one 3", "pauses", "coding/" }, 3, "ok");
	load(s, (const char *[]){ "one 4", "finish", "epoch-2", "7", "entry-7", "3" }, 6, "ok");
	load(s, (const char *[]){ "one 5", "wipe" }, 2, "stale");
	answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "pauses" }, 1);
	assert_string_equal(answer.head.epoch, "epoch-2");
	assert_int_equal(answer.head.seq, 7);
	assert_string_equal(answer.head.wait, "");
	assert_string_equal(said_at(&answer.reply, 1), "coding/");
	answer_release(&answer);
	answer = admit_after(s, "", &(struct new_task){ .id = "a" }, NULL);
	assert_string_equal(said_at(&answer.reply, 1), "lookup" US "epoch-2" GS "a");
	answer_release(&answer);
}

static void a_step_whose_predecessor_redis_has_lost_is_refused(void **state) {
	struct scripts *s = *state;
	load(s, (const char *[]){ "one 1", "begin", "20000", "epoch-1" }, 4, "ok");
	struct said older = scripts_redis(s, "COPY {p0}:ld older");
	said_release(&older);
	load(s, (const char *[]){ "one 2", "wipe" }, 2, "ok");
	load(s, (const char *[]){ "one 2", "wipe" }, 2, "stale");
	older = scripts_redis(s, "COPY older {p0}:ld REPLACE");
	said_release(&older);
	load(s, (const char *[]){ "one 3", "finish", "epoch-2", "7", "entry-7", "3" }, 6, "stale");
	load(s, (const char *[]){ "one 4", "leave" }, 2, "ok");
	load(s, (const char *[]){ "two 1", "begin", "20000", "" }, 4, "ok");
}

static void a_wipe_takes_everything_of_its_partition_and_nothing_else(void **state) {
	struct scripts *s = *state;
	struct said set = scripts_redis(s, "SET {p1}:kept yes");
	said_release(&set);
	ADMIT(s, { .id = "a" }, { .id = "b", .needs = "ca,Xlater", .key = "k" });
	load(s, (const char *[]){ "one 1", "begin", "20000", "epoch-1" }, 4, "ok");
	load(s, (const char *[]){ "one 2", "wipe" }, 2, "ok");
	struct said keys = scripts_redis(s, "KEYS *");
	assert_int_equal(keys.count, 2);
	said_release(&keys);
}

static void reads_say_counts_queues_places_and_reasons(void **state) {
	struct scripts *s = *state;
	ADMIT(s, { .id = "a", .priority = 9 }, { .id = "b", .key = "k" }, { .id = "c", .key = "k", .needs = "xa" });
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "queues" }, 1);
	assert_string_equal(said_at(&answer.reply, 1), "coding");
	assert_string_equal(said_at(&answer.reply, 2), "2");
	answer_release(&answer);
	answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "ready", "coding", "5" }, 3);
	assert_int_equal(answer.reply.count, 3);
	assert_string_equal(said_in(&answer.reply, 1, 2), "a");
	assert_string_equal(said_in(&answer.reply, 2, 2), "b");
	answer_release(&answer);
	say(s, &state_script_read, (const char *[]){ "place", "shop/b" }, 2, 1, "1");
	complete(s, "a", "1");
	assert_int_equal(scripts_lease(s, "coding", 1, NULL, NULL), 1);
	assert_int_equal(scripts_lease(s, "coding", 1, NULL, NULL), 0);
	answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "key", "shop/k" }, 2);
	assert_string_equal(said_at(&answer.reply, 1), "1");
	assert_string_equal(said_at(&answer.reply, 2), "1");
	answer_release(&answer);
	answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "edges", "shop/c", "10" }, 3);
	assert_string_equal(said_at(&answer.reply, 1), "a");
	assert_string_equal(said_at(&answer.reply, 2), "c");
	assert_string_equal(said_at(&answer.reply, 3), "x");
	answer_release(&answer);
	scripts_witness(s);
}

/* Its lease ends behind a thousand other things that are due, where a look from the front alone does not come. */
static void who_holds_a_key_is_found_behind_whatever_is_due(void **state) {
	struct scripts *s = *state;
	enum { WAITING = 1100, A_CALL = 220 };
	static struct new_task tasks[A_CALL];
	static char ids[A_CALL][8];
	for (int i = 0; i < WAITING; i++) {
		snprintf(ids[i % A_CALL], sizeof(ids[0]), "t%d", i);
		tasks[i % A_CALL] = (struct new_task){ .id = ids[i % A_CALL], .not_before_us = clock_wall_us() + 10000000 };
		if ((i + 1) % A_CALL == 0)
			assert_memory_equal(scripts_admit(s, "shop", "admit", tasks, A_CALL), "ok", 2);
	}
	ADMIT(s, { .id = "b", .key = "k" });
	assert_int_equal(scripts_lease(s, "coding", 1, NULL, NULL), 1);
	struct answer answer = scripts_call(s, s->state, &state_script_read, (const char *[]){ "key", "shop/k" }, 2);
	assert_string_equal(said_at(&answer.reply, 1), "1");
	assert_string_equal(said_at(&answer.reply, 3), "b");
	answer_release(&answer);
}

/* Leases one task, told that the log ends with this entry; "d" or "h": who is to append it. */
static const char *kind_behind(struct scripts *s, const char *log_end, char id[64]) {
	static char kind[8];
	s->log_end = log_end;
	struct answer answer =
		scripts_work(s, (const char *[]){ "0", "0", "1", "60", "coding\037w\0371\03730000000\037" }, 5);
	struct said entries = scripts_redis(s, "XREVRANGE {p0}:ob + - COUNT 1");
	const struct said *stored = &entries.items[0].items[1], *last = &answer.reply.items[answer.reply.count - 1];
	assert_int_equal(leased_count(&answer.reply, 1), 1);
	snprintf(kind, sizeof(kind), "%s", stored->items[0].text);
	bool is_said = answer.reply.count == 5; /* behind the head, the request, results and errors */
	assert_int_equal(is_said, strcmp(kind, "d") == 0);
	for (size_t i = 0; is_said && i < stored->count; i++) {
		assert_int_equal(last->items[i].length, stored->items[i].length);
		assert_memory_equal(last->items[i].text, stored->items[i].text, stored->items[i].length);
	}
	assert_int_equal(last->count == stored->count, is_said);
	snprintf(id, 64, "%s", answer.head.wait);
	said_release(&entries);
	answer_release(&answer);
	return kind;
}

static void a_small_entry_right_behind_the_logs_end_is_for_its_maker_to_append(void **state) {
	struct scripts *s = *state;
	char first[64], second[64], third[64], fourth[64];
	ADMIT(s, { .id = "a" }, { .id = "b" }, { .id = "c" }, { .id = "d" });
	struct said last = scripts_redis(s, "HGET {p0}:m id");
	assert_string_equal(kind_behind(s, "", first), "h");
	assert_string_equal(kind_behind(s, last.text, second), "h"); /* the first stands between them */
	assert_string_equal(kind_behind(s, second, third), "d");
	assert_string_equal(kind_behind(s, third, fourth), "d");
	said_release(&last);
	s->log_end = NULL;
	scripts_witness(s);
}

/* Both ask for one; one of them has had its task before. */
static void what_was_popped_for_a_request_that_takes_none_goes_back(void **state) {
	struct scripts *s = *state;
	static const char named[] = "coding\037w\0371\03730000000\037r-1", plain[] = "coding\037w\0371\03730000000\037";
	char id[130];
	ADMIT(s, { .id = "a" }, { .id = "b" }, { .id = "c" });
	struct answer first = scripts_work(s, (const char *[]){ "0", "0", "1", "60", named }, 5);
	struct answer both = scripts_work(s, (const char *[]){ "0", "0", "2", "60", named, plain }, 6);
	leased_id(&both.reply, 1, 0, id);
	assert_string_equal(id, "a");
	leased_id(&both.reply, 2, 0, id);
	assert_string_equal(id, "b");
	assert_int_equal(scripts_lease(s, "coding", 1, id, NULL), 1);
	assert_string_equal(id, "c");
	answer_release(&first);
	answer_release(&both);
	scripts_witness(s);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_reply_names_the_entry_it_depends_on_until_that_is_marked),
		TEST(a_mark_of_another_entry_says_that_redis_has_diverged),
		TEST(the_lead_is_given_back_by_who_has_it),
		TEST(a_confirmation_says_ok_wait_or_lost),
		TEST(what_was_popped_for_a_request_that_takes_none_goes_back),
		TEST(a_small_entry_right_behind_the_logs_end_is_for_its_maker_to_append),
		TEST(an_ended_task_leaves_when_the_database_has_it_and_nobody_needs_it),
		TEST(how_the_last_try_failed_is_kept_until_one_completes_or_the_task_leaves),
		TEST(tasks_that_ended_one_by_one_leave_together),
		TEST(what_was_waited_for_comes_when_who_waited_has_left),
		TEST(what_came_back_with_its_end_alone_is_asked_of_the_database_for_a_retry),
		TEST(a_slice_that_is_placed_asks_for_generated_ids_too),
		TEST(a_decided_graph_is_placed_although_its_slices_close_a_loop),
		TEST(what_has_left_is_asked_of_the_database_and_comes_back),
		TEST(an_empty_redis_says_so_to_every_verb),
		TEST(who_holds_a_key_is_found_behind_whatever_is_due),
		TEST(one_builder_at_a_time_holds_the_token),
		TEST(a_step_whose_predecessor_redis_has_lost_is_refused),
		TEST(a_wipe_takes_everything_of_its_partition_and_nothing_else),
		TEST(reads_say_counts_queues_places_and_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
