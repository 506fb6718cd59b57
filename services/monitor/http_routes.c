/* From a URL to a question: the parameters, and the pieces of the path that have a name, become the body of the message
 * that asks the same over NATS, so that there is one parser, one answer and one set of errors. */
#include "http_routes.h"

#include <string.h>

#include "http_actions.h"
#include "http_files.h"
#include "http_live.h"
#include "http_read.h"
#include "metrics.h"
#include "shared/base/memory.h"
#include "shared/base/version.h"
#include "shared/service/metrics_text.h"
#include "snapshot.h"
#include "subjects/subjects.h"

enum { REPLY_BYTES_MAX = 64 << 20 };

static unsigned http_code(const char *code) {
	static const struct {
		const char *code;
		unsigned http;
	} known[] = {
		{ CODE_NOT_FOUND, 404 },         { CODE_TOO_LARGE, 413 },        { CODE_UNAVAILABLE, 503 },
		{ CODE_INTERNAL, 500 },          { CODE_WRONG_STATUS, 409 },     { CODE_LIMIT_EXCEEDED, 422 },
		{ HTTP_CODE_UNAUTHORIZED, 401 }, { HTTP_CODE_READ_ONLY, 403 },   { HTTP_CODE_FORBIDDEN_ORIGIN, 403 },
		{ HTTP_CODE_METHOD, 405 },       { HTTP_CODE_UNSUPPORTED, 415 }, { HTTP_CODE_FORBIDDEN_HOST, 403 },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(code, known[i].code) == 0)
			return known[i].http;
	return 400;
}

void route_fail(struct http_request *request, const struct error *error) {
	struct text body = { 0 };
	text_add(&body, "{\"ok\":false,\"error\":{\"code\":");
	text_add_json(&body, slice_of(error->code));
	text_add(&body, ",\"message\":");
	text_add_json(&body, slice_of(error->message));
	if (error->path[0] != '\0') {
		text_add(&body, ",\"path\":");
		text_add_json(&body, slice_of(error->path));
	}
	text_add(&body, "}}\n");
	http_answer(request, http_code(error->code), "application/json", (struct slice){ body.bytes, body.length });
	text_release(&body);
}

void route_refuse(struct http_request *request, const char *code, const char *message) {
	struct error error = { 0 };
	reject(&error, code, "", "%s", message);
	route_fail(request, &error);
}

static void on_answer(void *context, const struct error *error, struct slice json) {
	if (error != NULL)
		route_fail(context, error);
	else
		http_answer(context, 200, "application/json", json);
}

void route_add_parameters(const struct http_request *request, struct text *body) {
	http_parameters(request, read_parameter, body);
	text_add_char(body, '}');
}

/* {name} stands for a piece of the path, which becomes the member of that name. */
static const struct {
	const char *pattern;
	answer_verb *verb;
} questions[] = {
	{ "/api/v1/status", on_status },
	{ "/api/v1/tasks", on_list },
	{ "/api/v1/tasks/{project}/{task_id}", on_get },
	{ "/api/v1/tasks/{project}/{task_id}/explain", on_explain },
	{ "/api/v1/timeline", on_timeline },
	{ "/api/v1/executable", on_executable },
	{ "/api/v1/overview", on_overview },
	{ "/api/v1/queues", on_queues },
	{ "/api/v1/services", on_services },
	{ "/api/v1/projects", on_projects },
	{ "/api/v1/series", on_series },
	{ "/api/v1/projects/{project}/batches", on_batches },
	{ "/api/v1/projects/{project}/timeline", on_gantt },
	{ "/api/v1/events", on_events },
	{ "/api/v1/tasks/{project}/{task_id}/events", on_task_events },
	{ "/api/v1/failures", on_failures },
	{ "/api/v1/poison", on_poison },
};

static bool ask(struct monitor *monitor, struct http_request *request) {
	struct text body = { 0 };
	bool found = false;
	for (size_t i = 0; !found && i < sizeof(questions) / sizeof(*questions); i++) {
		found = read_path(http_path(request), questions[i].pattern, &body);
		if (!found)
			continue;
		struct asker asker = { on_answer, request, REPLY_BYTES_MAX };
		route_add_parameters(request, &body);
		questions[i].verb(monitor, (struct slice){ body.bytes, body.length }, &asker);
	}
	text_release(&body);
	return found;
}

