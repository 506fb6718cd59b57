/* Each check of queue_health fires for its reason and clears when the reason is gone, on real servers and services. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/db/db.h"
#include "shared/kv/kv.h"
#include "shared/task/json.h"
#include "tests/support/stack.h"
#include "tests/support/test.h"

static const char *const environment[] = { "CORDER_HEALTH_READY_S",
	                                       "1",
	                                       "CORDER_HEALTH_NO_WORKERS_S",
	                                       "1",
	                                       "CORDER_HEALTH_OVERDUE_S",
	                                       "1",
	                                       "CORDER_HEALTH_OUTBOX_EVENTS",
	                                       "1",
	                                       "CORDER_HEALTH_LAG_EVENTS",
	                                       "3",
	                                       "CORDER_HEALTH_STREAM_PERCENT",
	                                       "5",
	                                       "CORDER_ENQUEUE_MAX_BYTES",
	                                       "1000000",
	                                       "CORDER_HEALTH_REDIS_PERCENT",
	                                       "80",
	                                       "CORDER_HEALTH_ERROR_PERCENT",
	                                       "60",
	                                       "CORDER_AUDIT_MS",
	                                       "20",
	                                       NULL };

static const char overview[] = "/api/v1/overview";

/* Until the check says this, with all that the front end needs to tell it. */
static void await_check(struct stack *f, const char *name, const char *status) {
	int64_t limit_us = clock_mono_us() + 60000000;
	char found[32] = "";
	while (clock_mono_us() < limit_us) {
		stack_get(f, overview);
		struct json *json = json_read((struct slice){ f->body.bytes, f->body.length }, NULL);
		struct json_value checks = json_member(json_member(json_root(json), "health"), "checks");
		for (struct json_value check = json_first(checks); json_present(check); check = json_next(check)) {
			struct slice is = json_text(json_member(check, "status"));
			if (!slice_is(json_text(json_member(check, "name")), name))
				continue;
			snprintf(found, sizeof(found), "%.*s", (int)is.length, is.bytes);
			assert_true(json_text(json_member(check, "advice")).length > 0);
			assert_true(json_is_int(json_member(check, "limit")));
		}
		json_close(&json);
		if (strcmp(found, status) == 0)
			return;
		loop_turn(f->loop, 20000);
	}
	fail_msg("%s is %s, not %s: %s", name, found, status, f->body.bytes != NULL ? f->body.bytes : "");
}

/* Leases one task of the type and settles it; outcome NULL: keeps it. */
static void work(struct stack *f, const char *type, int64_t lease_ms, const char *outcome) {
	char subject[96], body[512];
	snprintf(subject, sizeof(subject), "work.%s", type);
	snprintf(body, sizeof(body), "{\"worker\":\"w1\",\"max\":1,\"wait_ms\":5000,\"lease_ms\":%lld}",
	         (long long)lease_ms);
	struct slice reply = slice_of(stack_ask(f, subject, body));
	struct json *json = json_read(reply, NULL);
	struct json_value task = json_first(json_member(json_root(json), "tasks"));
	assert_true(json_present(task));
	struct slice project = json_text(json_member(task, "project")), id = json_text(json_member(task, "task_id"));
	struct slice lease = json_text(json_member(task, "lease"));
	snprintf(subject, sizeof(subject), "settle.%s", type);
	snprintf(
		body, sizeof(body),
		"{\"worker\":\"w1\",\"done\":[{\"project\":\"%.*s\",\"task_id\":\"%.*s\",\"lease\":\"%.*s\",\"outcome\":\"%s\""
		",\"error\":{\"message\":\"no\",\"retryable\":false}}]}",
		(int)project.length, project.bytes, (int)id.length, id.bytes, (int)lease.length, lease.bytes,
		outcome != NULL ? outcome : "");
	json_close(&json);
	if (outcome != NULL)
		stack_expect(stack_ask(f, subject, body), "\"ok\":true");
}

static void submit(struct stack *f, const char *project, const char *type, int count) {
	static int number;
	struct text body = { 0 };
	text_printf(&body, "{\"project\":\"%s\",\"tasks\":[", project);
	for (int i = 0; i < count; i++)
		text_printf(&body, "%s{\"task_id\":\"n%d\",\"task_type\":\"%s\"}", i > 0 ? "," : "", number++, type);
	text_add(&body, "]}");
	stack_expect(stack_ask(f, "submit", body.bytes), "\"ok\":true");
	text_release(&body);
}

