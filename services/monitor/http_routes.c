/* From a URL to a question: the parameters become the body of the message that asks the same over NATS, so that there
 * is one parser, one answer and one set of errors. */
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "metrics.h"
#include "monitor.h"
#include "shared/base/memory.h"
#include "shared/service/metrics_text.h"
#include "snapshot.h"
#include "subjects/subjects.h"

static unsigned http_code(const char *code) {
	static const struct {
		const char *code;
		unsigned http;
	} known[] = {
		{ CODE_NOT_FOUND, 404 }, { CODE_TOO_LARGE, 413 },    { CODE_UNAVAILABLE, 503 },
		{ CODE_INTERNAL, 500 },  { CODE_WRONG_STATUS, 409 }, { CODE_LIMIT_EXCEEDED, 422 },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(code, known[i].code) == 0)
			return known[i].http;
	return 400;
}

static void answer_error(struct http_request *request, const struct error *error) {
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

static void on_answer(void *context, const struct error *error, struct slice json) {
	if (error != NULL)
		answer_error(context, error);
	else
		http_answer(context, 200, "application/json", json);
}

static bool is_integer(struct slice text) {
	size_t at = text.length > 0 && text.bytes[0] == '-' ? 1 : 0;
	if (text.length == at || text.length > 15 || (text.bytes[at] == '0' && text.length > at + 1))
		return false;
	for (; at < text.length; at++)
		if (text.bytes[at] < '0' || text.bytes[at] > '9')
			return false;
	return true;
}

static void add_member(struct text *body, struct slice name, struct slice value) {
	text_add_char(body, body->length > 1 ? ',' : ' ');
	text_add_json(body, name);
	text_add_char(body, ':');
	bool number = slice_is(name, "limit") || slice_is(name, "window_s");
	if (number && is_integer(value))
		text_add_slice(body, value);
	else
		text_add_json(body, value);
}

/* An empty value counts as none, as a form sends it. Bad UTF-8 is found by the parser of the body. */
static bool add_parameter(void *context, struct slice name, struct slice value) {
	if (value.length > 0)
		add_member(context, name, value);
	return true;
}

static void ask(struct monitor *monitor, struct http_request *request, answer_verb *verb, struct text *body) {
	text_add_char(body, '}');
	verb(monitor, (struct slice){ body->bytes, body->length }, on_answer, request);
	text_release(body);
}

static void ask_by_parameters(struct monitor *monitor, struct http_request *request, answer_verb *verb) {
	struct text body = { 0 };
	text_add_char(&body, '{');
	http_parameters(request, add_parameter, &body);
	ask(monitor, request, verb, &body);
}

static void answer_not_found(struct http_request *request) {
	struct error error = { .code = CODE_NOT_FOUND, .message = "there is nothing at this path; see /" };
	answer_error(request, &error);
}

/* <project>/<task_id>[/explain] */
static void ask_task(struct monitor *monitor, struct http_request *request, struct slice rest) {
	struct text body = { 0 };
	struct slice project = slice_cut(&rest, '/');
	struct slice task_id = rest.bytes != NULL ? slice_cut(&rest, '/') : (struct slice){ "", 0 };
	bool explain = rest.bytes != NULL && slice_is(rest, "explain");
	if (task_id.length == 0 || (rest.bytes != NULL && !explain)) {
		answer_not_found(request);
		return;
	}
	text_add_char(&body, '{');
	add_member(&body, SLICE("project"), project);
	add_member(&body, SLICE("task_id"), task_id);
	ask(monitor, request, explain ? on_explain : on_get, &body);
}

static void answer_text(struct http_request *request, unsigned code, const char *text) {
	http_answer(request, code, "text/plain; charset=utf-8", slice_of(text));
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

static const struct {
	const char *path;
	answer_verb *verb;
} questions[] = {
	{ "/api/v1/status", on_status },
	{ "/api/v1/tasks", on_list },
	{ "/api/v1/timeline", on_timeline },
	{ "/api/v1/executable", on_executable },
};

static bool starts_with(struct slice text, struct slice start) {
	return text.length >= start.length && memcmp(text.bytes, start.bytes, start.length) == 0;
}

void route_request(void *context, struct http_request *request) {
	struct monitor *monitor = context;
	struct slice path = http_path(request), tasks = SLICE("/api/v1/tasks/");
	if (monitor->stopping) {
		answer_text(request, 503, "stopping\n");
		return;
	}
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
		if (slice_is(path, questions[i].path)) {
			ask_by_parameters(monitor, request, questions[i].verb);
			return;
		}
	if (starts_with(path, tasks))
		ask_task(monitor, request, (struct slice){ path.bytes + tasks.length, path.length - tasks.length });
	else if (slice_is(path, "/"))
		http_answer(request, 200, "text/html; charset=utf-8", slice_of(index_page));
	else if (slice_is(path, "/livez"))
		answer_text(request, 200, "ok\n");
	else if (slice_is(path, "/readyz"))
		answer_ready(monitor, request);
	else if (slice_is(path, "/metrics"))
		snapshot_refresh(monitor->snapshot, on_metrics_fresh, request);
	else
		answer_not_found(request);
}
