/* The streams that ingest needs: made at the start and again after each reconnect, since a server may come back empty. */
#include <stdio.h>
#include <string.h>

#include "ingest.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { AGAIN_MS = 1000, ENQUEUE_ACK_WAIT_MS = 15000, STREAM_COUNT = 3 };

const char *streams_name(struct ingest *ingest, const char *suffix) {
	static char name[96];
	snprintf(name, sizeof(name), "%s%s", ingest->streams, suffix);
	return name;
}

static void ensure_all(void *context);
static void ensure_one(struct ingest *ingest);

static void open_consumer(struct ingest *ingest) {
	struct error err = { 0 };
	const struct ingest_settings *settings = ingest->settings;
	if (ingest->consumer != NULL || ingest->stopping)
		return;
	if (consumer_open(ingest->bus, streams_name(ingest, STREAM_ENQUEUE), CONSUMER_ENQUEUE, ENQUEUE_ACK_WAIT_MS,
	                  (size_t)settings->enqueue_window, on_enqueue, ingest, &ingest->consumer, &err) != STATUS_OK)
		log_error("cannot read what was enqueued", "reason", err.message, NULL);
}

static void again_later(struct ingest *ingest, const struct error *err) {
	if (!ingest->streams_told && bus_connected(ingest->bus))
		log_warn("a stream cannot be made yet: trying again; is JetStream on?", "reason", err->message, NULL);
	ingest->streams_told = true;
	if (ingest->timer == NULL && !ingest->stopping)
		ingest->timer = loop_timer_start(ingest->loop, clock_mono_us() + AGAIN_MS * 1000, ensure_all, ingest);
}

static void on_ensured(void *context, enum status status, const struct error *err) {
	struct ingest *ingest = context;
	ingest->ensuring = false;
	if (status != STATUS_OK) {
		again_later(ingest, err);
	} else if (--ingest->streams_missing > 0) {
		ensure_one(ingest);
	} else {
		ingest->streams_told = false;
		open_consumer(ingest);
	}
}

/* One after the other: the one that is next follows from how many are missing. */
static void ensure_one(struct ingest *ingest) {
	static const char *const names[] = { STREAM_ENQUEUE, STREAM_PARTS, STREAM_SLICES };
	static const char *const subjects[] = { SUBJECT_ENQUEUE, SUBJECT_INTERNAL_PART, SUBJECT_INTERNAL_SLICE };
	const struct ingest_settings *settings = ingest->settings;
	int at = STREAM_COUNT - ingest->streams_missing;
	char name[96], subject[160];
	snprintf(name, sizeof(name), "%s", streams_name(ingest, names[at]));
	snprintf(subject, sizeof(subject), "%s", service_full_subject(ingest->service, "%s", subjects[at]));
	struct stream_config config = {
		.name = name,
		.subjects = { subject },
		.subject_count = 1,
		.work_queue = at == 0,
		.discard_new = true,
		.max_bytes = at == 0 ? settings->enqueue_max_bytes : settings->staging_max_bytes,
		.max_age_s = (int64_t[]){ 0, settings->part_ttl_s, settings->slice_ttl_s }[at],
		.max_per_subject = at == 1 ? 1 : 0,
		.replicas = settings->stream_replicas,
	};
	ingest->ensuring = true;
	stream_ensure(ingest->bus, &config, on_ensured, ingest);
}

static void ensure_all(void *context) {
	struct ingest *ingest = context;
	ingest->timer = NULL;
	if (!bus_connected(ingest->bus) || ingest->ensuring)
		return;
	ingest->streams_missing = STREAM_COUNT;
	ensure_one(ingest);
}

static void on_change(void *context, bool connected) {
	struct ingest *ingest = context;
	if (connected && ingest->timer == NULL && !ingest->stopping)
		ensure_all(ingest);
}

static void name_streams(struct ingest *ingest) {
	const char *prefix = ingest->settings->common.prefix;
	must(strlen(prefix) + 2 <= sizeof(ingest->streams));
	for (size_t i = 0; prefix[i] != '\0'; i++)
		ingest->streams[i] = (char)(prefix[i] >= 'a' && prefix[i] <= 'z' ? prefix[i] - 'a' + 'A' : prefix[i]);
	ingest->streams[strlen(prefix)] = '_';
}

void streams_open(struct ingest *ingest) {
	name_streams(ingest);
	ingest->streams_missing = STREAM_COUNT;
	bus_on_change(ingest->bus, on_change, ingest);
	ensure_all(ingest);
}

void streams_close(struct ingest *ingest) {
	ingest->stopping = true;
	loop_timer_stop(ingest->loop, &ingest->timer);
	loop_timer_stop(ingest->loop, &ingest->working_timer);
	consumer_close(&ingest->consumer);
}
