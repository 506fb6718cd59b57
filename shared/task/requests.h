/* Every request of the contract as a struct: what came, checked against its schema, defaults filled in. One function a
 * message: it parses body with `json` (which then owns all arrays and decoded texts; slices borrow body too) and fails
 * with code and path for the client. "" stands for an optional text that is absent. Pure.
 *
 * To keep a request beyond its handler, keep its json open and its body alive; else copy what is needed. */
#ifndef CORDER_TASK_REQUESTS_H
#define CORDER_TASK_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "submit_order.h"
#include "task.h"

/* submit and enqueue -------------------------------------------------------------------------------------------- */

enum submit_kind { SUBMIT_TASK, SUBMIT_BATCH, SUBMIT_PART, SUBMIT_SEAL };

struct submit_request {
	enum submit_kind kind;
	struct slice project;
	struct slice batch_id; /* "" when the client left it to us */
	bool dry_run;
	int64_t workers; /* of a dry run: for the forecast; 0: not given */
	bool archived;   /* "ack": "archived" */
	enum submit_order order;
	int64_t part; /* SUBMIT_PART: 1 and more */
	int64_t seal; /* SUBMIT_SEAL: how many parts there are */
	struct task *tasks;
	size_t task_count;
};

/* project: the subject's when it was enqueued (another one in the body is invalid_field), else { NULL, 0 }. */
enum status submit_request_parse(struct json *json, struct slice body, struct slice project,
                                 const struct task_limits *limits, struct submit_request *out, struct error *err);

/* work, settle, renew ------------------------------------------------------------------------------------------- */

struct settle_item {
	struct slice project, task_id;
	struct slice lease;  /* may be "": it is stale then */
	char outcome;        /* c completed, f failed, r released */
	struct slice result; /* JSON as it came; "" is null */
	struct slice
		error_message; /* the body of a JSON string, without its quotes: as records hold it; cut to 4,096 bytes */
	bool retryable;
	/* Not "": this item alone cannot be done (too_large). The others go on. */
	const char *error_code;
	const char *error_text;
};

struct work_request {
	struct slice worker;
	int64_t max, wait_ms;
	int64_t lease_ms; /* 0: the default of the service */
	struct slice request_id;
	struct settle_item *done;
	size_t done_count;
	bool archived;
};

struct settle_request {
	struct slice worker;
	struct settle_item *done;
	size_t done_count;
	bool archived;
};

struct renew_item {
	struct slice project, task_id, lease;
	struct slice progress; /* a JSON object as it came, or "" */
};

struct renew_request {
	struct slice worker;
	struct renew_item *leases;
	size_t lease_count;
	int64_t lease_ms; /* 0: the default of the service */
};

enum status work_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                               struct work_request *out, struct error *err);
enum status settle_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                 struct settle_request *out, struct error *err);
enum status renew_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                struct renew_request *out, struct error *err);

/* task.cancel, .retry, .approve, .reject, .update; queue.pause, .resume ------------------------------------------ */

enum command { COMMAND_CANCEL, COMMAND_RETRY, COMMAND_APPROVE, COMMAND_REJECT, COMMAND_UPDATE };

struct command_request {
	struct slice project;
	struct slice *task_ids; /* task_id or task_ids, as they came */
	size_t task_id_count;   /* 0: batch_id says which */
	struct slice batch_id;
	struct slice reason; /* plain text without control characters */
	bool cascade;        /* retry only */
	int64_t priority;    /* update only */
};

struct queue_request {
	struct slice task_type, project; /* one of them may be "" */
	struct slice reason;
};

enum status command_request_parse(struct json *json, struct slice body, enum command command,
                                  const struct task_limits *limits, struct command_request *out, struct error *err);
enum status queue_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                struct queue_request *out, struct error *err);

/* task.get, explain, task.list, status, timeline, executable ------------------------------------------------------ */

struct task_request { /* task.get and explain */
	struct slice project, task_id;
};

struct list_request {
	struct slice project, batch_id, task_type, service_name; /* "": any */
	bool by_service_name;                                    /* service_name was given, and may be "" */
	struct slice text;                                       /* part of a name, worker or error; "": any */
	char status;                                             /* letter of record.h; 0: any */
	int64_t limit;
	struct slice after;
};

struct status_request {
	struct slice project, task_type; /* "": all */
	int64_t window_s;
};

struct timeline_request {
	struct slice project, batch_id;
};

struct executable_request {
	struct slice task_type, project; /* "": any */
	int64_t limit;
};

enum status task_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                               struct task_request *out, struct error *err);
enum status list_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                               struct list_request *out, struct error *err);
enum status status_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                 struct status_request *out, struct error *err);
enum status timeline_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                   struct timeline_request *out, struct error *err);
enum status executable_request_parse(struct json *json, struct slice body, const struct task_limits *limits,
                                     struct executable_request *out, struct error *err);

#endif
