/* The life of a service, as a process: its options, its requests, the services protocol, a server that goes away, and a
 * stop that finishes what is under way. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/service/service.h"
#include "tests/support/servers.h"
#include "tests/support/test.h"

enum { LIMIT_US = 20000000, TIMEOUT_MS = 2000, REQUEST_MOST_BYTES = 2000 };

/* The service under test: says back what it is told, refuses, or answers late. */

struct settings {
	struct service_settings common;
	int64_t lease_ms;
};

static const struct setting rows[] = {
	{ "CORDER_LEASE_MS", SETTING_INT, offsetof(struct settings, lease_ms), "30000", 1, 600000, "ms", "A lease." },
};

static void on_echo(struct service *service, struct service_request *request) {
	++*service_counter(service, "echoes");
	service_reply(request, service_body(request));
}

static void on_refuse(struct service *service, struct service_request *request) {
	struct error err;
	(void)service;
	reject(&err, "invalid_field", "/tasks/0", "no \"%.*s\"\nhere", (int)service_last_token(request).length,
	       service_last_token(request).bytes);
	service_fail(request, &err, "\"tasks\":[\"a\"]");
}

static void answer_late(void *context) {
	struct service_request *request = context;
	service_reply(request, slice_of(service_traceparent(request)));
}

static void on_late(struct service *service, struct service_request *request) {
	loop_timer_start(service_loop(service), clock_mono_us() + 300000, answer_late, request);
}

static void on_large(struct service *service, struct service_request *request) {
	size_t bytes = bus_max_payload(service_bus(service)) + 1;
	char *body = memory_new(bytes);
	service_reply(request, (struct slice){ body, bytes });
	free(body);
}

static const struct service_route routes[] = {
	{ "echo", "echo", on_echo, "Says back what it is told." },
	{ "refuse.*", "echo", on_refuse, "Refuses." },
	{ "late", "echo", on_late, "Answers after a while." },
	{ "large", "echo", on_large, "Answers too much." },
};

static enum status start(struct service *service, struct error *err) {
	return service_serve(service, routes, sizeof(routes) / sizeof(routes[0]), err);
}

static enum status health(struct service *service, struct text *members, struct error *reason) {
	(void)service;
	(void)reason;
	text_add(members, ",\"depth\":4");
	return STATUS_OK;
}

static const struct service_definition definition = {
	.name = "echo",
	.summary = "Says back what it is told.",
	.needs = SERVICE_NEEDS_REDIS,
	.settings = rows,
	.setting_count = 1,
	.settings_bytes = sizeof(struct settings),
	.start = start,
	.health = health,
};

/* Running it */

struct run {
	pid_t pid;
	int out; /* its stdout and stderr */
};

static struct run run_service(const char *option) {
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	fflush(stdout);
	struct run run = { fork(), ends[0] };
	if (run.pid == 0) {
		char *arguments[] = { (char *)(uintptr_t) "corder-echo", (char *)(uintptr_t)option, NULL };
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		exit(service_main(option ? 2 : 1, arguments, &definition));
	}
	close(ends[1]);
	return run;
}

/* Waits for its end; the caller owns the output. */
static char *end_of(struct run run, int *code) {
	struct text text = { 0 };
	char buffer[4096];
	int status = 0;
	for (ssize_t got = read(run.out, buffer, sizeof(buffer)); got > 0; got = read(run.out, buffer, sizeof(buffer)))
		text_append(&text, buffer, (size_t)got);
	close(run.out);
	waitpid(run.pid, &status, 0);
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return text_take(&text);
}

static void expect_run(const char *option, int code, const char *part) {
	int found;
	char *out = end_of(run_service(option), &found);
	if (found != code || !strstr(out, part))
		fail_msg("%s: exit code %d, not %d with \"%s\":\n%s", option ? option : "", found, code, part, out);
	free(out);
}

/* The client */

struct fixture {
	struct server *nats, *redis;
	struct loop *loop;
	struct bus *bus;
	struct run run;
	size_t answers, late_answers;
	enum status status, late_status;
	struct text body, code;
};

