/* The life of a request: opened by its handler, pinned by its parts, answered once when the last pin goes. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatcher.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"
#include "subjects/subjects.h"

struct request *request_of(struct match_waiter *waiter) {
	return (struct request *)((char *)waiter - offsetof(struct request, waiter));
}

struct request *request_open(struct dispatcher *dispatcher, struct service_request *origin) {
	size_t parts = (size_t)dispatcher->partition_count;
	struct request *request = memory_new(sizeof(*request) + parts * sizeof(struct part));
	request->dispatcher = dispatcher;
	request->origin = origin;
	request->number = ++dispatcher->requests_ever;
	request->arrived_us = loop_now(dispatcher->loop);
	request->json = dispatcher->spare_count > 0 ? dispatcher->spare_json[--dispatcher->spare_count] : json_open();
	request->next = dispatcher->requests;
	if (request->next != NULL)
		request->next->previous = request;
	dispatcher->requests = request;
	dispatcher->request_count++;
	return request;
}

void request_close(struct request *request) {
	struct dispatcher *dispatcher = request->dispatcher;
	size_t spare_most = sizeof(dispatcher->spare_json) / sizeof(*dispatcher->spare_json);
	*(request->previous != NULL ? &request->previous->next : &dispatcher->requests) = request->next;
	if (request->next != NULL)
		request->next->previous = request->previous;
	dispatcher->request_count--;
	if (dispatcher->spare_count < spare_most)
		dispatcher->spare_json[dispatcher->spare_count++] = request->json;
	else
		json_close(&request->json);
	text_release(&request->tasks);
	for (int64_t p = 0; p < dispatcher->partition_count; p++)
		text_release(&request->parts[p].held);
	free(request);
}

void request_refuse(struct request *request, const struct error *err) {
	service_fail(request->origin, err, "");
	request_close(request);
}

void request_add_name(struct text *out, const struct request *request) {
	text_add(out, request->dispatcher->run);
	text_add_char(out, '-');
	text_add_int(out, (int64_t)request->number);
}

void request_release(struct partition *partition, struct slice project, struct slice task_id, struct slice lease,
                     struct slice holder) {
	struct text *out = &partition->releases;
	if (out->length > 0)
		text_add_char(out, RECORD_RS);
	text_add_slice(out, project);
	text_add_char(out, RECORD_US);
	text_add_slice(out, task_id);
	text_add_char(out, RECORD_US);
	text_add_slice(out, lease);
	text_add_char(out, RECORD_US);
	text_add_slice(out, holder);
	loop_need_end(partition->dispatcher->loop);
}

static void give_back_in(struct request *request, struct partition *partition, struct slice holder) {
	const struct text *held = &request->parts[partition->index].held;
	struct slice rest = { held->length > 0 ? held->bytes : NULL, held->length };
	while (rest.bytes != NULL) {
		struct slice lease = slice_cut(&rest, RECORD_RS);
		struct slice project = slice_cut(&lease, RECORD_US), task_id = slice_cut(&lease, RECORD_US);
		request_release(partition, project, task_id, lease, holder);
		++*partition->dispatcher->unheard;
	}
}

/* Nobody will hear of the tasks that it was given. If it is repeated, it is given tasks anew. */
static void give_back(struct request *request) {
	struct text holder = { 0 };
	if (request->request_id.length > 0) {
		text_add_slice(&holder, service_last_token(request->origin));
		text_add_char(&holder, '/');
		text_add_slice(&holder, request->worker);
		text_add_char(&holder, '/');
		text_add_slice(&holder, request->request_id);
		text_add_char(&holder, RECORD_US);
		request_add_name(&holder, request);
	}
	for (int64_t p = 0; p < request->dispatcher->partition_count; p++)
		give_back_in(request, &request->dispatcher->partitions[p], (struct slice){ holder.bytes, holder.length });
	text_release(&holder);
}

static void answer(struct request *request) {
	struct error problem = { 0 };
	if (request->problem != NULL) {
		if (request->task_count > 0)
			give_back(request);
		fail(&problem, STATUS_RETRY, "%s", request->problem);
		snprintf(problem.code, sizeof(problem.code), "%s", request->internal ? CODE_INTERNAL : CODE_UNAVAILABLE);
		service_fail(request->origin, &problem, "");
	} else if (request->is_work) {
		reply_work(request);
	} else if (request->is_renewal) {
		reply_renew(request);
	} else {
		reply_settle(request);
	}
	request_close(request);
}

void request_pin(struct request *request) {
	request->pins++;
}

void request_unpin(struct request *request, enum status status, const char *reason) {
	if (status != STATUS_OK && request->problem == NULL) {
		request->problem = reason;
		request->internal = status == STATUS_REJECT;
	}
	must(request->pins > 0);
	request->pins--;
	/* Who cannot be told what became of its settles need not wait for tasks. */
	if (request->problem != NULL && request->wants && request->waiter.place == MATCH_IN_LINE) {
		match_remove(request->dispatcher->match, &request->waiter);
		request->wants = false;
		request->pins--;
	}
	if (request->pins == 0)
		answer(request);
}

void request_has_tasks(struct request *request, enum status status, const char *reason) {
	must(request->wants);
	request->wants = false;
	request_unpin(request, status, reason);
}

void request_line_up(struct partition *partition, struct part *part) {
	part->next = NULL;
	*(partition->last != NULL ? &partition->last->next : &partition->first) = part;
	partition->last = part;
}

bool verdict_is_open(const struct verdict *verdict, const struct partition *partition) {
	return verdict->partition == partition->index && verdict->code == NULL;
}

static void give(struct request *request, struct partition *partition) {
	struct part *part = &request->parts[partition->index];
	if (part->request != NULL)
		return;
	part->request = request;
	request_pin(request);
	request_line_up(partition, part);
}

static void judge_by(struct request *request, size_t i, struct slice project) {
	struct dispatcher *dispatcher = request->dispatcher;
	struct verdict *verdict = &request->verdicts[i];
	verdict->partition = dispatcher->partition_count > 1 ? state_partition_of(project, dispatcher->partition_count) : 0;
	give(request, &dispatcher->partitions[verdict->partition]);
}

void request_spread(struct request *request) {
	size_t count = request->is_renewal ? request->lease_count : request->done_count;
	request->verdicts = json_allocate(request->json, count, sizeof(*request->verdicts));
	for (size_t i = 0; i < count; i++) {
		if (request->is_renewal) {
			judge_by(request, i, request->leases[i].project);
		} else if (*request->done[i].error_code != '\0') {
			request->verdicts[i] = (struct verdict){ .code = request->done[i].error_code, .partition = -1 };
		} else {
			judge_by(request, i, request->done[i].project);
		}
	}
}
