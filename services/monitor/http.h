/* The HTTP server of the monitor, on its loop and in its thread. The only files that know libmicrohttpd are http*.c. A
 * request waits, suspended, until it is answered; a stream stays open and is fed with frames that many streams share. */
#ifndef CORDER_MONITOR_HTTP_H
#define CORDER_MONITOR_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/loop.h"
#include "shared/base/text.h"

/* The code of its answer to any method but GET, HEAD and POST. */
#define HTTP_CODE_METHOD "wrong_method"

struct http;
struct http_request;
struct http_stream;

/* Must lead to exactly one http_answer, http_answer_file or http_stream_start for this request, within the call or later. */
typedef void http_handler(void *context, struct http_request *request);

struct http_options {
	const char *address; /* an IP address or "localhost" */
	int64_t port;        /* 0: any that is free */
	int64_t max_connections;
	int64_t idle_timeout_s; /* of a connection on which nothing happens */
	int64_t max_body_bytes; /* of a POST; more is answered too_large */
};

enum status http_open(struct loop *loop, const struct http_options *options, http_handler *handler, void *context,
                      struct http **http, struct error *err);
/* Requests that are not answered yet get no answer any more; http_answer then just frees them. Streams must have ended. */
void http_close(struct http **http);
int64_t http_port(const struct http *http);      /* the one it listens on */
void http_stop_listening(struct http *http);     /* first step of a graceful stop */
size_t http_waiting(const struct http *http);    /* requests not yet answered */
uint64_t http_requests(const struct http *http); /* since the start */

/* The request: all borrowed until the answer; the path without its parameters, percent-decoded. Only GET, HEAD and POST
 * get here; the body of a POST is whole. */
struct slice http_path(const struct http_request *request);
bool http_is_post(const struct http_request *request);
struct slice http_body(const struct http_request *request);
struct slice http_header(const struct http_request *request, const char *name); /* bytes NULL: there is none */
/* Calls each for every parameter of the URL, in order, until it returns false. */
typedef bool http_parameter(void *context, struct slice name, struct slice value);
void http_parameters(const struct http_request *request, http_parameter *each, void *context);

/* Ends the request; copies the body. */
void http_answer(struct http_request *request, unsigned code, const char *content_type, struct slice body);

/* What does not change while the process runs. */
struct http_file {
	const char *path, *content_type;
	const char *etag;           /* with its quotes */
	struct slice plain, packed; /* packed: by gzip; empty: none */
	bool immutable;             /* the path changes with the content */
};
/* Ends the request; knows If-None-Match and Accept-Encoding. */
void http_answer_file(struct http_request *request, const struct http_file *file);

/* A piece of a stream, made once and shared by all streams that it is pushed to. */
struct http_frame {
	size_t references, length;
	char bytes[];
};
struct http_frame *http_frame_new(struct slice bytes); /* with one reference */
void http_frame_drop(struct http_frame **frame);

enum { HTTP_STREAM_FRAMES = 32 }; /* so many may wait in one stream */

/* Ends the request and opens a text/event-stream. closed is called once, when the client has gone or after
 * http_stream_end, and is the last that is heard of the stream. NULL: the client has gone already. */
typedef void http_stream_closed(void *context);
struct http_stream *http_stream_start(struct http_request *request, http_stream_closed *closed, void *context);
/* Takes a reference of its own. false: too many wait, the frame was not taken. */
bool http_stream_push(struct http_stream *stream, struct http_frame *frame);
size_t http_stream_waiting(const struct http_stream *stream); /* frames, one of them perhaps half sent */
void http_stream_end(struct http_stream *stream);             /* after what waits was sent */

#endif
