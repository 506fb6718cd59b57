/* JetStream's API for streams, spoken directly: the library's own calls wait for their answers, and would stop the loop. */
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/memory.h"
#include "../base/teeth.h"
#include "bus_inside.h"
#include "bus_json.h"

enum {
	API_TIMEOUT_MS = 5000,
	ERROR_STREAM_EXISTS = 10058, /* with another config */
};

/* Of one call, from the request to its answer. */
struct call {
	struct bus *bus;
	union {
		stream_done *done;
		stream_info_done *info_done;
		stream_appended *appended;
		stream_got *got;
	};
	void *context;
	struct text config; /* of stream_ensure, without its retention */
	char *name;
	const char *retention;
};

static struct call *call_new(struct bus *bus, void *context) {
	struct call *call = memory_new(sizeof(*call));
	call->bus = bus;
	call->context = context;
	return call;
}

static void call_free(struct call *call) {
	text_release(&call->config);
	free(call->name);
	free(call);
}

static void api(struct call *call, struct slice body, bus_reply_handler *handler, const char *verb, const char *name) {
	char subject[320];
	int length = snprintf(subject, sizeof(subject), "$JS.API.%s.%s", verb, name);
	must(length > 0 && (size_t)length < sizeof(subject));
	bus_request(call->bus, subject, NULL, 0, body, API_TIMEOUT_MS, handler, call);
}

/* Making a stream: create; when it exists with another config, look at its retention, which cannot be changed, and
 * update the rest. */

static void end_ensure(struct call *call, enum status status, const struct error *err) {
	if (call->done != NULL)
		call->done(call->context, status, err);
	call_free(call);
}

static void send_config(struct call *call, const char *verb, bus_reply_handler *handler) {
	struct text body = { 0 };
	text_printf(&body, "{\"retention\":\"%s\",", call->retention);
	text_append(&body, call->config.bytes, call->config.length);
	api(call, (struct slice){ body.bytes, body.length }, handler, verb, call->name);
	text_release(&body);
}

static void on_updated(void *context, enum status status, const struct bus_message *message) {
	struct error err = { 0 };
	uint64_t error_code;
	status = bus_api_status(status, message, &error_code, &err);
	end_ensure(context, status, &err);
}

static void on_existing(void *context, enum status status, const struct bus_message *message) {
	struct call *call = context;
	struct error err = { 0 };
	uint64_t error_code;
	status = bus_api_status(status, message, &error_code, &err);
	if (status != STATUS_OK) {
		end_ensure(call, STATUS_RETRY, &err); /* even "no such stream": somebody has just deleted it */
		return;
	}
	struct slice retention = bus_json_text(bus_json_member(message->body, "config"), "retention");
	call->retention = slice_is(retention, "workqueue")  ? "workqueue"
	                  : slice_is(retention, "interest") ? "interest"
	                                                    : "limits";
	send_config(call, "STREAM.UPDATE", on_updated);
}

static void on_created(void *context, enum status status, const struct bus_message *message) {
	struct call *call = context;
	struct error err = { 0 };
	uint64_t error_code;
	status = bus_api_status(status, message, &error_code, &err);
	if (error_code == ERROR_STREAM_EXISTS)
		api(call, (struct slice){ "", 0 }, on_existing, "STREAM.INFO", call->name);
	else
		end_ensure(call, status, &err);
}

static void add_config(struct text *out, const struct stream_config *config) {
	text_add(out, "\"name\":");
	text_add_json(out, slice_of(config->name));
	text_add(out, ",\"subjects\":[");
	for (size_t i = 0; i < config->subject_count; i++) {
		if (i > 0)
			text_add_char(out, ',');
		text_add_json(out, slice_of(config->subjects[i]));
	}
	text_printf(out, "],\"storage\":\"file\",\"discard\":\"%s\",\"allow_direct\":true,\"max_msgs\":-1",
	            config->discard_new ? "new" : "old");
	text_printf(out, ",\"max_consumers\":-1,\"max_msg_size\":-1,\"max_bytes\":%lld,\"max_age\":%lld",
	            (long long)config->max_bytes, (long long)config->max_age_s * 1000000000);
	text_printf(out, ",\"max_msgs_per_subject\":%lld,\"num_replicas\":%lld",
	            (long long)(config->max_per_subject > 0 ? config->max_per_subject : -1),
	            (long long)(config->replicas > 0 ? config->replicas : 1));
	if (config->duplicate_window_s > 0)
		text_printf(out, ",\"duplicate_window\":%lld", (long long)config->duplicate_window_s * 1000000000);
	text_add_char(out, '}');
}

void stream_ensure(struct bus *bus, const struct stream_config *config, stream_done *done, void *context) {
	struct call *call = call_new(bus, context);
	call->done = done;
	call->name = slice_copy(slice_of(config->name));
	call->retention = config->work_queue ? "workqueue" : "limits";
	add_config(&call->config, config);
	send_config(call, "STREAM.CREATE", on_created);
}

/* Looking */

static void on_info(void *context, enum status status, const struct bus_message *message) {
	struct call *call = context;
	struct stream_state state = { 0 };
	uint64_t error_code;
	status = bus_api_status(status, message, &error_code, NULL);
	struct slice found = status == STATUS_OK ? bus_json_member(message->body, "state") : (struct slice){ NULL, 0 };
	if (found.bytes) {
		state.first_sequence = bus_json_number(found, "first_seq", 0);
		state.last_sequence = bus_json_number(found, "last_seq", 0);
		state.messages = bus_json_number(found, "messages", 0);
		state.bytes = bus_json_number(found, "bytes", 0);
		struct slice first_at = bus_json_text(found, "first_ts");
		if (first_at.bytes == NULL || !clock_parse(first_at.bytes, first_at.length, &state.first_at_us))
			state.first_at_us = 0;
	} else if (status == STATUS_OK) {
		status = STATUS_RETRY;
	}
	call->info_done(call->context, status, &state);
	call_free(call);
}

