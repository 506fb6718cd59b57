/* Requests from their arrival to their one answer, counted per endpoint. A request holds on to its message instead of
 * copying it, and its struct is used again. */
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "service_inside.h"

struct service_request {
	struct endpoint *endpoint;
	struct bus_message message;
	struct bus_kept *kept;
	int64_t arrived_us;
	struct service_request *next_free;
};

/* "task.cancel" becomes "task-cancel", "work.*" becomes "work": the protocol allows letters, digits, - and _. */
static void make_name(char *out, size_t capacity, const char *subject) {
	size_t length = 0;
	for (; *subject && length + 1 < capacity; subject++) {
		if (*subject == '.' && (subject[1] == '*' || subject[1] == '>' || subject[1] == '\0'))
			continue;
		if (*subject != '*' && *subject != '>')
			out[length++] = *subject == '.' ? '-' : *subject;
	}
	out[length] = '\0';
}

/* A forged reply subject would have us speak in our own name to ourselves or to the server: nothing is said there. */
static bool may_be_answered(const struct service *service, const char *reply) {
	size_t length = strlen(service->common->prefix);
	bool is_ours = strncmp(reply, service->common->prefix, length) == 0 && reply[length] == '.';
	return !is_ours && *reply != '$';
}

static void on_request(void *context, const struct bus_message *message) {
	struct endpoint *endpoint = context;
	struct service *service = endpoint->service;
	struct service_request *request = service->free_requests;
	if (request)
		service->free_requests = request->next_free;
	else
		request = memory_new(sizeof(*request));
	request->endpoint = endpoint;
	request->message = *message;
	if (!may_be_answered(service, message->reply))
		request->message.reply = "";
	request->kept = bus_keep(message);
	request->arrived_us = loop_now(service->loop);
	service->open_requests++;
	endpoint->num_requests++;
	if (message->body.length > (size_t)service->common->max_request_bytes) {
		struct error err;
		reject(&err, "too_large", "", "the request has %zu bytes; the limit is %lld", message->body.length,
		       (long long)service->common->max_request_bytes);
		service_fail(request, &err, "");
		return;
	}
	endpoint->route->handler(service, request);
}

enum status service_serve(struct service *service, const struct service_route *routes, size_t count,
                          struct error *err) {
	service->subject_prefix_length = strlen(service->common->prefix) + strlen(".v1.");
	for (size_t i = 0; i < count; i++) {
		struct endpoint *endpoint = memory_new(sizeof(*endpoint));
		endpoint->service = service;
		endpoint->route = &routes[i];
		make_name(endpoint->name, sizeof(endpoint->name), routes[i].subject);
		snprintf(endpoint->subject, sizeof(endpoint->subject), "%s",
		         service_full_subject(service, "%s", routes[i].subject));
		service->endpoints = memory_resize(service->endpoints, service->endpoint_count + 1, sizeof(endpoint));
		service->endpoints[service->endpoint_count++] = endpoint;
		enum status status = bus_subscribe(service->bus, endpoint->subject, routes[i].queue, on_request, endpoint, err);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

static void end(struct service_request *request) {
	struct endpoint *endpoint = request->endpoint;
	struct service *service = endpoint->service;
	histogram_add(&endpoint->durations, clock_mono_us() - request->arrived_us);
	bus_kept_free(&request->kept);
	service->open_requests--;
	request->next_free = service->free_requests;
	service->free_requests = request;
}

struct slice service_body(const struct service_request *request) {
	return request->message.body;
}

const char *service_subject(const struct service_request *request) {
	return request->message.subject + request->endpoint->service->subject_prefix_length;
}

struct slice service_last_token(const struct service_request *request) {
	const char *dot = strrchr(request->message.subject, '.');
	return slice_of(dot ? dot + 1 : request->message.subject);
}

static bool is_hex(const char *text, size_t length) {
	bool has_other_than_zero = false;
	for (size_t i = 0; i < length; i++) {
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
		has_other_than_zero |= text[i] != '0';
	}
	return has_other_than_zero;
}

/* W3C Trace Context, version 00: 00-<32 hex trace id>-<16 hex parent id>-<2 hex flags>; zero ids are invalid. */
static bool is_traceparent(const char *text) {
	return strlen(text) == 55 && strncmp(text, "00-", 3) == 0 && is_hex(text + 3, 32) && text[35] == '-' &&
	       is_hex(text + 36, 16) && text[52] == '-' && (is_hex(text + 53, 2) || strcmp(text + 53, "00") == 0);
}

const char *service_traceparent(const struct service_request *request) {
	const char *value = bus_header(&request->message, "traceparent");
	return value && is_traceparent(value) ? value : "";
}

static void count_error(struct endpoint *endpoint, const char *code, const char *message) {
	endpoint->num_errors++;
	snprintf(endpoint->last_error, sizeof(endpoint->last_error), "%s: %s", code, message);
}

/* A reply that cannot be sent because the connection is lost is no matter: the client asks again. */
void service_reply(struct service_request *request, struct slice body) {
	if (*request->message.reply &&
	    bus_publish(request->endpoint->service->bus, request->message.reply, body) == STATUS_REJECT) {
		struct error err;
		reject(&err, "too_large", "", "the reply has %zu bytes, and NATS takes at most %zu in a message: ask for less",
		       body.length, bus_max_payload(request->endpoint->service->bus));
		service_fail(request, &err, "");
		return;
	}
	end(request);
}

/* A header value is one line of text. */
static void copy_line(char *out, size_t capacity, const char *text) {
	snprintf(out, capacity, "%s", text);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7F)
			*c = ' ';
}

void service_fail(struct service_request *request, const struct error *error, const char *extra) {
	const char *code = *error->code ? error->code : "internal";
	count_error(request->endpoint, code, error->message);
	if (*request->message.reply) {
		struct text body = { 0 };
		char line[sizeof(error->message)];
		copy_line(line, sizeof(line), error->message);
		text_printf(&body, "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":", code);
		text_add_json(&body, slice_of(error->message));
		if (*error->path) {
			text_add(&body, ",\"path\":");
			text_add_json(&body, slice_of(error->path));
		}
		if (extra && *extra) {
			text_add_char(&body, ',');
			text_add(&body, extra);
		}
		text_add(&body, "}}");
		struct bus_header headers[] = { { "Nats-Service-Error", line }, { "Nats-Service-Error-Code", code } };
		bus_publish_with(request->endpoint->service->bus, request->message.reply, NULL, headers, 2,
		                 (struct slice){ body.bytes, body.length });
		text_release(&body);
	}
	end(request);
}

void service_drop(struct service_request *request) {
	end(request);
}
