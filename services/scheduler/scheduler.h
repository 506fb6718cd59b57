/* The scheduler: what becomes of tasks by graph, time and command, and the relay from the outbox to the log.
 * One struct partition for each partition; everything runs on the service's loop. */
#ifndef CORDER_SCHEDULER_SCHEDULER_H
#define CORDER_SCHEDULER_SCHEDULER_H

#include "shared/base/words.h"
#include "shared/service/log_ear.h"
#include "shared/service/service.h"
#include "shared/state/marks.h"
#include "shared/state/state.h"
#include "shared/task/task.h"
#include "subjects/subjects.h"

struct scheduler_settings {
	struct service_settings common;
	int64_t age_weight;       /* points an hour of waiting is worth */
	int64_t patience_ms;      /* how long a request may wait for the log */
	int64_t sweep_ms;         /* at least so often time is asked */
	int64_t keep_ended_s;     /* how long an ended task stays in Redis */
	int64_t max_lost;         /* workers that a task may lose, whatever its retries allow */
	int64_t lease_ms;         /* the fresh deadline of a running task after a rebuild */
	int64_t audit_ms;         /* a slice of the audit each */
	int64_t max_lag_events;   /* in the log and not yet in the database: more and submissions are refused */
	int64_t events_max_age_s; /* CORDER_EVENTS; 0: no stream */
	int64_t stream_replicas;
	int64_t log_max_bytes;
	struct task_limits limits;
};

struct partition;

struct scheduler {
	struct service *service;
	const struct scheduler_settings *settings;
	struct loop *loop;
	struct bus *bus;
	struct db *db;
	struct log_ear ear;
	struct partition **partitions;
	int64_t partition_count;
	bool streams_late;    /* the stream of events could not be made at once */
	bool streams_settled; /* it is there, or is waited for no longer; until then relays hold events back */
	int streams_tries;
	struct loop_timer *streams_timer;
	size_t busy; /* requests under way */
	uint64_t *admitted, *refused, *swept, *violations, *evicted_count, *appended, *rebuilds, *commands;
};

struct relay;
struct admissions;
struct graphs;
struct rebuild;

enum { RELAY_BLOCK_BYTES = 262144 }; /* of one message of the log, at most */

struct partition {
	struct scheduler *scheduler;
	int64_t index;
	struct state *state;
	struct marks *marks;
	struct relay *relay;
	struct admissions *admissions;
	struct graphs *graphs;
	struct rebuild *rebuild; /* NULL when none is under way */
	/* what the database has, as the persister says it */
	int64_t persisted_seq;
	char persisted_entry[64];
	bool persisted_known;
	int64_t head_seq;   /* the newest seq seen in any head */
	uint64_t log_bytes; /* of the log's stream, when last looked at */
	int64_t now_us;     /* Redis' clock in the last answer; 0: none yet */
	/* time */
	struct loop_timer *sweep_timer, *evict_timer, *audit_timer;
	bool sweeping;
	int64_t next_due_us;
	char audit_cursor[24];
	int64_t round_violations, last_violations;
	struct archived_waiter *archived;
};

/* tick.c */
void tick_open(struct partition *partition);
void tick_close(struct partition *partition);
void tick_sweep_soon(struct partition *partition); /* something is due, or was left to the sweep */

/* heads.c: what every reply of a script asks for */
void heads_note(struct partition *partition, const struct state_head *head); /* wake-ups, sweep, newest seq */
typedef void heads_done(void *context, enum status status);
/* Calls done when the entry is in the log, or (archived) in the database. */
void heads_wait(struct partition *partition, const struct state_head *head, bool archived, heads_done *done,
                void *context);
void heads_close(struct partition *partition); /* who waits for the database hears that it did not come */
void heads_persisted(struct partition *partition, struct slice body); /* a message of the persister */
void heads_tick(struct partition *partition);                         /* who has waited too long for it is told so */
/* A script said that Redis holds no state: somebody must look. */
void heads_problem(struct partition *partition, const struct error *err);

