/* Who may, and the way to the scheduler and back; see http_actions.h. */
#include "http_actions.h"

#include <string.h>

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

/* Takes as long for a wrong token as for the right one. */
static bool same(struct slice given, struct slice wanted) {
	volatile unsigned char difference = (unsigned char)(given.length != wanted.length);
	for (size_t i = 0; i < given.length; i++)
		difference |= (unsigned char)(given.bytes[i] ^ wanted.bytes[i % (wanted.length > 0 ? wanted.length : 1)]);
	return difference == 0;
}

bool actions_authorized(const struct monitor *monitor, const struct http_request *request) {
	static const char bearer[] = "Bearer ";
	struct slice token = slice_of(monitor->settings->http_token);
	struct slice given = http_header(request, "Authorization");
	size_t skip = sizeof(bearer) - 1;
	if (token.length == 0 || given.length <= skip || memcmp(given.bytes, bearer, skip) != 0)
		return false;
	return same((struct slice){ given.bytes + skip, given.length - skip }, token);
}

/* A browser says where the page came from that asks: only our own may. Other programs say nothing. */
static bool from_here(const struct http_request *request) {
	struct slice origin = http_header(request, "Origin"), host = http_header(request, "Host");
	struct slice site = http_header(request, "Sec-Fetch-Site");
	if (site.bytes != NULL && !slice_is(site, "same-origin") && !slice_is(site, "none"))
		return false;
	if (origin.bytes == NULL)
		return true;
	const char *end = origin.length > 0 ? strstr(origin.bytes, "://") : NULL;
	if (end == NULL || host.bytes == NULL)
		return false;
	end += 3;
	struct slice name = { end, origin.length - (size_t)(end - origin.bytes) };
	return slice_equal(name, host);
}

static bool is_json(const struct http_request *request) {
	struct slice type = http_header(request, "Content-Type");
	return type.bytes != NULL && slice_is(slice_cut(&type, ';'), "application/json");
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
