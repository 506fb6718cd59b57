/* The path of a task: every subject, stream, header, error code and limit once, in the order a task meets them.
 *
 * All subjects stand here relative to `<CORDER_PREFIX>.v1.` ("corder.v1." by default): SUBJECT_SUBMIT is
 * "corder.v1.submit" on the wire. `*` marks the place of a token. The messages, with every field, are in schemas/ and
 * asyncapi.yaml; a test (tests/contract) holds this file and asyncapi.yaml to the same list.
 *
 * In the first section each subject is one line: #define SUBJECT_<NAME> "<subject>". Keep it so, the test reads it. */
#ifndef CORDER_SUBJECTS_SUBJECTS_H
#define CORDER_SUBJECTS_SUBJECTS_H

#define SUBJECT_VERSION "v1"

/* ---------------------------------------------------------------------------------------------------------------------
 * 1. A task comes in: client -> ingest. A request, answered when the task is safe; or a publish into a stream, which
 *    needs no service to be up, and whose verdict comes as an event. */
#define SUBJECT_SUBMIT "submit"     /* request: a task, a batch, a part of a batch, a seal */
#define SUBJECT_ENQUEUE "enqueue.*" /* enqueue.<project>: the same bodies, kept by STREAM_ENQUEUE */

/* 2. ingest -> scheduler: parsed, valid, ordered, without loops; the scheduler knows what exists and decides.
 *    What is too large for a message waits in streams: a client's parts until the seal, our slices until admitted. */
#define SUBJECT_INTERNAL_PART "internal.part.*.*"   /* internal.part.<id>.<part>: one part of a client's large batch */
#define SUBJECT_INTERNAL_SLICE "internal.slice.*.*" /* internal.slice.<token>.<i>: one slice of a large ordered batch */
#define SUBJECT_INTERNAL_ADMIT "internal.admit.*"   /* internal.admit.<partition>: request; admit, check or sliced */
#define SUBJECT_INTERNAL_PROVE "internal.prove.*"   /* internal.prove.<partition>: request; where the log ends now */
#define SUBJECT_INTERNAL_REJECT "internal.reject.*" /* internal.reject.<partition>: request; log an enqueue's refusal */

/* 3. The change is in Redis, its events in the outbox. The relay appends them to the partition's log; from then on they
 *    exist. A mark says which entries are safe: whoever waits to answer a client may now do so. */
#define SUBJECT_INTERNAL_LOG "internal.log.*"   /* internal.log.<partition>: a block of entries, in STREAM_LOG */
#define SUBJECT_INTERNAL_MARK "internal.mark.*" /* internal.mark.<partition>: entries that are in the log now */
/*    Of a small block JetStream's own answer is the mark: its subject says what the block holds.
 *    internal.logged.<partition>.<epoch>.<last seq>.<entry id>….<block> */
#define SUBJECT_INTERNAL_LOGGED "internal.logged.>"

/* 4. relay -> everybody, one message an event, after it is safe. Kept by STREAM_EVENTS for those who replay. */
#define SUBJECT_EVENT "event.*.*.*" /* event.<project>.<type>.<status> */

/* 5. persister: the log became rows; whoever promised "archived" may now answer. */
#define SUBJECT_INTERNAL_PERSISTED "internal.persisted.*" /* internal.persisted.<partition> */
#define SUBJECT_INTERNAL_HURRY "internal.hurry.*"         /* internal.hurry.<partition>: somebody waits for that */

/* 6. The task is ready and waits in Redis. A hint wakes the dispatchers; a worker's request finds the task. */
#define SUBJECT_INTERNAL_READY "internal.ready.*" /* internal.ready.<type>: its ready queue is no longer empty */
#define SUBJECT_WORK "work.*"                     /* work.<type>: lease tasks; may settle earlier ones with it */
#define SUBJECT_RENEW "renew.*"                   /* renew.<type>: keep the lease, tell progress, learn of a cancel */
#define SUBJECT_PROGRESS "progress.*.*"           /* progress.<project>.<type>: live only, not stored */
#define SUBJECT_SETTLE "settle.*"                 /* settle.<type>: completed, failed or released */

/* 7. People and programs change their minds: client -> scheduler. */
#define SUBJECT_TASK_CANCEL "task.cancel"
#define SUBJECT_TASK_RETRY "task.retry"
#define SUBJECT_TASK_APPROVE "task.approve"
#define SUBJECT_TASK_REJECT "task.reject"
#define SUBJECT_TASK_UPDATE "task.update"
#define SUBJECT_QUEUE_PAUSE "queue.pause"
#define SUBJECT_QUEUE_RESUME "queue.resume"