static void answer_text(struct http_request *request, unsigned code, const char *text) {
	http_answer(request, code, "text/plain; charset=utf-8", slice_of(text));
}

static void answer_alive(struct monitor *monitor, struct http_request *request) {
	(void)monitor;
	answer_text(request, 200, "ok\n");
}

/* Ready: able to answer questions about live and past tasks. */
static void answer_ready(struct monitor *monitor, struct http_request *request) {
	bool bus = bus_connected(service_bus(monitor->service)), redis = true;
	bool database = db_connected(service_db(monitor->service));
	for (size_t i = 0; i < monitor_partitions(monitor); i++)
		redis = redis && kv_connected(service_kv(monitor->service, (int64_t)i));
	struct text text = { 0 };
	text_printf(&text, "nats %s\nredis %s\nmysql %s\n", bus ? "ok" : "away", redis ? "ok" : "away",
	            database ? "ok" : "away");
	answer_text(request, bus && redis && database ? 200 : 503, text.bytes);
	text_release(&text);
}

static void on_metrics_fresh(void *context, struct monitor *monitor) {
	struct text text = { 0 };
	metrics_add(&text, monitor);
	http_answer(context, 200, METRICS_CONTENT_TYPE, (struct slice){ text.bytes, text.length });
	text_release(&text);
}

static void answer_metrics(struct monitor *monitor, struct http_request *request) {
	snapshot_refresh(monitor->snapshot, on_metrics_fresh, request);
}

static void answer_session(struct monitor *monitor, struct http_request *request) {
	struct text text = { 0 };
	text_printf(
		&text,
		"{\"ok\":true,\"version\":\"%s\",\"read_only\":%s,\"authorized\":%s,\"prefix\":\"%s\",\"partitions\":%zu,"
		"\"live_interval_ms\":%lld}\n",
		CORDER_VERSION, *monitor->settings->http_token == '\0' ? "true" : "false",
		actions_authorized(monitor, request) ? "true" : "false", monitor->settings->common.prefix,
		monitor_partitions(monitor), (long long)monitor->settings->live_interval_ms);
	http_answer(request, 200, "application/json", (struct slice){ text.bytes, text.length });
	text_release(&text);
}

typedef void answer_page(struct monitor *monitor, struct http_request *request);

static const struct {
	const char *path;
	answer_page *answer;
} pages[] = {
	{ "/livez", answer_alive },     { "/readyz", answer_ready },
	{ "/metrics", answer_metrics }, { "/api/v1/session", answer_session },
	{ "/api/v1/live", live_serve },
};

static bool answer_own(struct monitor *monitor, struct http_request *request) {
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (slice_is(http_path(request), pages[i].path)) {
			pages[i].answer(monitor, request);
			return true;
		}
	return false;
}

/* On the loopback address by itself: there nobody else's name has to lead here. */
static bool asks_by_own_name(const struct monitor *monitor, const struct http_request *request) {
	const struct monitor_settings *settings = monitor->settings;
	if (*settings->http_names == '\0' && !read_is_loopback(settings->http_address))
		return true;
	return read_own_host(http_header(request, "Host"), settings->http_names);
}

void route_request(void *context, struct http_request *request) {
	struct monitor *monitor = context;
	if (monitor->stopping)
		answer_text(request, 503, "stopping\n");
	else if (!asks_by_own_name(monitor, request))
		route_refuse(
			request, HTTP_CODE_FORBIDDEN_HOST,
			"the monitor is asked by a name that it does not know: add it to CORDER_HTTP_NAMES if it is yours");
	else if (actions_take(monitor, request))
		return;
	else if (http_is_post(request))
		route_refuse(request, HTTP_CODE_METHOD, "only actions are posted: /api/v1/actions/…");
	else if (!answer_own(monitor, request) && !ask(monitor, request) && !files_answer(request))
		route_refuse(request, CODE_NOT_FOUND, "there is nothing at this path");
}
