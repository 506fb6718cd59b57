/* corder-dispatcher when something is in the way: replies that are too large, a Redis that is gone or empty, a database
 * that is late, a stop, more than one partition, more than one instance. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/support/dispatching.h"
#include "tests/support/test.h"

#define ADMIT(d, ...)                                                                                                  \
	assert_memory_equal(scripts_admit((d)->scripts, "shop", "admit", (const struct new_task[]){ __VA_ARGS__ },         \
	                                  sizeof((const struct new_task[]){ __VA_ARGS__ }) / sizeof(struct new_task)),     \
	                    "ok", 2)

static int set_up(void **state) {
	*state = dispatching_open(1, 1, (const char *[]){ "CORDER_MARK_PATIENCE_MS=1000", NULL });
	return 0;
}

static int set_up_two_partitions(void **state) {
	*state = dispatching_open(1, 2, NULL);
	return 0;
}

static int set_up_three_instances(void **state) {
	*state = dispatching_open(3, 1, NULL);
	return 0;
}

static int tear_down(void **state) {
	struct dispatching *d = *state;
	scripts_witness(d->scripts);
	dispatching_close(&d);
	return 0;
}

static char *large_json(size_t bytes) {
	char *json = memory_new(bytes + 1);
	memset(json, 'x', bytes);
	memcpy(json, "{\"x\":\"", 6);
	memcpy(json + bytes - 2, "\"}", 2);
	return json;
}

static void what_does_not_fit_into_a_reply_goes_back_at_once(void **state) {
	struct dispatching *d = *state;
	enum { TASKS = 12 };
	struct new_task tasks[TASKS];
	char ids[TASKS][8], *context = large_json(250000);
	for (int i = 0; i < TASKS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "t%d", i);
		tasks[i] = (struct new_task){ .id = ids[i], .context = context };
	}
	assert_memory_equal(scripts_admit(d->scripts, "shop", "admit", tasks, TASKS), "ok", 2);
	size_t got = 0, requests = 0;
	while (got < TASKS && requests++ < 10) {
		struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','max':256,'wait_ms':2000}");
		assert_reply(work, "ok", "true");
		assert_in_range(count_in(work, "tasks"), 1, 4);
		assert_true(work->body.length <= bus_max_payload(d->bus));
		got += count_in(work, "tasks");
		asked_free(&work);
	}
	assert_int_equal(got, TASKS);
	free(context);
}

static void inputs_that_do_not_fit_are_left_out_and_named(void **state) {
	struct dispatching *d = *state;
	char *result = large_json(262000);
	ADMIT(d, { .id = "a", .type = "t" }, { .id = "b", .type = "t" }, { .id = "c", .type = "t" },
	      { .id = "d", .type = "t" }, { .id = "e", .type = "t" }, { .id = "sum", .needs = "ca,cb,cc,cd,ce" });
	for (int i = 0; i < 5; i++) {
		char ids[8], lease[128], name[16];
		scripts_lease(d->scripts, "t", 1, ids, lease);
		snprintf(name, sizeof(name), "shop/%s", ids);
		assert_string_equal(scripts_settle(d->scripts, name, lease, "completed", i < 4 ? result : "5"), "c");
	}
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','max':256}");
	assert_reply(work, "tasks/0/task_id", "sum");
	assert_int_equal(count_in(work, "tasks/0/inputs"), 4);
	assert_reply(work, "tasks/0/inputs/e", "5");
	assert_reply(work, "tasks/0/inputs_omitted", "[\"d\"]");
	asked_free(&work);
	free(result);
}

static void archived_waits_for_the_database(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" }, { .id = "b" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','max':2}");
	static const char settle[] = "{'worker':'w-1','ack':'archived','done':[{'project':'shop','task_id':'%s','lease':'%"
								 "s','outcome':'completed'}]}";
	struct asked *settled = ask(d, "settle.coding", settle, "a", text_in(work, "tasks/0/lease"));
	turn_for(d, 200);
	assert_false(settled->done);
	bus_publish(d->bus, "corder.v1.internal.persisted.0", SLICE("4 x 1"));
	turn_for(d, 100);
	assert_false(settled->done);
	bus_publish(d->bus, "corder.v1.internal.persisted.0", SLICE("5 x 2"));
	await_reply(d, settled);
	assert_reply(settled, "done/0/status", "completed");
	asked_free(&settled);
	/* the persister is silent: not confirmed, but it counts */
	settled = ask_now(d, "settle.coding", settle, "b", text_in(work, "tasks/1/lease"));
	assert_reply(settled, "error/code", "unavailable");
	assert_int_equal(scripts_status(d->scripts, "shop/b", NULL), 'c');
	asked_free(&settled);
	asked_free(&work);
}

