/* A task as it is submitted: its fields with their ranges and defaults, and the record that admits it.
 * Pure. Slices borrow the message (see json.h) or whatever the caller put in. */
#ifndef CORDER_TASK_TASK_H
#define CORDER_TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../base/text.h"
#include "json.h"
#include "record.h"

/* What a message may hold; the settings' defaults are in task_limits_default. */
struct task_limits {
	int64_t max_tasks;         /* CORDER_MAX_TASKS_PER_MESSAGE */
	int64_t max_dependencies;  /* CORDER_MAX_DEPENDENCIES of one task, repeats included */
	int64_t max_context_bytes; /* CORDER_MAX_CONTEXT_BYTES */
	int64_t max_result_bytes;  /* CORDER_MAX_RESULT_BYTES */
	int64_t max_depth;         /* CORDER_MAX_DEPTH of nesting */
	int64_t max_bytes;         /* of the whole message; 0: the caller has checked */
};
extern const struct task_limits task_limits_default;

/* One edge. condition: c completed, f failed, x finished (record.h). */
struct task_dependency {
	struct slice task_id;
	char condition;
	bool future; /* the task may be submitted later */
};

struct task {
	struct slice task_id; /* "" when the client left it to us */
	bool fresh_id;        /* made just now: nobody need look whether it was ever used */
	struct slice service_name;
	struct slice task_type;
	int64_t priority;
	struct task_dependency *dependencies; /* each edge once */
	size_t dependency_count;
	struct slice dependency_list; /* the same as records hold them: "cbuild-1,Xother" */
	int64_t max_retries;
	struct slice execution_context;  /* byte for byte; {} when absent */
	struct slice estimated_duration; /* seconds, the number as it came; "" none */
	int64_t timeout_us;              /* 0: none */
	int64_t not_before_us;           /* 0: none */
	struct slice backoff;            /* initial_ms,factor,max_ms; "" when it is the default */
	char on_dependency_failure;      /* s skip, b block, r run */
	bool hold;
	struct slice concurrency_key; /* "" none */
	int64_t concurrency_limit;
	struct slice traceparent; /* "" none */
};

/* Reads and checks one task; every member that it does not know is ignored. Fails with the path of the first wrong
 * member. The task's arrays live as long as the parsed message. */
enum status task_parse(struct json_value object, const struct task_limits *limits, struct task *task,
                       struct error *err);

/* Appends the record that admits it: task_id US task_type US priority US specification. task_id must be set; what is
 * in `traceparent` stands in for a task that has none. */
void task_add_record(struct text *out, const struct task *task, struct slice traceparent);
/* The same body gives the same hash, whatever its id, its traceparent and the order of its dependencies. Stored: must
 * not change between versions. */
uint64_t task_hash(const struct task *task);

/* An admit record, read back: used by the scheduler, and by ingest for parts. */
struct task_record {
	struct slice task_id, task_type;
	int64_t priority;
	struct specification specification;
	struct slice specification_bytes;
};
bool task_record_parse(struct slice record, struct task_record *out);

#endif