static int set_up(void **state) {
	struct stack *stack;
	stack_open(&stack, CORDER_BIN_DIR, environment);
	*state = stack;
	return 0;
}

static int tear_down(void **state) {
	struct stack *stack = *state;
	stack_close(&stack);
	return 0;
}

static void a_type_without_workers_and_an_old_ready_task(void **state) {
	struct stack *f = *state; /* shop/first waits since the start */
	await_check(f, "ready_age", "degraded");
	await_check(f, "no_workers", "degraded");
	stack_expect(f->body.bytes, "no worker asks for tasks of type coding, which wait for ");
	work(f, "coding", 30000, "completed");
	await_check(f, "ready_age", "ok");
	await_check(f, "no_workers", "ok");
}

static void failures_and_their_share(void **state) {
	struct stack *f = *state;
	submit(f, "err", "failing", 24);
	for (int i = 0; i < 12; i++)
		work(f, "failing", 30000, "failed");
	await_check(f, "error_rate", "degraded");
	stack_await_http(f, "/api/v1/failures?project=err", 200, "\"count\":12");
	for (int i = 0; i < 12; i++)
		work(f, "failing", 30000, "completed");
	await_check(f, "error_rate", "ok");
}

static void no_scheduler_means_leases_that_expire_and_events_that_wait(void **state) {
	struct stack *f = *state;
	submit(f, "late", "sleeping", 2);
	work(f, "sleeping", 1000, NULL);
	stack_stop(f, STACK_SCHEDULER, SIGKILL);
	/* Leases the second, and cannot tell: the log does not have it. */
	stack_ask(f, "work.sleeping", "{\"worker\":\"w2\",\"max\":1,\"wait_ms\":0}");
	await_check(f, "outbox", "degraded");
	await_check(f, "overdue", "degraded");
	await_check(f, "services", "critical");
	stack_start(f, STACK_SCHEDULER);
	await_check(f, "outbox", "ok");
	await_check(f, "overdue", "ok");
	await_check(f, "services", "ok");
}

static void no_persister_means_a_lag(void **state) {
	struct stack *f = *state;
	stack_stop(f, STACK_PERSISTER, SIGKILL);
	submit(f, "lag", "lagging", 5);
	await_check(f, "persister", "degraded");
	stack_start(f, STACK_PERSISTER);
	await_check(f, "persister", "ok");
}

static void a_stream_that_fills_up(void **state) {
	struct stack *f = *state;
	struct text body = { 0 };
	stack_stop(f, STACK_INGEST, SIGTERM);
	text_add(&body, "{\"task_id\":\"big\",\"task_type\":\"big\",\"execution_context\":{\"a\":\"");
	while (body.length < 55000)
		text_add_char(&body, 'x');
	text_add(&body, "\"}}");
	assert_int_equal(bus_publish(f->bus, "corder.v1.enqueue.full", (struct slice){ body.bytes, body.length }),
	                 STATUS_OK);
	text_release(&body);
	await_check(f, "streams", "degraded");
	stack_expect(f->body.bytes, "CORDER_ENQUEUE is 5 % full");
	stack_start(f, STACK_INGEST);
	await_check(f, "streams", "ok");
}

struct outcome {
	bool done;
	int64_t number;
};

static void on_config(void *context, enum status status, const struct kv_reply *reply, const struct error *err) {
	struct outcome *outcome = context;
	(void)reply, (void)err;
	assert_int_equal(status, STATUS_OK);
	outcome->done = true;
}

static void redis_command(struct stack *f, const char *const *parts, size_t count) {
	struct kv *kv;
	struct error err = { 0 };
	struct outcome outcome = { 0 };
	struct slice words[8];
	for (size_t i = 0; i < count; i++)
		words[i] = slice_of(parts[i]);
	assert_int_equal(kv_open(f->loop, server_url(f->redis), "test", &kv, &err), STATUS_OK);
	while (!kv_connected(kv))
		loop_turn(f->loop, 10000);
	kv_command(kv, words, count, 0, on_config, &outcome);
	while (!outcome.done)
		loop_turn(f->loop, 10000);
	kv_close(&kv);
}