static void await_status(struct dispatching *d, const char *name, char status) {
	int64_t limit_us = clock_mono_us() + 5000000;
	while (scripts_status(d->scripts, name, NULL) != status && clock_mono_us() < limit_us)
		turn_for(d, 20);
	assert_int_equal(scripts_status(d->scripts, name, NULL), status);
}

static int64_t last_seq(struct dispatching *d) {
	struct said said = scripts_redis(d->scripts, "HGET {p0}:m seq");
	int64_t seq = atoll(said.text);
	said_release(&said);
	return seq;
}

static void a_log_that_takes_nothing_costs_no_task_a_try(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a", .retries = -1 }, { .id = "b" });
	struct asked *first = ask_now(d, "work.coding", "{'worker':'w-1','lease_ms':60000}");
	turn_for(d, 50);
	test_relay_mute(d->relays[0], true);
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-2','lease_ms':3000}");
	assert_reply(work, "error/code", "unavailable");
	await_status(d, "shop/b", 'p'); /* long before its lease is over */
	/* from now on nobody is given anything … */
	int64_t seq = last_seq(d);
	struct asked *others[2];
	for (int i = 0; i < 2; i++)
		others[i] = ask_now(d, "work.coding", "{'worker':'w-%d','wait_ms':%d}", i, 400 * i);
	for (int i = 0; i < 2; i++)
		assert_reply(others[i], "error/code", "unavailable");
	assert_int_equal(last_seq(d), seq);
	/* … what is settled counts … */
	struct asked *settled =
		ask(d, "settle.coding",
	        "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'%s','outcome':'completed'}]}",
	        text_in(first, "tasks/0/lease"));
	await_status(d, "shop/a", 'c');
	/* … and it goes on by itself */
	struct asked *waiting = ask(d, "work.coding", "{'worker':'w-1','wait_ms':8000}");
	turn_for(d, 200);
	assert_false(waiting->done);
	test_relay_mute(d->relays[0], false);
	await_reply(d, settled);
	await_reply(d, waiting);
	assert_reply(settled, "ok", "true");
	assert_reply(waiting, "tasks/0/task_id", "b");
	assert_reply(waiting, "tasks/0/retry_count", "0");
	for (int i = 0; i < 2; i++)
		asked_free(&others[i]);
	asked_free(&first);
	asked_free(&work);
	asked_free(&settled);
	asked_free(&waiting);
}

static void tasks_of_a_request_that_is_answered_with_a_problem_go_back(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a", .retries = -1 });
	turn_for(d, 50);
	test_relay_mute(d->relays[0], true);
	test_relay_claim(d->relays[0], "unavailable"); /* no refusal can be proved */
	struct asked *work =
		ask(d, "work.coding",
	        "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'another','outcome':'completed'}]}");
	await_status(d, "shop/a", 'r');
	turn_for(d, 100);
	test_relay_mute(d->relays[0], false); /* the log is not what is in the way */
	await_reply(d, work);
	assert_reply(work, "error/code", "unavailable");
	asked_free(&work);
	await_status(d, "shop/a", 'p');
	work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	assert_reply(work, "tasks/0/attempt", "2"); /* it was leased indeed */
	asked_free(&work);
}

static void a_redis_that_is_being_rebuilt_makes_requests_wait(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" }, { .id = "b" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	char lease[128];
	snprintf(lease, sizeof(lease), "%s", text_in(work, "tasks/0/lease"));
	asked_free(&work);
	struct said renamed = scripts_redis(d->scripts, "RENAME {p0}:m aside");
	said_release(&renamed);
	struct asked *now = ask_now(d, "work.coding", "{'worker':'w-1'}");
	assert_reply(now, "error/code", "unavailable");
	asked_free(&now);
	struct asked *settled =
		ask(d, "settle.coding",
	        "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'%s','outcome':'completed'}]}", lease);
	work = ask(d, "work.coding", "{'worker':'w-1','wait_ms':4000}");
	turn_for(d, 400);
	assert_false(settled->done || work->done);
	renamed = scripts_redis(d->scripts, "RENAME aside {p0}:m");
	said_release(&renamed);
	await_reply(d, settled);
	await_reply(d, work);
	assert_reply(settled, "done/0/status", "completed");
	assert_reply(work, "tasks/0/task_id", "b");
	asked_free(&settled);
	asked_free(&work);
}

