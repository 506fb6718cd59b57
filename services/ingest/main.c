/* corder-ingest: the wiring. */
#include <stddef.h>
#include <stdlib.h>

#include "ingest.h"
#include "shared/base/memory.h"

#define AT(field) offsetof(struct ingest_settings, field)

static const struct setting settings[] = {
	{ "CORDER_ADMIT_TIMEOUT_MS", SETTING_INT, AT(admit_timeout_ms), "10000", 100, 600000, "ms",
	  "How long a submission waits for the scheduler before it is answered unavailable." },
	{ "CORDER_ADMIT_WINDOW", SETTING_INT, AT(admit_window), "4096", 1, 1000000, "tasks",
	  "Of a partition, tasks that one instance has on their way to the scheduler at a time; more waits for its turn." },
	{ "CORDER_ADMIT_WAIT_MS", SETTING_INT, AT(admit_wait_ms), "2000", 10, 600000, "ms",
	  "How long a submission waits for its turn before it is answered unavailable." },
	{ "CORDER_MAX_TASKS_PER_MESSAGE", SETTING_INT, AT(max_tasks), "10000", 1, 100000, "tasks",
	  "Tasks in one message." },
	{ "CORDER_MAX_BATCH_TASKS", SETTING_INT, AT(max_graph_tasks), "1000000", 1, 10000000, "tasks",
	  "Tasks in all parts of a large batch together." },
	{ "CORDER_MAX_BATCH_BYTES", SETTING_INT, AT(max_graph_bytes), "1073741824", 1000000, 17179869184, "bytes",
	  "Bytes of all parts of a large batch together; the memory a seal takes grows with them." },
	{ "CORDER_MAX_DEPENDENCIES", SETTING_INT, AT(max_dependencies), "1000", 1, 10000, "items",
	  "Dependencies of one task, as sent." },
	{ "CORDER_MAX_CONTEXT_BYTES", SETTING_INT, AT(max_context_bytes), "262144", 2, 900000, "bytes",
	  "The execution_context of one task." },
	{ "CORDER_MAX_DEPTH", SETTING_INT, AT(max_depth), "64", 8, 1000, "levels",
	  "Nested lists and objects in one message." },
	{ "CORDER_PART_TTL_S", SETTING_INT, AT(part_ttl_s), "3600", 60, 604800, "s",
	  "How long parts wait for their seal before they are forgotten." },
	{ "CORDER_SLICE_TASKS", SETTING_INT, AT(slice_tasks), "256", 1, 1000, "tasks",
	  "A larger batch is admitted in slices of so many tasks, one script call each." },
	{ "CORDER_SLICE_TTL_S", SETTING_INT, AT(slice_ttl_s), "604800", 3600, 31536000, "s",
	  "How long slices of a large graph are kept that nobody took away." },
	{ "CORDER_STAGING_MAX_BYTES", SETTING_INT, AT(staging_max_bytes), "4294967296", 10000000, 1099511627776, "bytes",
	  "Size of the streams of parts and of slices, each; when full, large batches are refused as unavailable." },
	{ "CORDER_ENQUEUE_MAX_BYTES", SETTING_INT, AT(enqueue_max_bytes), "1073741824", 1000000, 1099511627776, "bytes",
	  "Size of the stream of enqueued submissions; when full, publishing to it fails." },
	{ "CORDER_ENQUEUE_WINDOW", SETTING_INT, AT(enqueue_window), "64", 1, 1000, "messages",
	  "Enqueued submissions that one instance works on at a time." },
	{ "CORDER_MAX_UNDER_WAY_BYTES", SETTING_INT, AT(max_under_way_bytes), "2147483648", 10000000, 68719476736, "bytes",
	  "Submissions that one instance holds at a time; beyond it they are refused as unavailable." },
	{ "CORDER_ORDER", SETTING_TEXT, AT(order), "score", 0, 0, "",
	  "The order of batches that do not say: score, fifo or critical_path." },
	{ "CORDER_CRITICAL_PATH_WEIGHT", SETTING_INT, AT(critical_path_weight), "10", 1, 95, "points",
	  "What the start of the longest path of a batch gets in the order critical_path; all else gets its share of it." },
	{ "CORDER_STREAM_REPLICAS", SETTING_INT, AT(stream_replicas), "1", 1, 5, "", "Copies of each stream." },
};

static const struct service_route routes[] = {
	{ SUBJECT_SUBMIT, QUEUE_INGEST, on_submit, "Takes a task, a batch, a part of a batch, or the seal of one." },
};

static void take_limits(struct ingest *ingest) {
	ingest->limits = task_limits_default;
	ingest->limits.max_tasks = ingest->settings->max_tasks;
	ingest->limits.max_dependencies = ingest->settings->max_dependencies;
	ingest->limits.max_context_bytes = ingest->settings->max_context_bytes;
	ingest->limits.max_depth = ingest->settings->max_depth;
	ingest->limits.max_bytes = ingest->settings->common.max_request_bytes;
}

static enum status start(struct service *service, struct error *err) {
	struct ingest *ingest = memory_new(sizeof(*ingest));
	service_context(service, ingest);
	ingest->service = service;
	ingest->settings = service_settings(service);
	ingest->loop = service_loop(service);
	ingest->bus = service_bus(service);
	ingest->json = json_open();
	ingest->submitted = service_counter(service, "submitted");
	ingest->accepted = service_counter(service, "accepted");
	ingest->duplicates = service_counter(service, "duplicates");
	ingest->parts = service_counter(service, "parts");
	ingest->graphs = service_counter(service, "graphs");
	take_limits(ingest);
	ingest->order = submit_order_of(slice_of(ingest->settings->order));
	if (ingest->order == SUBMIT_ORDER_UNSAID)
		return fail(err, STATUS_REJECT, "CORDER_ORDER is \"%s\": it takes score, fifo or critical_path",
		            ingest->settings->order);
	ingest->lanes = memory_array((size_t)ingest->settings->common.partitions, sizeof(*ingest->lanes));
	streams_open(ingest);
	return service_serve(service, routes, sizeof(routes) / sizeof(*routes), err);
}

static void stop(struct service *service) {
	struct ingest *ingest = service_own(service);
	ingest->stopping = true;
	lanes_stop(ingest);
}

static bool idle(struct service *service) {
	const struct ingest *ingest = service_own(service);
	return ingest->under_way == 0;
}

static void close_ingest(struct service *service) {
	struct ingest *ingest = service_own(service);
	streams_close(ingest);
	json_close(&ingest->json);
	free(ingest->lanes);
	free(ingest);
}

static enum status health(struct service *service, struct text *members, struct error *reason) {
	const struct ingest *ingest = service_own(service);
	*service_gauge(service, "submissions_under_way") = ingest->under_way;
	text_printf(members, ",\"under_way\":%zu", ingest->under_way);
	if (ingest->streams_missing > 0)
		return fail(reason, STATUS_RETRY, "its streams are not there yet: is JetStream on?");
	return STATUS_OK;
}

int main(int argc, char **argv) {
	static const struct service_definition definition = {
		.name = "ingest",
		.summary = "Takes submissions: valid, whole, in order and free of loops, or refused with the reason.",
		.settings = settings,
		.setting_count = sizeof(settings) / sizeof(*settings),
		.settings_bytes = sizeof(struct ingest_settings),
		.start = start,
		.stop = stop,
		.idle = idle,
		.close = close_ingest,
		.health = health,
	};
	return service_main(argc, argv, &definition);
}
