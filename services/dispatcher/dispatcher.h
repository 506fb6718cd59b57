/* The dispatcher's state: partitions, requests under way, waiting work requests. One process, one loop, one thread.
 *
 * A request has parts: at most one a partition with what it settles or renews there, and for work the wish for tasks, which
 * stands in a line of match.h. Each part goes into the partition's next script call (turn.c); what a call changed is told
 * when its entry is in the log. A request is *pinned* by each part that is still on its way; the last one to go answers it.
 *
 * A work request that settles and finds no task waits like any other, up to wait_ms: its one reply carries both. */
#ifndef CORDER_DISPATCHER_DISPATCHER_H
#define CORDER_DISPATCHER_DISPATCHER_H

#include "match.h"
#include "shared/base/id.h"
#include "shared/base/words.h"
#include "shared/service/log_ear.h"
#include "shared/service/service.h"
#include "shared/state/marks.h"
#include "shared/state/state.h"
#include "shared/task/requests.h"

struct dispatcher_settings {
	struct service_settings common;
	int64_t lease_ms;
	int64_t max_wait_ms;
	int64_t max_leases;
	int64_t max_result_bytes;
	int64_t request_ttl_s;
	int64_t mark_patience_ms;
	int64_t age_weight;
	int64_t waiting_most;
	int64_t await_poll_us;
};

enum { WORD_PATIENCE_US = 5000000 }; /* how long a settle or a renewal waits for Redis */

/* What became of one settle or renewal. */
struct verdict {
	char status;      /* settle: the task's status letter; 0: failed with code */
	const char *code; /* "" : fine; NULL: no answer yet */
	int64_t lease_until_us;
	bool cancel;
	int64_t partition;
};

struct request;

/* What a request settles or renews in one partition, and what it was given there. */
struct part {
	struct part *next;
	struct request *request;
	size_t saying; /* of its open items, so many go with the call under way */
	bool proved;   /* what is refused now is refused: proof is newer than the request (prove.c) */
	char proof[STATE_PROOF_BYTES];
	struct text held; /* leases that are in `tasks`: project US task_id US lease, parted by RS */
};

struct request {
	struct dispatcher *dispatcher;
	struct service_request *origin; /* lives, with its body, until it is answered */
	uint64_t number;                /* of this process's requests */
	struct json *json;
	int64_t arrived_us;

	struct settle_item *done;
	size_t done_count;
	struct renew_item *leases;
	size_t lease_count;
	bool archived;
	bool is_renewal;
	struct verdict *verdicts; /* of done or leases */

	bool is_work;
	bool wants; /* tasks: stands in a line, or is in a call */
	struct slice worker, request_id;
	int64_t lease_us;
	struct match_waiter waiter;
	struct text tasks; /* JSON, parted by commas */
	size_t task_count;
	size_t room_bytes; /* what tasks may still grow by */

	size_t pins;
	const char *problem; /* NULL, or why it cannot be answered with ok */
	bool internal;       /* … and it is our fault */
	struct request *next, *previous;
	struct part parts[]; /* a partition each */
};

struct archived {
	struct archived *next;
	struct request *request;
	int64_t seq, since_us;
};

struct call;

/* The log's last entry, as far as it is known, and what was done about the next one (direct.c). */
struct log_end {
	char id[STATE_ENTRY_ID_BYTES];    /* "": not known */
	char block[LOG_BLOCK_NAME_BYTES]; /* whose entry it is */
	uint64_t sequence;                /* of that block in the stream */
	char own[LOG_BLOCK_NAME_BYTES];   /* a block of ours of which nothing was heard yet; "": none */
	int64_t paused_until_us;
};

struct partition {
	struct dispatcher *dispatcher;
	int64_t index;
	struct state *state;
	struct marks *marks;
	struct log_end end;
	struct part *first, *last;       /* settles and renewals that wait for the next call */
	struct part *unproved, *proving; /* refused, and not yet sure of it: to be asked about, asked about */
	struct text releases;            /* leases that their workers are not told of (request_release), parted by RS */
	struct call *call;               /* under way */
	bool still;                      /* the log takes nothing: nothing is leased until it does */
	bool down;                       /* the last call failed: try again at retry_us */
	int64_t retry_us;
	char reason[160];
	struct archived *archived; /* waits for the database */
	int64_t persisted_seq;
	bool asking_persisted;
};

