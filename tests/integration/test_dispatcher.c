/* corder-dispatcher as a process, with real servers and a stand-in for the relay: what workers ask, and what they get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/support/dispatching.h"
#include "tests/support/test.h"

#define ADMIT(d, ...)                                                                                                  \
	assert_memory_equal(scripts_admit((d)->scripts, "shop", "admit", (const struct new_task[]){ __VA_ARGS__ },         \
	                                  sizeof((const struct new_task[]){ __VA_ARGS__ }) / sizeof(struct new_task)),     \
	                    "ok", 2)

static int set_up(void **state) {
	*state = dispatching_open(1, 1, (const char *[]){ "CORDER_MARK_PATIENCE_MS=500", "CORDER_WAITING_MAX=20", NULL });
	return 0;
}

static int tear_down(void **state) {
	struct dispatching *d = *state;
	scripts_witness(d->scripts);
	dispatching_close(&d);
	return 0;
}

static void hint(struct dispatching *d, const char *type) {
	char subject[128];
	snprintf(subject, sizeof(subject), "corder.v1.internal.ready.%s", type);
	bus_publish(d->bus, subject, SLICE("0"));
}

static struct asked *settle(struct dispatching *d, const char *id, const char *lease, const char *outcome) {
	return ask_now(
		d, "settle.coding",
		"{'worker':'w-1','done':[{'project':'shop','task_id':'%s','lease':'%s','outcome':'%s','result':{'of':'%s'}}]}",
		id, lease, outcome, id);
}

static void a_worker_leases_and_settles(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a", .priority = 7, .context = "{\"x\" : [1, 2.50]}" }, { .id = "b", .needs = "ca,Xlater" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','max':5}");
	assert_reply(work, "ok", "true");
	assert_int_equal(count_in(work, "tasks"), 1);
	assert_int_equal(count_in(work, "done"), 0);
	assert_reply(work, "tasks/0/project", "shop");
	assert_reply(work, "tasks/0/task_id", "a");
	assert_reply(work, "tasks/0/task_type", "coding");
	assert_reply(work, "tasks/0/batch_id", "batch-1");
	assert_reply(work, "tasks/0/service_name", "cart");
	assert_reply(work, "tasks/0/priority", "7");
	assert_reply(work, "tasks/0/attempt", "1");
	assert_reply(work, "tasks/0/version", "2");
	assert_reply(work, "tasks/0/retry_count", "0");
	assert_reply(work, "tasks/0/status", "running");
	assert_reply(work, "tasks/0/execution_context", "{\"x\" : [1, 2.50]}");
	assert_reply(work, "tasks/0/inputs", "{}");
	assert_int_equal(strlen(text_in(work, "tasks/0/started_at")), 27);
	assert_int_equal(strlen(text_in(work, "tasks/0/lease_until")), 27);
	struct asked *settled = settle(d, "a", text_in(work, "tasks/0/lease"), "completed");
	assert_reply(settled, "done/0/status", "completed");
	assert_reply(settled, "done/0/project", "shop");
	struct asked *again = settle(d, "a", text_in(work, "tasks/0/lease"), "completed");
	assert_reply(again, "done/0/status", "completed");
	asked_free(&work);
	asked_free(&settled);
	asked_free(&again);
}

static void a_hop_of_a_chain_is_one_round_trip_and_one_call(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" }, { .id = "b", .needs = "ca" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	struct asked *hop = ask_now(d, "work.coding",
	                            "{'worker':'w-1','wait_ms':5000,'done':[{'project':'shop','task_id':'a','lease':'%s','"
	                            "outcome':'completed','result':[true]}]}",
	                            text_in(work, "tasks/0/lease"));
	assert_reply(hop, "done/0/status", "completed");
	assert_reply(hop, "tasks/0/task_id", "b");
	assert_reply(hop, "tasks/0/inputs", "{\"a\":[true]}");
	/* one call for both: the same entry settled and leased */
	struct said entries = scripts_redis(d->scripts, "XREVRANGE {p0}:ob + - COUNT 1");
	assert_int_equal(atoi(said_at(&entries, 0)), 0);
	char header[256];
	snprintf(header, sizeof(header), "%s", entries.items[0].items[1].items[1].text);
	struct slice rest = slice_of(header), f[5];
	for (size_t i = 0; i < 5; i++)
		f[i] = slice_cut(&rest, RECORD_US);
	assert_int_equal(slice_int(f[3], 0) - slice_int(f[2], 0) + 1, 3); /* completed, pending, running */
	said_release(&entries);
	asked_free(&work);
	asked_free(&hop);
}

