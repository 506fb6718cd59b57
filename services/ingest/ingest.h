/* Ingest: is a submission valid, whole and free of loops. It owns nothing but the staging of large graphs.
 *
 *   submit, enqueue ─▶ on_submit.c, on_enqueue.c ─▶ take.c ─┬─▶ one task or a batch ─▶ plan.c ─▶ admit.c, graph.c ─▶ scheduler
 *                                                           ├─▶ a part ─▶ on_part.c ─▶ stream PARTS
 *                                                           └─▶ a seal ─▶ on_seal.c ◀─ stream PARTS ─▶ plan.c …
 *
 * A submission lives from its message to its answer; everything it needs is its own. */
#ifndef CORDER_INGEST_INGEST_H
#define CORDER_INGEST_INGEST_H

#include "plan.h"
#include "shared/base/id.h"
#include "shared/bus/stream.h"
#include "shared/service/service.h"
#include "shared/task/requests.h"
#include "subjects/subjects.h"

struct ingest_settings {
	struct service_settings common;
	int64_t admit_timeout_ms, admit_window, admit_wait_ms, part_ttl_s, slice_tasks, slice_ttl_s;
	int64_t max_tasks, max_dependencies, max_context_bytes, max_depth, max_graph_tasks, max_graph_bytes;
	int64_t critical_path_weight;
	const char *order;
	int64_t enqueue_window, enqueue_max_bytes, staging_max_bytes, max_under_way_bytes, stream_replicas;
};

/* Submissions of a partition on their way to the scheduler, and those that wait for their turn (lane.c). */
struct lane {
	struct submission *first, *last; /* waiting, in order */
	int64_t tasks;                   /* under way */
};

struct ingest {
	struct service *service;
	const struct ingest_settings *settings;
	struct loop *loop;
	struct bus *bus;
	struct task_limits limits;
	enum submit_order order; /* of a batch that does not say */
	struct json *json;       /* for one message at a time */
	struct consumer *consumer;
	struct loop_timer *timer; /* for streams that are not there yet */
	char streams[80];         /* "CORDER_" */
	int streams_missing;      /* 0: all are there */
	bool ensuring;
	bool streams_told; /* that they cannot be made */
	size_t under_way, under_way_bytes;
	struct lane *lanes;          /* one a partition */
	struct submission *enqueued; /* those under way */
	struct loop_timer *working_timer;
	bool stopping;
	char last_id[ID_BYTES];
	uint64_t *submitted, *accepted, *duplicates, *parts, *graphs;
};

/* Where an enqueued message stands, and how often it has been delivered. */
struct enqueued {
	uint64_t stream_sequence;
	int64_t at_us, deliveries;
};

/* Where a submission comes from, and how ids are made for tasks that have none: from an enqueued message always the
 * same ones, since it may come again. */
struct submission {
	struct ingest *ingest;
	struct service_request *request;  /* submit; NULL when enqueued */
	char *ack;                        /* enqueue: its ack subject */
	struct submission *next, *before; /* enqueue: others under way */
	size_t bytes;                     /* counted in under_way_bytes */
	struct enqueued enqueued;         /* enqueue */
	char project[72];
	char batch_id[136];
	char traceparent[64];
	char task_type[72], task_id[136]; /* of a single task, once it is known */
	bool dry_run, archived;
	int64_t workers; /* of a dry run's forecast */
	enum submit_order order;
	struct plan plan;
	struct text items; /* two letters a task in the plan's order: verdict and status; empty: not known */
	/* the way to the scheduler */
	const char *verb;
	int64_t deadline_us, try_timeout_ms, tries;
	char why[160]; /* the scheduler was unavailable, by its last word */
	void (*answered)(struct submission *submission, struct slice reply);
	struct lane *lane; /* the one it stands in, or whose room it takes */
	struct submission *lane_next, *lane_before;
	bool waits;      /* in the lane */
	bool one_answer; /* an unavailable is an answer too: asking again would not help */
	struct loop_timer *timer;
	struct text body;
	/* a large graph */
	char token[ID_BYTES];
	uint32_t at;     /* tasks sent so far */
	uint32_t slices; /* sent or being sent */
	uint32_t in_flight;
	uint32_t part_count; /* a seal: how many there are */
	uint32_t parts_asked;
	struct part *parts;
	size_t part_bytes;
	enum status failed; /* STATUS_OK while nothing has failed */
};

/* submission.c: its life. request or, with its ack subject, enqueued */
struct submission *submission_open(struct ingest *ingest, struct service_request *request, const char *ack);
/* Counts bytes that it holds from now on; false when there are too many under way. */
bool submission_grow(struct submission *submission, size_t bytes);
/* Each answers and ends it. extra: further members of the error, e.g. "\"tasks\":[…]", or "". */
void submission_fail(struct submission *submission, const struct error *err, const char *extra);
void submission_accept(struct submission *submission); /* reads plan and items */
void submission_part_kept(struct submission *submission, int64_t part);
/* Nothing is known of its outcome: the client, or the stream, repeats. */
void submission_unavailable(struct submission *submission, const char *why);
/* An enqueued message that came before what it needs, which may be in the hands of another instance: it has waited neither so
 * long nor so often yet. Time alone says little, since services may have been away. */
bool submission_is_early(const struct submission *submission, int64_t patience_us, int64_t deliveries);
/* Runs again from its message after a while: for enqueued ones only. */
void submission_later(struct submission *submission, int64_t delay_ms);
/* An id for a task or a batch that has none. */
void submission_make_id(struct submission *submission, size_t index, char out[ID_BYTES]);

/* take.c: the body of either way in. project: the subject's, or { NULL, 0 } */
void take(struct submission *submission, struct slice body, struct slice project);

/* Appends the records of a message's tasks, RS-joined, and fills in ids. */
void take_records(struct submission *submission, const struct submit_request *request, struct text *records);
/* The plan is filled: checks it as a graph and sends it on. */
void take_plan(struct submission *submission);

/* lane.c: admit_now() when there is room, at once perhaps; who has waited for too long ends as unavailable. */
void lane_take(struct submission *submission);
void lane_leave(struct submission *submission); /* it has ended */
void lanes_stop(struct ingest *ingest);         /* who waits is unavailable */

/* admit.c: one script call's worth; checks of any size */
void admit(struct submission *submission);
void admit_now(struct submission *submission); /* without waiting for its turn */
int64_t admit_partition(const struct submission *submission);
/* Sends body to internal.<verb>.<partition>, and again while that can help; then answered is called, or the submission
 * ends as unavailable. try_timeout_ms: of one try; 0: as long as there is time. */
typedef void admit_answered(struct submission *submission, struct slice reply);
void admit_send(struct submission *submission, const char *verb, int64_t try_timeout_ms, admit_answered *answered);
void admit_header(struct submission *submission, const char *mode); /* begins body */
/* Takes the verdict: false when it was a refusal, and the submission has ended. */
bool admit_take_verdict(struct submission *submission, struct slice reply);

/* graph.c: a graph too large for one message, by slices in a stream */
void graph_submit(struct submission *submission);

/* on_*.c */
void on_submit(struct service *service, struct service_request *request);
void on_enqueue(void *context, const struct bus_message *message);
void on_part(struct submission *submission, const struct submit_request *request);
void on_seal(struct submission *submission, int64_t parts);
void parts_release(struct submission *submission);

/* streams.c: makes the three streams and the consumer of the one, again after each reconnect */
void streams_open(struct ingest *ingest);
void streams_close(struct ingest *ingest);
const char *streams_name(struct ingest *ingest, const char *suffix); /* in a static buffer */

#endif
