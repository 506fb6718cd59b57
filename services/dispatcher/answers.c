/* What a script call says back, told to those who are in it: verdicts at once into the request, the reply to the worker
 * when the log has the entry. A call that failed leaves everybody in place for the next one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "deliver.h"
#include "shared/base/log.h"
#include "shared/base/teeth.h"
#include "shared/task/record.h"
#include "subjects/subjects.h"

/* Calls that failed -------------------------------------------------------------------------------------------------- */

void partition_down(struct partition *partition, const char *reason) {
	struct dispatcher *dispatcher = partition->dispatcher;
	if (!partition->down)
		log_warn("work waits: the partition's Redis cannot be used; it is tried again all the time", "partition",
		         log_int(partition->index), "reason", reason, NULL);
	partition->down = true;
	partition->retry_us = loop_now(dispatcher->loop) + CALL_AGAIN_US;
	snprintf(partition->reason, sizeof(partition->reason), "%s", reason);
	match_set_down(dispatcher->match, partition->index, true);
}

static void partition_up(struct partition *partition) {
	if (!partition->down)
		return;
	log_info("the partition's Redis works again", "partition", log_int(partition->index), NULL);
	partition->down = false;
	match_set_down(partition->dispatcher->match, partition->index, partition->still);
}

static void part_back(struct partition *partition, struct part *part) {
	part->next = partition->first;
	partition->first = part;
	if (partition->last == NULL)
		partition->last = part;
}

static void free_call(struct call *call) {
	text_release(&call->releases);
	free(call);
}

/* Everything may be said again: settles and renewals name their lease, requests their id. */
static void call_again(struct call *call) {
	struct partition *partition = call->partition;
	struct text releases = call->releases;
	call->releases = (struct text){ 0 };
	if (releases.length > 0 && partition->releases.length > 0)
		text_add_char(&releases, RECORD_RS);
	text_append(&releases, partition->releases.bytes, partition->releases.length);
	text_release(&partition->releases);
	partition->releases = releases;
	for (size_t i = call->part_count; i-- > 0;)
		part_back(partition, call->parts[i]);
	for (size_t i = call->waiter_count; i-- > 0;)
		match_failed(partition->dispatcher->match, call->waiters[i], partition->index);
}

static void call_refused(struct call *call, const struct error *err) {
	static const char said[] = "a script refused the call: this is a bug of Corder, and logged";
	struct partition *partition = call->partition;
	log_error("the work script failed; who was in this call is told", "partition", log_int(partition->index), "reason",
	          err->message, NULL);
	for (size_t i = 0; i < call->waiter_count; i++) {
		match_answered(partition->dispatcher->match, call->waiters[i], partition->index, false);
		request_has_tasks(request_of(call->waiters[i]), STATUS_REJECT, said);
	}
	for (size_t i = 0; i < call->part_count; i++)
		request_unpin(call->parts[i]->request, STATUS_REJECT, said);
}

/* Settles and renewals ----------------------------------------------------------------------------------------------- */

static const char *code_of(struct slice said) {
	static const char *const codes[] = { CODE_STALE_LEASE, CODE_NOT_FOUND };
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (slice_is(said, codes[i]))
			return codes[i];
	return CODE_INTERNAL;
}

static void read_settle(struct dispatcher *dispatcher, struct slice said, struct verdict *verdict) {
	++*dispatcher->settles;
	verdict->code = said.length == 1 ? "" : code_of(said);
	verdict->status = said.length == 1 ? said.bytes[0] : 0;
	*dispatcher->stale += said.length != 1;
}

static void read_renewal(struct dispatcher *dispatcher, struct slice said, struct verdict *verdict) {
	struct slice till = slice_cut(&said, RECORD_US);
	++*dispatcher->renewals;
	verdict->code = said.bytes != NULL ? "" : code_of(till);
	verdict->lease_until_us = said.bytes != NULL ? slice_int(till, 0) : 0;
	verdict->cancel = slice_is(said, "1");
	*dispatcher->stale += said.bytes == NULL;
}