static void nothing_is_told_before_the_log_has_it(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" });
	turn_for(d, 20);
	test_relay_mute(d->relays[0], true);
	struct asked *work = ask(d, "work.coding", "{'worker':'w-1','request_id':'r-1','wait_ms':1000}");
	turn_for(d, 200);
	assert_false(work->done);
	test_relay_mute(d->relays[0], false);
	await_reply(d, work);
	assert_reply(work, "tasks/0/task_id", "a");
	asked_free(&work);
}

/* The first one was told to nobody, and has cost nothing: the repeat is given the task anew. */
static void a_log_that_stays_silent_makes_it_unavailable_and_the_repeat_finds_the_same(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" });
	turn_for(d, 20);
	test_relay_mute(d->relays[0], true);
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','request_id':'r-1'}");
	assert_reply(work, "ok", "false");
	assert_reply(work, "error/code", "unavailable");
	test_relay_mute(d->relays[0], false);
	struct asked *again = ask_now(d, "work.coding", "{'worker':'w-1','request_id':'r-1','wait_ms':5000}");
	assert_reply(again, "tasks/0/task_id", "a");
	assert_reply(again, "tasks/0/attempt", "2");
	assert_reply(again, "tasks/0/retry_count", "0");
	struct asked *more = ask_now(d, "work.coding", "{'worker':'w-1','request_id':'r-1'}");
	assert_reply(more, "tasks/0/lease", text_in(again, "tasks/0/lease"));
	asked_free(&work);
	asked_free(&again);
	asked_free(&more);
}

static void an_empty_list_comes_at_once_or_when_the_wait_is_over(void **state) {
	struct dispatching *d = *state;
	int64_t start_us = clock_mono_us();
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	assert_true(clock_mono_us() - start_us < 500000);
	assert_reply(work, "tasks", "[]");
	asked_free(&work);
	start_us = clock_mono_us();
	work = ask_now(d, "work.coding", "{'worker':'w-1','wait_ms':300}");
	assert_true(clock_mono_us() - start_us >= 300000);
	assert_reply(work, "ok", "true");
	assert_reply(work, "tasks", "[]");
	asked_free(&work);
}

static void who_waits_is_woken_by_a_hint_in_order_of_arrival(void **state) {
	struct dispatching *d = *state;
	struct asked *work[3];
	for (int i = 0; i < 3; i++) {
		work[i] = ask(d, "work.coding", "{'worker':'w-%d','wait_ms':15000}", i);
		turn_for(d, 5);
	}
	turn_for(d, 100);
	ADMIT(d, { .id = "a" }, { .id = "b" });
	hint(d, "coding");
	await_reply(d, work[0]);
	await_reply(d, work[1]);
	assert_reply(work[0], "tasks/0/task_id", "a");
	assert_reply(work[1], "tasks/0/task_id", "b");
	turn_for(d, 50);
	assert_false(work[2]->done);
	ADMIT(d, { .id = "c" });
	await_reply(d, work[2]); /* no hint: the safety poll */
	assert_reply(work[2], "tasks/0/task_id", "c");
	for (int i = 0; i < 3; i++)
		asked_free(&work[i]);
}

static void a_settle_wakes_who_waits_for_another_type(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" }, { .id = "b", .type = "review", .needs = "ca" });
	struct asked *coding = ask_now(d, "work.coding", "{'worker':'w-1'}");
	struct asked *review = ask(d, "work.review", "{'worker':'w-2','wait_ms':15000}");
	turn_for(d, 50);
	int64_t start_us = clock_mono_us();
	struct asked *settled = settle(d, "a", text_in(coding, "tasks/0/lease"), "completed");
	await_reply(d, review);
	assert_true(clock_mono_us() - start_us < 250000);
	assert_reply(review, "tasks/0/inputs", "{\"a\":{\"of\":\"a\"}}");
	asked_free(&coding);
	asked_free(&review);
	asked_free(&settled);
}

