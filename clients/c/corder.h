/* libcorder: Corder for programs in C. Submit, work, settle, renew, and events; see corder(3).
 *
 * One client is one connection, used from one thread. Whatever takes time is begun by a call and ends in a handler that the
 * client calls from corder_turn, or, in the calls that end in _now, is waited for. Requests are repeated with the same bytes
 * until somebody answers, or the client's patience ends; all of Corder's requests are idempotent. Out of memory ends the
 * process.
 *
 * JSON goes in and comes out as text, as the contract has it (subjects/ in the sources). Texts that a handler is given live
 * until it returns. */
#ifndef CORDER_H
#define CORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CORDER_API __attribute__((visibility("default")))

struct corder;

/* ---- what may come of a call */

enum corder_status {
	CORDER_OK,
	CORDER_REFUSED,     /* a service said no: code, message and path tell why */
	CORDER_UNAVAILABLE, /* a service said that it cannot, for all the client's patience; the outcome is unknown */
	CORDER_NO_ANSWER,   /* nobody answered; the outcome is unknown: the same call with the same ids is harmless */
	CORDER_EVENTS_LOST, /* the stream of events does not hold what was wanted */
	CORDER_TIMEOUT,     /* a wait took longer than it was to */
	CORDER_USAGE        /* an argument is wrong: message says which */
};

struct corder_error {
	enum corder_status status;
	char code[24]; /* one of the contract's, or "" */
	char path[160];
	char message[512];
	char tasks[1024]; /* the ids that a refusal names, as a JSON list; "" when it names none, or too many */
};

/* ---- a client */

struct corder_options {
	const char *url;     /* NULL: NATS_URL, or nats://127.0.0.1:4222 */
	const char *name;    /* shown by the server; NULL: "libcorder" */
	const char *prefix;  /* of the subjects; NULL: CORDER_PREFIX, or "corder" */
	const char *project; /* where a call names none; NULL: CORDER_PROJECT */
	int64_t patience_ms; /* how long a request is repeated; 0: 30 s */
};

/* options may be NULL. Does not wait for the server: it may come later, and go and come back. NULL and an error (which may be
 * NULL) for options that can never do. */
CORDER_API struct corder *corder_open(const struct corder_options *options, struct corder_error *error);
/* Ends everything that is under way, without a word to its handlers; *client becomes NULL. */
CORDER_API void corder_close(struct corder **client);
/* Runs what is due and waits for more, at most wait_ms. Not from within a handler. */
CORDER_API void corder_turn(struct corder *client, int64_t wait_ms);
CORDER_API bool corder_connected(const struct corder *client);
CORDER_API const char *corder_version(void);
/* Has `ready` called from corder_turn when fd can be read (a pipe, a socket, an eventfd); NULL ends that. */
CORDER_API void corder_watch(struct corder *client, int fd, void (*ready)(void *context, int fd), void *context);
/* Has `call` called once, from corder_turn, when delay_us have passed. */
CORDER_API void corder_later(struct corder *client, int64_t delay_us, void (*call)(void *context), void *context);
/* Makes corder_turn return soon; may be called from a signal handler or another thread. */
CORDER_API void corder_wake(struct corder *client);

/* ---- requests: any subject of the contract */

struct corder_request {
	const char *subject; /* without prefix and version: "task.get" */
	const char *body;    /* a JSON object; copied */
	size_t length;       /* 0: body ends in a NUL */
	int64_t try_ms;      /* how long one try waits for its answer; 0: 5 s */
	int64_t patience_ms; /* 0: the client's */
	const char *traceparent;
};

struct corder_reply {
	enum corder_status status;
	const char *body; /* as it came, ends in a NUL; "" when there was none */
	size_t length;
	struct corder_error error; /* when the status is not CORDER_OK */
};

typedef void corder_reply_handler(void *context, const struct corder_reply *reply);

/* handler is called exactly once, never from within. */
CORDER_API void corder_ask(struct corder *client, const struct corder_request *request, corder_reply_handler *handler,
                           void *context);
/* The same, waited for. *body, which may be NULL, is the caller's to free; NULL when there was no answer. */
CORDER_API enum corder_status corder_ask_now(struct corder *client, const struct corder_request *request, char **body,
                                             struct corder_error *error);

/* Which services run: handler is called with each answer to $SRV.PING of a service of Corder (JSON with name, id, version),
 * and with NULL after wait_ms (0: 500). */
CORDER_API void corder_services(struct corder *client, int64_t wait_ms,
                                void (*handler)(void *context, const char *service), void *context);

/* ---- submit */

struct corder_submit {
	const char *project;      /* NULL: the client's */
	const char *const *tasks; /* a JSON object each; one without task_id gets an id */
	size_t count;
	const char *batch_id; /* NULL: a new one; a single task has none unless it is given */
	bool single;          /* one task by itself, not as a batch */
	bool dry_run;         /* checks only */
	bool archived;        /* answers when MySQL has it */
	bool enqueue;         /* into the stream, which needs no service to be up: the verdict comes as events */
	int64_t patience_ms;  /* 0: the client's */
	const char *more;     /* further members for the message, as `"a":1,"b":2`; NULL: none */
	const char *traceparent;
};