static int set_up(void **state) {
	struct fixture *f = memory_new(sizeof(*f));
	char most[16];
	log_open("test", LOG_LEVEL_ERROR);
	f->nats = server_start_nats();
	f->redis = server_start_redis();
	snprintf(most, sizeof(most), "%d", REQUEST_MOST_BYTES);
	setenv("NATS_URL", server_url(f->nats), 1);
	setenv("REDIS_URL", server_url(f->redis), 1);
	setenv("CORDER_MAX_REQUEST_BYTES", most, 1);
	*state = f;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *f = *state;
	if (f->run.pid > 0) {
		kill(f->run.pid, SIGKILL);
		waitpid(f->run.pid, NULL, 0);
	}
	bus_close(&f->bus);
	loop_close(&f->loop);
	server_stop(&f->redis);
	server_stop(&f->nats);
	text_release(&f->body);
	text_release(&f->code);
	free(f);
	return 0;
}

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	struct fixture *f = context;
	const char *code = status == STATUS_OK ? bus_header(message, "Nats-Service-Error-Code") : NULL;
	f->answers++;
	f->status = status;
	text_clear(&f->body);
	text_clear(&f->code);
	text_add_slice(&f->body, status == STATUS_OK ? message->body : (struct slice){ "", 0 });
	text_add(&f->code, code ? code : "");
}

static void send_request(struct fixture *f, const char *subject, struct slice body) {
	static const struct bus_header header = { "traceparent",
		                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
	f->answers = 0;
	bus_request(f->bus, subject, &header, 1, body, TIMEOUT_MS, on_answer, f);
}

static enum status await_answer(struct fixture *f) {
	while (f->answers == 0)
		loop_turn(f->loop, 10000);
	assert_int_equal(f->answers, 1);
	return f->status;
}

static enum status ask(struct fixture *f, const char *subject, struct slice body) {
	send_request(f, subject, body);
	return await_answer(f);
}

static void on_late_answer(void *context, enum status status, const struct bus_message *message) {
	struct fixture *f = context;
	(void)message;
	f->late_answers++;
	f->late_status = status;
}

static void ask_late(struct fixture *f) {
	bus_request(f->bus, "corder.v1.late", NULL, 0, SLICE("x"), TIMEOUT_MS, on_late_answer, f);
}

/* Asks until the answer holds the part. */
static void await_part(struct fixture *f, const char *subject, const char *part) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	do
		ask(f, subject, SLICE(""));
	while (!strstr(f->body.bytes, part) && clock_mono_us() < limit_us);
	if (!strstr(f->body.bytes, part))
		fail_msg("%s never said %s, but: %s", subject, part, f->body.bytes);
}

static void start_service(struct fixture *f) {
	struct error err;
	f->run = run_service(NULL); /* before this process has threads */
	f->loop = loop_open();
	assert_int_equal(bus_open(f->loop, &(struct bus_options){ server_url(f->nats), "test" }, &f->bus, &err), STATUS_OK);
	await_part(f, "$SRV.STATS.corder-echo", "\"ok\":true");
}

static char *await_end(struct fixture *f, int *code) {
	struct run run = f->run;
	f->run.pid = 0;
	return end_of(run, code);
}

static void options_print_and_exit(void **state) {
	struct fixture *f = *state;
	expect_run("--help", 0, "CORDER_LEASE_MS");
	expect_run("--version", 0, "corder-echo 0.");
	expect_run("--print-config", 0, "CORDER_MAX_REQUEST_BYTES=2000\n");
	expect_run("--nonsense", 64, "--check");
	expect_run("--check", 0, "redis      ok");
	setenv("CORDER_LEASE_MS", "0", 1);
	expect_run(NULL, 78, "from 1 to 600000 ms");
	unsetenv("CORDER_LEASE_MS");
	setenv("CORDER_LEAS_MS", "1", 1);
	expect_run(NULL, 78, "did you mean CORDER_LEASE_MS?");
	unsetenv("CORDER_LEAS_MS");
	setenv("NATS_URL", "http://x", 1);
	expect_run(NULL, 78, "nats://");
	setenv("NATS_URL", server_url(f->nats), 1);
	server_kill(f->redis);
	expect_run("--check", 69, "redis      not there");
}