static void each_item_has_its_own_verdict(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" }, { .id = "b" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','max':2}");
	char *large = malloc(300000);
	memset(large, 'x', 299999);
	large[299999] = '\0';
	struct asked *settled =
		ask_now(d, "settle.other",
	            "{'worker':'w-1','done':["
	            "{'project':'shop','task_id':'a','lease':'%s','outcome':'failed','error':{'message':'broken \\\\ "
	            "\\u00e9','retryable':false}},"
	            "{'project':'shop','task_id':'b','lease':'old','outcome':'completed'},"
	            "{'project':'shop','task_id':'none','lease':'','outcome':'completed'},"
	            "{'project':'shop','task_id':'b','lease':'%s','outcome':'completed','result':'%s'},"
	            "{'project':'shop','task_id':'b','lease':'%s','outcome':'released'}]}",
	            text_in(work, "tasks/0/lease"), text_in(work, "tasks/1/lease"), large, text_in(work, "tasks/1/lease"));
	assert_reply(settled, "ok", "true");
	assert_reply(settled, "done/0/status", "failed");
	assert_reply(settled, "done/1/error/code", "stale_lease");
	assert_reply(settled, "done/2/error/code", "not_found");
	assert_reply(settled, "done/3/error/code", "too_large");
	assert_reply(settled, "done/3/task_id", "b");
	assert_reply(settled, "done/4/status", "pending");
	free(large);
	asked_free(&work);
	asked_free(&settled);
}

struct heard {
	int count;
	char subject[128], body[512];
};

static void on_progress(void *context, const struct bus_message *message) {
	struct heard *heard = context;
	heard->count++;
	snprintf(heard->subject, sizeof(heard->subject), "%s", message->subject);
	snprintf(heard->body, sizeof(heard->body), "%.*s", (int)message->body.length, message->body.bytes);
}

