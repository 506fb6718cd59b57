/* What to do with a body, whichever way it came: read it, fill in what the client left to us, plan it, send it on. */
#include <stdio.h>
#include <string.h>

#include "ingest.h"

static void keep(char *out, size_t capacity, struct slice text) {
	snprintf(out, capacity, "%.*s", (int)text.length, text.length > 0 ? text.bytes : "");
}

static void keep_names(struct submission *s, const struct submit_request *request) {
	keep(s->project, sizeof(s->project), request->project);
	keep(s->batch_id, sizeof(s->batch_id), request->batch_id);
	if (request->kind == SUBMIT_TASK && request->task_count == 1) {
		keep(s->task_type, sizeof(s->task_type), request->tasks[0].task_type);
		keep(s->task_id, sizeof(s->task_id), request->tasks[0].task_id);
	}
}

/* Records, in the order of the message. The request's arrays go with the next message: nothing may borrow them. */
void take_records(struct submission *s, const struct submit_request *request, struct text *records) {
	struct slice traceparent = slice_of(s->traceparent);
	for (size_t i = 0; i < request->task_count; i++) {
		struct task *task = &request->tasks[i];
		char id[ID_BYTES];
		if (task->task_id.length == 0) {
			submission_make_id(s, i, id);
			task->task_id = slice_of(id);
			/* An enqueued message may be delivered, and a part sealed, once more and much later. */
			task->fresh_id = s->request != NULL && request->kind != SUBMIT_PART;
		}
		if (i > 0)
			text_add_char(records, RECORD_RS);
		task_add_record(records, task, traceparent);
	}
}

void take_plan(struct submission *s) {
	struct error err = { 0 };
	struct text tasks = { 0 }, extra = { 0 };
	s->plan.slice_tasks = (uint32_t)s->ingest->settings->slice_tasks;
	if (plan_sort(&s->plan, &err, &tasks) != STATUS_OK) {
		if (tasks.length > 0)
			text_printf(&extra, "\"tasks\":%s", tasks.bytes);
		submission_fail(s, &err, extra.length > 0 ? extra.bytes : "");
		text_release(&tasks);
		text_release(&extra);
		return;
	}
	if (s->order == SUBMIT_ORDER_UNSAID)
		s->order = s->ingest->order;
	if (s->order != SUBMIT_ORDER_SCORE)
		plan_rank(&s->plan, s->order == SUBMIT_ORDER_FIFO ? 0 : s->ingest->settings->critical_path_weight);
	if (s->dry_run || plan_is_small(&s->plan)) {
		admit(s);
	} else {
		graph_submit(s);
	}
}

static void take_tasks(struct submission *s, const struct submit_request *request) {
	struct text records = { 0 };
	take_records(s, request, &records);
	if (s->batch_id[0] == '\0')
		submission_make_id(s, request->task_count, s->batch_id);
	s->dry_run = request->dry_run;
	s->workers = request->workers;
	s->archived = request->archived;
	s->order = request->order;
	*s->ingest->submitted += request->task_count;
	must(plan_take(&s->plan, &records));
	take_plan(s);
}

void take(struct submission *s, struct slice body, struct slice project) {
	struct submit_request request;
	struct error err = { 0 };
	if (!submission_grow(s, body.length)) {
		submission_unavailable(s, "too much is under way");
		return;
	}
	if (submit_request_parse(s->ingest->json, body, project, &s->ingest->limits, &request, &err) != STATUS_OK) {
		/* For the event of an enqueued one: the project it came for, and what else is known by then. */
		keep(s->project, sizeof(s->project), project);
		submission_fail(s, &err, "");
		return;
	}
	keep_names(s, &request);
	switch (request.kind) {
	case SUBMIT_TASK:
	case SUBMIT_BATCH: take_tasks(s, &request); break;
	case SUBMIT_PART: on_part(s, &request); break;
	case SUBMIT_SEAL:
		s->dry_run = request.dry_run;
		s->workers = request.workers;
		s->archived = request.archived;
		s->order = request.order;
		on_seal(s, request.seal);
		break;
	}
}
