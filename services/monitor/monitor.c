/* The life of the monitor: its settings, what it opens and closes, and the questions that come over NATS. */
#include "monitor.h"

#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "history.h"
#include "http.h"
#include "http_routes.h"
#include "hub.h"
#include "live.h"
#include "metrics_times.h"
#include "pages.h"
#include "past.h"
#include "peers.h"
#include "pulse.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "snapshot.h"
#include "subjects/subjects.h"
#include "watch.h"
#include "workers.h"

static void on_answer(void *context, const struct error *error, struct slice json) {
	if (error != NULL)
		service_fail(context, error, "");
	else
		service_reply(context, json);
}

static void serve(struct service *service, struct service_request *request, answer_verb *verb) {
	struct monitor *monitor = service_own(service);
	struct asker asker = { on_answer, request, reply_bytes(monitor) };
	verb(monitor, service_body(request), &asker);
}

#define BUS_HANDLER(name, verb)                                                                                        \
	static void name(struct service *service, struct service_request *request) {                                       \
		serve(service, request, verb);                                                                                 \
	}
BUS_HANDLER(serve_get, on_get)
BUS_HANDLER(serve_list, on_list)
BUS_HANDLER(serve_status, on_status)
BUS_HANDLER(serve_timeline, on_timeline)
BUS_HANDLER(serve_executable, on_executable)
BUS_HANDLER(serve_explain, on_explain)

static const struct service_route routes[] = {
	{ SUBJECT_TASK_GET, QUEUE_MONITOR, serve_get, "One task with its edges and tries." },
	{ SUBJECT_TASK_LIST, QUEUE_MONITOR, serve_list, "Tasks by filters, newest first, a page at a time." },
	{ SUBJECT_STATUS, QUEUE_MONITOR, serve_status, "Counts, health, waiting time and throughput." },
	{ SUBJECT_TIMELINE, QUEUE_MONITOR, serve_timeline, "What happened when, in order of submission." },
	{ SUBJECT_EXECUTABLE, QUEUE_MONITOR, serve_executable, "What could be leased now, in order." },
	{ SUBJECT_EXPLAIN, QUEUE_MONITOR, serve_explain, "Why a task is not running." },
};

enum { HOUR_S = 3600, PATIENCE_MS = 2000, READ_EVERY_US = 5000 };

static enum status open_parts(struct monitor *monitor, struct error *err) {
	const struct monitor_settings *settings = monitor->settings;
	struct loop *loop = service_loop(monitor->service);
	struct history_options history = { settings->common.database_url, settings->database_connections,
		                               settings->query_timeout_ms };
	struct http_options http = { settings->http_address, settings->http_port, settings->http_max_connections,
		                         settings->http_idle_timeout_s, settings->common.max_request_bytes };
	int64_t us_per_point = (int64_t)HOUR_S * 1000000 / settings->age_weight;
	monitor->window = window_open(clock_wall_us());
	monitor->times = times_open();
	monitor->pulse = pulse_open(clock_wall_us());
	monitor->workers = workers_open();
	monitor->hub = hub_open(monitor);
	monitor->live = live_open(monitor->service, monitor_partitions(monitor), us_per_point, PATIENCE_MS);
	monitor->snapshot = snapshot_open(monitor);
	enum status status = history_open(loop, service_db(monitor->service), &history, &monitor->history, err);
	/* What happens is shown a little later, and is not held up by being watched. */
	bus_read_every(service_bus(monitor->service), READ_EVERY_US);
	if (status == STATUS_OK)
		status = feed_open(monitor, &monitor->feed, err);
	if (status == STATUS_OK)
		monitor->past = past_open(monitor);
	monitor->watch = watch_open(monitor);
	if (status == STATUS_OK)
		status = peers_open(monitor, &monitor->peers, err);
	if (status == STATUS_OK)
		status = http_open(loop, &http, route_request, monitor, &monitor->http, err);
	return status;
}

static enum status check_settings(const struct monitor *monitor, struct error *err) {
	if (monitor_partitions(monitor) > PAGES_PARTITIONS)
		return fail(err, STATUS_REJECT, "CORDER_PARTITIONS may be %d at most", PAGES_PARTITIONS);
	return STATUS_OK;
}

enum status monitor_start(struct service *service, struct error *err) {
	struct monitor *monitor = memory_new(sizeof(*monitor));
	monitor->service = service;
	monitor->settings = service_settings(service);
	service_context(service, monitor);
	enum status status = check_settings(monitor, err);
	if (status != STATUS_OK)
		return status;
	monitor->answered = service_counter(service, "questions_answered");
	monitor->refused = service_counter(service, "questions_refused");
	status = open_parts(monitor, err);
	if (status == STATUS_OK)
		status = service_serve(service, routes, sizeof(routes) / sizeof(*routes), err);
	if (status == STATUS_OK)
		log_info("http listens", "address", monitor->settings->http_address, "port", log_int(http_port(monitor->http)),
		         NULL);
	return status;
}

void monitor_stop(struct service *service) {
	struct monitor *monitor = service_own(service);
	monitor->stopping = true;
	hub_stop(monitor->hub);
	http_stop_listening(monitor->http);
}

bool monitor_idle(struct service *service) {
	const struct monitor *monitor = service_own(service);
	return monitor->questions == 0 && http_waiting(monitor->http) == 0;
}

void monitor_close(struct service *service) {
	struct monitor *monitor = service_own(service);
	if (monitor == NULL)
		return;
	http_close(&monitor->http);
	if (monitor->questions > 0)
		return; /* the time for a graceful stop is over; replies may still come until the connections are closed */
	peers_close(&monitor->peers);
	watch_close(&monitor->watch);
	past_close(&monitor->past);
	feed_close(&monitor->feed);
	hub_close(&monitor->hub);
	snapshot_close(&monitor->snapshot);
	history_close(&monitor->history);
	live_close(&monitor->live);
	window_close(&monitor->window);
	times_close(&monitor->times);
	pulse_close(&monitor->pulse);
	workers_close(&monitor->workers);
	free(monitor);
}

enum status monitor_health(struct service *service, struct text *members, struct error *reason) {
	const struct monitor *monitor = service_own(service);
	text_printf(members, ",\"http_port\":%lld,\"http_requests\":%llu,\"questions_under_way\":%lld",
	            (long long)http_port(monitor->http), (unsigned long long)http_requests(monitor->http),
	            (long long)monitor->questions);
	if (!db_connected(service_db(service)))
		return fail(reason, STATUS_RETRY, "MySQL is not connected");
	return STATUS_OK;
}
