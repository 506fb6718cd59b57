/* What open dashboards hear, what may be done over HTTP, and the answers that only HTTP has: on real servers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/task/json.h"
#include "tests/support/stack.h"
#include "tests/support/test.h"

#define TOKEN "a-token-of-some-length"
enum { STREAMS_MAX = 4 };

static const char *const environment[] = { "CORDER_HTTP_TOKEN",
	                                       TOKEN,
	                                       "CORDER_HTTP_NAMES",
	                                       "proxy.example, other",
	                                       "CORDER_HTTP_MAX_STREAMS",
	                                       "4",
	                                       "CORDER_FAILURES_LOOK_BACK",
	                                       "6",
	                                       NULL };

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

/* ------------------------------------------------------------------------------------------------ streams */

struct stream {
	int fd;
	struct text heard;
};

static bool read_some(struct stream *stream) {
	char buffer[65536];
	ssize_t got = recv(stream->fd, buffer, sizeof(buffer), 0);
	if (got > 0)
		text_append(&stream->heard, buffer, (size_t)got);
	return got > 0;
}

/* Streams that were left count until the next word to them is lost, so that it may take a while. */
static struct stream listen_to(struct stack *f, const char *path, const char *headers) {
	int64_t limit_us = clock_mono_us() + 60000000;
	struct stream stream = { 0 };
	while (clock_mono_us() < limit_us) {
		stream.fd = stack_connect(f);
		assert_true(stream.fd >= 0);
		stack_send(stream.fd, "GET", path, headers);
		if (read_some(&stream) && strncmp(stream.heard.bytes, "HTTP/1.1 200", 12) == 0)
			return stream;
		close(stream.fd);
		text_clear(&stream.heard);
		loop_turn(f->loop, 50000);
	}
	fail_msg("%s: never answered", path);
	return stream;
}

static void leave(struct stream *stream) {
	close(stream->fd);
	text_release(&stream->heard);
}

/* Reads until it was heard; the socket gives up after half a minute. */
static void hear(struct stream *stream, const char *part) {
	while (stream->heard.bytes == NULL || strstr(stream->heard.bytes, part) == NULL)
		if (!read_some(stream))
			fail_msg("never heard %s in %s", part, stream->heard.bytes != NULL ? stream->heard.bytes : "");
}

static void submit(struct stack *f, const char *project, const char *task_id, const char *more) {
	char body[512];
	snprintf(body, sizeof(body), "{\"project\":\"%s\",\"task_id\":\"%s\",\"task_type\":\"hearing\"%s}", project,
	         task_id, more);
	stack_expect(stack_ask(f, "submit", body), "\"ok\":true");
}

static void a_change_is_heard_within_a_second(void **state) {
	struct stack *f = *state;
	struct stream stream = listen_to(f, "/api/v1/live?project=ear&events=1&event_status=pending", "");
	hear(&stream, "event: hello");
	hear(&stream, "event: overview");
	hear(&stream, "event: queues");
	hear(&stream, "event: services");
	hear(&stream, "event: project");
	hear(&stream, "\"project\":\"ear\",\"batch_id\":null,\"reset\":true");
	text_clear(&stream.heard);
	int64_t asked_us = clock_mono_us();
	submit(f, "ear", "one", "");
	hear(&stream, "\"tasks\":[{\"task_id\":\"one\"");
	hear(&stream, "\"reset\":false,\"events\":[{\"seq\":");
	hear(&stream, "\"pending\":1,");
	assert_true(clock_mono_us() - asked_us < 1000000);
	submit(f, "other", "elsewhere", ",\"hold\":true");
	submit(f, "ear", "two", "");
	hear(&stream, "\"task_id\":\"two\"");
	assert_null(strstr(stream.heard.bytes, "\"task_id\":\"elsewhere\""));
	leave(&stream);
}

/* The id of the last frame that was heard whole. */
static void last_id(const struct stream *stream, char id[128]) {
	const char *at = stream->heard.bytes, *next, *end;
	while ((next = strstr(at + 1, "\nid: ")) != NULL && strstr(next, "\n\n") != NULL)
		at = next;
	end = strchr(at + 5, '\n');
	snprintf(id, 128, "%.*s", (int)(end - at - 5), at + 5);
}

