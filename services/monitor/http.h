/* The HTTP server of the monitor, on its loop and in its thread: GET and HEAD only. The only folder that knows
 * libmicrohttpd. A request waits, suspended, until it is answered. */
#ifndef CORDER_MONITOR_HTTP_H
#define CORDER_MONITOR_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/loop.h"
#include "shared/base/text.h"

struct http;
struct http_request;

/* Must lead to exactly one http_answer for this request, within the call or later. */
typedef void http_handler(void *context, struct http_request *request);

struct http_options {
	const char *address; /* an IP address or "localhost" */
	int64_t port;        /* 0: any that is free */
	int64_t max_connections;
	int64_t idle_timeout_s; /* of a connection on which nothing happens */
};

enum status http_open(struct loop *loop, const struct http_options *options, http_handler *handler, void *context,
                      struct http **http, struct error *err);
/* Requests that are not answered yet get no answer any more; http_answer then just frees them. */
void http_close(struct http **http);
int64_t http_port(const struct http *http);      /* the one it listens on */
void http_stop_listening(struct http *http);     /* first step of a graceful stop */
size_t http_waiting(const struct http *http);    /* requests not yet answered */
uint64_t http_requests(const struct http *http); /* since the start */

/* Both borrowed until the answer; the path without its parameters, percent-decoded. */
struct slice http_path(const struct http_request *request);
/* Calls each for every parameter of the URL, in order, until it returns false. */
typedef bool http_parameter(void *context, struct slice name, struct slice value);
void http_parameters(const struct http_request *request, http_parameter *each, void *context);

/* Ends the request. */
void http_answer(struct http_request *request, unsigned code, const char *content_type, struct slice body);

#endif
