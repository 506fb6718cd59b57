/* Events for others: each event of a block, after it is in the log, as one message on its subject. They are also kept in
 * the stream CORDER_EVENTS; a relay that takes over fills the gap that a crash between append and publish leaves there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_inside.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/teeth.h"
#include "shared/task/record.h"
#include "wiring.h"

enum { FILL_BLOCKS = 1000 }; /* blocks looked at backwards for one gap */

static void publish_one(struct partition *partition, const struct record_entry *entry, const struct record *record,
                        struct text *body) {
	struct scheduler *scheduler = partition->scheduler;
	const char *word = record_status_word(record->status);
	char id[80], type[40], source[96], trace[80], at[CLOCK_TEXT_BYTES];
	if (word[0] == '\0')
		return; /* about a queue or a graph: ours */
	text_clear(body);
	record_add_event_json(body, record, entry, partition->index);
	snprintf(id, sizeof(id), "%.*s-%" PRId64, (int)entry->id.length, entry->id.bytes, record->seq - entry->first_seq);
	snprintf(type, sizeof(type), "corder.task.%s", word);
	snprintf(source, sizeof(source), "/corder/%.*s", (int)record->project.length, record->project.bytes);
	snprintf(trace, sizeof(trace), "%.*s", (int)record->traceparent.length, record->traceparent.bytes);
	clock_format(record->at_us, at);
	struct bus_header headers[] = {
		{ HEADER_MESSAGE_ID, id },
		{ HEADER_CE_ID, id },
		{ HEADER_CE_SPECVERSION, "1.0" },
		{ HEADER_CE_TYPE, type },
		{ HEADER_CE_SOURCE, source },
		{ HEADER_CE_TIME, at },
		{ HEADER_CONTENT_TYPE, "application/json" },
		{ HEADER_TRACEPARENT, trace }, /* last: left out when there is none */
	};
	size_t header_count = sizeof(headers) / sizeof(*headers) - (trace[0] == '\0');
	const char *subject =
		service_full_subject(scheduler->service, "event.%.*s.%.*s.%s", (int)record->project.length,
	                         record->project.bytes, (int)(record->task_type.length > 0 ? record->task_type.length : 1),
	                         record->task_type.length > 0 ? record->task_type.bytes : "_", word);
	bus_publish_with(scheduler->bus, subject, NULL, headers, header_count, (struct slice){ body->bytes, body->length });
}

/* Publishes the events of a block whose seq is above `after`. */
static void publish_after(struct partition *partition, struct slice block, int64_t after) {
	struct text body = { 0 };
	struct record_entry entry;
	struct record record;
	bool valid = true;
	while (record_next_entry(&block, &entry, &valid) && valid) {
		struct slice records = entry.records;
		while (record_next(&records, &record, &valid) && valid)
			if (record.seq > after)
				publish_one(partition, &entry, &record, &body);
	}
	text_release(&body);
}

void publish_events(struct partition *partition, struct slice block) {
	publish_after(partition, block, 0);
}

/* ------------------------------------------------------------------------------------------------------------ the gap */

struct fill {
	struct partition *partition;
	char log_stream[96], events_stream[96];
	uint64_t at;      /* the message looked at */
	int64_t last_seq; /* the newest event of this partition in CORDER_EVENTS */
	int looked;
	struct text *blocks; /* newest first */
	size_t block_count;
};

static void fill_end(struct fill *fill) {
	for (size_t i = fill->block_count; i > 0; i--)
		publish_after(fill->partition, (struct slice){ fill->blocks[i - 1].bytes, fill->blocks[i - 1].length },
		              fill->last_seq);
	if (fill->block_count > 0)
		log_info("filled a gap in the event stream", "blocks", log_int((long long)fill->block_count), NULL);
	for (size_t i = 0; i < fill->block_count; i++)
		text_release(&fill->blocks[i]);
	free(fill->blocks);
	free(fill);
}

static void on_log_block(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fill *fill = context;
	struct record_entry last;
	(void)sequence;
	if (status != STATUS_OK || !record_last_entry(body, &last) || last.last_seq <= fill->last_seq ||
	    fill->block_count >= FILL_BLOCKS) {
		fill_end(fill);
		return;
	}
	fill->blocks = memory_resize(fill->blocks, fill->block_count + 1, sizeof(*fill->blocks));
	fill->blocks[fill->block_count] = (struct text){ 0 };
	text_add_slice(&fill->blocks[fill->block_count++], body);
	if (fill->at <= 1) {
		fill_end(fill);
		return;
	}
	stream_get(fill->partition->scheduler->bus, fill->log_stream, --fill->at, on_log_block, fill);
}

/* The member `name` of an event we wrote ourselves: a number without spaces. */
static int64_t member_of(struct slice body, const char *name) {
	char key[32];
	snprintf(key, sizeof(key), "\"%s\":", name);
	const char *found = body.bytes != NULL ? memmem(body.bytes, body.length, key, strlen(key)) : NULL;
	return found != NULL ? strtoll(found + strlen(key), NULL, 10) : -1;
}

static void on_event(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct fill *fill = context;
	if (status == STATUS_OK && member_of(body, "partition") != fill->partition->index && sequence > 1 &&
	    fill->looked++ < FILL_BLOCKS) {
		stream_get(fill->partition->scheduler->bus, fill->events_stream, sequence - 1, on_event, fill);
		return;
	}
	if (status != STATUS_OK || member_of(body, "partition") != fill->partition->index) {
		fill_end(fill);
		return;
	}
	fill->last_seq = member_of(body, "seq");
	stream_get(fill->partition->scheduler->bus, fill->log_stream, fill->at, on_log_block, fill);
}

static void on_events_info(void *context, enum status status, const struct stream_state *state) {
	struct fill *fill = context;
	if (status != STATUS_OK || state->messages == 0) {
		fill_end(fill);
		return;
	}
	stream_get(fill->partition->scheduler->bus, fill->events_stream, state->last_sequence, on_event, fill);
}

void publish_fill(struct partition *partition, const char *log_stream, uint64_t log_sequence) {
	struct scheduler *scheduler = partition->scheduler;
	if (scheduler->settings->events_max_age_s == 0 || log_sequence == 0 || teeth_without("fill-events"))
		return;
	struct fill *fill = memory_new(sizeof(*fill));
	fill->partition = partition;
	fill->at = log_sequence;
	snprintf(fill->log_stream, sizeof(fill->log_stream), "%s", log_stream);
	snprintf(fill->events_stream, sizeof(fill->events_stream), "%s%s", scheduler->stream_prefix, STREAM_EVENTS);
	stream_info(scheduler->bus, fill->events_stream, on_events_info, fill);
}

static void on_ensured(void *context, enum status status, const struct error *err) {
	(void)context;
	if (status != STATUS_OK)
		log_warn("cannot make the stream of events: those who replay will miss some", "why", err->message, NULL);
}

void publish_streams(struct scheduler *scheduler) {
	if (scheduler->settings->events_max_age_s == 0)
		return;
	char name[96];
	snprintf(name, sizeof(name), "%s%s", scheduler->stream_prefix, STREAM_EVENTS);
	struct stream_config config = {
		.name = name,
		.subjects = { service_full_subject(scheduler->service, "event.>") },
		.subject_count = 1,
		.max_bytes = -1,
		.max_age_s = scheduler->settings->events_max_age_s,
		.replicas = scheduler->settings->stream_replicas,
	};
	stream_ensure(scheduler->bus, &config, on_ensured, scheduler);
}