/* 8. … and ask: client -> monitor. */
#define SUBJECT_TASK_GET "task.get"
#define SUBJECT_TASK_LIST "task.list"
#define SUBJECT_STATUS "status"
#define SUBJECT_TIMELINE "timeline"
#define SUBJECT_EXECUTABLE "executable"
#define SUBJECT_EXPLAIN "explain"

/* Queue groups: one instance of each service answers a request. */
#define QUEUE_INGEST "ingest"
#define QUEUE_SCHEDULER "scheduler"
#define QUEUE_DISPATCHER "dispatcher"
#define QUEUE_MONITOR "monitor"

/* ---------------------------------------------------------------------------------------------------------------------
 * Streams, relative to "<CORDER_PREFIX in upper case>_" ("CORDER_"), and what they capture. */
#define STREAM_ENQUEUE "ENQUEUE" /* SUBJECT_ENQUEUE; work queue, refuses new messages at its limit */
#define STREAM_PARTS "PARTS"     /* SUBJECT_INTERNAL_PART; forgotten after CORDER_PART_TTL_S */
#define STREAM_SLICES "SLICES"   /* SUBJECT_INTERNAL_SLICE; removed when the batch is admitted */
#define STREAM_LOG "LOG_"        /* LOG_<partition>: SUBJECT_INTERNAL_LOG; the truth */
#define STREAM_EVENTS "EVENTS"   /* SUBJECT_EVENT; kept for CORDER_EVENTS_MAX_AGE, 0 = no stream */
#define CONSUMER_ENQUEUE "ingest"

/* ---------------------------------------------------------------------------------------------------------------------
 * Headers. */
#define HEADER_SERVICE_ERROR "Nats-Service-Error"           /* on a reply that is not ok: the message */
#define HEADER_SERVICE_ERROR_CODE "Nats-Service-Error-Code" /* … and the code, one of those below */
#define HEADER_TRACEPARENT "traceparent"                    /* W3C trace context, on requests and events */
#define HEADER_MESSAGE_ID "Nats-Msg-Id"                     /* on events: the event_id */
#define HEADER_CE_ID "ce-id"                                /* CloudEvents 1.0, binary mode, on events: the event_id */
#define HEADER_CE_SPECVERSION "ce-specversion"              /* "1.0" */
#define HEADER_CE_TYPE "ce-type"                            /* "corder.task.<status>" */
#define HEADER_CE_SOURCE "ce-source"                        /* "/corder/<project>" */
#define HEADER_CE_SUBJECT "ce-subject"                      /* the task_id */
#define HEADER_CE_TIME "ce-time"                            /* the event's `at` */
#define HEADER_CONTENT_TYPE "content-type"                  /* "application/json" */

/* ---------------------------------------------------------------------------------------------------------------------
 * Error codes, in the order in which a request can meet them. A reply names one; when several apply, the first found in
 * this order: the message as bytes, its fields, the batch as a graph, what already exists, the moment. */
#define CODE_TOO_LARGE "too_large"                   /* more bytes than allowed; with `path` when it is one field */
#define CODE_BAD_JSON "bad_json"                     /* no JSON object, bad UTF-8, U+0000, a key twice, a BOM */
#define CODE_LIMIT_EXCEEDED "limit_exceeded"         /* too deep, too many: a count, not bytes; often with `path` */
#define CODE_INVALID_FIELD "invalid_field"           /* `path`: JSON pointer to the member that is wrong or missing */
#define CODE_DUPLICATE_ID "duplicate_id"             /* one id twice in a batch; `path` of the second */
#define CODE_CYCLE "cycle"                           /* `tasks`: the loop, first = last */
#define CODE_UNKNOWN_DEPENDENCY "unknown_dependency" /* `tasks`: the ids that do not exist */
#define CODE_CONFLICT "conflict"                     /* `tasks`: ids that exist with another body */
#define CODE_NOT_FOUND "not_found"                   /* no such task, no such batch */
#define CODE_WRONG_STATUS "wrong_status"             /* the task's status does not allow it */
#define CODE_STALE_LEASE "stale_lease"               /* the lease is not, or no longer, the current one */
#define CODE_UNAVAILABLE "unavailable"               /* says nothing about the outcome: repeat with the same ids */
#define CODE_INTERNAL "internal"                     /* our fault; logged */