static size_t read_verdicts(struct call *call, const struct kv_reply *reply, size_t at, bool renewals) {
	struct dispatcher *dispatcher = call->partition->dispatcher;
	for (size_t i = 0; i < call->part_count; i++) {
		struct request *request = call->parts[i]->request;
		size_t count = renewals ? request->lease_count : request->done_count, left = call->parts[i]->saying;
		for (size_t k = 0; k < count && left > 0; k++) {
			if (!verdict_is_open(&request->verdicts[k], call->partition))
				continue;
			left--;
			(renewals ? read_renewal : read_settle)(dispatcher, kv_text(kv_at(reply, at++)), &request->verdicts[k]);
		}
	}
	return at;
}

/* Leases ------------------------------------------------------------------------------------------------------------- */

static void hold(struct text *held, const struct packed *task) {
	if (held->length > 0)
		text_add_char(held, RECORD_RS);
	text_add_slice(held, task->project);
	text_add_char(held, RECORD_US);
	text_add_slice(held, task->task_id);
	text_add_char(held, RECORD_US);
	text_add_slice(held, task->lease);
}

/* Returns how many there were. What does not fit into the reply goes back to its queue at once. */
static size_t read_tasks(struct partition *partition, struct request *request, const struct kv_reply *list,
                         const struct delivery_lists *lists) {
	struct slice fields[DELIVER_FIELDS];
	size_t count = kv_count(list) / DELIVER_FIELDS, fitted = 0, room = request->room_bytes;
	for (size_t i = 0; i < count; i++) {
		struct delivery delivery = { .lists = lists };
		for (size_t f = 0; f < DELIVER_FIELDS; f++)
			fields[f] = kv_text(kv_at(list, 1 + i * DELIVER_FIELDS + f));
		must(delivery_read(fields, &delivery));
		size_t before = request->tasks.length;
		bool fits =
			fitted == i && delivery_add(&request->tasks, &delivery, request->room_bytes, request->task_count == 0);
		if (!fits) {
			request_release(partition, delivery.task.project, delivery.task.task_id, delivery.task.lease, SLICE(""));
			++*partition->dispatcher->released;
			continue;
		}
		hold(&request->parts[partition->index].held, &delivery.task);
		size_t used = request->tasks.length - before;
		request->room_bytes -= used < request->room_bytes ? used : request->room_bytes;
		request->task_count++;
		fitted++;
	}
	*partition->dispatcher->leases += fitted;
	match_fitted(&request->waiter, (int64_t)count, (int64_t)fitted, request->room_bytes > room / 2);
	return count;
}

/* With some tasks in hand it goes on only while another partition may have more. */
static bool is_served(struct request *request, size_t got) {
	const struct match *match = request->dispatcher->match;
	if (request->problem != NULL || request->waiter.max <= 0)
		return true;
	if (request->task_count > 0)
		return (int64_t)got >= request->waiter.ask || request->dispatcher->partition_count == 1 ||
		       match_is_cold(match, &request->waiter);
	return !request->waiter.once && request->waiter.deadline_us <= loop_now(request->dispatcher->loop);
}

static void tell_others(struct dispatcher *dispatcher, struct slice type, int64_t partition) {
	const char *subject =
		service_full_subject(dispatcher->service, "internal.ready.%.*s", (int)type.length, type.bytes);
	bus_publish(service_bus(dispatcher->service), subject, slice_of(log_int(partition)));
}

static void pin_until_logged(struct call *call, struct request *request) {
	request_pin(request);
	call->pinned[call->pinned_count++] = request;
}

/* served: its wish for tasks is decided. Those that go back do so after the loop, so that a line keeps its order. */
static bool read_wish(struct call *call, struct match_waiter *waiter, const struct kv_reply *list,
                      const struct delivery_lists *lists) {
	struct partition *partition = call->partition;
	struct dispatcher *dispatcher = partition->dispatcher;
	struct request *request = request_of(waiter);
	size_t got = read_tasks(partition, request, list, lists);
	waiter->max -= (int64_t)got;
	if (got > 0 && !teeth_without("lease-after-log"))
		pin_until_logged(call, request);
	bool full = (int64_t)got >= waiter->ask || kv_int(kv_at(list, 0)) > 0;
	if (match_answered(dispatcher->match, waiter, partition->index, full))
		tell_others(dispatcher, slice_of(match_type_name(waiter)), partition->index);
	return is_served(request, got);
}

