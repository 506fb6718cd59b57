/* Who may, and the way to the scheduler and back; see http_actions.h. */
#include "http_actions.h"

#include <string.h>

#include "http_read.h"
#include "http_routes.h"
#include "shared/base/memory.h"
#include "shared/task/json.h"
#include "subjects/subjects.h"

enum { PATIENCE_MS = 15000 };

static const char prefix[] = "/api/v1/actions/";

static const struct {
	const char *name, *subject;
} actions[] = {
	{ "cancel", SUBJECT_TASK_CANCEL },  { "retry", SUBJECT_TASK_RETRY },   { "approve", SUBJECT_TASK_APPROVE },
	{ "reject", SUBJECT_TASK_REJECT },  { "update", SUBJECT_TASK_UPDATE }, { "pause", SUBJECT_QUEUE_PAUSE },
	{ "resume", SUBJECT_QUEUE_RESUME },
};

bool actions_authorized(const struct monitor *monitor, const struct http_request *request) {
	return read_bearer(http_header(request, "Authorization"), slice_of(monitor->settings->http_token));
}

static bool from_here(const struct http_request *request) {
	return read_own_page(http_header(request, "Origin"), http_header(request, "Host"),
	                     http_header(request, "Sec-Fetch-Site"));
}

static bool is_json(const struct http_request *request) {
	return read_is_json(http_header(request, "Content-Type"));
}

static void on_reply(void *context, enum status status, const struct bus_message *message) {
	struct http_request *request = context;
	if (status != STATUS_OK) {
		route_refuse(request, CODE_UNAVAILABLE, "no scheduler answers; the same again changes nothing twice");
		return;
	}
	struct json *json = json_read(message->body, NULL);
	struct json_value failure = json_member(json_root(json), "error");
	if (json_present(failure)) {
		struct slice code = json_text(json_member(failure, "code"));
		struct slice text = json_text(json_member(failure, "message")), path = json_text(json_member(failure, "path"));
		struct error error = { 0 };
		reject(&error, "", "", "%.*s", (int)text.length, text.length > 0 ? text.bytes : "");
		memcpy(error.code, code.bytes, code.length < sizeof(error.code) ? code.length : sizeof(error.code) - 1);
		if (path.length > 0)
			memcpy(error.path, path.bytes, path.length < sizeof(error.path) ? path.length : sizeof(error.path) - 1);
		route_fail(request, &error);
	} else {
		http_answer(request, 200, "application/json", message->body);
	}
	json_close(&json);
}

static bool allowed(struct monitor *monitor, struct http_request *request) {
	const char *code = NULL, *message = NULL;
	if (!http_is_post(request))
		code = HTTP_CODE_METHOD, message = "actions are posted";
	else if (*monitor->settings->http_token == '\0')
		code = HTTP_CODE_READ_ONLY, message = "this monitor is read-only: set CORDER_HTTP_TOKEN to allow actions";
	else if (!from_here(request))
		code = HTTP_CODE_FORBIDDEN_ORIGIN, message = "actions are taken from pages of this server only";
	else if (!actions_authorized(monitor, request))
		code = HTTP_CODE_UNAUTHORIZED, message = "give the token of CORDER_HTTP_TOKEN as Authorization: Bearer …";
	else if (!is_json(request))
		code = HTTP_CODE_UNSUPPORTED, message = "the body has to be application/json";
	if (code != NULL)
		route_refuse(request, code, message);
	return code == NULL;
}

bool actions_take(struct monitor *monitor, struct http_request *request) {
	struct slice path = http_path(request);
	size_t skip = sizeof(prefix) - 1;
	if (path.length <= skip || memcmp(path.bytes, prefix, skip) != 0)
		return false;
	struct slice name = { path.bytes + skip, path.length - skip };
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!slice_is(name, actions[i].name))
			continue;
		if (allowed(monitor, request))
			bus_request(service_bus(monitor->service), service_full_subject(monitor->service, "%s", actions[i].subject),
			            NULL, 0, http_body(request), PATIENCE_MS, on_reply, request);
		return true;
	}
	return false;
}
