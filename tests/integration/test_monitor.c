/* corder-monitor as a process, with the other services on real servers and two partitions: HTTP and NATS give one answer,
 * bad questions get their code, servers that are away are said so, and it stops when asked. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/task/json.h"
#include "tests/support/stack.h"
#include "tests/support/test.h"

enum { TASK_COUNT = 30 };

static int set_up(void **state) {
	struct stack *stack;
	stack_open(&stack, CORDER_BIN_DIR, NULL);
	*state = stack;
	return 0;
}

static int tear_down(void **state) {
	struct stack *stack = *state;
	stack_close(&stack);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ tests */

static void a_task_is_found_right_after_its_submit(void **state) {
	struct stack *f = *state;
	for (int i = 0; i < TASK_COUNT; i++) {
		char body[256], question[128];
		snprintf(body, sizeof(body),
		         "{\"project\":\"p%d\",\"task_id\":\"t%d\",\"task_type\":\"review\",\"batch_id\":\"b\","
		         "\"execution_context\":{\"n\":%d}}",
		         i % 4, i, i);
		stack_expect(stack_ask(f, "submit", body), "\"ok\":true");
		snprintf(question, sizeof(question), "{\"project\":\"p%d\",\"task_id\":\"t%d\"}", i % 4, i);
		snprintf(body, sizeof(body), "\"execution_context\":{\"n\":%d}", i);
		stack_expect(stack_ask(f, "task.get", question), body);
	}
}

