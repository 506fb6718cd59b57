/* What http*.c share. */
#ifndef CORDER_MONITOR_HTTP_INSIDE_H
#define CORDER_MONITOR_HTTP_INSIDE_H

#include <microhttpd.h>

#include "http.h"

struct http {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	http_handler *handler;
	void *context;
	struct loop_timer *timer;
	int epoll_fd;
	bool has_resumed;
	int64_t port;
	size_t max_body_bytes;
	size_t waiting;
	uint64_t requests;
	struct http_request *suspended; /* list of those whose connection is suspended */
};

struct http_request {
	struct http *http; /* NULL once the server or the connection is gone: an answer goes nowhere */
	struct MHD_Connection *connection;
	struct MHD_Response *response; /* the answer, until it is queued */
	unsigned code;
	bool is_post, is_known_method, is_too_large;
	bool dispatched, answered;
	bool is_suspended;
	struct http_request *next, *previous; /* in the list of the suspended */
	char *path;
	struct text body;
	struct http_stream *stream; /* the answer is one */
};

void http_suspend(struct http_request *request);
void http_resume(struct http_request *request);
/* Takes the response over as the answer, with the headers that all answers have … */
void http_give(struct http_request *request, unsigned code, struct MHD_Response *response);
/* … and as it is. */
void http_take_response(struct http_request *request, unsigned code, struct MHD_Response *response);
/* The connection of a stream is done. */
void http_stream_gone(struct http_stream *stream);

#endif