static void requests_are_answered_once_and_counted(void **state) {
	struct fixture *f = *state;
	char large[REQUEST_MOST_BYTES + 1] = { 0 };
	start_service(f);
	assert_int_equal(ask(f, "corder.v1.echo", SLICE("hello")), STATUS_OK);
	assert_string_equal(f->body.bytes, "hello");
	assert_string_equal(f->code.bytes, "");
	assert_int_equal(ask(f, "corder.v1.refuse.this", SLICE("x")), STATUS_OK);
	assert_string_equal(f->body.bytes, "{\"ok\":false,\"error\":{\"code\":\"invalid_field\",\"message\":\"no "
	                                   "\\\"this\\\"\\nhere\",\"path\":\"/tasks/0\",\"tasks\":[\"a\"]}}");
	assert_string_equal(f->code.bytes, "invalid_field");
	ask(f, "corder.v1.echo", (struct slice){ large, sizeof(large) });
	assert_string_equal(f->code.bytes, "too_large");
	ask(f, "corder.v1.echo", (struct slice){ large, sizeof(large) - 1 });
	assert_string_equal(f->code.bytes, "");
	ask(f, "corder.v1.large", SLICE("x"));
	assert_string_equal(f->code.bytes, "too_large");
	ask(f, "corder.v1.late", SLICE("x"));
	assert_string_equal(f->body.bytes, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	bus_publish(f->bus, "corder.v1.echo", SLICE("nobody waits for this"));
	ask(f, "$SRV.STATS.corder-echo", SLICE(""));
	assert_non_null(strstr(f->body.bytes, "\"name\":\"echo\",\"subject\":\"corder.v1.echo\",\"queue_group\":\"echo\","
	                                      "\"num_requests\":4,\"num_errors\":1,\"last_error\":\"too_large: "));
	assert_non_null(strstr(f->body.bytes, "\"counters\":{\"echoes\":3,"));
	assert_non_null(strstr(f->body.bytes, "\"depth\":4"));
}

static void the_services_protocol_answers_for_all_by_name_and_by_id(void **state) {
	struct fixture *f = *state;
	start_service(f);
	assert_int_equal(ask(f, "$SRV.PING", SLICE("")), STATUS_OK);
	assert_non_null(
		strstr(f->body.bytes, "{\"type\":\"io.nats.micro.v1.ping_response\",\"name\":\"corder-echo\",\"id\":\""));
	char *id = slice_copy((struct slice){ strstr(f->body.bytes, "\"id\":\"") + 6, 26 });
	char subject[80];
	snprintf(subject, sizeof(subject), "$SRV.INFO.corder-echo.%s", id);
	free(id);
	assert_int_equal(ask(f, subject, SLICE("")), STATUS_OK);
	assert_non_null(strstr(f->body.bytes, "io.nats.micro.v1.info_response"));
	assert_non_null(
		strstr(f->body.bytes, "{\"name\":\"refuse\",\"subject\":\"corder.v1.refuse.*\",\"queue_group\":\"echo\""));
	assert_int_equal(ask(f, "$SRV.PING.corder-other", SLICE("")), STATUS_RETRY);
}

static void a_server_that_goes_away_shows_in_the_health_and_comes_back(void **state) {
	struct fixture *f = *state;
	start_service(f);
	server_kill(f->redis);
	await_part(f, "$SRV.STATS.corder-echo", "\"health\":{\"ok\":false,\"reason\":\"Redis is away\"}");
	server_restart(f->redis);
	await_part(f, "$SRV.STATS.corder-echo", "\"health\":{\"ok\":true");
	server_kill(f->nats);
	server_restart(f->nats);
	await_part(f, "$SRV.STATS.corder-echo", "\"health\":{\"ok\":true");
}

/* The whole answer of a request to the listener; the caller frees it. */
static char *http(int port, const char *request) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct text answer = { 0 };
	char buffer[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	for (ssize_t got = read(fd, buffer, sizeof(buffer)); got > 0; got = read(fd, buffer, sizeof(buffer)))
		text_append(&answer, buffer, (size_t)got);
	close(fd);
	return text_take(&answer);
}

static void expect_http(int port, const char *request, const char *const *parts, size_t count) {
	char *answer = http(port, request);
	for (size_t i = 0; i < count; i++)
		if (strstr(answer, parts[i]) == NULL)
			fail_msg("no \"%s\" in the answer to %s:\n%s", parts[i], request, answer);
	free(answer);
}

static void metrics_are_answered_at_the_port_that_is_set(void **state) {
	struct fixture *f = *state;
	static const char *const counted[] = {
		"HTTP/1.1 200",
		"version=0.0.4",
		"corder_healthy{service=\"echo\"} 1\n",
		"corder_echo_echoes_total 1\n",
		"corder_requests_total{service=\"echo\",endpoint=\"echo\"} 1\n",
		"corder_request_errors_total{service=\"echo\",endpoint=\"refuse\"} 1\n",
		"corder_request_duration_seconds_bucket{service=\"echo\",endpoint=\"echo\",le=\"+Inf\"} 1\n",
		"corder_connected{service=\"echo\",server=\"redis\"} 1\n",
	};
	static const char *const other[] = { "HTTP/1.1 404" }, *const wrong[] = { "HTTP/1.1 405" };
	char text[16];
	int port = free_port();
	snprintf(text, sizeof(text), "%d", port);
	setenv("CORDER_METRICS_PORT", text, 1);
	start_service(f);
	assert_int_equal(ask(f, "corder.v1.echo", SLICE("x")), STATUS_OK);
	ask(f, "corder.v1.refuse.it", SLICE("x"));
	expect_http(port, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", counted,
	            sizeof(counted) / sizeof(*counted));
	expect_http(port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", other, 1);
	expect_http(port, "DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", wrong, 1);
	expect_run(NULL, 78, "is it in use? set CORDER_METRICS_PORT"); /* a second process wants the same port */
	unsetenv("CORDER_METRICS_PORT");
}

static void a_stop_finishes_what_is_under_way(void **state) {
	struct fixture *f = *state;
	int code;
	start_service(f);
	ask_late(f);
	await_part(f, "$SRV.STATS.corder-echo",
	           "\"name\":\"late\",\"subject\":\"corder.v1.late\",\"queue_group\":\"echo\","
	           "\"num_requests\":1");
	kill(f->run.pid, SIGTERM);
	while (f->late_answers == 0)
		loop_turn(f->loop, 10000);
	assert_int_equal(f->late_status, STATUS_OK);
	char *out = await_end(f, &code);
	assert_int_equal(code, 0);
	assert_non_null(strstr(out, "\"message\":\"stopped\""));
	free(out);
	assert_int_equal(ask(f, "corder.v1.echo", SLICE("x")), STATUS_RETRY);
}

static void a_stop_takes_no_longer_than_its_limit(void **state) {
	struct fixture *f = *state;
	int code;
	setenv("CORDER_STOP_TIMEOUT_MS", "20", 1);
	start_service(f);
	unsetenv("CORDER_STOP_TIMEOUT_MS");
	ask_late(f);
	await_part(f, "$SRV.STATS.corder-echo", "\"num_requests\":1");
	kill(f->run.pid, SIGINT);
	char *out = await_end(f, &code);
	assert_int_equal(code, 0);
	assert_non_null(strstr(out, "CORDER_STOP_TIMEOUT_MS"));
	free(out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(options_print_and_exit),
		TEST(requests_are_answered_once_and_counted),
		TEST(the_services_protocol_answers_for_all_by_name_and_by_id),
		TEST(a_server_that_goes_away_shows_in_the_health_and_comes_back),
		TEST(metrics_are_answered_at_the_port_that_is_set),
		TEST(a_stop_finishes_what_is_under_way),
		TEST(a_stop_takes_no_longer_than_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
