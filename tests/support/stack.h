/* A whole Corder for a test: the five services as processes on private servers, asked over NATS and HTTP. Every function
 * fails the test by itself when something does not come within a minute. */
#ifndef CORDER_TESTS_STACK_H
#define CORDER_TESTS_STACK_H

#include <sys/types.h>

#include "servers.h"
#include "shared/bus/bus.h"

enum { STACK_SCHEDULER, STACK_PERSISTER, STACK_INGEST, STACK_DISPATCHER, STACK_MONITOR, STACK_SERVICES };

struct stack {
	struct server *nats, *redis, *mariadb;
	struct loop *loop;
	struct bus *bus;
	pid_t pids[STACK_SERVICES];
	const char *programs;
	const char *const *environment;
	int http_port;
	size_t answered;
	struct text reply; /* of NATS */
	int code;          /* of HTTP */
	struct text head, body;
};

/* programs: their folder. environment: names and values in turn, NULL at the end; or NULL. Borrowed. Two partitions; one task, shop/first, is
 * submitted and in MySQL. */
void stack_open(struct stack **stack, const char *programs, const char *const *environment);
void stack_close(struct stack **stack);
void stack_start(struct stack *stack, size_t service);
int stack_stop(struct stack *stack, size_t service, int signal_number); /* its status, as of waitpid */

/* subject: behind "corder.v1."; the reply, "" when there was none. */
const char *stack_ask(struct stack *stack, const char *subject, const char *body);
void stack_await_reply(struct stack *stack, const char *subject, const char *body, const char *part);

int stack_connect(const struct stack *stack); /* -1: nobody listens */
void stack_send(int fd, const char *method, const char *path, const char *headers);
void stack_read(struct stack *stack, int fd); /* to the end of the connection: code, head and body */
/* The code of the answer, 0 when nobody listens; head and body are in the stack. */
int stack_http(struct stack *stack, const char *method, const char *path);
int stack_get(struct stack *stack, const char *path);
void stack_await_http(struct stack *stack, const char *path, int code, const char *part);
void stack_expect(const char *text, const char *part); /* the part is in the text */

#endif