static void who_comes_back_hears_what_he_missed(void **state) {
	struct stack *f = *state;
	char id[128], headers[192];
	struct stream other = listen_to(f, "/api/v1/live?project=back", ""); /* keeps the turns going */
	struct stream stream = listen_to(f, "/api/v1/live?project=back", "");
	hear(&stream, "event: overview");
	submit(f, "back", "seen", "");
	hear(&stream, "\"task_id\":\"seen\"");
	hear(&other, "\"task_id\":\"seen\"");
	last_id(&stream, id);
	leave(&stream);
	submit(f, "back", "missed", "");
	hear(&other, "\"task_id\":\"missed\"");
	snprintf(headers, sizeof(headers), "Last-Event-ID: %s\r\n", id);
	stream = listen_to(f, "/api/v1/live?project=back", headers);
	hear(&stream, "\"resumed\":true");
	hear(&stream, "\"task_id\":\"missed\"");
	assert_null(strstr(stream.heard.bytes, "\"reset\":true"));
	leave(&stream);
	leave(&other);
	stream = listen_to(f, "/api/v1/live?project=back", "Last-Event-ID: of-another-monitor.17\r\n");
	hear(&stream, "\"resumed\":false");
	hear(&stream, "\"reset\":true");
	leave(&stream);
}

static void too_many_streams_are_told_to_come_back(void **state) {
	struct stack *f = *state;
	struct stream streams[STREAMS_MAX];
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		streams[i] = listen_to(f, "/api/v1/live", "");
	}
	assert_int_equal(stack_get(f, "/api/v1/live"), 503);
	stack_expect(f->head.bytes, "Retry-After: ");
	stack_expect(f->body.bytes, "CORDER_HTTP_MAX_STREAMS");
	assert_int_equal(stack_get(f, "/livez"), 200);
	for (size_t i = 0; i < STREAMS_MAX; i++)
		leave(&streams[i]);
	assert_int_equal(stack_get(f, "/api/v1/live?project=a%20b"), 400);
	stack_expect(f->body.bytes, "\"path\":\"/project\"");
	assert_int_equal(stack_get(f, "/api/v1/live?batch_id=b"), 400);
	assert_int_equal(stack_get(f, "/api/v1/live?event_status=gone"), 400);
}

/* ------------------------------------------------------------------------------------------------ actions */

static int post(struct stack *f, const char *path, const char *headers, const char *body) {
	char all[512];
	int fd = stack_connect(f);
	snprintf(all, sizeof(all), "Connection: close\r\nContent-Length: %zu\r\n%s", strlen(body), headers);
	stack_send(fd, "POST", path, all);
	assert_int_equal(send(fd, body, strlen(body), MSG_NOSIGNAL), strlen(body));
	stack_read(f, fd);
	close(fd);
	return f->code;
}

#define JSON "Content-Type: application/json\r\n"
#define BEARER "Authorization: Bearer " TOKEN "\r\n"

static void actions_need_the_token_and_a_page_of_ours(void **state) {
	struct stack *f = *state;
	static const char cancel[] = "/api/v1/actions/cancel", body[] = "{\"project\":\"act\",\"task_id\":\"a\"}";
	static const struct {
		const char *headers;
		int code;
		const char *part;
	} cases[] = {
		{ JSON, 401, "\"unauthorized\"" },
		{ JSON "Authorization: Bearer a-token-of-some-lengtH\r\n", 401, "\"unauthorized\"" },
		{ JSON "Authorization: Bearer \r\n", 401, "\"unauthorized\"" },
		{ JSON BEARER "Origin: http://elsewhere\r\n", 403, "\"forbidden_origin\"" },
		{ JSON BEARER "Origin: null\r\n", 403, "\"forbidden_origin\"" },
		{ JSON BEARER "Sec-Fetch-Site: cross-site\r\n", 403, "\"forbidden_origin\"" },
		{ BEARER "Content-Type: text/plain\r\n", 415, "\"unsupported_type\"" },
	};
	submit(f, "act", "a", "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(post(f, cancel, cases[i].headers, body), cases[i].code);
		stack_expect(f->body.bytes, cases[i].part);
	}
	stack_expect(stack_ask(f, "task.get", body), "\"status\":\"pending\"");
	assert_int_equal(post(f, cancel, JSON BEARER, "{\"project\":\"act\"}"), 400);
	assert_int_equal(post(f, "/api/v1/actions/destroy", JSON BEARER, body), 405);
	assert_int_equal(stack_get(f, cancel), 405);
	assert_int_equal(post(f, cancel, JSON BEARER "Origin: http://localhost\r\n", body), 200);
	stack_expect(f->body.bytes, "\"status\":\"cancelled\"");
	assert_int_equal(post(f, "/api/v1/actions/pause", JSON BEARER, "{\"task_type\":\"hearing\"}"), 200);
	stack_await_http(f, "/api/v1/queues", 200, "\"task_type\":\"hearing\",\"paused\":true");
	stack_expect(f->body.bytes, "\"pauses\":[{\"task_type\":\"hearing\",\"project\":null}]");
	assert_int_equal(post(f, "/api/v1/actions/resume", JSON BEARER, "{\"task_type\":\"hearing\"}"), 200);
	stack_await_http(f, "/api/v1/queues", 200, "\"pauses\":[]");
	assert_int_equal(stack_get(f, "/api/v1/session"), 200);
	stack_expect(f->body.bytes, "\"read_only\":false,\"authorized\":false");
}

