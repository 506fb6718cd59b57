/* Events for others: each event of a block, after it is in the log, as one message on its subject. They are also kept in
 * the stream CORDER_EVENTS; publish_fill.c fills the gap that a failure between append and publish leaves there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_inside.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"
#include "wiring.h"

const char *publish_subject(struct scheduler *scheduler, const struct record *record) {
	const char *word = record_status_word(record->status);
	struct slice type = record->task_type.length > 0 ? record->task_type : SLICE("_");
	return service_full_subject(scheduler->service, "event.%.*s.%.*s.%s", (int)record->project.length,
	                            record->project.bytes, (int)type.length, type.bytes, word);
}

/* As snprintf() would, three times an event. */
static void join(char *out, size_t size, const char *before, struct slice after) {
	size_t length = strlen(before), more = after.length < size - length ? after.length : size - length - 1;
	memcpy(out, before, length);
	if (more > 0)
		memcpy(out + length, after.bytes, more);
	out[length + more] = '\0';
}

static bool publish_one(struct partition *partition, const struct record_entry *entry, const struct record *record,
                        struct text *body) {
	struct scheduler *scheduler = partition->scheduler;
	const char *word = record_status_word(record->status);
	char id[80], type[40], source[96], subject[160], trace[80], at[CLOCK_TEXT_BYTES];
	if (word[0] == '\0')
		return true; /* about a queue or a graph: ours */
	text_clear(body);
	record_add_event_json(body, record, entry, partition->index);
	snprintf(id, sizeof(id), "%.*s-%" PRId64, (int)entry->id.length, entry->id.bytes, record->seq - entry->first_seq);
	join(type, sizeof(type), "corder.task.", slice_of(word));
	join(source, sizeof(source), "/corder/", record->project);
	join(subject, sizeof(subject), "", record->task_id);
	join(trace, sizeof(trace), "", record->traceparent);
	clock_format(record->at_us, at);
	struct bus_header headers[] = {
		{ HEADER_MESSAGE_ID, id },        { HEADER_CE_ID, id },
		{ HEADER_CE_SPECVERSION, "1.0" }, { HEADER_CE_TYPE, type },
		{ HEADER_CE_SOURCE, source },     { HEADER_CE_SUBJECT, subject },
		{ HEADER_CE_TIME, at },           { HEADER_CONTENT_TYPE, "application/json" },
		{ HEADER_TRACEPARENT, trace }, /* last: left out when there is none */
	};
	size_t header_count = sizeof(headers) / sizeof(*headers) - (trace[0] == '\0');
	return bus_publish_with(scheduler->bus, publish_subject(scheduler, record), NULL, headers, header_count,
	                        (struct slice){ body->bytes, body->length }) != STATUS_RETRY;
}

bool publish_after(struct partition *partition, struct slice block, int64_t after) {
	struct text body = { 0 };
	struct record_entry entry;
	struct record record;
	bool valid = true, taken = true;
	while (taken && record_next_entry(&block, &entry, &valid) && valid) {
		struct slice records = entry.records;
		while (taken && record_next(&records, &record, &valid) && valid)
			if (record.seq > after)
				taken = publish_one(partition, &entry, &record, &body);
	}
	text_release(&body);
	return taken;
}

static void try_again(void *context) {
	struct scheduler *scheduler = context;
	scheduler->streams_timer = NULL;
	publish_streams(scheduler);
}

static void for_each_relay(struct scheduler *scheduler, void (*call)(struct relay *relay)) {
	for (int64_t i = 0; i < scheduler->partition_count; i++)
		if (scheduler->partitions[i] != NULL && scheduler->partitions[i]->relay != NULL)
			call(scheduler->partitions[i]->relay);
}

static void settle(struct scheduler *scheduler) {
	if (scheduler->streams_settled)
		return;
	scheduler->streams_settled = true;
	for_each_relay(scheduler, publish_held);
}

/* Before it is there no event is published: one that came first would look as if nothing before it were missing. Only after
 * a refusal, or long without an answer, events go on without it, and it is filled as far as can be once it is there. */
static void on_ensured(void *context, enum status status, const struct error *err) {
	enum { AGAIN_US = 2000000, TRIES_MOST = 10 };
	struct scheduler *scheduler = context;
	if (status == STATUS_OK) {
		if (scheduler->streams_settled && scheduler->streams_late)
			for_each_relay(scheduler, relay_look_again);
		scheduler->streams_late = false;
		settle(scheduler);
		return;
	}
	if (status == STATUS_REJECT || ++scheduler->streams_tries >= TRIES_MOST)
		settle(scheduler);
	if (!scheduler->streams_late)
		log_warn("cannot make the stream of events yet: trying again", "why", err->message, NULL);
	scheduler->streams_late = true;
	if (scheduler->streams_timer == NULL)
		scheduler->streams_timer = loop_timer_start(scheduler->loop, clock_mono_us() + AGAIN_US, try_again, scheduler);
}

void publish_streams(struct scheduler *scheduler) {
	if (scheduler->settings->events_max_age_s == 0) {
		scheduler->streams_settled = true;
		return;
	}
	char name[STREAM_NAME_BYTES];
	stream_name(name, scheduler->settings->common.prefix, STREAM_EVENTS, -1);
	/* An event twice is a relay that lost the lead while it published. NATS remembers each id for so long. */
	enum { DUPLICATE_WINDOW_S = 20 };
	int64_t age_s = scheduler->settings->events_max_age_s;
	struct stream_config config = {
		.name = name,
		.subjects = { service_full_subject(scheduler->service, "event.>") },
		.subject_count = 1,
		.max_bytes = -1,
		.max_age_s = age_s,
		.duplicate_window_s = age_s < DUPLICATE_WINDOW_S ? age_s : DUPLICATE_WINDOW_S,
		.replicas = scheduler->settings->stream_replicas,
	};
	stream_ensure(scheduler->bus, &config, on_ensured, scheduler);
}
