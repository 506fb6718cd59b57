/* libmicrohttpd with its epoll descriptor watched by our loop: it has no thread of its own. A connection is suspended
 * while its request waits for an answer; resuming one makes the descriptor readable again. */
#include "http_inside.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

static void run(struct http *http);

static void unlink_suspended(struct http_request *request) {
	struct http *http = request->http;
	if (!request->is_suspended)
		return;
	if (request->next != NULL)
		request->next->previous = request->previous;
	if (request->previous != NULL)
		request->previous->next = request->next;
	else
		http->suspended = request->next;
	request->next = request->previous = NULL;
	request->is_suspended = false;
}

void http_suspend(struct http_request *request) {
	struct http *http = request->http;
	MHD_suspend_connection(request->connection);
	request->is_suspended = true;
	request->next = http->suspended;
	if (http->suspended != NULL)
		http->suspended->previous = request;
	http->suspended = request;
}

void http_resume(struct http_request *request) {
	unlink_suspended(request);
	MHD_resume_connection(request->connection);
	request->http->has_resumed = true;
	loop_again(request->http->loop);
}

static void request_free(struct http_request *request) {
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	text_release(&request->body);
	free(request->path);
	free(request);
}

static enum MHD_Result send_answer(struct http_request *request) {
	enum MHD_Result result = MHD_queue_response(request->connection, request->code, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

static struct http_request *begin(struct http *http, struct MHD_Connection *connection, const char *url,
                                  const char *method) {
	struct http_request *request = memory_new(sizeof(*request));
	*request = (struct http_request){ .http = http, .connection = connection };
	request->path = memory_copy(url, strlen(url));
	request->is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
	request->is_known_method =
		request->is_post || strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	http->requests++;
	http->waiting++;
	return request;
}

/* A body is of use only with a POST. */
static void take_body(struct http_request *request, const char *bytes, size_t length) {
	if (!request->is_post)
		return;
	request->is_too_large = request->is_too_large || request->body.length + length > request->http->max_body_bytes;
	if (!request->is_too_large)
		text_append(&request->body, bytes, length);
}

static void dispatch(struct http_request *request) {
	request->dispatched = true;
	if (!request->is_known_method)
		http_answer(request, MHD_HTTP_METHOD_NOT_ALLOWED, "application/json",
		            SLICE("{\"ok\":false,\"error\":{\"code\":\"" HTTP_CODE_METHOD
		                  "\",\"message\":\"only GET, HEAD and POST\"}}\n"));
	else if (request->is_too_large)
		http_answer(request, MHD_HTTP_CONTENT_TOO_LARGE, "application/json",
		            SLICE("{\"ok\":false,\"error\":{\"code\":\"too_large\",\"message\":\"the body is too large\"}}\n"));
	else
		request->http->handler(request->http->context, request);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **own) {
	struct http_request *request = *own;
	(void)version;
	if (request == NULL) {
		*own = begin(context, connection, url, method);
		return MHD_YES;
	}
	if (*upload_bytes > 0) {
		take_body(request, upload, *upload_bytes);
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (!request->dispatched)
		dispatch(request);
	if (request->response != NULL)
		return send_answer(request);
	http_suspend(request);
	return MHD_YES;
}

/* The connection is done with this request, by an answer or because the client has gone. */
static void on_completed(void *context, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode code) {
	struct http_request *request = *own;
	(void)context, (void)connection, (void)code;
	*own = NULL;
	if (request == NULL)
		return;
	unlink_suspended(request);
	if (request->stream != NULL)
		http_stream_gone(request->stream);
	if (request->answered || !request->dispatched) {
		if (!request->answered)
			request->http->waiting--;
		request_free(request);
		return;
	}
	request->http->waiting--;
	request->http = NULL; /* freed by http_take_response */
}

void http_take_response(struct http_request *request, unsigned code, struct MHD_Response *response) {
	must(!request->answered && response != NULL);
	request->answered = true;
	request->code = code;
	request->response = response;
	if (request->http == NULL) {
		request_free(request);
		return;
	}
	request->http->waiting--;
	if (request->is_suspended)
		http_resume(request);
}

static void on_timer(void *context) {
	struct http *http = context;
	http->timer = NULL;
	run(http);
}

/* Lets the library do what is to be done, and wakes it again when its next timeout is due. */
static void run(struct http *http) {
	MHD_run(http->daemon);
	MHD_UNSIGNED_LONG_LONG wait_ms;
	loop_timer_stop(http->loop, &http->timer);
	if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES)
		http->timer = loop_timer_start(http->loop, clock_mono_us() + (int64_t)wait_ms * 1000, on_timer, http);
}

/* What was answered in this turn leaves with it. */
static void on_turn(void *context) {
	struct http *http = context;
	if (!http->has_resumed)
		return;
	http->has_resumed = false;
	run(http);
}

static void on_ready(void *context, int fd, int events) {
	(void)fd, (void)events;
	run(context);
}

static void on_library_log(void *context, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
static void on_library_log(void *context, const char *format, va_list arguments) {
	char line[256];
	(void)context;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http library", "detail", line, NULL);
}

static enum status resolve(const struct http_options *options, struct addrinfo **found, struct error *err) {
	char port[8];
	snprintf(port, sizeof(port), "%u", (unsigned)(options->port & 0xFFFF));
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	int code = getaddrinfo(options->address, port, &hints, found);
	if (code == 0)
		return STATUS_OK;
	return fail(err, STATUS_REJECT, "CORDER_HTTP_ADDRESS=%s: %s", options->address, gai_strerror(code));
}

static struct MHD_Daemon *start_daemon(struct http *http, const struct http_options *options,
                                       const struct addrinfo *address) {
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, (uint16_t)options->port, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
	                        on_library_log, NULL, MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_NOTIFY_COMPLETED,
	                        on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->max_connections,
	                        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->idle_timeout_s, MHD_OPTION_END);
}

enum status http_open(struct loop *loop, const struct http_options *options, http_handler *handler, void *context,
                      struct http **out, struct error *err) {
	struct addrinfo *address;
	enum status status = resolve(options, &address, err);
	if (status != STATUS_OK)
		return status;
	struct http *http = memory_new(sizeof(*http));
	*http = (struct http){ .loop = loop, .handler = handler, .context = context };
	http->max_body_bytes = (size_t)options->max_body_bytes;
	http->daemon = start_daemon(http, options, address);
	freeaddrinfo(address);
	if (http->daemon == NULL) {
		free(http);
		return fail(err, STATUS_REJECT,
		            "cannot listen on %s port %lld: is it in use? set CORDER_HTTP_PORT (0: any free)", options->address,
		            (long long)options->port);
	}
	http->epoll_fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	http->port = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	loop_watch(loop, http->epoll_fd, LOOP_READ, on_ready, http);
	loop_each_turn(loop, on_turn, http);
	*out = http;
	return STATUS_OK;
}

int64_t http_port(const struct http *http) {
	return http->port;
}

size_t http_waiting(const struct http *http) {
	return http->waiting;
}

uint64_t http_requests(const struct http *http) {
	return http->requests;
}

void http_stop_listening(struct http *http) {
	MHD_socket listening = MHD_quiesce_daemon(http->daemon);
	if (listening != MHD_INVALID_SOCKET)
		close(listening);
}

void http_close(struct http **http) {
	if (*http == NULL)
		return;
	struct http *old = *http;
	while (old->suspended != NULL) { /* the library aborts when it is stopped with a suspended connection */
		struct http_request *request = old->suspended;
		if (request->stream != NULL) {
			http_stream_end(request->stream);
			continue;
		}
		request->code = MHD_HTTP_SERVICE_UNAVAILABLE;
		request->response = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
		http_resume(request);
	}
	MHD_run(old->daemon);
	loop_timer_stop(old->loop, &old->timer);
	loop_each_turn_stop(old->loop, on_turn, old);
	loop_watch(old->loop, old->epoll_fd, 0, NULL, NULL);
	MHD_stop_daemon(old->daemon);
	free(old);
	*http = NULL;
}