/* ------------------------------------------------------------------------------------------------ files */

static void pages_come_with_their_policy_and_are_known_again(void **state) {
	struct stack *f = *state;
	assert_int_equal(stack_get(f, "/"), 200);
	stack_expect(f->head.bytes, "Content-Type: text/html");
	stack_expect(f->head.bytes, "Content-Security-Policy: default-src 'none'; script-src 'self';");
	stack_expect(f->head.bytes, "X-Content-Type-Options: nosniff");
	stack_expect(f->body.bytes, "<title>");
	assert_null(strstr(f->body.bytes, "style=\""));
	char *page = slice_copy((struct slice){ f->body.bytes, f->body.length });
	assert_int_equal(stack_get(f, "/tasks/a.project/a.task"), 200);
	assert_string_equal(f->body.bytes, page);
	free(page);
	assert_int_equal(stack_get(f, "/assets/none.js"), 404);
	assert_int_equal(stack_get(f, "/api/none"), 404);
	assert_int_equal(stack_get(f, "/none.txt"), 404);
	stack_get(f, "/");
	const char *etag = strstr(f->head.bytes, "ETag: ");
	if (etag == NULL)
		return; /* built without the dashboard */
	char headers[128];
	snprintf(headers, sizeof(headers), "Connection: close\r\nIf-None-Match: %.*s\r\n", (int)strcspn(etag + 6, "\r"),
	         etag + 6);
	int fd = stack_connect(f);
	stack_send(fd, "GET", "/", headers);
	stack_read(f, fd);
	close(fd);
	assert_int_equal(f->code, 304);
	assert_int_equal(f->body.length, 0);
}

static int get_by(struct stack *f, const char *path, const char *host) {
	char request[256];
	int fd = stack_connect(f);
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	stack_read(f, fd);
	close(fd);
	return f->code;
}

static void a_monitor_of_this_machine_is_asked_by_no_other_name(void **state) {
	struct stack *f = *state;
	static const char *const own[] = { "localhost",  "LocalHost:8080", "127.0.0.1", "127.0.0.1:80",
		                               "[::1]:8080", "proxy.example",  "Other:1" };
	static const char *const others[] = { "evil.example",   "evil.example:8080", "localhost.evil.example",
		                                  "127.0.0.1.evil", "example",           "[evil]" };
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (get_by(f, "/livez", own[i]) != 200)
			fail_msg("%s: %d", own[i], f->code);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (get_by(f, "/api/v1/overview", others[i]) != 403)
			fail_msg("%s: %d", others[i], f->code);
	stack_expect(f->body.bytes, "\"forbidden_host\"");
	stack_expect(f->body.bytes, "CORDER_HTTP_NAMES");
	assert_int_equal(get_by(f, "/", "evil.example"), 403);
}

/* ------------------------------------------------------------------------------------------------ answers */

static void work(struct stack *f, const char *outcome) {
	char body[512];
	stack_ask(f, "work.chained", "{\"worker\":\"w7\",\"max\":1,\"wait_ms\":5000}");
	struct json *json = json_read((struct slice){ f->reply.bytes, f->reply.length }, NULL);
	struct json_value task = json_first(json_member(json_root(json), "tasks"));
	struct slice id = json_text(json_member(task, "task_id")), lease = json_text(json_member(task, "lease"));
	struct slice project = json_text(json_member(task, "project"));
	assert_true(id.length > 0);
	snprintf(body, sizeof(body),
	         "{\"worker\":\"w7\",\"done\":[{\"project\":\"%.*s\",\"task_id\":\"%.*s\",\"lease\":\"%.*s\",\"outcome\":"
	         "\"%s\",\"error\":{\"message\":\"cannot open 'file %.*s'\",\"retryable\":false}}]}",
	         (int)project.length, project.bytes, (int)id.length, id.bytes, (int)lease.length, lease.bytes, outcome,
	         (int)id.length, id.bytes);
	json_close(&json);
	if (*outcome != '\0')
		stack_expect(stack_ask(f, "settle.chained", body), "\"ok\":true");
}