static void read_wishes(struct call *call, const struct kv_reply *reply, size_t at) {
	struct match_waiter *back[CALL_ITEMS];
	size_t back_count = 0;
	struct delivery_lists lists;
	size_t behind = at + call->waiter_count;
	delivery_lists_read(&lists, kv_at(reply, behind), kv_at(reply, behind + 1));
	for (size_t i = 0; i < call->waiter_count; i++) {
		struct match_waiter *waiter = call->waiters[i];
		if (!read_wish(call, waiter, kv_at(reply, at + i), &lists))
			back[back_count++] = waiter;
		else
			request_has_tasks(request_of(waiter), STATUS_OK, NULL);
	}
	delivery_lists_release(&lists);
	while (back_count > 0) {
		struct request *request = request_of(back[--back_count]);
		if (request->task_count > 0)
			request->waiter.once = true;
		match_put_back(call->partition->dispatcher->match, &request->waiter);
	}
}

/* The log ------------------------------------------------------------------------------------------------------------ */

static void on_logged(void *context, enum status status) {
	struct call *call = context;
	call->partition->dispatcher->calls--;
	for (size_t i = 0; i < call->pinned_count; i++) {
		struct request *request = call->pinned[i];
		if (status == STATUS_OK && i < call->pinned_parts && request->archived)
			archive_wait(call->partition, request, call->seq);
		else
			request_unpin(request, status, "the log has not confirmed it in time: repeat with the same ids");
	}
	free_call(call);
}

static void wake_types(struct partition *partition, struct slice woken) {
	struct dispatcher *dispatcher = partition->dispatcher;
	while (woken.bytes != NULL && woken.length > 0) {
		struct slice type = slice_cut(&woken, ' ');
		if (!match_wake_first(dispatcher->match, type, partition->index))
			tell_others(dispatcher, type, partition->index);
	}
}

/* Of a request whose settles did not fit into one call. */
static void say_the_rest(struct partition *partition, struct part *part) {
	const struct request *request = part->request;
	for (size_t i = 0; i < request->done_count; i++) {
		if (!verdict_is_open(&request->verdicts[i], partition))
			continue;
		request_pin(part->request);
		request_line_up(partition, part);
		return;
	}
}

static void call_succeeded(struct call *call, const struct state_head *head, const struct kv_reply *reply) {
	direct_append(call->partition, kv_at(reply, kv_count(reply) - 1));
	size_t at = read_verdicts(call, reply, 1 + call->release_count, false);
	at = read_verdicts(call, reply, at, true);
	for (size_t i = 0; i < call->part_count; i++)
		if (!prove_part(call->partition, call->parts[i]))
			say_the_rest(call->partition, call->parts[i]);
	for (size_t i = 0; i < call->part_count; i++)
		if (teeth_without("settle-after-log"))
			request_unpin(call->parts[i]->request, STATUS_OK, NULL);
		else
			call->pinned[call->pinned_count++] = call->parts[i]->request; /* the part's pin lives on */
	call->pinned_parts = call->pinned_count;
	call->seq = head->seq;
	read_wishes(call, reply, at);
	wake_types(call->partition, head->woken);
	if (call->pinned_count > 0)
		marks_wait(call->partition->marks, head, on_logged, call);
	else
		on_logged(call, STATUS_OK);
}

void call_answered(void *context, enum status status, const struct state_head *head, const struct kv_reply *reply,
                   const struct error *err) {
	struct call *call = context;
	struct partition *partition = call->partition;
	if (partition->dispatcher->closed) {
		free_call(call);
		return;
	}
	partition->call = NULL;
	if (status == STATUS_OK) {
		partition_up(partition);
		call_succeeded(call, head, reply);
		return;
	}
	partition->dispatcher->calls--;
	if (status == STATUS_RETRY) {
		partition_down(partition, err->message);
		call_again(call);
	} else {
		call_refused(call, err);
	}
	free_call(call);
}