/* What was submitted, and where the stream of events stood before: what becomes of the tasks comes behind it. */
struct corder_submission {
	char *project, *batch_id; /* batch_id: "" for a single task */
	char **task_ids;
	size_t count;
	bool enqueued, has_position;
	uint64_t position;
	char *reply; /* of the request that decided; NULL when enqueued */
	/* How many tasks had been there before; they may have ended without an event to come. */
	size_t duplicates;
};

/* submission is the handler's, to free; NULL unless the status is CORDER_OK. */
typedef void corder_submitted(void *context, struct corder_submission *submission, const struct corder_error *error);

/* A graph that is too large for a message goes in parts, and is admitted whole or not at all. The tasks are copied. */
CORDER_API void corder_submit(struct corder *client, const struct corder_submit *what, corder_submitted *handler,
                              void *context);
CORDER_API struct corder_submission *corder_submit_now(struct corder *client, const struct corder_submit *what,
                                                       struct corder_error *error);
CORDER_API void corder_submission_free(struct corder_submission *submission); /* NULL is fine */

/* ---- events */

enum corder_since {
	CORDER_SINCE_NOW,
	CORDER_SINCE_ALL,      /* all that the stream holds */
	CORDER_SINCE_POSITION, /* behind an event that was seen: its position */
	CORDER_SINCE_TIME      /* microseconds since 1970, UTC */
};

struct corder_filter {
	const char *project;   /* NULL: the client's; "*": all */
	const char *task_type; /* NULL: all; so on */
	const char *status;
	const char *batch_id;
	const char *const *task_ids;
	size_t task_id_count; /* 0: all */
	enum corder_since since;
	uint64_t position; /* or the time */
};

enum corder_news {
	CORDER_READY, /* from now on nothing can be missed */
	CORDER_EVENT,
	CORDER_LOST,  /* events are missing before the next one; error says which. It goes on */
	CORDER_FAILED /* error says why; nothing more comes */
};

struct corder_event {
	enum corder_news news;
	const char *project, *task_id, *batch_id, *task_type, *status, *worker, *because; /* "" when absent */
	int64_t version, attempt;
	const char *result, *error_json; /* JSON, or NULL */
	uint64_t position;               /* in the stream; 0 without one */
	const char *body;                /* all of it, JSON */
	size_t length;
	const struct corder_error *error;
};

typedef void corder_event_handler(void *context, const struct corder_event *event);

struct corder_events;

/* From the stream that keeps them, going on by itself after whatever broke: each event once, in order for each task, no
 * version left out without CORDER_LOST. NULL when the filter is malformed. */
CORDER_API struct corder_events *corder_events_open(struct corder *client, const struct corder_filter *filter,
                                                    corder_event_handler *handler, void *context,
                                                    struct corder_error *error);
/* The place behind which to go on later. */
CORDER_API uint64_t corder_events_position(const struct corder_events *events);
CORDER_API void corder_events_close(struct corder_events **events); /* also from its own handler */

/* ---- waiting for tasks to end */

struct corder_wait {
	const char *project;
	const char *const *task_ids;                /* these; or */
	size_t task_id_count;                       /* … */
	const struct corder_submission *submission; /* all of a submission; or */
	const char *batch_id;                       /* a batch, known by its id alone */
	size_t enough;                              /* so many ends are enough; 0: all */
	int64_t timeout_ms;                         /* 0: none */
};

struct corder_outcome {
	const char *task_id, *task_type, *batch_id, *status, *worker, *because; /* "" when absent */
	int64_t version, attempt;
	const char *result, *error; /* JSON, or NULL */
};

struct corder_outcomes {
	struct corder_outcome *finished;
	size_t finished_count;
	const char **unfinished;
	size_t unfinished_count;
	void *owner; /* for corder_outcomes_free */
};

/* outcomes are the handler's, to free; there are some with CORDER_OK and CORDER_TIMEOUT, else they are empty. */
typedef void corder_waited(void *context, struct corder_outcomes *outcomes, const struct corder_error *error);

CORDER_API void corder_wait(struct corder *client, const struct corder_wait *what, corder_waited *handler,
                            void *context);
CORDER_API struct corder_outcomes *corder_wait_now(struct corder *client, const struct corder_wait *what,
                                                   struct corder_error *error);
CORDER_API void corder_outcomes_free(struct corder_outcomes *outcomes);

/* ---- work, settle, renew: one request each, for those who keep their own books; else see corder_worker below */

struct corder_work {
	const char *task_type, *worker;
	int64_t max, wait_ms;
	int64_t lease_ms;       /* 0: the server's */
	const char *request_id; /* NULL: a new one; "": none. The same again brings the same tasks */
	const char *done;       /* settlements that go along: JSON objects with commas between; NULL: none */
	size_t done_length;     /* 0: done ends in a NUL */
	int64_t patience_ms;    /* 0: the client's */
};

CORDER_API void corder_work(struct corder *client, const struct corder_work *work, corder_reply_handler *handler,
                            void *context);