static void a_renewal_tells_the_time_the_cancel_and_the_progress(void **state) {
	struct dispatching *d = *state;
	struct heard heard = { 0 };
	struct error err = { 0 };
	assert_int_equal(bus_subscribe(d->bus, "corder.v1.progress.*.*", NULL, on_progress, &heard, &err), STATUS_OK);
	ADMIT(d, { .id = "a" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	static const char renew[] =
		"{'worker':'w-1','leases':[{'project':'shop','task_id':'a','lease':'%s','progress':{'percent':5}},"
		"{'project':'shop','task_id':'a','lease':'old','progress':{}},"
		"{'project':'shop','task_id':'none','lease':'old'}]}";
	struct asked *renewed = ask_now(d, "renew.coding", renew, text_in(work, "tasks/0/lease"));
	assert_reply(renewed, "leases/0/cancel", "false");
	assert_int_equal(strlen(text_in(renewed, "leases/0/lease_until")), 27);
	assert_reply(renewed, "leases/1/error/code", "stale_lease");
	assert_reply(renewed, "leases/2/error/code", "not_found");
	asked_free(&renewed);
	assert_string_equal(scripts_command(d->scripts, "cancel|shop/a|"), "r");
	renewed = ask_now(d, "renew.coding", renew, text_in(work, "tasks/0/lease"));
	assert_reply(renewed, "leases/0/cancel", "true");
	turn_for(d, 20);
	assert_int_equal(heard.count, 2);
	assert_string_equal(heard.subject, "corder.v1.progress.shop.coding");
	assert_non_null(strstr(heard.body, "\"progress\":{\"percent\":5}}"));
	assert_non_null(strstr(heard.body, "\"worker\":\"w-1\""));
	asked_free(&work);
	asked_free(&renewed);
}

static void a_malformed_request_gets_its_code_and_path(void **state) {
	struct dispatching *d = *state;
	static const struct {
		const char *subject, *body, *code, *path;
	} cases[] = {
		{ "work.coding", "", "bad_json", "" },
		{ "work.coding", "[]", "bad_json", "" },
		{ "work.coding", "{}", "invalid_field", "/worker" },
		{ "work.co$ing", "{'worker':'w'}", "invalid_field", "" },
		{ "work.coding", "{'worker':'w','max':0}", "invalid_field", "/max" },
		{ "work.coding", "{'worker':'w','worker':'w'}", "bad_json", "/worker" },
		{ "settle.coding", "{'worker':'w','done':[]}", "invalid_field", "/done" },
		{ "settle.coding", "{'worker':'w','done':[{'project':'a.b','task_id':'t','lease':'l','outcome':'completed'}]}",
		  "invalid_field", "/done/0/project" },
		{ "renew.coding", "{'worker':'w','leases':[{'project':'a','task_id':'t'}]}", "invalid_field",
		  "/leases/0/lease" },
		{ "renew.co$ing", "{'worker':'w','leases':[{'project':'a','task_id':'t','lease':'x'}]}", "invalid_field", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct asked *asked = ask_now(d, cases[i].subject, "%s", cases[i].body);
		assert_reply(asked, "ok", "false");
		assert_reply(asked, "error/code", cases[i].code);
		assert_reply(asked, "error/path", cases[i].path);
		asked_free(&asked);
	}
}

/* Several requests share a smaller call than one alone may have, and nobody gets less by it than there is. */
static void one_request_gets_all_it_asks_for_and_several_too(void **state) {
	struct dispatching *d = *state;
	enum { TASKS = 400 };
	static struct new_task tasks[TASKS];
	static char ids[TASKS][8];
	for (int i = 0; i < TASKS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "t%d", i);
		tasks[i] = (struct new_task){ .id = ids[i] };
	}
	for (int i = 0; i < TASKS; i += TASKS / 2)
		assert_memory_equal(scripts_admit(d->scripts, "shop", "admit", tasks + i, TASKS / 2), "ok", 2);
	struct asked *alone = ask_now(d, "work.coding", "{'worker':'w-1','max':256}");
	assert_int_equal(count_in(alone, "tasks"), 256);
	asked_free(&alone);
	struct asked *first = ask(d, "work.coding", "{'worker':'w-2','max':100,'wait_ms':5000}");
	struct asked *second = ask(d, "work.coding", "{'worker':'w-3','max':100,'wait_ms':5000}");
	await_reply(d, first);
	await_reply(d, second);
	assert_int_equal(count_in(first, "tasks") + count_in(second, "tasks"), TASKS - 256);
	asked_free(&first);
	asked_free(&second);
}

static void too_many_waiting_requests_are_refused(void **state) {
	struct dispatching *d = *state;
	struct asked *work[21];
	for (int i = 0; i < 21; i++) {
		work[i] = ask(d, "work.coding", "{'worker':'w-%d','wait_ms':400}", i);
		turn_for(d, 2);
	}
	await_reply(d, work[20]);
	assert_reply(work[20], "error/code", "limit_exceeded");
	for (int i = 0; i < 21; i++) {
		await_reply(d, work[i]);
		asked_free(&work[i]);
	}
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_worker_leases_and_settles),
		TEST(a_hop_of_a_chain_is_one_round_trip_and_one_call),
		TEST(nothing_is_told_before_the_log_has_it),
		TEST(a_log_that_stays_silent_makes_it_unavailable_and_the_repeat_finds_the_same),
		TEST(an_empty_list_comes_at_once_or_when_the_wait_is_over),
		TEST(who_waits_is_woken_by_a_hint_in_order_of_arrival),
		TEST(a_settle_wakes_who_waits_for_another_type),
		TEST(each_item_has_its_own_verdict),
		TEST(a_renewal_tells_the_time_the_cancel_and_the_progress),
		TEST(a_malformed_request_gets_its_code_and_path),
		TEST(one_request_gets_all_it_asks_for_and_several_too),
		TEST(too_many_waiting_requests_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
