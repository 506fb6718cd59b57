/* The stored form of what happened: records (one event each), entries (what one script call did, atomically), blocks
 * (consecutive entries, one message of the log). Pure. Everything parsed borrows the bytes it was parsed from.
 *
 *   block  := entry (FS entry)*       entry := header GS record (RS record)*
 *   header := entry_id US previous_entry_id US first_seq US last_seq US epoch
 *
 * The separators are ASCII's own (0x1C to 0x1F); JSON never holds them raw, and ids and tokens are checked, so that no
 * escaping is needed. shared/state/packed.c makes this form of what the scripts leave in the outbox.
 * To change it: add a field before `extra`, teach packed.c, record.c and the persister, and read both for a release. */
#ifndef CORDER_TASK_RECORD_H
#define CORDER_TASK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/text.h"

enum { RECORD_US = 0x1F, RECORD_RS = 0x1E, RECORD_GS = 0x1D, RECORD_FS = 0x1C };

#define RECORD_ENTRY_ID_BYTES 24 /* an entry's id, made by the caller of the script */

enum record_status {
	RECORD_BLOCKED = 'b',
	RECORD_PENDING = 'p',
	RECORD_RUNNING = 'r',
	RECORD_RETRY = 't',
	RECORD_COMPLETED = 'c',
	RECORD_FAILED = 'f',
	RECORD_CANCELLED = 'x',
	RECORD_SKIPPED = 's',
	/* not a task's: */
	RECORD_REJECTED = 'j', /* an enqueued submission was refused */
	RECORD_QUEUE = 'q',    /* a type or project was paused or resumed */
	RECORD_GRAPH = 'g',    /* a large graph was decided: extra is token US slices US tasks US ack */
	RECORD_GRAPH_DONE = 'h',
	RECORD_CONTINUE = 'm', /* the log goes on from (seq, entry id in extra), which the database has */
};

struct record {
	int64_t seq;
	char status;    /* enum record_status */
	int64_t number; /* the task's: the seq of its first event; 0 when it is not about a task */
	struct slice project, task_type, task_id, batch_id; /* these and traceparent stand together: what never changes */
	struct slice traceparent;
	char previous; /* 0 on a task's first event */
	int64_t version, attempt;
	int64_t at_us;
	int64_t ready_at_us, due_at_us; /* 0: none */
	int64_t retry_count, priority;
	struct slice waits; /* letters: d dependency, t time, a approval, k key */
	struct slice worker, lease;
	int64_t lease_until_us; /* 0: none */
	struct slice reason, error_code;
	struct slice error_message; /* the body of a JSON string, without its quotes */
	struct slice because;
	struct slice extra; /* first event: the specification; completed: the result, "" is null; may hold US */
};

/* What a task's first event says of it for ever. flags: letters h (hold), s, b or r (on_dependency_failure), g (the id was
 * generated for this submission), and o with the digits of specification_order. */
struct specification {
	struct slice flags;
	int64_t max_retries;
	int64_t timeout_us, not_before_us; /* 0: none */
	struct slice backoff;              /* initial_ms,factor,max_ms or "" */
	struct slice concurrency_key;      /* "" none */
	int64_t concurrency_limit;
	struct slice hash; /* 16 hex digits: the same id with another hash is a conflict */
	struct slice service_name, estimated_duration, traceparent;
	struct slice dependencies;      /* items parted by ',' : condition letter and task_id */
	struct slice execution_context; /* JSON, byte for byte as it came */
};

/* One item of dependencies. condition: c completed, f failed, x finished. */
struct record_dependency {
	char condition;
	bool future;
	struct slice task_id;
};

struct record_entry {
	struct slice id, previous;
	int64_t first_seq, last_seq;
	struct slice epoch;
	struct slice records;
};

/* Each takes the next piece off *rest; false at the end (rest->bytes NULL). *valid becomes false for a piece that is none. */
bool record_next_entry(struct slice *rest, struct record_entry *entry, bool *valid);
bool record_next(struct slice *rest, struct record *record, bool *valid);
bool record_next_dependency(struct slice *rest, struct record_dependency *dependency);

/* Hundredths of a point, as digits, that stand in the score in the place of the dependencies' term; "" when there are none. */
struct slice specification_order(const struct specification *specification);

bool record_parse(struct slice bytes, struct record *record);
bool record_parse_specification(struct slice bytes, struct specification *specification);
/* The last entry of a block, found from its end. */
bool record_last_entry(struct slice block, struct record_entry *entry);

/* The encoders: record_add_specification writes what record_parse_specification reads; record_add writes one record. */
void record_add_specification(struct text *out, const struct specification *specification);
void record_add(struct text *out, const struct record *record);
void record_add_entry_header(struct text *out, const struct record_entry *entry); /* ends with GS */

const char *record_status_word(char status);  /* "blocked" …, "rejected"; "" for what is no status */
char record_status_letter(struct slice word); /* 0 when there is none */
const char *record_condition_word(char condition);
/* A status letter that is final. */
bool record_is_final(char status);
/* Does its reason begin with this word, alone or before ": " and what somebody has said. */
bool record_reason_is(const struct record *record, const char *word);

/* The JSON body of an event as subscribers get it (contract, "Events"), with its braces. */
void record_add_event_json(struct text *out, const struct record *record, const struct record_entry *entry,
                           int64_t partition);
/* The static fields of a task as JSON members without braces: all fields of the specification, named as the contract
 * has them; for delivered tasks, for first events, for reads. */
void record_add_specification_json(struct text *out, const struct specification *specification);
/* The same without what may be large: dependencies and execution_context. For lists. */
void record_add_specification_core_json(struct text *out, const struct specification *specification);
/* The waits as a JSON list of words. */
void record_add_waits_json(struct text *out, struct slice waits);

#endif
