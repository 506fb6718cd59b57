/* What the files of the worker share. A place holds one task at a time:
 *
 *   ASKING ──task──▶ RUNNING ──ended──▶ ASKING (its settlement rides along) … SETTLING when nothing more is asked for
 */
#ifndef CORDER_CLIENTS_C_WORKER_INSIDE_H
#define CORDER_CLIENTS_C_WORKER_INSIDE_H

#include "../../subjects/subjects.h"
#include "inside.h"

enum { TASK_TYPES_MOST = 64 };

enum slot_state { SLOT_ASKING, SLOT_RUNNING, SLOT_SETTLING, SLOT_STOPPED };

struct slot;

struct corder_job {
	struct slot *slot;
	char *project, *task_id, *task_type, *lease, *context, *inputs, *task;
	int64_t attempt, started_us, renewed_us;
	double timeout_s; /* 0: none */
	char *progress;   /* not yet told; NULL: none */
	bool unseen;      /* it came when nothing more was to be done: the program never saw it */
	bool ended, cancelled, lost;
	bool settled_again; /* the first settlement was refused; this one says so */
	void *data;
};

struct slot {
	struct corder_worker *worker;
	size_t index, type;
	enum slot_state state;
	struct corder_job *job; /* in hand: its lease is kept */
	struct text done;       /* its settlement, until somebody has confirmed it */
	char request_id[27];    /* of the ask under way */
	struct loop_timer *repeat;
	size_t empty; /* answers without a task in a row */
	bool in_flight;
};

struct corder_worker {
	struct corder *client;
	struct corder_worker_options options;
	char name[LIMIT_TOKEN_CHARS + 1];
	char *types[TASK_TYPES_MOST];
	size_t type_count;
	bool renewing[TASK_TYPES_MOST]; /* a renew of this type is under way */
	struct slot *slots;
	size_t slot_count;
	struct json *json;
	bool stopping, once_taken, told_unanswered;
	int64_t busy_us; /* last time a task was in hand */
	struct loop_timer *tick;
	int pending; /* requests under way */
	bool closed;
};

/* worker.c */
void slot_next(struct slot *slot); /* after a task, or nothing: ask, settle or stop */
void worker_release(struct corder_worker *worker);

/* worker_job.c */
struct corder_job *job_make(struct slot *slot, struct json_value task);
void job_free(struct corder_job *job);
void job_add_item(const struct corder_job *job, const char *outcome, struct text *item); /* up to its result or error */
void job_heed_verdict(struct corder_job *job, struct json_value verdict); /* frees it, unless it settles again */
/* A settlement that can never be taken is told as a failure instead, once: false when it cannot be told either. */
bool job_settle_as_failed(struct corder_job *job, const struct corder_error *error);

/* worker_renew.c */
void renew_tick(void *worker);

#endif
