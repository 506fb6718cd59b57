/* The replies to work, settle and renew, with a verdict an item. */
#include "dispatcher.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/task/record.h"
#include "subjects/subjects.h"

static const char *settle_message(const struct verdict *verdict, const struct settle_item *item) {
	if (*item->error_code != '\0')
		return item->error_text;
	if (strcmp(verdict->code, CODE_STALE_LEASE) == 0)
		return "the lease is not the current one: its time ran out, or the task went to another worker; drop this "
			   "result";
	if (strcmp(verdict->code, CODE_NOT_FOUND) == 0)
		return "there is no such task";
	return "it could not be settled: this is a bug of Corder";
}

static const char *renew_message(const struct verdict *verdict) {
	if (strcmp(verdict->code, CODE_STALE_LEASE) == 0)
		return "the lease is gone: its time ran out, or the task has ended; stop the work";
	if (strcmp(verdict->code, CODE_NOT_FOUND) == 0)
		return "there is no such task; stop the work";
	return "it could not be renewed: this is a bug of Corder";
}

static void begin_item(struct text *out, size_t i, struct slice project, struct slice task_id) {
	text_add(out, i > 0 ? ",{\"project\":\"" : "{\"project\":\"");
	text_add_slice(out, project);
	text_add(out, "\",\"task_id\":\"");
	text_add_slice(out, task_id);
}

static void add_problem(struct text *out, const char *code, const char *message) {
	text_add(out, "\",\"ok\":false,\"error\":{\"code\":\"");
	text_add(out, code);
	text_add(out, "\",\"message\":\"");
	text_add(out, message);
	text_add(out, "\"}}");
}

static void add_done(struct text *out, const struct request *request) {
	text_add(out, "\"done\":[");
	for (size_t i = 0; i < request->done_count; i++) {
		const struct verdict *verdict = &request->verdicts[i];
		begin_item(out, i, request->done[i].project, request->done[i].task_id);
		if (verdict->status != 0) {
			text_add(out, "\",\"ok\":true,\"status\":\"");
			text_add(out, record_status_word(verdict->status));
			text_add(out, "\"}");
		} else {
			add_problem(out, verdict->code, settle_message(verdict, &request->done[i]));
		}
	}
	text_add(out, "]}");
}

static void send(struct request *request, struct text *out) {
	service_reply(request->origin, (struct slice){ out->bytes, out->length });
	text_release(out);
}

void reply_work(struct request *request) {
	struct text out = { 0 };
	text_add(&out, "{\"ok\":true,\"tasks\":[");
	text_append(&out, request->tasks.bytes, request->tasks.length);
	text_add(&out, "],");
	add_done(&out, request);
	send(request, &out);
}

void reply_settle(struct request *request) {
	struct text out = { 0 };
	text_add(&out, "{\"ok\":true,");
	add_done(&out, request);
	send(request, &out);
}

static void add_lease(struct text *out, size_t i, const struct request *request) {
	const struct verdict *verdict = &request->verdicts[i];
	begin_item(out, i, request->leases[i].project, request->leases[i].task_id);
	if (*verdict->code != '\0') {
		add_problem(out, verdict->code, renew_message(verdict));
		return;
	}
	text_add(out, "\",\"ok\":true,\"lease_until\":");
	text_add_json_time(out, verdict->lease_until_us);
	text_add(out, verdict->cancel ? ",\"cancel\":true}" : ",\"cancel\":false}");
}

/* Progress of a lease that holds; live only. */
static void publish_progress(const struct request *request, const struct renew_item *item) {
	struct service *service = request->dispatcher->service;
	struct slice type = service_last_token(request->origin);
	struct text out = { 0 };
	begin_item(&out, 0, item->project, item->task_id);
	text_add(&out, "\",\"task_type\":\"");
	text_add_slice(&out, type);
	text_add(&out, "\",\"worker\":\"");
	text_add_slice(&out, request->worker);
	text_add(&out, "\",\"at\":");
	text_add_json_time(&out, clock_wall_us());
	text_add(&out, ",\"progress\":");
	text_add_slice(&out, item->progress);
	text_add_char(&out, '}');
	const char *subject = service_full_subject(service, "progress.%.*s.%.*s", (int)item->project.length,
	                                           item->project.bytes, (int)type.length, type.bytes);
	bus_publish(service_bus(service), subject, (struct slice){ out.bytes, out.length });
	text_release(&out);
}

void reply_renew(struct request *request) {
	struct text out = { 0 };
	text_add(&out, "{\"ok\":true,\"leases\":[");
	for (size_t i = 0; i < request->lease_count; i++) {
		add_lease(&out, i, request);
		if (*request->verdicts[i].code == '\0' && request->leases[i].progress.length > 0)
			publish_progress(request, &request->leases[i]);
	}
	text_add(&out, "]}");
	send(request, &out);
}
