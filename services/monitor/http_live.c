/* From the parameters of a stream to a wish; see http_live.h. */
#include "http_live.h"

#include <string.h>

#include "http_routes.h"
#include "hub.h"
#include "shared/task/fields.h"
#include "subjects/subjects.h"

static enum status read_status(struct json_value value, char *status, struct error *err) {
	struct slice word = json_text(value);
	if (!json_given(value))
		return STATUS_OK;
	*status = record_status_letter(word);
	return *status != 0 ? STATUS_OK : field_bad(value, err, "a status");
}

static enum status read_wish(struct json_value root, struct hub_wish *wish, struct error *err) {
	struct slice events = json_text(json_member(root, "events"));
	enum status status = field_token(json_member(root, "project"), &wish->project, err);
	if (status == STATUS_OK)
		status = field_id(json_member(root, "batch_id"), &wish->batch_id, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "event_project"), &wish->event_project, err);
	if (status == STATUS_OK)
		status = field_token(json_member(root, "event_type"), &wish->event_type, err);
	if (status == STATUS_OK)
		status = field_text(json_member(root, "event_text"), 1, LIMIT_NAME_CHARS, &wish->event_text, err);
	if (status == STATUS_OK)
		status = read_status(json_member(root, "event_status"), &wish->event_status, err);
	if (status == STATUS_OK)
		status = field_opaque(json_member(root, "last_event_id"), 1, 256, "_.:-", &wish->last_event_id, err);
	wish->events = events.length > 0 && !slice_is(events, "0");
	return status;
}

static void join(struct monitor *monitor, struct http_request *request, struct slice body, struct json *json) {
	struct hub_wish wish = { SLICE(""), SLICE(""), false, SLICE(""), SLICE(""), SLICE(""), 0, SLICE("") };
	struct json_value root;
	struct error error = { 0 };
	struct slice last = http_header(request, "Last-Event-ID");
	enum status status = message_open(json, body, &task_limits_default, &root, &error);
	if (status == STATUS_OK)
		status = read_wish(root, &wish, &error);
	if (status == STATUS_OK && wish.batch_id.length > 0 && wish.project.length == 0)
		status = reject(&error, CODE_INVALID_FIELD, "/project", "a batch_id needs its project");
	if (last.bytes != NULL)
		wish.last_event_id = last;
	if (status != STATUS_OK)
		route_fail(request, &error);
	else if (hub_listeners(monitor->hub) >= (size_t)monitor->settings->http_max_streams)
		route_refuse(request, CODE_UNAVAILABLE, "too many dashboards are open; see CORDER_HTTP_MAX_STREAMS");
	else
		hub_join(monitor->hub, request, &wish);
}

void live_serve(struct monitor *monitor, struct http_request *request) {
	struct json *json = json_open();
	struct text body = { 0 };
	text_add_char(&body, '{');
	route_add_parameters(request, &body);
	join(monitor, request, (struct slice){ body.bytes, body.length }, json);
	text_release(&body);
	json_close(&json);
}
