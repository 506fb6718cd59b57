/* The worker's three requests, as the contract has them. */
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/id.h"
#include "../../subjects/subjects.h"
#include "inside.h"

enum { ANSWER_SPARE_MS = 5000 };

static void begin(struct text *body, const char *worker) {
	text_add(body, "{\"worker\":");
	text_add_json(body, slice_of(worker));
}

static void add_done(struct text *body, const struct corder_work *work) {
	if (work->done == NULL)
		return;
	text_add(body, ",\"done\":[");
	text_append(body, work->done, work->done_length > 0 ? work->done_length : strlen(work->done));
	text_add_char(body, ']');
}

static void send(struct corder *client, const char *verb, const char *task_type, struct text *body, int64_t try_ms,
                 int64_t patience_ms, corder_reply_handler *handler, void *context) {
	struct text subject = { 0 };
	text_add_char(body, '}');
	text_printf(&subject, "%s.%s", verb, task_type);
	struct corder_request request = { .subject = subject.bytes,
		                              .body = body->bytes,
		                              .length = body->length,
		                              .try_ms = try_ms,
		                              .patience_ms = patience_ms };
	corder_ask(client, &request, handler, context);
	text_release(&subject);
	text_release(body);
}

void corder_work(struct corder *client, const struct corder_work *work, corder_reply_handler *handler, void *context) {
	struct text body = { 0 };
	char id[ID_BYTES];
	id_make(id);
	begin(&body, work->worker);
	text_printf(&body, ",\"max\":%lld,\"wait_ms\":%lld", (long long)(work->max > 0 ? work->max : 1),
	            (long long)work->wait_ms);
	if (work->lease_ms > 0)
		text_printf(&body, ",\"lease_ms\":%lld", (long long)work->lease_ms);
	const char *request_id = work->request_id != NULL ? work->request_id : id;
	if (*request_id != 0) {
		text_add(&body, ",\"request_id\":");
		text_add_json(&body, slice_of(request_id));
	}
	add_done(&body, work);
	send(client, "work", work->task_type, &body, work->wait_ms + ANSWER_SPARE_MS, work->patience_ms, handler, context);
}

void corder_settle(struct corder *client, const struct corder_work *work, corder_reply_handler *handler,
                   void *context) {
	struct text body = { 0 };
	begin(&body, work->worker);
	add_done(&body, work);
	send(client, "settle", work->task_type, &body, 0, work->patience_ms, handler, context);
}

void corder_renew(struct corder *client, const struct corder_renew *renew, corder_reply_handler *handler,
                  void *context) {
	struct text body = { 0 };
	begin(&body, renew->worker);
	if (renew->lease_ms > 0)
		text_printf(&body, ",\"lease_ms\":%lld", (long long)renew->lease_ms);
	text_printf(&body, ",\"leases\":[%s]", renew->leases);
	send(client, "renew", renew->task_type, &body, renew->try_ms, renew->patience_ms, handler, context);
}