static void a_redis_that_is_nearly_full(void **state) {
	struct stack *f = *state;
	stack_get(f, "/metrics");
	const char *used = strstr(f->body.bytes, "\ncorder_redis_memory_bytes ");
	char most[32];
	assert_non_null(used);
	/* Two partitions count one Redis twice. */
	snprintf(most, sizeof(most), "%.0f", strtod(used + strlen("\ncorder_redis_memory_bytes "), NULL) / 2 / 0.83);
	redis_command(f, (const char *const[]){ "CONFIG", "SET", "maxmemory", most }, 4);
	await_check(f, "redis_memory", "degraded");
	redis_command(f, (const char *const[]){ "CONFIG", "SET", "maxmemory", "0" }, 4);
	await_check(f, "redis_memory", "ok");
}

static void on_row(void *context, enum status status, unsigned error_number, const struct error *err,
                   const struct db_result *result) {
	struct outcome *outcome = context;
	(void)error_number, (void)err;
	assert_int_equal(status, STATUS_OK);
	outcome->done = true;
	if (db_rows(result) > 0)
		outcome->number = db_int(result, 0, 0);
}

static int64_t sql(struct stack *f, const char *statement) {
	struct db *db;
	struct error err = { 0 };
	struct outcome outcome = { 0 };
	assert_int_equal(db_open(f->loop, server_url(f->mariadb), &db, &err), STATUS_OK);
	while (!db_connected(db))
		loop_turn(f->loop, 10000);
	db_query(db, slice_of(statement), on_row, &outcome);
	while (!outcome.done)
		loop_turn(f->loop, 10000);
	db_close(&db);
	return outcome.number;
}

static void an_event_that_was_set_aside(void **state) {
	struct stack *f = *state;
	sql(f, "INSERT INTO poison_events(partition_id,seq,reason,raw,at)VALUES(0,4711,'a reason',X'001F726177',NOW(6))");
	await_check(f, "poison", "degraded");
	assert_int_equal(stack_get(f, "/api/v1/poison"), 200);
	stack_expect(f->body.bytes, "\"seq\":4711");
	stack_expect(f->body.bytes, "\"raw\":\"\\\\x00\\\\x1fraw\"");
	sql(f, "DELETE FROM poison_events");
	await_check(f, "poison", "ok");
}

/* A ready task is taken out of its queue, behind everybody's back, and put there again. */
static void a_task_that_nothing_would_move(void **state) {
	struct stack *f = *state;
	char number[32], rank[32];
	submit(f, "stuck", "stuck", 1);
	while (sql(f, "SELECT COUNT(*) FROM tasks WHERE project='stuck'") == 0)
		loop_turn(f->loop, 10000);
	int64_t partition = sql(f, "SELECT partition_id FROM tasks WHERE project='stuck'");
	snprintf(number, sizeof(number), "{p%lld}:r:stuck", (long long)partition);
	snprintf(rank, sizeof(rank), "{p%lld}:away", (long long)partition);
	redis_command(f, (const char *const[]){ "RENAME", number, rank }, 3);
	await_check(f, "auditor", "critical");
	redis_command(f, (const char *const[]){ "RENAME", rank, number }, 3);
	await_check(f, "auditor", "ok");
}

static void a_server_that_is_away(void **state) {
	struct stack *f = *state;
	server_kill(f->mariadb);
	await_check(f, "mysql", "critical");
	server_restart(f->mariadb);
	await_check(f, "mysql", "ok");
	server_kill(f->redis);
	await_check(f, "redis", "critical");
	server_restart(f->redis);
	await_check(f, "redis", "ok");
	server_kill(f->nats);
	await_check(f, "nats", "critical");
	server_restart(f->nats);
	await_check(f, "nats", "ok");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_without_workers_and_an_old_ready_task),
		cmocka_unit_test(failures_and_their_share),
		cmocka_unit_test(no_scheduler_means_leases_that_expire_and_events_that_wait),
		cmocka_unit_test(no_persister_means_a_lag),
		cmocka_unit_test(a_stream_that_fills_up),
		cmocka_unit_test(a_redis_that_is_nearly_full),
		cmocka_unit_test(an_event_that_was_set_aside),
		cmocka_unit_test(a_task_that_nothing_would_move),
		cmocka_unit_test(a_server_that_is_away),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
