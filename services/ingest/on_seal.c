/* A seal: all parts are there. They are read back, planned as one graph and admitted whole. The same seal again reads the
 * same parts, whose tasks are all duplicates then: the same answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "shared/base/memory.h"

enum { READS_AT_ONCE = 16, MISSING_SHOWN = 20, PART_COMES_LATER_MS = 1000, PART_PATIENCE_S = 30, PART_DELIVERIES = 30 };

struct part {
	char stamp[ID_BYTES];
	int64_t chunks, came;
	struct text *records; /* of each chunk */
};

struct reading {
	struct submission *submission;
	uint32_t part; /* from 0 */
	int64_t index;
	int tries;
};

static void read_more(struct submission *s);

void parts_release(struct submission *s) {
	for (uint32_t i = 0; s->parts != NULL && i < s->part_count; i++) {
		for (int64_t j = 0; s->parts[i].records != NULL && j < s->parts[i].chunks; j++)
			text_release(&s->parts[i].records[j]);
		free(s->parts[i].records);
	}
	free(s->parts);
	s->parts = NULL;
}

/* all are here --------------------------------------------------------------------------------------------------- */

static bool is_complete(const struct part *part) {
	return part->records != NULL && part->came == part->chunks;
}

/* Names the parts that are not there; false when there are none. */
static bool tell_missing(const struct submission *s, struct text *numbers) {
	uint32_t missing = 0;
	for (uint32_t i = 0; i < s->part_count; i++) {
		if (is_complete(&s->parts[i]))
			continue;
		if (missing++ < MISSING_SHOWN)
			text_printf(numbers, "%s%u", missing > 1 ? ", " : "", i + 1);
	}
	if (missing > MISSING_SHOWN)
		text_printf(numbers, " and %u more", missing - MISSING_SHOWN);
	return missing > 0;
}

/* Enqueued parts and their seal may be in the hands of different instances: a part may be about to come. */
static void refuse_missing(struct submission *s, const struct text *numbers) {
	struct error err = { 0 };
	if (submission_is_early(s, PART_PATIENCE_S * INT64_C(1000000), PART_DELIVERIES)) {
		submission_later(s, PART_COMES_LATER_MS);
		return;
	}
	reject(&err, CODE_NOT_FOUND, "/seal", "these parts are not there (any more): %s", numbers->bytes);
	submission_fail(s, &err, "");
}

static void plan_parts(struct submission *s) {
	struct error err = { 0 };
	bool readable = true;
	s->plan.in_parts = true;
	for (uint32_t i = 0; i < s->part_count && readable; i++)
		for (int64_t j = 0; j < s->parts[i].chunks && readable; j++)
			readable = plan_take(&s->plan, &s->parts[i].records[j]);
	parts_release(s);
	*s->ingest->submitted += s->plan.count;
	if (!readable) {
		reject(&err, CODE_INTERNAL, "", "a part cannot be read back: send it again");
		submission_fail(s, &err, "");
	} else if ((int64_t)s->plan.count > s->ingest->settings->max_graph_tasks) {
		reject(&err, CODE_LIMIT_EXCEEDED, "/seal", "the parts have %u tasks; %lld are the limit", s->plan.count,
		       (long long)s->ingest->settings->max_graph_tasks);
		submission_fail(s, &err, "");
	} else {
		take_plan(s);
	}
}

static void all_read(struct submission *s) {
	struct text numbers = { 0 };
	struct error err = { 0 };
	if (s->failed == STATUS_RETRY) {
		submission_unavailable(s, "the parts could not be read, or too much is under way");
	} else if (s->failed == STATUS_REJECT) {
		reject(&err, CODE_TOO_LARGE, "/seal", "the parts have more than %lld bytes",
		       (long long)s->ingest->settings->max_graph_bytes);
		submission_fail(s, &err, "");
	} else if (tell_missing(s, &numbers)) {
		refuse_missing(s, &numbers);
	} else {
		plan_parts(s);
	}
	text_release(&numbers);
}

/* reading -------------------------------------------------------------------------------------------------------- */

static void on_chunk(void *context, enum status status, uint64_t sequence, struct slice body);

static void read_chunk(struct reading *reading) {
	struct submission *s = reading->submission;
	char subject[192];
	part_subject(s, reading->part + 1, reading->index, subject);
	stream_get_last(s->ingest->bus, streams_name(s->ingest, STREAM_PARTS), subject, on_chunk, reading);
}

static void start_reading(struct submission *s, uint32_t part, int64_t index) {
	struct reading *reading = memory_new(sizeof(*reading));
	*reading = (struct reading){ .submission = s, .part = part, .index = index };
	s->in_flight++;
	read_chunk(reading);
}

/* A chunk of another batch, writing or place counts as not there. */
static void keep_chunk(struct reading *reading, struct slice body) {
	struct submission *s = reading->submission;
	struct part *part = &s->parts[reading->part];
	struct part_chunk chunk;
	if (!part_chunk_parse(body, &chunk) || !slice_is(chunk.project, s->project) ||
	    !slice_is(chunk.batch_id, s->batch_id) || chunk.index != reading->index)
		return;
	if (chunk.index == 0) {
		snprintf(part->stamp, sizeof(part->stamp), "%.*s", (int)chunk.stamp.length, chunk.stamp.bytes);
		part->chunks = chunk.chunks;
		part->records = memory_array((size_t)chunk.chunks, sizeof(*part->records));
	} else if (!slice_is(chunk.stamp, part->stamp) || chunk.chunks != part->chunks) {
		return;
	}
	part->came++;
	text_add_slice(&part->records[chunk.index], chunk.records);
	s->part_bytes += chunk.records.length;
	if (!submission_grow(s, chunk.records.length))
		s->failed = STATUS_RETRY;
	if ((int64_t)s->part_bytes > s->ingest->settings->max_graph_bytes)
		s->failed = STATUS_REJECT;
	for (int64_t i = 1; chunk.index == 0 && i < chunk.chunks && s->failed == STATUS_OK; i++)
		start_reading(s, reading->part, i);
}

static void on_chunk(void *context, enum status status, uint64_t sequence, struct slice body) {
	struct reading *reading = context;
	struct submission *s = reading->submission;
	(void)sequence;
	if (status == STATUS_RETRY && ++reading->tries < PART_TRIES && s->failed == STATUS_OK) {
		read_chunk(reading);
		return;
	}
	if (status == STATUS_RETRY)
		s->failed = STATUS_RETRY;
	else if (status == STATUS_OK)
		keep_chunk(reading, body);
	free(reading);
	s->in_flight--;
	read_more(s);
}

static void read_more(struct submission *s) {
	while (s->in_flight < READS_AT_ONCE && s->parts_asked < s->part_count && s->failed == STATUS_OK)
		start_reading(s, s->parts_asked++, 0);
	if (s->in_flight == 0)
		all_read(s);
}

void on_seal(struct submission *s, int64_t parts) {
	s->part_count = (uint32_t)parts;
	s->parts = memory_array(s->part_count, sizeof(*s->parts));
	read_more(s);
}