struct dispatcher {
	struct service *service;
	struct loop *loop;
	const struct dispatcher_settings *settings;
	struct task_limits limits;
	char request_ttl[24];
	struct partition *partitions;
	int64_t partition_count, first_partition;
	struct log_ear ear;
	struct match *match;
	struct request *requests;
	size_t request_count;
	uint64_t requests_ever;
	struct json *spare_json[64];
	size_t spare_count;
	struct loop_timer *deadline, *tick;
	int64_t deadline_us; /* when the timer fires */
	uint64_t ticks;
	char run[ID_BYTES]; /* what its blocks of the log are named by, with a number */
	uint64_t run_blocks;
	struct words words; /* of the call that is being written */
	size_t calls;       /* whose reply or mark is still to come */
	bool is_light;      /* the last one is about a few tasks */
	bool stopping, closed;
	uint64_t *leases, *settles, *renewals, *stale, *scripts, *released, *unheard, *appended;
};

enum status dispatcher_start(struct service *service, struct error *err);
void dispatcher_stop(struct service *service);
bool dispatcher_idle(struct service *service);
void dispatcher_close(struct service *service);
enum status dispatcher_health(struct service *service, struct text *members, struct error *reason);

/* on_<message>.c */
void on_work(struct service *service, struct service_request *message);
void on_settle(struct service *service, struct service_request *message);
void on_renew(struct service *service, struct service_request *message);
void on_mark(void *dispatcher, int64_t partition, struct slice mark, const struct log_answer *answer);
void on_persisted(struct service *service, struct service_request *message);
void on_ready(struct service *service, struct service_request *message);

/* request.c */
struct request *request_open(struct dispatcher *dispatcher, struct service_request *origin);
void request_close(struct request *request); /* without an answer */
/* Says why the message is refused, and closes the request. */
void request_refuse(struct request *request, const struct error *err);
/* Gives what it settles or renews to the partitions. */
void request_spread(struct request *request);
void request_pin(struct request *request);
/* STATUS_OK; else the request will be answered with `unavailable` (RETRY) or `internal` (REJECT), for this reason. */
void request_unpin(struct request *request, enum status status, const char *reason);
/* Its wish for tasks is decided: with what it has. */
void request_has_tasks(struct request *request, enum status status, const char *reason);
struct request *request_of(struct match_waiter *waiter);
/* A name that no other request has, for work.lua. */
void request_add_name(struct text *out, const struct request *request);
/* A lease of which no worker hears goes back with the partition's next call, and costs its task no try. holder: by what
 * request id the task was given, and to whom ("type/worker/request_id US name"), to be forgotten; "": by none, or not forgotten. */
void request_release(struct partition *partition, struct slice project, struct slice task_id, struct slice lease,
                     struct slice holder);

/* Puts it into the line of the partition's next call. */
void request_line_up(struct partition *partition, struct part *part);
/* Still to be said, or said and not answered. */
bool verdict_is_open(const struct verdict *verdict, const struct partition *partition);

/* prove.c */
/* If something in it was refused that may not be sure: lines it up once more when it is, and returns true. */
bool prove_part(struct partition *partition, struct part *part);

/* reply.c */
void reply_work(struct request *request);
void reply_settle(struct request *request);
void reply_renew(struct request *request);

/* turn.c: at the end of each turn of the loop, a call for each partition that has none under way. */
void turn_end(void *dispatcher);
/* direct.c: entries that the dispatcher appends to the log itself. */
/* For the script: the id of the log's last entry; "": it is not known, or nothing is to be appended. */
const char *direct_end(const struct partition *partition);
/* fields: the last item of a call's reply, which is the entry to be appended, or something else. */
void direct_append(struct partition *partition, const struct kv_reply *fields);
void direct_heard(struct partition *partition, struct slice mark, const struct log_answer *answer);
/* archive.c */
void archive_wait(struct partition *partition, struct request *request, int64_t seq);
void archive_note(struct partition *partition, int64_t seq);
void archive_tick(struct partition *partition, int64_t now_us);
/* tick.c: what time asks. */
void tick_arm(struct dispatcher *dispatcher);
void tick_answer_waiting(struct dispatcher *dispatcher);

#endif