/* admit.c: submissions, gathered into one script call at a time */
struct submission {
	struct submission *next;
	struct slice project, batch_id, token; /* borrowed from whoever made the submission */
	const char *mode;
	struct slice records; /* RS-joined, borrowed */
	size_t record_count;
	char looked[72]; /* see admit.lua */
	bool proved;     /* it may be refused: proof is newer than the submission */
	char proof[STATE_PROOF_BYTES];
	struct text ghosts; /* RS-joined */
	size_t ghost_count;
	int tries;
	struct words words; /* what the script gets for the records; made on the first admit_submit */
	/* verdict: "ok…" or an error as admit.lua has it; head is NULL when status is not OK */
	void (*done)(struct submission *submission, enum status status, const struct state_head *head, struct slice verdict,
	             const struct error *err);
	void *context;
};

void admit_open(struct partition *partition);
void admit_close(struct partition *partition); /* who waits hears that nothing is known */
void admit_submit(struct partition *partition, struct submission *submission);
/* Frees what the submission owns, and calls done. */
void admit_end(struct submission *submission, enum status status, const struct state_head *head, struct slice verdict,
               const struct error *err);
void on_admit(struct service *service, struct service_request *request);
/* The reply of internal.admit for a verdict of admit.lua. */
void on_admit_answer(struct service_request *request, struct slice verdict);
void on_admit_fail(struct service_request *request, const struct error *err);

/* lookup.c: ids that are not in Redis are looked up in the database */
void lookup_ended(struct partition *partition, struct submission *submission, struct slice task_ids, struct slice by);

/* proof.c: no refusal comes from a Redis that is behind the log */
typedef void proof_done(void *context, enum status status);
/* Fills in what state_call_proved() takes: the last entry that the log has now. STATUS_RETRY: the log is away. */
void proof_ask(struct partition *partition, char proof[STATE_PROOF_BYTES], proof_done *done, void *context);
void on_prove(struct service *service, struct service_request *request); /* internal.prove: a dispatcher asks for one */

/* graph.c: graphs too large for one call */
void graph_open(struct partition *partition);
void graph_close(struct partition *partition);
/* header: what follows the common fields of an admit request (token, slice count, task count). */
void graph_admit(struct partition *partition, struct service_request *request, struct slice project,
                 struct slice batch_id, bool archived, struct slice header);
void graph_tick(struct partition *partition); /* takes over what another scheduler left unfinished */

/* relay.c, relay_look.c, relay_direct.c, publish.c */
struct relay *relay_open(struct partition *partition, const char *redis_url);
void relay_close(struct relay **relay);
void relay_look_again(struct relay *relay);
void relay_look_unless_looking(struct relay *relay);
void relay_look_again_after_rebuild(struct relay *relay); /* it succeeded, or begins anew: look, and decide */
bool relay_leads(const struct relay *relay);
/* The last thing before the close: gives the lead back, so that another has it at once. False: to be asked again soon. */
bool relay_resign(struct relay *relay);
/* JetStream's answer for a small block: true when it was one that this relay waits for, and was told. */
bool relay_hears(struct relay *relay, const struct log_answer *answer);
void relay_hears_other(struct relay *relay, struct slice mark,
                       const struct log_answer *answer); /* of what others append */
void relay_wake(struct relay *relay);                    /* somebody here waits for an entry */

/* rebuild.c: fills an empty, lagging or diverged Redis from the database */
/* epoch: the one found ("" none); log_seq: the log's last event: the database must have it first. */
void rebuild_start(struct partition *partition, const char *epoch, int64_t log_seq);
void rebuild_close(struct partition *partition);

/* on_command.c, on_queue.c, on_reject.c */
void on_cancel(struct service *service, struct service_request *request);
void on_retry(struct service *service, struct service_request *request);
void on_approve(struct service *service, struct service_request *request);
void on_reject(struct service *service, struct service_request *request);
void on_update(struct service *service, struct service_request *request);
void on_pause(struct service *service, struct service_request *request);
void on_resume(struct service *service, struct service_request *request);
void on_refused(struct service *service, struct service_request *request);

struct partition *scheduler_partition_of(struct scheduler *scheduler, struct slice project);
/* The partition a subject's last token names, or NULL. */
struct partition *scheduler_partition_named(struct scheduler *scheduler, struct slice token);

#endif
