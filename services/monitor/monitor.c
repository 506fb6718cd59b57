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
#include "metrics_waits.h"
#include "pages.h"
#include "past.h"
#include "peers.h"
#include "pulse.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "snapshot.h"
#include "subjects/subjects.h"
#include "workers.h"

#define FIELD(name) offsetof(struct monitor_settings, name)

const struct setting monitor_setting_rows[] = {
	{ "CORDER_HTTP_ADDRESS", SETTING_TEXT, FIELD(http_address), "127.0.0.1", 0, 0, "",
	  "The address on which HTTP is answered; reading needs no password, so think before you open it." },
	{ "CORDER_HTTP_TOKEN", SETTING_SECRET, FIELD(http_token), "", 0, 0, "",
	  "Who brings this token over HTTP may cancel, retry, approve, reject, update, pause and resume; empty: nobody "
	  "may." },
	{ "CORDER_HTTP_PORT", SETTING_INT, FIELD(http_port), "8080", 0, 65535, "",
	  "The port of HTTP; 0 takes any that is free and logs it." },
	{ "CORDER_HTTP_MAX_CONNECTIONS", SETTING_INT, FIELD(http_max_connections), "1000", 1, 100000, "connections",
	  "So many HTTP connections at once; more wait to be accepted." },
	{ "CORDER_HTTP_IDLE_TIMEOUT_S", SETTING_INT, FIELD(http_idle_timeout_s), "60", 1, 3600, "s",
	  "An HTTP connection on which nothing happens for so long is closed." },
	{ "CORDER_HTTP_MAX_STREAMS", SETTING_INT, FIELD(http_max_streams), "800", 1, 100000, "connections",
	  "So many open dashboards (streams of /api/v1/live) at once; more are told to come back later." },
	{ "CORDER_LIVE_INTERVAL_MS", SETTING_INT, FIELD(live_interval_ms), "400", 50, 60000, "ms",
	  "An open dashboard is told of changes no more often than this." },
	{ "CORDER_LIST_LIMIT", SETTING_INT, FIELD(list_limit), "1000", 1, LIMIT_LIST, "tasks",
	  "A page of task.list is never longer." },
	{ "CORDER_MONITOR_CONNECTIONS", SETTING_INT, FIELD(database_connections), "3", 1, 16, "connections",
	  "Connections to MySQL, so that a slow list holds up nobody else." },
	{ "CORDER_QUERY_TIMEOUT_MS", SETTING_INT, FIELD(query_timeout_ms), "5000", 50, 600000, "ms",
	  "A question to MySQL that takes longer is given up, and answered `unavailable`." },
	{ "CORDER_MONITOR_MAX_QUESTIONS", SETTING_INT, FIELD(max_questions), "1000", 1, 100000, "requests",
	  "So many questions may be under way at once; more are answered `unavailable`." },
	{ "CORDER_AGE_WEIGHT", SETTING_INT, FIELD(age_weight), "1", 1, 1000, "points",
	  "What an hour of waiting adds to a task's score; the same for all services." },
	{ "CORDER_PEERS_INTERVAL_MS", SETTING_INT, FIELD(peers_interval_ms), "2000", 100, 60000, "ms",
	  "So often the other services are asked how they are." },
	{ "CORDER_HEALTH_READY_S", SETTING_INT, FIELD(health_ready_s), "900", 1, 31536000, "s",
	  "queue_health is degraded when a ready task waits longer for a worker." },
	{ "CORDER_HEALTH_OUTBOX_EVENTS", SETTING_INT, FIELD(health_outbox_events), "10000", 1, 1000000000, "events",
	  "queue_health is degraded when more events are in Redis and not yet in the log; critical at ten times that." },
	{ "CORDER_HEALTH_LAG_EVENTS", SETTING_INT, FIELD(health_lag_events), "100000", 1, 1000000000, "events",
	  "queue_health is degraded when more events are in the log and not yet in MySQL; critical at ten times that." },
};
const size_t monitor_setting_count = sizeof(monitor_setting_rows) / sizeof(*monitor_setting_rows);

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

enum { HOUR_S = 3600, PATIENCE_MS = 2000 };

static enum status open_parts(struct monitor *monitor, struct error *err) {
	const struct monitor_settings *settings = monitor->settings;
	struct loop *loop = service_loop(monitor->service);
	struct history_options history = { settings->common.database_url, settings->database_connections,
		                               settings->query_timeout_ms };
	struct http_options http = { settings->http_address, settings->http_port, settings->http_max_connections,
		                         settings->http_idle_timeout_s, settings->common.max_request_bytes };
	int64_t us_per_point = (int64_t)HOUR_S * 1000000 / settings->age_weight;
	monitor->window = window_open(clock_wall_us());
	monitor->waits = waits_open();
	monitor->pulse = pulse_open(clock_wall_us());
	monitor->workers = workers_open();
	monitor->hub = hub_open(monitor);
	monitor->live = live_open(monitor->service, monitor_partitions(monitor), us_per_point, PATIENCE_MS);
	monitor->snapshot = snapshot_open(monitor);
	enum status status = history_open(loop, service_db(monitor->service), &history, &monitor->history, err);
	if (status == STATUS_OK)
		status = feed_open(monitor, &monitor->feed, err);
	if (status == STATUS_OK)
		monitor->past = past_open(monitor);
	if (status == STATUS_OK)
		status = peers_open(monitor, &monitor->peers, err);
	if (status == STATUS_OK)
		status = http_open(loop, &http, route_request, monitor, &monitor->http, err);
	return status;
}

enum { TOKEN_CHARACTERS_MIN = 16 };

static enum status check_settings(const struct monitor *monitor, struct error *err) {
	size_t token = strlen(monitor->settings->http_token);
	if (monitor_partitions(monitor) > PAGES_PARTITIONS)
		return fail(err, STATUS_REJECT, "CORDER_PARTITIONS may be %d at most", PAGES_PARTITIONS);
	if (token > 0 && token < TOKEN_CHARACTERS_MIN)
		return fail(err, STATUS_REJECT, "CORDER_HTTP_TOKEN must have %d characters at least", TOKEN_CHARACTERS_MIN);
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
	past_close(&monitor->past);
	feed_close(&monitor->feed);
	hub_close(&monitor->hub);
	snapshot_close(&monitor->snapshot);
	history_close(&monitor->history);
	live_close(&monitor->live);
	window_close(&monitor->window);
	waits_close(&monitor->waits);
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