static void http_and_nats_give_one_answer(void **state) {
	struct stack *f = *state;
	static const struct {
		const char *path, *subject, *body;
	} cases[] = {
		{ "/api/v1/tasks/shop/first", "task.get", "{\"project\":\"shop\",\"task_id\":\"first\"}" },
		{ "/api/v1/tasks?project=shop&status=pending&limit=5", "task.list",
		  "{\"project\":\"shop\",\"status\":\"pending\",\"limit\":5}" },
		{ "/api/v1/timeline?project=shop", "timeline", "{\"project\":\"shop\"}" },
		{ "/api/v1/tasks?project=nobody", "task.list", "{\"project\":\"nobody\"}" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(stack_get(f, cases[i].path), 200);
		assert_string_equal(f->body.bytes, stack_ask(f, cases[i].subject, cases[i].body));
		stack_expect(f->head.bytes, "application/json");
	}
	assert_int_equal(stack_get(f, "/api/v1/tasks/shop/first/explain"), 200);
	stack_expect(f->body.bytes, "\"position\":1,\"score\":515");
	stack_await_http(f, "/api/v1/tasks/shop/first/explain", 200, "\"kind\":\"no_workers\"");
	assert_int_equal(stack_get(f, "/api/v1/executable?task_type=coding&limit=1"), 200);
	stack_expect(f->body.bytes, "\"task_id\":\"first\"");
	assert_int_equal(stack_get(f, "/api/v1/executable?project=shop"), 200);
	stack_expect(f->body.bytes, "\"task_id\":\"first\"");
	assert_int_equal(stack_get(f, "/api/v1/executable?project=nobody"), 200);
	assert_string_equal(f->body.bytes, "{\"ok\":true,\"tasks\":[]}");
}

/* Follows `next` over all projects, which live in two partitions. */
static void pages_over_all_partitions_are_newest_first_and_whole(void **state) {
	struct stack *f = *state;
	char path[512] = "/api/v1/tasks?batch_id=b&limit=7";
	int expected = TASK_COUNT - 1;
	stack_await_reply(f, "task.list", "{\"batch_id\":\"b\",\"limit\":1}", "\"task_id\":\"t29\"");
	while (*path != '\0') {
		assert_int_equal(stack_get(f, path), 200);
		struct json *json = json_read((struct slice){ f->body.bytes, f->body.length }, NULL);
		assert_non_null(json);
		struct json_value tasks = json_member(json_root(json), "tasks");
		for (struct json_value task = json_first(tasks); json_present(task); task = json_next(task)) {
			char id[16];
			snprintf(id, sizeof(id), "t%d", expected--);
			assert_true(slice_is(json_text(json_member(task, "task_id")), id));
		}
		struct slice next = json_text(json_member(json_root(json), "next"));
		snprintf(path, sizeof(path), next.length > 0 ? "/api/v1/tasks?batch_id=b&limit=7&after=%.*s" : "%.*s",
		         (int)next.length, next.length > 0 ? next.bytes : "");
		json_close(&json);
	}
	assert_int_equal(expected, -1);
}

static void bad_questions_get_their_code_and_path(void **state) {
	struct stack *f = *state;
	static const struct {
		const char *path;
		int code;
		const char *part;
	} cases[] = {
		{ "/api/v1/tasks?limit=0", 400, "\"path\":\"/limit\"" },
		{ "/api/v1/tasks?limit=1001", 400, "\"path\":\"/limit\"" },
		{ "/api/v1/tasks?limit=abc", 400, "\"path\":\"/limit\"" },
		{ "/api/v1/tasks?limit=-1", 400, "\"path\":\"/limit\"" },
		{ "/api/v1/tasks?project=a%20b", 400, "\"path\":\"/project\"" },
		{ "/api/v1/tasks?status=gone", 400, "\"path\":\"/status\"" },
		{ "/api/v1/tasks?after=1.2.3", 400, "\"path\":\"/after\"" },
		{ "/api/v1/tasks?after=%2527%3B--", 400, "\"path\":\"/after\"" },
		{ "/api/v1/tasks?service_name=%FF", 400, "bad_json" },
		{ "/api/v1/tasks?service_name=a%00b", 400, "\"ok\":false" },
		{ "/api/v1/tasks?limit=5&limit=6", 400, "bad_json" },
		{ "/api/v1/status?window_s=0", 400, "\"path\":\"/window_s\"" },
		{ "/api/v1/status?window_s=99999999999999999999", 400, "\"path\":\"/window_s\"" },
		{ "/api/v1/timeline", 400, "\"path\":\"/project\"" },
		{ "/api/v1/executable?limit=1.5", 400, "\"path\":\"/limit\"" },
		{ "/api/v1/tasks/shop/none", 404, "not_found" },
		{ "/api/v1/tasks/shop/none/explain", 404, "not_found" },
		{ "/api/v1/tasks/shop", 404, "not_found" },
		{ "/api/v1/tasks/shop/first/other", 404, "not_found" },
		{ "/api/v1/tasks/sh*p/first", 400, "\"path\":\"/project\"" },
		{ "/api/v2/status", 404, "not_found" },
		{ "/..%2f..%2fetc/passwd", 404, "not_found" },
		{ "/api/v1/tasks?text=a%0ab", 400, "\"path\":\"/text\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (stack_get(f, cases[i].path) != cases[i].code)
			fail_msg("%s: %d %s", cases[i].path, f->code, f->body.bytes);
		stack_expect(f->body.bytes, cases[i].part);
	}
	assert_int_equal(stack_get(f, "/api/v1/tasks?project=&status=&unknown=1"), 200);
	assert_int_equal(stack_http(f, "POST", "/api/v1/status"), 405);
	stack_expect(f->head.bytes, "Allow: GET, HEAD");
	assert_int_equal(stack_http(f, "HEAD", "/api/v1/status"), 200);
	assert_int_equal(f->body.length, 0);
}

static void a_quote_in_a_filter_is_only_text(void **state) {
	struct stack *f = *state;
	stack_expect(stack_ask(f, "submit",
	                       "{\"project\":\"shop\",\"task_id\":\"q\",\"task_type\":\"coding\",\"ack\":\"archived\","
	                       "\"service_name\":\"it's \\\"x\\\\ \\u00e9\"}"),
	             "\"ok\":true");
	assert_int_equal(stack_get(f, "/api/v1/tasks?service_name=it%27s%20%22x%5C%20%C3%A9"), 200);
	stack_expect(f->body.bytes, "\"task_id\":\"q\"");
	assert_int_equal(stack_get(f, "/api/v1/tasks?service_name=IT%27s%20%22x%5C%20%C3%A9"), 200);
	stack_expect(f->body.bytes, "\"tasks\":[],");
	assert_int_equal(stack_get(f, "/api/v1/tasks?service_name=it%27%20OR%201=1%20--%20"), 200);
	stack_expect(f->body.bytes, "\"tasks\":[],");
}

static void rates_and_tries_are_told(void **state) {
	struct stack *f = *state;
	char lease[128] = "", settle[512];
	stack_expect(stack_ask(f, "submit", "{\"project\":\"rate\",\"task_id\":\"r\",\"task_type\":\"rating\"}"),
	             "\"ok\":true");
	stack_ask(f, "work.rating", "{\"worker\":\"w1\",\"max\":1,\"wait_ms\":5000}");
	struct json *json = json_read((struct slice){ f->reply.bytes, f->reply.length }, NULL);
	struct slice token = json_text(json_member(json_first(json_member(json_root(json), "tasks")), "lease"));
	snprintf(lease, sizeof(lease), "%.*s", (int)token.length, token.length > 0 ? token.bytes : "");
	json_close(&json);
	stack_expect(stack_ask(f, "task.get", "{\"project\":\"rate\",\"task_id\":\"r\"}"),
	             "\"attempts\":[{\"attempt\":1,\"worker\":\"w1\"");
	snprintf(settle, sizeof(settle),
	         "{\"worker\":\"w1\",\"done\":[{\"project\":\"rate\",\"task_id\":\"r\",\"lease\":\"%s\",\"outcome\":"
	         "\"completed\","
	         "\"result\":{\"a\":[1]}}]}",
	         lease);
	stack_expect(stack_ask(f, "settle.rating", settle), "\"status\":\"completed\"");
	stack_expect(stack_ask(f, "task.get", "{\"project\":\"rate\",\"task_id\":\"r\"}"), "\"result\":{\"a\":[1]}");
	stack_expect(f->reply.bytes, "\"outcome\":\"completed\"");
	stack_await_http(f, "/api/v1/status?project=rate&window_s=10", 200, "\"throughput\":0.1");
	stack_expect(f->body.bytes, "\"completed_count\":1");
	assert_null(strstr(f->body.bytes, "\"average_wait_time\":null"));
}

static void who_holds_a_key_is_named(void **state) {
	struct stack *f = *state;
	stack_expect(stack_ask(f, "submit",
	                       "{\"project\":\"keyed\",\"batch_id\":\"k\",\"tasks\":["
	                       "{\"task_id\":\"k1\",\"task_type\":\"keying\",\"concurrency_key\":\"repo/x\"},"
	                       "{\"task_id\":\"k2\",\"task_type\":\"keying\",\"concurrency_key\":\"repo/x\"}]}"),
	             "\"ok\":true");
	stack_expect(stack_ask(f, "work.keying", "{\"worker\":\"w1\",\"max\":1,\"wait_ms\":5000}"), "\"task_id\":\"k1\"");
	stack_ask(f, "work.keying", "{\"worker\":\"w2\",\"max\":1,\"wait_ms\":0}");
	stack_await_reply(
		f, "explain", "{\"project\":\"keyed\",\"task_id\":\"k2\"}",
		"\"kind\":\"key\",\"message\":\"Its concurrency key repo/x is held by k1; 1 may run with it at once.\","
		"\"holders\":[\"k1\"]");
}

/* The text format: HELP and TYPE before the samples of a family, each family once, counters named _total. */
static void the_metrics_are_in_form(void **state) {
	struct stack *f = *state;
	char family[128] = "", kind[16] = "";
	stack_await_http(f, "/metrics", 200, "corder_service_instances{service=\"persister\"} 1\n");
	stack_await_http(f, "/metrics", 200, "corder_persister_lag_events 0\n");
	struct slice rest = { f->body.bytes, f->body.length };
	size_t samples = 0;
	while (rest.bytes != NULL && rest.length > 0) {
		struct slice line = slice_cut(&rest, '\n');
		char text[1024], name[128];
		snprintf(text, sizeof(text), "%.*s", (int)line.length, line.bytes);
		if (sscanf(text, "# HELP %127s", name) == 1) {
			snprintf(family, sizeof(family), "# TYPE %s ", name);
			assert_true(strstr(strstr(f->body.bytes, family) + 1, family) == NULL);
		} else if (sscanf(text, "# TYPE %127s %15s", name, kind) == 2) {
			stack_expect(family, name);
			assert_int_equal(strcmp(kind, "counter") == 0,
			                 strlen(name) > 6 && !strcmp(name + strlen(name) - 6, "_total"));
		} else {
			assert_int_equal(sscanf(text, "%127[a-z_]", name), 1);
			if (strcmp(kind, "histogram") == 0)
				*strrchr(name, '_') = '\0'; /* _bucket, _sum, _count */
			stack_expect(family, name);
			assert_non_null(strrchr(text, ' '));
			char *end;
			strtod(strrchr(text, ' ') + 1, &end);
			assert_true(*end == '\0');
			samples++;
		}
	}
	assert_true(samples > 50);
	stack_expect(f->body.bytes, "corder_tasks{task_type=\"review\",status=\"pending\"} 30\n");
	stack_expect(f->body.bytes, "corder_ready_tasks{task_type=\"review\"} 30\n");
	stack_expect(f->body.bytes, "corder_service_instances{service=\"dispatcher\"} 1\n");
}

static void many_clients_at_once_are_all_answered(void **state) {
	struct stack *f = *state;
	enum { CLIENTS = 150 };
	static const char *const paths[] = { "/api/v1/status", "/api/v1/tasks?limit=50", "/metrics",
		                                 "/api/v1/tasks/shop/first" };
	int fds[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++) {
		fds[i] = stack_connect(f);
		assert_true(fds[i] >= 0);
		stack_send(fds[i], "GET", paths[i % 4], "Connection: close\r\n");
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		if (i % 7 == 0) { /* leaves without waiting */
			close(fds[i]);
			continue;
		}
		stack_read(f, fds[i]);
		if (f->code != 200)
			fail_msg("client %zu, %s: %d %s", i, paths[i % 4], f->code, f->body.bytes);
		close(fds[i]);
	}
	assert_int_equal(stack_get(f, "/livez"), 200);
}

static void a_silent_database_holds_up_lists_only_for_a_while(void **state) {
	struct stack *f = *state;
	server_pause(f->mariadb);
	stack_await_http(f, "/api/v1/tasks", 503, "\"code\":\"unavailable\"");
	assert_int_equal(stack_get(f, "/api/v1/status"), 200);
	stack_expect(f->body.bytes, "\"pending_count\":");
	server_resume(f->mariadb);
	stack_await_http(f, "/api/v1/tasks?limit=1", 200, "\"ok\":true");
}

static void without_redis_the_past_is_still_told_and_the_health_says_why(void **state) {
	struct stack *f = *state;
	server_kill(f->redis);
	stack_await_http(f, "/readyz", 503, "redis away");
	stack_await_http(f, "/api/v1/status", 200, "\"name\":\"redis\",\"status\":\"critical\"");
	assert_int_equal(stack_get(f, "/api/v1/tasks/rate/r"), 200);
	stack_expect(f->body.bytes, "\"status\":\"completed\"");
	assert_int_equal(stack_get(f, "/api/v1/tasks?batch_id=b"), 200);
	assert_int_equal(stack_get(f, "/api/v1/executable"), 503);
	assert_int_equal(stack_get(f, "/metrics"), 200);
	stack_expect(f->body.bytes, "corder_connected{service=\"monitor\",server=\"redis\"} 0\n");
	server_restart(f->redis);
	stack_await_http(f, "/api/v1/status", 200, "\"name\":\"redis\",\"status\":\"ok\"");
	stack_await_http(f, "/api/v1/tasks/shop/first/explain", 200, "\"status\":\"pending\"");
}

static void a_dead_service_is_missed(void **state) {
	struct stack *f = *state;
	kill(f->pids[STACK_INGEST], SIGKILL);
	waitpid(f->pids[STACK_INGEST], NULL, 0);
	f->pids[STACK_INGEST] = 0;
	stack_await_http(f, "/api/v1/status", 200, "no ingest answers");
	stack_expect(f->body.bytes, "\"queue_health\":{\"status\":\"critical\"");
}

static void a_new_monitor_knows_the_rates_of_before(void **state) {
	struct stack *f = *state;
	int code;
	kill(f->pids[STACK_MONITOR], SIGTERM);
	waitpid(f->pids[STACK_MONITOR], &code, 0);
	assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
	stack_start(f, STACK_MONITOR);
	stack_await_http(f, "/readyz", 200, "mysql ok");
	stack_await_http(f, "/api/v1/status?project=rate&window_s=3600", 200, "\"throughput\":0.000278");
	assert_null(strstr(f->body.bytes, "\"average_wait_time\":null"));
}

static void it_stops_when_asked_even_with_a_client_that_stays(void **state) {
	struct stack *f = *state;
	int code, fd = stack_connect(f);
	stack_send(fd, "GET", "/livez", "");
	char byte;
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	kill(f->pids[STACK_MONITOR], SIGTERM);
	assert_int_equal(waitpid(f->pids[STACK_MONITOR], &code, 0), f->pids[STACK_MONITOR]);
	f->pids[STACK_MONITOR] = 0;
	assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
	close(fd);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_is_found_right_after_its_submit),
		cmocka_unit_test(http_and_nats_give_one_answer),
		cmocka_unit_test(pages_over_all_partitions_are_newest_first_and_whole),
		cmocka_unit_test(bad_questions_get_their_code_and_path),
		cmocka_unit_test(a_quote_in_a_filter_is_only_text),
		cmocka_unit_test(rates_and_tries_are_told),
		cmocka_unit_test(who_holds_a_key_is_named),
		cmocka_unit_test(the_metrics_are_in_form),
		cmocka_unit_test(many_clients_at_once_are_all_answered),
		cmocka_unit_test(a_silent_database_holds_up_lists_only_for_a_while),
		cmocka_unit_test(without_redis_the_past_is_still_told_and_the_health_says_why),
		cmocka_unit_test(a_dead_service_is_missed),
		cmocka_unit_test(a_new_monitor_knows_the_rates_of_before),
		cmocka_unit_test(it_stops_when_asked_even_with_a_client_that_stays),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
