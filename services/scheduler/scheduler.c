/* Opens and closes a scheduler: its partitions, its subscriptions, its health. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler.h"
#include "shared/base/memory.h"
#include "wiring.h"

#define FIELD(name) offsetof(struct scheduler_settings, name)

const struct setting scheduler_setting_rows[] = {
	{ "CORDER_AGE_WEIGHT", SETTING_INT, FIELD(age_weight), "1", 1, 1000, "points",
	  "What an hour of waiting adds to a task's score." },
	{ "CORDER_PATIENCE_MS", SETTING_INT, FIELD(patience_ms), "5000", 100, 60000, "ms",
	  "How long a request may wait for the log before it is answered unavailable." },
	{ "CORDER_SWEEP_MS", SETTING_INT, FIELD(sweep_ms), "100", 1, 10000, "ms",
	  "At least so often the scheduler asks what is due." },
	{ "CORDER_KEEP_ENDED_S", SETTING_INT, FIELD(keep_ended_s), "600", 15, 31536000, "s",
	  "How long an ended task stays in Redis; MySQL keeps it." },
	{ "CORDER_LEASE_MS", SETTING_INT, FIELD(lease_ms), "30000", 1000, 86400000, "ms",
	  "How long a lease lasts without renewal." },
	{ "CORDER_MAX_LOST", SETTING_INT, FIELD(max_lost), "3", 0, 15, "workers",
	  "How many workers a task may lose (leases that ran out); with the next it fails, whatever its max_retries." },
	{ "CORDER_AUDIT_MS", SETTING_INT, FIELD(audit_ms), "1000", 10, 3600000, "ms",
	  "How often a slice of the tasks is audited." },
	{ "CORDER_MAX_LOG_LAG_EVENTS", SETTING_INT, FIELD(max_lag_events), "2000000", 1000, 1000000000, "events",
	  "Events not yet in MySQL; above it new submissions are refused." },
	{ "CORDER_EVENTS_MAX_AGE", SETTING_INT, FIELD(events_max_age_s), "604800", 0, 315360000, "s",
	  "How long the stream CORDER_EVENTS keeps events; 0 makes no stream." },
	{ "CORDER_STREAM_REPLICAS", SETTING_INT, FIELD(stream_replicas), "1", 1, 5, "", "Replicas of each stream." },
	{ "CORDER_LOG_MAX_BYTES", SETTING_INT, FIELD(log_max_bytes), "-1", -1, INT64_MAX, "bytes",
	  "The most a partition's log may hold; -1 has no limit." },
};
const size_t scheduler_setting_count = sizeof(scheduler_setting_rows) / sizeof(*scheduler_setting_rows);

static const struct service_route routes[] = {
	{ "internal.admit.*", QUEUE_SCHEDULER, on_admit, "Admits a submission of ingest." },
	{ "internal.prove.*", QUEUE_SCHEDULER, on_prove, "Says where the log ends: what a refusal is made sure with." },
	{ "internal.reject.*", QUEUE_SCHEDULER, on_refused, "Writes down that an enqueued submission was refused." },
	{ SUBJECT_TASK_CANCEL, QUEUE_SCHEDULER, on_cancel, "Cancels tasks." },
	{ SUBJECT_TASK_RETRY, QUEUE_SCHEDULER, on_retry, "Gives ended tasks a new chance." },
	{ SUBJECT_TASK_APPROVE, QUEUE_SCHEDULER, on_approve, "Lets held tasks go on." },
	{ SUBJECT_TASK_REJECT, QUEUE_SCHEDULER, on_reject, "Cancels held tasks." },
	{ SUBJECT_TASK_UPDATE, QUEUE_SCHEDULER, on_update, "Changes the priority of tasks." },
	{ SUBJECT_QUEUE_PAUSE, QUEUE_SCHEDULER, on_pause, "Stops giving out work of a type or project." },
	{ SUBJECT_QUEUE_RESUME, QUEUE_SCHEDULER, on_resume, "Gives it out again." },
};

struct partition *scheduler_partition_of(struct scheduler *scheduler, struct slice project) {
	return scheduler->partitions[state_partition_of(project, scheduler->partition_count)];
}

struct partition *scheduler_partition_named(struct scheduler *scheduler, struct slice token) {
	int64_t index = slice_int(token, -1);
	return index >= 0 && index < scheduler->partition_count ? scheduler->partitions[index] : NULL;
}

static struct partition *of_message(struct scheduler *scheduler, const struct bus_message *message) {
	const char *dot = strrchr(message->subject, '.');
	return dot != NULL ? scheduler_partition_named(scheduler, slice_of(dot + 1)) : NULL;
}

static void on_logged(void *context, int64_t index, struct slice mark, const struct log_answer *answer) {
	struct scheduler *scheduler = context;
	if (index >= scheduler->partition_count || scheduler->partitions[index] == NULL)
		return;
	struct partition *partition = scheduler->partitions[index];
	bool told = answer != NULL && relay_hears(partition->relay, answer);
	if (!told && answer != NULL)
		relay_hears_other(partition->relay, mark, answer);
	if (!told && mark.bytes != NULL && !(answer == NULL && relay_leads(partition->relay)))
		marks_note(partition->marks, mark); /* the leader has noted its own */
}

