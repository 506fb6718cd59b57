/* The dispatcher as a service: what it opens, how it stops, what it says of itself. */
#include "dispatcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "subjects/subjects.h"

static const int64_t HOUR_US = INT64_C(3600000000);

static const struct service_route routes[] = {
	{ SUBJECT_WORK, QUEUE_DISPATCHER, on_work,
	  "Leases tasks of the subject's type, highest score first; may settle earlier ones." },
	{ SUBJECT_SETTLE, QUEUE_DISPATCHER, on_settle, "Ends tries: completed, failed or released." },
	{ SUBJECT_RENEW, QUEUE_DISPATCHER, on_renew, "Keeps leases, carries progress, tells of a cancel." },
	{ SUBJECT_INTERNAL_PERSISTED, NULL, on_persisted, "How far the database has come." },
	{ SUBJECT_INTERNAL_READY, NULL, on_ready, "A type's ready queue is no longer empty." },
};

static void open_partitions(struct dispatcher *dispatcher) {
	const struct dispatcher_settings *settings = dispatcher->settings;
	dispatcher->partition_count = settings->common.partitions;
	dispatcher->partitions = memory_array((size_t)dispatcher->partition_count, sizeof(*dispatcher->partitions));
	for (int64_t p = 0; p < dispatcher->partition_count; p++) {
		struct partition *partition = &dispatcher->partitions[p];
		partition->dispatcher = dispatcher;
		partition->index = p;
		partition->state = state_open(service_kv(dispatcher->service, p), p, HOUR_US / settings->age_weight);
		partition->marks = marks_open(dispatcher->loop, partition->state, settings->mark_patience_ms);
	}
}

static void open_counters(struct dispatcher *dispatcher) {
	struct service *service = dispatcher->service;
	dispatcher->leases = service_counter(service, "leases");
	dispatcher->settles = service_counter(service, "settles");
	dispatcher->renewals = service_counter(service, "renewals");
	dispatcher->stale = service_counter(service, "stale");
	dispatcher->scripts = service_counter(service, "scripts");
	dispatcher->appended = service_counter(service, "appended_blocks");
	dispatcher->released = service_counter(service, "released_too_large");
	dispatcher->unheard = service_counter(service, "released_unheard");
}

enum status dispatcher_start(struct service *service, struct error *err) {
	struct dispatcher *dispatcher = memory_new(sizeof(*dispatcher));
	dispatcher->service = service;
	dispatcher->loop = service_loop(service);
	dispatcher->settings = service_settings(service);
	dispatcher->limits = task_limits_default;
	dispatcher->limits.max_result_bytes = dispatcher->settings->max_result_bytes;
	snprintf(dispatcher->request_ttl, sizeof(dispatcher->request_ttl), "%lld",
	         (long long)dispatcher->settings->request_ttl_s);
	id_make(dispatcher->run);
	service_context(service, dispatcher);
	open_partitions(dispatcher);
	open_counters(dispatcher);
	dispatcher->match = match_open(dispatcher->partition_count);
	loop_each_turn(dispatcher->loop, turn_end, dispatcher);
	dispatcher->ear = (struct log_ear){ dispatcher->settings->common.prefix, on_mark, dispatcher, false };
	enum status status = log_ear_open(&dispatcher->ear, service_bus(service), err);
	return status == STATUS_OK ? service_serve(service, routes, sizeof(routes) / sizeof(*routes), err) : status;
}

/* Who waits for tasks is answered now; settles and leases under way are finished. */
void dispatcher_stop(struct service *service) {
	struct dispatcher *dispatcher = service_own(service);
	dispatcher->stopping = true;
	loop_need_end(dispatcher->loop);
}

bool dispatcher_idle(struct service *service) {
	const struct dispatcher *dispatcher = service_own(service);
	bool releases = false;
	for (int64_t p = 0; p < dispatcher->partition_count; p++)
		releases = releases || dispatcher->partitions[p].releases.length > 0;
	return dispatcher->request_count == 0 && dispatcher->calls == 0 && !releases;
}

static void close_partition(struct partition *partition) {
	struct archived *waiting;
	while ((waiting = partition->archived) != NULL) {
		partition->archived = waiting->next;
		free(waiting);
	}
	text_release(&partition->releases);
	marks_close(&partition->marks);
	state_close(&partition->state);
}

static void close_requests(struct dispatcher *dispatcher) {
	while (dispatcher->requests != NULL) {
		service_drop(dispatcher->requests->origin);
		request_close(dispatcher->requests);
	}
	while (dispatcher->spare_count > 0)
		json_close(&dispatcher->spare_json[--dispatcher->spare_count]);
}

/* Whoever is still waiting gets no answer, and repeats. With a call under way (a stop that took too long) everything stays
 * until the process ends, because its answer is still to come. */
void dispatcher_close(struct service *service) {
	struct dispatcher *dispatcher = service_own(service);
	dispatcher->closed = true;
	loop_each_turn_stop(dispatcher->loop, turn_end, dispatcher);
	loop_timer_stop(dispatcher->loop, &dispatcher->deadline);
	loop_timer_stop(dispatcher->loop, &dispatcher->tick);
	if (dispatcher->calls > 0)
		return;
	for (int64_t p = 0; p < dispatcher->partition_count; p++)
		close_partition(&dispatcher->partitions[p]);
	close_requests(dispatcher);
	match_close(&dispatcher->match);
	words_release(&dispatcher->words);
	free(dispatcher->partitions);
	free(dispatcher);
}

enum { TYPES_TOLD = 1000 }; /* in STATS, which has to fit into a message */

enum status dispatcher_health(struct service *service, struct text *members, struct error *reason) {
	const struct dispatcher *dispatcher = service_own(service);
	size_t marks = 0;
	enum status status = STATUS_OK;
	for (int64_t p = 0; p < dispatcher->partition_count; p++) {
		const struct partition *partition = &dispatcher->partitions[p];
		marks += marks_waiting(partition->marks);
		if (!kv_connected(state_kv(partition->state)))
			status = fail(reason, STATUS_RETRY, "partition %lld: Redis is not connected", (long long)p);
		else if (partition->down)
			status = fail(reason, STATUS_RETRY, "partition %lld: %s", (long long)p, partition->reason);
	}
	*service_gauge(service, "waiting_requests") = match_waiting(dispatcher->match);
	text_printf(members, ",\"waiting\":%zu,\"requests\":%zu,\"unlogged\":%zu", match_waiting(dispatcher->match),
	            dispatcher->request_count, marks);
	text_add(members, ",\"waiting_types\":");
	match_add_types(dispatcher->match, members, TYPES_TOLD);
	return status;
}
