/* GET /metrics of a process, on its loop and in its thread, when CORDER_METRICS_PORT is set. By libmicrohttpd, with its
 * epoll descriptor watched by our loop; every answer is ready at once. */
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"
#include "metrics_text.h"
#include "service_inside.h"

enum { CONNECTIONS_MAX = 32, IDLE_S = 15 };

struct listener {
	struct service *service;
	struct MHD_Daemon *daemon;
	struct loop_timer *timer;
	int epoll_fd;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type, struct slice body) {
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.bytes, MHD_RESPMEM_MUST_COPY);
	must(response != NULL);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	enum MHD_Result result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **own) {
	struct listener *listener = context;
	(void)version, (void)upload, (void)upload_bytes, (void)own;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", SLICE("only GET and HEAD\n"));
	if (strcmp(url, "/metrics") != 0)
		return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", SLICE("there is only /metrics here\n"));
	struct text out = { 0 };
	service_metrics_add(listener->service, &out);
	enum MHD_Result result =
		answer(connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, (struct slice){ out.bytes, out.length });
	text_release(&out);
	return result;
}

static void on_timer(void *context);

/* Lets the library do what is to be done, and wakes it again when its next timeout is due. */
static void run(struct listener *listener) {
	MHD_UNSIGNED_LONG_LONG wait_ms;
	MHD_run(listener->daemon);
	loop_timer_stop(listener->service->loop, &listener->timer);
	if (MHD_get_timeout(listener->daemon, &wait_ms) == MHD_YES)
		listener->timer =
			loop_timer_start(listener->service->loop, clock_mono_us() + (int64_t)wait_ms * 1000, on_timer, listener);
}

static void on_timer(void *context) {
	struct listener *listener = context;
	listener->timer = NULL;
	run(listener);
}

static void on_ready(void *context, int fd, int events) {
	(void)fd, (void)events;
	run(context);
}

static struct MHD_Daemon *start_daemon(struct listener *listener, const struct addrinfo *address) {
	unsigned flags = MHD_USE_EPOLL | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	return MHD_start_daemon(flags, (uint16_t)listener->service->common->metrics_port, NULL, NULL, on_request, listener,
	                        MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
	                        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
}

enum status service_listener_open(struct service *service, struct error *err) {
	const struct service_settings *settings = service->common;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *address;
	char port[8];
	if (settings->metrics_port == 0)
		return STATUS_OK;
	snprintf(port, sizeof(port), "%u", (unsigned)(settings->metrics_port & 0xFFFF));
	int code = getaddrinfo(settings->metrics_address, port, &hints, &address);
	if (code != 0)
		return fail(err, STATUS_REJECT, "CORDER_METRICS_ADDRESS=%s: %s", settings->metrics_address, gai_strerror(code));
	struct listener *listener = memory_new(sizeof(*listener));
	listener->service = service;
	listener->daemon = start_daemon(listener, address);
	freeaddrinfo(address);
	if (listener->daemon == NULL) {
		free(listener);
		return fail(err, STATUS_REJECT, "cannot listen on %s port %lld: is it in use? set CORDER_METRICS_PORT",
		            settings->metrics_address, (long long)settings->metrics_port);
	}
	listener->epoll_fd = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	loop_watch(service->loop, listener->epoll_fd, LOOP_READ, on_ready, listener);
	service->listener = listener;
	return STATUS_OK;
}

void service_listener_close(struct service *service) {
	struct listener *listener = service->listener;
	if (listener == NULL)
		return;
	loop_timer_stop(service->loop, &listener->timer);
	loop_watch(service->loop, listener->epoll_fd, 0, NULL, NULL);
	MHD_stop_daemon(listener->daemon);
	free(listener);
	service->listener = NULL;
}
