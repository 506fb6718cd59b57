/* The NATS services protocol (ADR-32): PING, INFO and STATS for all, by name, and by id. STATS carries health, counters
 * and the service's own figures in `data`. */
#include <stdio.h>
#include <string.h>

#include "../base/log.h"
#include "../base/version.h"
#include "service_inside.h"

static void add_head(struct service *service, struct text *out, const char *type) {
	text_printf(out, "{\"type\":\"io.nats.micro.v1.%s_response\",\"name\":\"%s\",\"id\":\"%s\",\"version\":\"%s\"",
	            type, service->program, service->id, CORDER_VERSION);
	text_printf(out, ",\"metadata\":{\"prefix\":\"%s\",\"partitions\":\"%lld\"}", service->common->prefix,
	            (long long)service->common->partitions);
}

static void add_endpoint_names(const struct endpoint *endpoint, struct text *out) {
	text_printf(out, "{\"name\":\"%s\",\"subject\":", endpoint->name);
	text_add_json(out, slice_of(endpoint->subject));
	if (endpoint->route->queue) {
		text_add(out, ",\"queue_group\":");
		text_add_json(out, slice_of(endpoint->route->queue));
	}
}

static void add_info(struct service *service, struct text *out) {
	text_add(out, ",\"description\":");
	text_add_json(out, slice_of(service->definition->summary));
	text_add(out, ",\"endpoints\":[");
	for (size_t i = 0; i < service->endpoint_count; i++) {
		if (i > 0)
			text_add_char(out, ',');
		add_endpoint_names(service->endpoints[i], out);
		text_add(out, ",\"metadata\":{\"description\":");
		text_add_json(out, slice_of(service->endpoints[i]->route->what));
		text_add(out, "}}");
	}
	text_add_char(out, ']');
}

static void add_endpoint_stats(const struct endpoint *endpoint, struct text *out) {
	uint64_t processing_ns = endpoint->durations.sum_us * 1000;
	uint64_t ended = endpoint->num_requests ? endpoint->num_requests : 1;
	add_endpoint_names(endpoint, out);
	text_printf(out, ",\"num_requests\":%llu,\"num_errors\":%llu,\"last_error\":",
	            (unsigned long long)endpoint->num_requests, (unsigned long long)endpoint->num_errors);
	text_add_json(out, slice_of(endpoint->last_error));
	text_printf(out, ",\"processing_time\":%llu,\"average_processing_time\":%llu}", (unsigned long long)processing_ns,
	            (unsigned long long)(processing_ns / ended));
}

enum status service_health(struct service *service, struct text *members, struct error *reason) {
	enum status status = STATUS_OK;
	if (service->definition->health)
		status = service->definition->health(service, members, reason);
	if (!bus_connected(service->bus))
		return fail(reason, STATUS_RETRY, "NATS is away");
	for (size_t i = 0; i < service->kv_count; i++)
		if (!kv_connected(service->kvs[i]))
			return fail(reason, STATUS_RETRY, "Redis is away");
	if (service->db && !db_connected(service->db))
		return fail(reason, STATUS_RETRY, "the database is away");
	if (status == STATUS_OK && service->stopping)
		return fail(reason, STATUS_RETRY, "it is stopping");
	return status;
}

static void add_data(struct service *service, struct text *out) {
	struct text members = { 0 };
	struct error reason = { 0 };
	bool ok = service_health(service, &members, &reason) == STATUS_OK;
	text_printf(out, ",\"data\":{\"health\":{\"ok\":%s,\"reason\":", ok ? "true" : "false");
	text_add_json(out, slice_of(ok ? "" : reason.message));
	text_add(out, "},\"counters\":{");
	for (size_t i = 0; i < service->counter_count; i++) {
		if (i > 0)
			text_add_char(out, ',');
		text_add_json(out, slice_of(service->counters[i]->name));
		text_printf(out, ":%llu", (unsigned long long)service->counters[i]->value);
	}
	text_printf(out, "%s\"messages_dropped\":%zu}", service->counter_count ? "," : "", bus_dropped(service->bus));
	text_append(out, members.bytes, members.length);
	text_add_char(out, '}');
	text_release(&members);
}

static void add_stats(struct service *service, struct text *out) {
	text_add(out, ",\"started\":");
	text_add_json_time(out, service->started_at_us);
	text_add(out, ",\"endpoints\":[");
	for (size_t i = 0; i < service->endpoint_count; i++) {
		if (i > 0)
			text_add_char(out, ',');
		add_endpoint_stats(service->endpoints[i], out);
	}
	text_add_char(out, ']');
	add_data(service, out);
}

static void on_protocol(void *context, const struct bus_message *message) {
	struct service *service = context;
	struct slice rest = slice_of(message->subject);
	struct text out = { 0 };
	if (!*message->reply)
		return;
	slice_cut(&rest, '.');
	struct slice verb = slice_cut(&rest, '.');
	if (slice_is(verb, "PING")) {
		add_head(service, &out, "ping");
	} else if (slice_is(verb, "INFO")) {
		add_head(service, &out, "info");
		add_info(service, &out);
	} else if (slice_is(verb, "STATS")) {
		add_head(service, &out, "stats");
		add_stats(service, &out);
	} else {
		return;
	}
	text_add_char(&out, '}');
	bus_publish(service->bus, message->reply, (struct slice){ out.bytes, out.length });
	text_release(&out);
}

/* A wildcard for the verb: three subscriptions instead of nine. */
enum status service_protocol_open(struct service *service, struct error *err) {
	char subject[160];
	enum status status = bus_subscribe(service->bus, "$SRV.*", NULL, on_protocol, service, err);
	snprintf(subject, sizeof(subject), "$SRV.*.%s", service->program);
	if (status == STATUS_OK)
		status = bus_subscribe(service->bus, subject, NULL, on_protocol, service, err);
	snprintf(subject, sizeof(subject), "$SRV.*.%s.%s", service->program, service->id);
	if (status == STATUS_OK)
		status = bus_subscribe(service->bus, subject, NULL, on_protocol, service, err);
	return status;
}