void stream_info(struct bus *bus, const char *name, stream_info_done *done, void *context) {
	struct call *call = call_new(bus, context);
	call->info_done = done;
	api(call, (struct slice){ "", 0 }, on_info, "STREAM.INFO", name);
}

static void on_got(void *context, enum status status, const struct bus_message *message) {
	struct call *call = context;
	uint64_t sequence = 0;
	struct slice body = { "", 0 };
	if (status == STATUS_OK) {
		const char *header = bus_header(message, "Nats-Sequence");
		sequence = header ? (uint64_t)slice_int(slice_of(header), 0) : 0;
		int code = bus_status_code(message);
		if (code != 0 || sequence == 0)
			status = code >= 400 && code < 500 ? STATUS_REJECT : STATUS_RETRY;
		else
			body = message->body;
	}
	call->got(call->context, status, sequence, body);
	call_free(call);
}

void stream_get(struct bus *bus, const char *name, uint64_t sequence, stream_got *done, void *context) {
	struct call *call = call_new(bus, context);
	char body[48];
	int length = snprintf(body, sizeof(body), "{\"seq\":%llu}", (unsigned long long)sequence);
	call->got = done;
	api(call, (struct slice){ body, (size_t)length }, on_got, "DIRECT.GET", name);
}

void stream_get_last(struct bus *bus, const char *name, const char *subject, stream_got *done, void *context) {
	struct call *call = call_new(bus, context);
	struct text body = { 0 };
	call->got = done;
	text_add(&body, "{\"last_by_subj\":");
	text_add_json(&body, slice_of(subject));
	text_add_char(&body, '}');
	api(call, (struct slice){ body.bytes, body.length }, on_got, "DIRECT.GET", name);
	text_release(&body);
}

/* Changing */

static void on_purged(void *context, enum status status, const struct bus_message *message) {
	struct call *call = context;
	struct error err = { 0 };
	uint64_t error_code;
	status = bus_api_status(status, message, &error_code, &err);
	if (call->done != NULL)
		call->done(call->context, status, &err);
	call_free(call);
}

void stream_purge(struct bus *bus, const char *name, const char *subject, uint64_t keep_from, stream_done *done,
                  void *context) {
	struct call *call = call_new(bus, context);
	struct text body = { 0 };
	call->done = done;
	if (subject) {
		text_add(&body, "{\"filter\":");
		text_add_json(&body, slice_of(subject));
	} else {
		text_printf(&body, "{\"seq\":%llu", (unsigned long long)keep_from);
	}
	text_add_char(&body, '}');
	api(call, (struct slice){ body.bytes, body.length }, on_purged, "STREAM.PURGE", name);
	text_release(&body);
}

static void on_appended(void *context, enum status status, const struct bus_message *message) {
	struct call *call = context;
	uint64_t sequence;
	status = bus_append_status(status, message, &sequence);
	call->appended(call->context, status, sequence);
	call_free(call);
}

enum { APPEND_HEADERS = 3, SEQUENCE_BYTES = 24 };

static size_t append_headers(struct bus_header headers[APPEND_HEADERS], char expected[SEQUENCE_BYTES],
                             uint64_t expected_last, const char *id, const char *after) {
	size_t count = 0;
	snprintf(expected, SEQUENCE_BYTES, "%llu", (unsigned long long)expected_last);
	if (expected_last != STREAM_ANY_SEQUENCE && !teeth_without("append-by-position"))
		headers[count++] = (struct bus_header){ "Nats-Expected-Last-Sequence", expected };
	if (id[0] != '\0')
		headers[count++] = (struct bus_header){ "Nats-Msg-Id", id };
	if (after[0] != '\0' && !teeth_without("append-behind-own"))
		headers[count++] = (struct bus_header){ "Nats-Expected-Last-Msg-Id", after };
	return count;
}

void stream_append_after(struct bus *bus, const char *subject, uint64_t expected_last, const char *id,
                         const char *after, struct slice body, int64_t timeout_ms, stream_appended *done,
                         void *context) {
	struct call *call = call_new(bus, context);
	struct bus_header headers[APPEND_HEADERS];
	char expected[SEQUENCE_BYTES];
	size_t count = append_headers(headers, expected, expected_last, id, after);
	call->appended = done;
	bus_request(bus, subject, headers, count, body, timeout_ms, on_appended, call);
}

enum status stream_append_heard(struct bus *bus, const char *subject, uint64_t expected_last, const char *id,
                                const char *after, const char *answer, struct slice body) {
	struct bus_header headers[APPEND_HEADERS];
	char expected[SEQUENCE_BYTES];
	size_t count = append_headers(headers, expected, expected_last, id, after);
	return bus_publish_with(bus, subject, answer, headers, count, body);
}

void stream_append(struct bus *bus, const char *subject, uint64_t expected_last, struct slice body, int64_t timeout_ms,
                   stream_appended *done, void *context) {
	stream_append_after(bus, subject, expected_last, "", "", body, timeout_ms, done, context);
}