static void a_graph_is_foreseen_and_explained_up_the_chain(void **state) {
	struct stack *f = *state;
	stack_expect(
		stack_ask(f, "submit",
	              "{\"project\":\"chain\",\"batch_id\":\"b1\",\"tasks\":["
	              "{\"task_id\":\"a\",\"task_type\":\"chained\",\"estimated_duration\":40},"
	              "{\"task_id\":\"b\",\"task_type\":\"chained\",\"estimated_duration\":10,\"dependencies\":[\"a\"]},"
	              "{\"task_id\":\"c\",\"task_type\":\"chained\",\"estimated_duration\":5,\"dependencies\":[\"b\"]},"
	              "{\"task_id\":\"d\",\"task_type\":\"chained\",\"estimated_duration\":5,\"dependencies\":[\"a\"]},"
	              "{\"task_id\":\"e\",\"task_type\":\"chained\",\"hold\":true}]}"),
		"\"ok\":true");
	stack_await_http(f, "/api/v1/tasks/chain/c/explain", 200, "b is blocked: it waits for a");
	stack_expect(f->body.bytes, "\"chain\":[{\"task_id\":\"b\",\"status\":\"blocked\",\"depth\":1");
	stack_expect(f->body.bytes, "{\"task_id\":\"a\",\"status\":\"pending\",\"depth\":2");
	stack_expect(f->body.bytes, "\"estimate\":{\"known\":false,\"basis\":\"no worker");
	work(f, "");
	stack_await_http(f, "/api/v1/tasks/chain/c/explain", 200, "\"known\":true");
	const char *left = strstr(f->body.bytes, "\"starts_in_s\":");
	assert_non_null(left);
	double starts_in_s = strtod(left + strlen("\"starts_in_s\":"), NULL);
	assert_true(starts_in_s > 40 && starts_in_s <= 50); /* a, then b */
	stack_await_http(f, "/api/v1/projects/chain/timeline", 200, "\"critical_path\":[0,");
	stack_expect(f->body.bytes, "\"edges\":[[0,1,\"completed\"],[1,2,\"completed\"],[0,3,\"completed\"]]");
	stack_expect(f->body.bytes, "\"without_forecast\":1,"); /* e waits for an approval */
	stack_expect(stack_ask(f, "explain", "{\"project\":\"chain\",\"task_id\":\"e\"}"),
	             "\"known\":false,\"basis\":\"it waits");
	assert_int_equal(stack_get(f, "/api/v1/services"), 200);
	stack_expect(f->body.bytes, "\"worker\":\"w7\",\"task_types\":[\"chained\"],\"running\":[{\"project\":\"chain\","
	                            "\"task_id\":\"a\"");
}