static void a_redis_that_restarts_costs_time_only(void **state) {
	struct dispatching *d = *state;
	struct said always = scripts_redis(d->scripts, "CONFIG SET appendfsync always");
	said_release(&always);
	ADMIT(d, { .id = "a" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	struct asked *waiting = ask(d, "work.coding", "{'worker':'w-2','wait_ms':8000}");
	turn_for(d, 50);
	server_kill(d->scripts->redis);
	struct asked *settled =
		ask(d, "settle.coding",
	        "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'%s','outcome':'completed'}]}",
	        text_in(work, "tasks/0/lease"));
	turn_for(d, 300);
	assert_false(settled->done || waiting->done);
	server_restart(d->scripts->redis);
	await_reply(d, settled);
	assert_reply(settled, "done/0/status", "completed");
	while (!kv_connected(d->scripts->kv))
		turn_for(d, 10);
	ADMIT(d, { .id = "b" });
	await_reply(d, waiting);
	assert_reply(waiting, "tasks/0/task_id", "b");
	asked_free(&work);
	asked_free(&settled);
	asked_free(&waiting);
}

static void a_stop_answers_who_waits_and_finishes_what_is_under_way(void **state) {
	struct dispatching *d = *state;
	int status = 0;
	struct asked *waiting = ask(d, "work.coding", "{'worker':'w-1','wait_ms':15000}");
	ADMIT(d, { .id = "a", .type = "t" });
	turn_for(d, 50);
	test_relay_mute(d->relays[0], true);
	struct asked *work = ask(d, "work.t", "{'worker':'w-1'}");
	while (scripts_status(d->scripts, "shop/a", NULL) != 'r')
		turn_for(d, 5);
	kill(d->pids[0], SIGTERM);
	await_reply(d, waiting);
	assert_reply(waiting, "ok", "true");
	assert_reply(waiting, "tasks", "[]");
	assert_false(work->done);
	test_relay_mute(d->relays[0], false);
	await_reply(d, work);
	assert_reply(work, "tasks/0/task_id", "a");
	assert_int_equal(waitpid(d->pids[0], &status, 0), d->pids[0]);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	d->pids[0] = 0;
	asked_free(&waiting);
	asked_free(&work);
}

static void admit_other(struct dispatching *d, const char *project, const struct new_task *task) {
	assert_memory_equal(scripts_admit_to(d->scripts, d->other, project, "admit", task, 1), "ok", 2);
}

static void two_partitions_are_leased_from_and_settled_in_one_request(void **state) {
	struct dispatching *d = *state;
	char projects[2][16] = { "", "" };
	for (int i = 0; *projects[0] == '\0' || *projects[1] == '\0'; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p-%d", i);
		snprintf(projects[state_partition_of(slice_of(name), 2)], sizeof(projects[0]), "%s", name);
	}
	const struct new_task tasks[] = { { .id = "a" }, { .id = "b" } };
	scripts_admit(d->scripts, projects[0], "admit", tasks, 2);
	admit_other(d, projects[1], &tasks[0]);
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1','max':3,'wait_ms':2000}");
	assert_int_equal(count_in(work, "tasks"), 3);
	char done[3][512];
	for (int i = 0; i < 3; i++) {
		char path[3][32];
		snprintf(path[0], sizeof(path[0]), "tasks/%d/project", i);
		snprintf(path[1], sizeof(path[1]), "tasks/%d/task_id", i);
		snprintf(path[2], sizeof(path[2]), "tasks/%d/lease", i);
		snprintf(done[i], sizeof(done[i]), "{'project':'%s','task_id':'%s','lease':'%s','outcome':'completed'}",
		         text_in(work, path[0]), text_in(work, path[1]), text_in(work, path[2]));
	}
	struct asked *hop = ask_now(d, "work.coding", "{'worker':'w-1','done':[%s,%s,%s]}", done[0], done[1], done[2]);
	assert_reply(hop, "tasks", "[]");
	assert_reply(hop, "done/0/status", "completed");
	assert_reply(hop, "done/1/status", "completed");
	assert_reply(hop, "done/2/status", "completed");
	asked_free(&work);
	asked_free(&hop);
	/* and who waits is woken by either */
	struct asked *waiting = ask(d, "work.coding", "{'worker':'w-1','max':9,'wait_ms':10000}");
	turn_for(d, 100);
	admit_other(d, projects[1], &tasks[1]);
	bus_publish(d->bus, "corder.v1.internal.ready.coding", SLICE("1"));
	await_reply(d, waiting);
	assert_int_equal(count_in(waiting, "tasks"), 1);
	asked_free(&waiting);
}

static void many_workers_at_three_dispatchers_get_each_task_once(void **state) {
	struct dispatching *d = *state;
	enum { TASKS = 600, WORKERS = 24 };
	static struct new_task tasks[TASKS];
	static char ids[TASKS][8];
	static bool seen[TASKS];
	memset(seen, 0, sizeof(seen));
	struct asked *work[WORKERS];
	for (int i = 0; i < WORKERS; i++)
		work[i] = ask(d, "work.coding", "{'worker':'w-%d','max':%d,'wait_ms':2000}", i, 1 + i % 4);
	for (int i = 0; i < TASKS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%d", i);
		tasks[i] = (struct new_task){ .id = ids[i] };
	}
	assert_memory_equal(scripts_admit(d->scripts, "shop", "admit", tasks, TASKS), "ok", 2);
	bus_publish(d->bus, "corder.v1.internal.ready.coding", SLICE("0"));
	int got = 0;
	for (int i = 0; got < TASKS; i = (i + 1) % WORKERS) {
		await_reply(d, work[i]);
		assert_true(count_in(work[i], "tasks") > 0 || got > TASKS / 2);
		for (size_t k = 0; k < count_in(work[i], "tasks"); k++, got++) {
			char path[32];
			snprintf(path, sizeof(path), "tasks/%zu/task_id", k);
			int number = atoi(text_in(work[i], path));
			assert_false(seen[number]);
			seen[number] = true;
		}
		asked_free(&work[i]);
		work[i] = ask(d, "work.coding", "{'worker':'w-%d','max':%d,'wait_ms':2000}", i, 1 + i % 4);
	}
	for (int i = 0; i < WORKERS; i++) {
		await_reply(d, work[i]);
		assert_int_equal(count_in(work[i], "tasks"), 0);
		asked_free(&work[i]);
	}
}

/* The log has an entry that this Redis does not have: what Redis does not know may be there. */
static void a_redis_behind_the_log_refuses_nobody(void **state) {
	struct dispatching *d = *state;
	ADMIT(d, { .id = "a" });
	struct asked *work = ask_now(d, "work.coding", "{'worker':'w-1'}");
	assert_int_equal(count_in(work, "tasks"), 1);
	test_relay_claim(d->relays[0], "999 0123456789abcdef01234567");
	struct asked *settled =
		ask_now(d, "settle.coding",
	            "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'another','outcome':'completed'}]}");
	assert_reply(settled, "error/code", "unavailable");
	asked_free(&settled);
	/* what it does not refuse is told */
	settled = ask_now(d, "settle.coding",
	                  "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'%s','outcome':'completed'}]}",
	                  text_in(work, "tasks/0/lease"));
	assert_reply(settled, "done/0/status", "completed");
	asked_free(&settled);
	/* that settle was the log's next entry: there is nothing that Redis does not have any more */
	settled =
		ask_now(d, "settle.coding",
	            "{'worker':'w-1','done':[{'project':'shop','task_id':'a','lease':'another','outcome':'completed'}]}");
	assert_reply(settled, "done/0/error/code", "stale_lease");
	asked_free(&settled);
	asked_free(&work);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_does_not_fit_into_a_reply_goes_back_at_once),
		TEST(inputs_that_do_not_fit_are_left_out_and_named),
		TEST(archived_waits_for_the_database),
		TEST(a_redis_behind_the_log_refuses_nobody),
		TEST(a_log_that_takes_nothing_costs_no_task_a_try),
		TEST(tasks_of_a_request_that_is_answered_with_a_problem_go_back),
		TEST(a_redis_that_is_being_rebuilt_makes_requests_wait),
		TEST(a_redis_that_restarts_costs_time_only),
		TEST(a_stop_answers_who_waits_and_finishes_what_is_under_way),
		cmocka_unit_test_setup_teardown(two_partitions_are_leased_from_and_settled_in_one_request,
		                                set_up_two_partitions, tear_down),
		cmocka_unit_test_setup_teardown(many_workers_at_three_dispatchers_get_each_task_once, set_up_three_instances,
		                                tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