static void on_persisted(void *context, const struct bus_message *message) {
	struct partition *partition = of_message(context, message);
	if (partition != NULL)
		heads_persisted(partition, message->body);
}

static void on_bus_change(void *context, bool connected) {
	struct scheduler *scheduler = context;
	if (!connected)
		return;
	scheduler->streams_settled = false; /* NATS may have lost it */
	scheduler->streams_tries = 0;
	publish_streams(scheduler);
	/* What was on its way when the connection broke may be missing, and the log may have lost its tail. */
	for (int64_t i = 0; i < scheduler->partition_count; i++)
		if (scheduler->partitions[i] != NULL && scheduler->partitions[i]->relay != NULL)
			relay_look_again(scheduler->partitions[i]->relay);
}

/* REDIS_URL may be a list: partition i uses the url of place i modulo their count. */
static char *url_of(const char *urls, int64_t index) {
	size_t count = 1;
	for (const char *c = urls; *c != '\0'; c++)
		count += *c == ',';
	struct slice rest = slice_of(urls), url = slice_cut(&rest, ',');
	for (size_t i = 0; i < (size_t)index % count; i++)
		url = slice_cut(&rest, ',');
	return slice_copy(url);
}

static enum status open_partition(struct scheduler *scheduler, int64_t index, struct error *err) {
	const struct scheduler_settings *settings = scheduler->settings;
	struct partition *partition = memory_new(sizeof(*partition));
	scheduler->partitions[index] = partition;
	partition->scheduler = scheduler;
	partition->index = index;
	partition->state = state_open(service_kv(scheduler->service, index), index, 3600000000 / settings->age_weight);
	partition->marks = marks_open(scheduler->loop, partition->state, settings->patience_ms);
	admit_open(partition);
	graph_open(partition);
	char *url = url_of(settings->common.redis_url, index);
	partition->relay = relay_open(partition, url);
	free(url);
	if (partition->relay == NULL)
		return reject(err, CODE_INTERNAL, "", "REDIS_URL cannot be used");
	tick_open(partition);
	return STATUS_OK;
}

static void open_counters(struct scheduler *scheduler) {
	struct service *service = scheduler->service;
	scheduler->admitted = service_counter(service, "admitted_tasks");
	scheduler->refused = service_counter(service, "refused_tasks");
	scheduler->swept = service_counter(service, "swept_tasks");
	scheduler->violations = service_gauge(service, "audit_violations");
	scheduler->evicted_count = service_counter(service, "evicted_tasks");
	scheduler->appended = service_counter(service, "appended_blocks");
	scheduler->rebuilds = service_counter(service, "rebuilds");
	scheduler->commands = service_counter(service, "commands");
}

