/* Five services on private servers, and the ways to ask them; see stack.h. */
#include "stack.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "tests/support/test.h"

enum { LIMIT_US = 60000000, TIMEOUT_MS = 20000 };

static const char *const services[STACK_SERVICES] = { "scheduler", "persister", "ingest", "dispatcher", "monitor" };

void stack_start(struct stack *f, size_t i) {
	char path[512], name[64], port[16];
	snprintf(path, sizeof(path), "%s/corder-%s", f->programs, services[i]);
	snprintf(name, sizeof(name), "corder-%s", services[i]);
	snprintf(port, sizeof(port), "%d", f->http_port);
	f->pids[i] = fork();
	assert_true(f->pids[i] >= 0);
	if (f->pids[i] > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NATS_URL", server_url(f->nats), 1);
	setenv("REDIS_URL", server_url(f->redis), 1);
	setenv("DATABASE_URL", server_url(f->mariadb), 1);
	setenv("CORDER_PARTITIONS", "2", 1);
	setenv("CORDER_HTTP_PORT", port, 1);
	setenv("CORDER_QUERY_TIMEOUT_MS", "1000", 1);
	setenv("CORDER_PEERS_INTERVAL_MS", "200", 1);
	setenv("CORDER_LOG_LEVEL", "error", 1);
	for (size_t j = 0; f->environment != NULL && f->environment[j] != NULL; j += 2)
		setenv(f->environment[j], f->environment[j + 1], 1);
	execl(path, name, (char *)NULL);
	_exit(127);
}

int stack_stop(struct stack *f, size_t service, int signal_number) {
	int code = 0;
	kill(f->pids[service], signal_number);
	assert_int_equal(waitpid(f->pids[service], &code, 0), f->pids[service]);
	f->pids[service] = 0;
	return code;
}

/* ------------------------------------------------------------------------------------------------ asking */

static void on_answer(void *context, enum status status, const struct bus_message *message) {
	struct stack *f = context;
	f->answered++;
	text_clear(&f->reply);
	if (status == STATUS_OK)
		text_add_slice(&f->reply, message->body);
}

/* The reply, "" when there was none. */
const char *stack_ask(struct stack *f, const char *subject, const char *body) {
	char full[128];
	size_t before = f->answered;
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	snprintf(full, sizeof(full), "corder.v1.%s", subject);
	bus_request(f->bus, full, NULL, 0, slice_of(body), TIMEOUT_MS, on_answer, f);
	while (f->answered == before && clock_mono_us() < limit_us)
		loop_turn(f->loop, 10000);
	assert_true(f->answered > before);
	return f->reply.length > 0 ? f->reply.bytes : "";
}

int stack_connect(const struct stack *f) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)f->http_port) };
	struct timeval patience = { .tv_sec = 30 };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

void stack_send(int fd, const char *method, const char *path, const char *headers) {
	struct text request = { 0 };
	text_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path, headers);
	assert_int_equal(send(fd, request.bytes, request.length, MSG_NOSIGNAL), request.length);
	text_release(&request);
}

/* Reads to the end of the connection, and splits head and body. */
void stack_read(struct stack *f, int fd) {
	char buffer[65536];
	ssize_t got;
	text_clear(&f->head);
	text_clear(&f->body);
	while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		text_append(&f->head, buffer, (size_t)got);
	assert_int_equal(got, 0);
	char *split = f->head.length > 0 ? strstr(f->head.bytes, "\r\n\r\n") : NULL;
	assert_non_null(split);
	text_add(&f->body, split + 4);
	f->head.length = (size_t)(split - f->head.bytes);
	f->head.bytes[f->head.length] = '\0';
	f->code = atoi(f->head.bytes + strlen("HTTP/1.1 "));
}

int stack_http(struct stack *f, const char *method, const char *path) {
	int fd = stack_connect(f);
	if (fd < 0)
		return 0;
	stack_send(fd, method, path, "Connection: close\r\n");
	stack_read(f, fd);
	close(fd);
	return f->code;
}

int stack_get(struct stack *f, const char *path) {
	return stack_http(f, "GET", path);
}

void stack_expect(const char *text, const char *part) {
	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("no \"%s\" in \"%s\"", part, text != NULL ? text : "");
}

/* Until GET path gives this code and a body with this part. */
void stack_await_http(struct stack *f, const char *path, int code, const char *part) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (clock_mono_us() < limit_us) {
		if (stack_get(f, path) == code && strstr(f->body.bytes != NULL ? f->body.bytes : "", part) != NULL)
			return;
		loop_turn(f->loop, 20000);
	}
	fail_msg("%s: still %d: %s", path, f->code, f->body.bytes != NULL ? f->body.bytes : "");
}

void stack_await_reply(struct stack *f, const char *subject, const char *body, const char *part) {
	int64_t limit_us = clock_mono_us() + LIMIT_US;
	while (strstr(stack_ask(f, subject, body), part) == NULL) {
		if (clock_mono_us() > limit_us)
			fail_msg("%s: still %s", subject, f->reply.bytes != NULL ? f->reply.bytes : "no reply");
		loop_turn(f->loop, 20000);
	}
}

/* ------------------------------------------------------------------------------------------------ life */

void stack_open(struct stack **stack, const char *programs, const char *const *environment) {
	struct stack *f = memory_new(sizeof(*f));
	struct error err = { 0 };
	f->programs = programs;
	f->environment = environment;
	f->nats = server_start_nats();
	f->redis = server_start_redis();
	f->mariadb = server_start_mariadb();
	f->http_port = free_port();
	f->loop = loop_open();
	struct bus_options options = { server_url(f->nats), "test" };
	assert_int_equal(bus_open(f->loop, &options, &f->bus, &err), STATUS_OK);
	for (size_t i = 0; i < STACK_SERVICES; i++)
		stack_start(f, i);
	stack_await_reply(f, "submit",
	                  "{\"project\":\"shop\",\"task_id\":\"first\",\"task_type\":\"coding\",\"ack\":\"archived\"}",
	                  "\"ok\":true");
	stack_await_http(f, "/readyz", 200, "mysql ok");
	*stack = f;
}

void stack_close(struct stack **stack) {
	struct stack *f = *stack;
	for (size_t i = 0; i < STACK_SERVICES; i++) {
		if (f->pids[i] == 0)
			continue;
		stack_stop(f, i, SIGTERM);
	}
	bus_close(&f->bus);
	loop_close(&f->loop);
	server_stop(&f->mariadb);
	server_stop(&f->redis);
	server_stop(&f->nats);
	text_release(&f->reply);
	text_release(&f->head);
	text_release(&f->body);
	free(f);
	*stack = NULL;
}