/* Of corder_work's fields it heeds task_type, worker and done. */
CORDER_API void corder_settle(struct corder *client, const struct corder_work *work, corder_reply_handler *handler,
                              void *context);

struct corder_renew {
	const char *task_type, *worker;
	int64_t lease_ms;            /* 0: the server's */
	const char *leases;          /* JSON objects {"project","task_id","lease","progress"?} with commas between */
	int64_t try_ms, patience_ms; /* 0: as for any request */
};

CORDER_API void corder_renew(struct corder *client, const struct corder_renew *renew, corder_reply_handler *handler,
                             void *context);

/* ---- a worker: asks, renews and settles by itself; the program only does the tasks */

struct corder_worker;
struct corder_job;

enum corder_ending {
	CORDER_END_CANCELLED, /* somebody cancelled the task: stop, then fail or complete it */
	CORDER_END_LOST /* the lease is gone, another worker may have the task: stop; what is said of it counts no more */
};

struct corder_worker_options {
	const char *const *task_types; /* the places take turns with them */
	size_t task_type_count;
	const char *name;    /* in events and tables; NULL: host and process number */
	int64_t concurrency; /* 0: 1 */
	int64_t lease_ms;    /* 0: 30 s; renewed by itself */
	int64_t wait_ms; /* how long a request waits for a task; 0: 2 s. Also the longest a stop of an idle worker takes */
	int64_t idle_ms; /* stops when there was nothing for so long; 0: never */
	bool once;       /* one task, then it stops */
	void *context;   /* for the handlers: */
	/* A task is ours. It ends, now or at any time later, by one of corder_job_complete, _fail and _release. */
	void (*run)(void *context, struct corder_job *job);
	/* May be NULL: the job should end soon. It still has to be ended by one of the three. */
	void (*end)(void *context, struct corder_job *job, enum corder_ending why);
	/* May be NULL. What became of the settlement: status as the task has it now, or an error (stale_lease: it came too late).
	 * verdict is the server's JSON, NULL when the lease was lost before. The last that is heard of the job. */
	void (*settled)(void *context, struct corder_job *job, const char *status, const char *verdict,
	                const struct corder_error *error);
	/* May be NULL: the worker's own troubles. CORDER_NO_ANSWER: nobody answers, it tries on. CORDER_OK: answered again.
	 * CORDER_REFUSED: no such work will ever be had; the worker has stopped. */
	void (*trouble)(void *context, const struct corder_error *error);
};

/* NULL when an option is wrong. */
CORDER_API struct corder_worker *corder_worker_open(struct corder *client, const struct corder_worker_options *options,
                                                    struct corder_error *error);
/* Takes no more tasks; what runs may end. */
CORDER_API void corder_worker_stop(struct corder_worker *worker);
CORDER_API const char *corder_worker_name(const struct corder_worker *worker);
CORDER_API bool corder_worker_stopping(const struct corder_worker *worker);
CORDER_API bool corder_worker_finished(const struct corder_worker *worker); /* nothing runs, all is settled */
CORDER_API size_t corder_worker_unsettled(const struct corder_worker *worker);
/* The jobs that are in hand, also those whose settlement is under way, one after the other: start with *at = 0; NULL at the end. */
CORDER_API struct corder_job *corder_worker_next_job(struct corder_worker *worker, size_t *at);
/* Runs the client until the worker has finished. */
CORDER_API void corder_worker_run(struct corder_worker *worker);
/* What is still in hand is given up: its lease runs out. */
CORDER_API void corder_worker_close(struct corder_worker **worker);

/* The job, whose parts live as long as it does. */
CORDER_API const char *corder_job_project(const struct corder_job *job);
CORDER_API const char *corder_job_id(const struct corder_job *job);
CORDER_API const char *corder_job_type(const struct corder_job *job);
CORDER_API int64_t corder_job_attempt(const struct corder_job *job);
CORDER_API double corder_job_timeout_s(const struct corder_job *job);    /* 0: none */
CORDER_API const char *corder_job_context(const struct corder_job *job); /* execution_context, JSON */
CORDER_API const char *corder_job_inputs(const struct corder_job *job);  /* {dependency: its result}, JSON */
CORDER_API const char *corder_job_task(const struct corder_job *job);    /* all of it, JSON */
CORDER_API size_t corder_job_slot(const struct corder_job *job); /* 0 … concurrency - 1, its own while it runs */
CORDER_API void *corder_job_data(const struct corder_job *job);  /* what the program has put there */
CORDER_API void corder_job_set_data(struct corder_job *job, void *data);
/* Told to whoever listens, soon; the latest wins. A JSON object of at most 16 KiB; false when it is neither. */
CORDER_API bool corder_job_progress(struct corder_job *job, const char *progress);
/* result: JSON; NULL is null. What the server refuses (too large, nested deeper than 61, no JSON)
 * becomes a failure without another try. */
CORDER_API void corder_job_complete(struct corder_job *job, const char *result);
CORDER_API void corder_job_fail(struct corder_job *job, const char *message, bool retryable);
/* Gives it back, at no try: another worker gets it. */
CORDER_API void corder_job_release(struct corder_job *job);

#ifdef __cplusplus
}
#endif

#endif
