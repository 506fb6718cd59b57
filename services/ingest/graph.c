/* A graph too large for one message: its slices go into a stream, under a token of their own, then the scheduler is told
 * where they are. What fails before that leaves nothing but slices that age away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"

enum { SLICES_AT_ONCE = 8, SLICE_TRIES = 4, SLICE_TIMEOUT_MS = 5000, US_A_TASK = 300 };

struct put {
	struct submission *submission;
	uint32_t index;
	int tries;
	struct text body;
};

static void put_more(struct submission *s);

static void on_decided(struct submission *s, struct slice reply) {
	if (admit_take_verdict(s, reply)) {
		++*s->ingest->graphs;
		submission_accept(s);
	}
}

static void forget_slices(struct submission *s) {
	char subject[192];
	snprintf(subject, sizeof(subject), "%s", service_full_subject(s->ingest->service, "internal.slice.%s.*", s->token));
	stream_purge(s->ingest->bus, streams_name(s->ingest, STREAM_SLICES), subject, 0, NULL, NULL);
}

static void all_put(struct submission *s) {
	if (s->failed != STATUS_OK) {
		forget_slices(s);
		submission_unavailable(s, "the graph could not be put into its stream");
		return;
	}
	admit_header(s, "sliced");
	text_printf(&s->body, "%c%s%c%u%c%u", RECORD_US, s->token, RECORD_US, s->slices, RECORD_US, s->plan.count);
	/* The scheduler's work grows with the graph, and so does the patience; the same token is never decided twice. */
	int64_t patience_us = s->ingest->settings->admit_timeout_ms * 1000 + (int64_t)s->plan.count * US_A_TASK;
	s->deadline_us = clock_mono_us() + patience_us;
	s->tries = 0;
	s->one_answer = true; /* the slices are gone after it */
	admit_send(s, "admit", 0, on_decided);
}

static void put(struct put *put);

static void on_put(void *context, enum status status, uint64_t sequence) {
	struct put *put_done = context;
	struct submission *s = put_done->submission;
	(void)sequence;
	if (status != STATUS_OK && ++put_done->tries < SLICE_TRIES && s->failed == STATUS_OK) {
		put(put_done);
		return;
	}
	if (status != STATUS_OK)
		s->failed = status;
	s->in_flight--;
	text_release(&put_done->body);
	free(put_done);
	put_more(s);
}

static void put(struct put *put) {
	struct submission *s = put->submission;
	char subject[192];
	snprintf(subject, sizeof(subject), "%s",
	         service_full_subject(s->ingest->service, "internal.slice.%s.%u", s->token, put->index));
	stream_append(s->ingest->bus, subject, STREAM_ANY_SEQUENCE, (struct slice){ put->body.bytes, put->body.length },
	              SLICE_TIMEOUT_MS, on_put, put);
}

static void put_more(struct submission *s) {
	while (s->in_flight < SLICES_AT_ONCE && s->at < s->plan.count && s->failed == STATUS_OK) {
		struct put *next = memory_new(sizeof(*next));
		next->submission = s;
		next->index = s->slices++;
		plan_slice(&s->plan, &s->at, &next->body);
		s->in_flight++;
		put(next);
	}
	if (s->in_flight == 0)
		all_put(s);
}

void graph_submit(struct submission *s) {
	id_make(s->token);
	put_more(s);
}