/* ---------------------------------------------------------------------------------------------------------------------
 * Limits: bytes too many are too_large, things too many are limit_exceeded, a value out of its range is invalid_field.
 * A name in the comment is the setting that changes it; the others are part of the contract. */

/* A message. */
#define LIMIT_REQUEST_BYTES 1000000 /* CORDER_MAX_REQUEST_BYTES; below the 1 MiB that NATS carries by default */
#define LIMIT_JSON_DEPTH 64         /* nested objects and lists, the message itself counts as 1 */
#define LIMIT_EXECUTION_CONTEXT_BYTES 262144 /* as it came, byte for byte */
#define LIMIT_RESULT_BYTES 262144
#define LIMIT_ERROR_MESSAGE_BYTES 4096 /* a worker's error message; longer ones are cut */

/* Names. */
#define LIMIT_TOKEN_CHARS 64   /* project, task_type, worker: [A-Za-z0-9_-]{1,64} */
#define LIMIT_ID_CHARS 128     /* task_id, batch_id: [A-Za-z0-9][A-Za-z0-9_.:-]{0,127} */
#define LIMIT_NAME_CHARS 128   /* service_name, concurrency_key: Unicode characters */
#define LIMIT_REASON_CHARS 512 /* reason of a command */
#define LIMIT_LEASE_CHARS 64   /* lease, request_id */

/* A task. */
#define LIMIT_DEPENDENCIES 1000 /* of one task, as sent, repeats included */
#define LIMIT_PRIORITY_MIN 1
#define LIMIT_PRIORITY_MAX 10
#define DEFAULT_PRIORITY 5
#define LIMIT_RETRIES 100
#define DEFAULT_MAX_RETRIES 3
#define LIMIT_DURATION_S 31536000 /* timeout, estimated_duration: a year */
#define LIMIT_CONCURRENCY 1000000
#define DEFAULT_CONCURRENCY_LIMIT 1
#define LIMIT_BACKOFF_MS 86400000 /* initial_ms, max_ms: a day */
#define LIMIT_BACKOFF_FACTOR_MIN 1
#define LIMIT_BACKOFF_FACTOR_MAX 100
#define DEFAULT_BACKOFF_INITIAL_MS 1000
#define DEFAULT_BACKOFF_FACTOR 2
#define DEFAULT_BACKOFF_MAX_MS 60000

/* A batch. */
#define LIMIT_TASKS_PER_REQUEST 10000 /* in one message */
#define LIMIT_TASKS_PER_BATCH 1000000 /* CORDER_MAX_BATCH_TASKS; in all parts together */
#define LIMIT_PARTS 10000
#define LIMIT_WORKERS 100000  /* of a dry run's forecast */
#define LIMIT_SLICE_TASKS 256 /* inside: one script call's worth */
#define LIMIT_SLICE_BYTES 409600

/* Work. */
#define LIMIT_WORK_MAX 256 /* tasks of one work request */
#define DEFAULT_WORK_MAX 1
#define LIMIT_DONE 256 /* settles of one request, leases of one renew */
#define LIMIT_WAIT_MS 60000
#define DEFAULT_WAIT_MS 0
#define LIMIT_LEASE_MS_MIN 100
#define LIMIT_LEASE_MS 86400000
#define DEFAULT_LEASE_MS 30000 /* CORDER_LEASE_MS */
#define LIMIT_PROGRESS_BYTES 16384

/* Commands and questions. */
#define LIMIT_TASK_IDS 1000 /* task_ids of one command */
#define LIMIT_LIST 1000
#define DEFAULT_LIST 100
#define LIMIT_EXECUTABLE 1000
#define DEFAULT_EXECUTABLE 20
#define LIMIT_WINDOW_S 604800
#define DEFAULT_WINDOW_S 300
#define LIMIT_TIMELINE_TASKS 10000 /* more: `truncated` is true; ask by batch_id */

/* Totals: at the limit new work is refused (unavailable or limit_exceeded), history is never dropped. */
#define LIMIT_LOG_LAG_EVENTS 2000000    /* CORDER_MAX_LOG_LAG_EVENTS in the log and not yet in MySQL */
#define DEFAULT_PART_TTL_S 3600         /* CORDER_PART_TTL_S */
#define DEFAULT_EVENTS_MAX_AGE_S 604800 /* CORDER_EVENTS_MAX_AGE */

#endif