static enum status subscribe(struct scheduler *scheduler, struct error *err) {
	struct service *service = scheduler->service;
	scheduler->ear = (struct log_ear){ scheduler->settings->common.prefix, on_logged, scheduler, false };
	enum status status = log_ear_open(&scheduler->ear, scheduler->bus, err);
	if (status == STATUS_OK)
		status = bus_subscribe(scheduler->bus, service_full_subject(service, "internal.persisted.*"), NULL,
		                       on_persisted, scheduler, err);
	if (status == STATUS_OK)
		status = service_serve(service, routes, sizeof(routes) / sizeof(*routes), err);
	return status;
}

enum status scheduler_start(struct service *service, struct error *err) {
	struct scheduler *scheduler = memory_new(sizeof(*scheduler));
	struct scheduler_settings *settings = (struct scheduler_settings *)(uintptr_t)service_settings(service);
	settings->limits = task_limits_default;
	scheduler->service = service;
	scheduler->settings = settings;
	scheduler->loop = service_loop(service);
	scheduler->bus = service_bus(service);
	scheduler->db = service_db(service);
	scheduler->partition_count = settings->common.partitions;
	scheduler->partitions = memory_array((size_t)scheduler->partition_count, sizeof(*scheduler->partitions));
	service_context(service, scheduler);
	open_counters(scheduler);
	bus_on_change(scheduler->bus, on_bus_change, scheduler);
	publish_streams(scheduler);
	enum status status = STATUS_OK;
	for (int64_t i = 0; status == STATUS_OK && i < scheduler->partition_count; i++)
		status = open_partition(scheduler, i, err);
	return status == STATUS_OK ? subscribe(scheduler, err) : status;
}

void scheduler_stop(struct service *service) {
	(void)service; /* what is under way is counted in busy; nothing new comes */
}

bool scheduler_idle(struct service *service) {
	struct scheduler *scheduler = service_own(service);
	bool idle = scheduler->busy == 0;
	for (int64_t i = 0; i < scheduler->partition_count && scheduler->busy == 0; i++)
		idle = relay_resign(scheduler->partitions[i]->relay) && idle;
	return idle;
}

void scheduler_close(struct service *service) {
	struct scheduler *scheduler = service_own(service);
	loop_timer_stop(scheduler->loop, &scheduler->streams_timer);
	for (int64_t i = 0; i < scheduler->partition_count; i++) {
		struct partition *partition = scheduler->partitions[i];
		if (partition == NULL)
			continue;
		tick_close(partition);
		rebuild_close(partition);
		relay_close(&partition->relay);
		marks_close(&partition->marks);
		heads_close(partition);
		admit_close(partition);
		graph_close(partition);
		state_close(&partition->state);
		free(partition);
	}
	free(scheduler->partitions);
	free(scheduler);
	service_context(service, NULL);
}

enum status scheduler_health(struct service *service, struct text *members, struct error *reason) {
	struct scheduler *scheduler = service_own(service);
	enum status status = STATUS_OK;
	text_add(members, ",\"partitions\":[");
	for (int64_t i = 0; i < scheduler->partition_count; i++) {
		struct partition *partition = scheduler->partitions[i];
		text_printf(members,
		            "%s{\"partition\":%" PRId64 ",\"leads\":%s,\"head_seq\":%" PRId64 ",\"persisted_seq\":%" PRId64
		            ",\"waiting_for_log\":%zu,\"rebuilding\":%s,\"audit_violations\":%" PRId64 "}",
		            i > 0 ? "," : "", i, relay_leads(partition->relay) ? "true" : "false", partition->head_seq,
		            partition->persisted_seq, marks_waiting(partition->marks),
		            partition->rebuild != NULL ? "true" : "false", partition->last_violations);
		if (partition->rebuild != NULL)
			status = fail(reason, STATUS_RETRY, "partition %" PRId64 " is being rebuilt from the database", i);
		else if (partition->last_violations > 0)
			status = fail(reason, STATUS_RETRY, "the audit found %" PRId64 " tasks without a cause to move on",
			              partition->last_violations);
	}
	text_add_char(members, ']');
	return status;
}
