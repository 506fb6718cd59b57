/* JetStream, by its API subjects: streams are made, appended to with compare-and-append, read by sequence, purged.
 * No durable consumer is trusted with a position; the one that exists (enqueue) feeds an idempotent reader. */
#ifndef CORDER_BUS_STREAM_H
#define CORDER_BUS_STREAM_H

#include "bus.h"

struct stream_config {
	const char *name;
	const char *subjects[4];
	size_t subject_count;
	bool work_queue;            /* retention: messages go once acknowledged; else limits */
	bool discard_new;           /* at a limit refuse new messages; else drop the oldest */
	int64_t max_bytes;          /* -1: none */
	int64_t max_age_s;          /* 0: none */
	int64_t max_per_subject;    /* 0: none */
	int64_t duplicate_window_s; /* 0: the server's default */
	int64_t replicas;
};

struct stream_state {
	uint64_t first_sequence, last_sequence, messages, bytes;
	int64_t first_at_us; /* when the first one was stored; 0: not known */
};

/* All of these answer on the loop, exactly once. STATUS_RETRY: the answer is unknown or the server is away. */
typedef void stream_done(void *context, enum status status, const struct error *err);
typedef void stream_info_done(void *context, enum status status, const struct stream_state *state);
/* STATUS_STALE: the stream's last sequence was another one: somebody else has appended. */
typedef void stream_appended(void *context, enum status status, uint64_t sequence);
/* STATUS_REJECT: there is no such message. body is borrowed. */
typedef void stream_got(void *context, enum status status, uint64_t sequence, struct slice body);

/* Makes the stream, or brings an existing one to this config (retention excepted). allow_direct is always set. */
void stream_ensure(struct bus *bus, const struct stream_config *config, stream_done *done, void *context);
void stream_info(struct bus *bus, const char *name, stream_info_done *done, void *context);

#define STREAM_ANY_SEQUENCE UINT64_MAX
/* expected_last: the stream's last sequence before this message (0: it is empty), or STREAM_ANY_SEQUENCE. */
void stream_append(struct bus *bus, const char *subject, uint64_t expected_last, struct slice body, int64_t timeout_ms,
                   stream_appended *done, void *context);
/* For appends that do not wait for the one before them: `id` names this message, and `after`, when it is not "", the message
 * that has to stand right before it. Without it, a second append could be taken although the first one was refused: somebody
 * else's message at the first one's place makes the second one's sequence right. An id is never used twice. */
void stream_append_after(struct bus *bus, const char *subject, uint64_t expected_last, const char *id,
                         const char *after, struct slice body, int64_t timeout_ms, stream_appended *done,
                         void *context);
/* The same, but the server answers on the subject `answer`, where others may listen too; the caller has subscribed to it, and
 * keeps the time himself. STATUS_OK: sent. */
enum status stream_append_heard(struct bus *bus, const char *subject, uint64_t expected_last, const char *id,
                                const char *after, const char *answer, struct slice body);
/* What a message on `answer` says of the append to `stream`: STATUS_OK and its sequence, STATUS_STALE, STATUS_RETRY, or
 * STATUS_REJECT: these are not JetStream's words about it. */
enum status stream_read_answer(const struct bus_message *message, const char *stream, uint64_t *sequence);
/* "CORDER_LOG_0" of "corder", STREAM_LOG, 0; without a number when partition is -1. */
enum { STREAM_NAME_BYTES = 96 };
void stream_name(char name[STREAM_NAME_BYTES], const char *prefix, const char *what, int64_t partition);
/* Reads one message by sequence (DIRECT.GET). */
void stream_get(struct bus *bus, const char *name, uint64_t sequence, stream_got *done, void *context);
/* The last message on a subject. */
void stream_get_last(struct bus *bus, const char *name, const char *subject, stream_got *done, void *context);
/* Deletes everything below keep_from (purge), or all messages of one subject when subject is not NULL. */
void stream_purge(struct bus *bus, const char *name, const char *subject, uint64_t keep_from, stream_done *done,
                  void *context);

/* A shared durable pull consumer with explicit acks, without limit of deliveries. Each message's handler gets an ack
 * token (the reply subject), to be given to consumer_ack when its work is safe. Pulls by itself, `window` at a time. */
struct consumer;
enum status consumer_open(struct bus *bus, const char *stream, const char *durable, int64_t ack_wait_ms, size_t window,
                          bus_handler *handler, void *context, struct consumer **consumer, struct error *err);
void consumer_ack(struct consumer *consumer, const char *ack_subject);
void consumer_nak(struct consumer *consumer, const char *ack_subject, int64_t delay_ms);
void consumer_close(struct consumer **consumer);

#endif