static void what_happened_is_told_by_events_failures_and_batches(void **state) {
	struct stack *f = *state;
	/* Of a small project, and longer ago than events are looked at. */
	stack_ask(f, "submit", "{\"project\":\"small\",\"task_id\":\"f0\",\"task_type\":\"chained\",\"max_retries\":0}");
	work(f, "failed");
	stack_expect(stack_ask(f, "submit",
	                       "{\"project\":\"chain\",\"batch_id\":\"b2\",\"tasks\":["
	                       "{\"task_id\":\"f1\",\"task_type\":\"chained\",\"priority\":9},"
	                       "{\"task_id\":\"f2\",\"task_type\":\"chained\",\"priority\":8}]}"),
	             "\"ok\":true");
	stack_await_http(f, "/api/v1/queues", 200, "{\"priority\":9,\"ready\":1,");
	work(f, "failed");
	work(f, "failed");
	stack_await_http(f, "/api/v1/failures", 200, "\"count\":3");
	stack_expect(f->body.bytes, "\"message\":\"cannot open #\"");
	stack_expect(f->body.bytes, "\"projects\":[{\"project\":\"chain\",\"task_ids\":[\"f2\",\"f1\"]},"
	                            "{\"project\":\"small\",\"task_ids\":[\"f0\"]}]");
	assert_int_equal(stack_get(f, "/api/v1/tasks/chain/f1/events"), 200);
	stack_expect(f->body.bytes, "\"status\":\"pending\",\"previous\":null,\"version\":1");
	stack_expect(f->body.bytes, "\"status\":\"failed\",\"previous\":\"running\",\"version\":3");
	assert_int_equal(stack_get(f, "/api/v1/events?project=chain&status=failed&limit=1"), 200);
	stack_expect(f->body.bytes, "\"task_id\":\"f2\"");
	struct json *json = json_read((struct slice){ f->body.bytes, f->body.length }, NULL);
	struct slice next = json_text(json_member(json_root(json), "next"));
	char path[256];
	snprintf(path, sizeof(path), "/api/v1/events?project=chain&status=failed&limit=1&before=%.*s", (int)next.length,
	         next.bytes);
	json_close(&json);
	assert_int_equal(stack_get(f, path), 200);
	stack_expect(f->body.bytes, "\"task_id\":\"f1\"");
	stack_expect(f->body.bytes, "\"next\":null");
	assert_int_equal(stack_get(f, "/api/v1/projects/chain/batches"), 200);
	stack_expect(f->body.bytes, "{\"batch_id\":\"b2\",\"tasks\":2,\"open\":0,\"failed\":2");
	assert_int_equal(stack_get(f, "/api/v1/tasks?text=CANNOT%20open"), 200);
	stack_expect(f->body.bytes, "\"task_id\":\"f1\"");
	assert_int_equal(stack_get(f, "/api/v1/status?task_type=chained&window_s=60"), 200);
	stack_expect(f->body.bytes, "\"task_type\":\"chained\",");
	stack_expect(f->body.bytes, "\"failed_count\":3");
	assert_int_equal(stack_get(f, "/api/v1/series?window_s=60&step_s=10"), 200);
	stack_expect(f->body.bytes, "\"step_s\":10");
	stack_await_http(f, "/api/v1/projects", 200, "\"project\":\"chain\",\"counts\":{");
	static const char *const bad[] = { "/api/v1/events?before=x",   "/api/v1/events?status=gone",
		                               "/api/v1/series?step_s=0",   "/api/v1/projects/a%20b/timeline",
		                               "/api/v1/failures?limit=0",  "/api/v1/poison?after=%27",
		                               "/api/v1/queues?window_s=-1" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (stack_get(f, bad[i]) != 400)
			fail_msg("%s: %d %s", bad[i], f->code, f->body.bytes);
}

static void a_new_monitor_is_told_from_the_old_and_knows_the_day(void **state) {
	struct stack *f = *state;
	struct stream stream = listen_to(f, "/api/v1/live?project=chain", "");
	char id[128], headers[192];
	hear(&stream, "event: overview");
	last_id(&stream, id);
	stack_stop(f, STACK_MONITOR, SIGTERM); /* ends the streams by itself */
	while (read_some(&stream))
		continue;
	leave(&stream);
	stack_start(f, STACK_MONITOR);
	stack_await_http(f, "/readyz", 200, "mysql ok");
	snprintf(headers, sizeof(headers), "Last-Event-ID: %s\r\n", id);
	stream = listen_to(f, "/api/v1/live?project=chain", headers);
	hear(&stream, "\"resumed\":false");
	hear(&stream, "\"reset\":true");
	leave(&stream);
	stack_await_http(f, "/api/v1/overview?project=chain&window_s=900", 200, "\"totals\":{\"in\":7,\"started\":3,");
	stack_await_http(f, "/api/v1/services", 200, "\"task_id\":\"a\""); /* it still runs */
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_heard_within_a_second),
		cmocka_unit_test(who_comes_back_hears_what_he_missed),
		cmocka_unit_test(too_many_streams_are_told_to_come_back),
		cmocka_unit_test(actions_need_the_token_and_a_page_of_ours),
		cmocka_unit_test(a_monitor_of_this_machine_is_asked_by_no_other_name),
		cmocka_unit_test(pages_come_with_their_policy_and_are_known_again),
		cmocka_unit_test(a_graph_is_foreseen_and_explained_up_the_chain),
		cmocka_unit_test(what_happened_is_told_by_events_failures_and_batches),
		cmocka_unit_test(a_new_monitor_is_told_from_the_old_and_knows_the_day),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
