/* work.<type>: a worker asks for tasks, and perhaps settles earlier ones first. */
#include <stdio.h>

#include "dispatcher.h"
#include "shared/base/id.h"
#include "subjects/subjects.h"

/* Bytes of a work reply beside its tasks: an upper bound. */
static size_t done_bytes(const struct request *request) {
	size_t bytes = 256;
	for (size_t i = 0; i < request->done_count; i++)
		bytes += request->done[i].project.length + request->done[i].task_id.length + 320;
	return bytes;
}

static int64_t least(int64_t a, int64_t b) {
	return a < b ? a : b;
}

static void want_tasks(struct request *request, const struct work_request *work, struct slice type) {
	struct dispatcher *dispatcher = request->dispatcher;
	size_t most = bus_max_payload(service_bus(dispatcher->service)), others = done_bytes(request);
	request->room_bytes = most > others ? most - others : 0;
	request->wants = true;
	request->waiter.max = least(work->max, dispatcher->settings->max_leases);
	request->waiter.once = work->wait_ms == 0;
	request->waiter.deadline_us =
		request->arrived_us +
		1000 * (work->wait_ms == 0 ? 1000 : least(work->wait_ms, dispatcher->settings->max_wait_ms));
	request_pin(request);
	match_add(dispatcher->match, &request->waiter, type);
	/* What it settles may make tasks of its own type ready: the same call leases them. */
	for (int64_t p = 0; p < dispatcher->partition_count; p++)
		if (request->parts[p].request != NULL)
			match_wake(dispatcher->match, type, p);
}

static enum status read_work(struct request *request, struct work_request *work, struct slice type, struct error *err) {
	struct dispatcher *dispatcher = request->dispatcher;
	if (!id_is_token(type))
		return reject(err, CODE_INVALID_FIELD, "", "the subject's last token is no task type");
	enum status status =
		work_request_parse(request->json, service_body(request->origin), &dispatcher->limits, work, err);
	if (status != STATUS_OK)
		return status;
	if (match_waiting(dispatcher->match) >= (size_t)dispatcher->settings->waiting_most &&
	    !match_make_room(dispatcher->match, type, loop_now(dispatcher->loop)))
		return reject(err, CODE_LIMIT_EXCEEDED, "",
		              "%lld work requests wait already: the most that CORDER_WAITING_MAX allows",
		              (long long)dispatcher->settings->waiting_most);
	return STATUS_OK;
}

void on_work(struct service *service, struct service_request *message) {
	struct dispatcher *dispatcher = service_own(service);
	struct request *request = request_open(dispatcher, message);
	struct slice type = service_last_token(message);
	struct work_request work;
	struct error err = { 0 };
	if (read_work(request, &work, type, &err) != STATUS_OK) {
		request_refuse(request, &err);
		return;
	}
	request->is_work = true;
	request->worker = work.worker;
	request->request_id = work.request_id;
	request->lease_us = 1000 * (work.lease_ms > 0 ? work.lease_ms : dispatcher->settings->lease_ms);
	request->done = work.done;
	request->done_count = work.done_count;
	request->archived = work.archived;
	request_pin(request);
	request_spread(request);
	want_tasks(request, &work, type);
	request_unpin(request, STATUS_OK, NULL);
}
