/* One partition's task state in Redis, as the scripts of lua/ keep it: the one way to call them. Every reply begins with
 * a head (commit() in prelude_write.lua) that says which entry of the outbox it depends on: nothing of a reply may be told
 * to anyone before that entry is in the log (see marks.h). */
#ifndef CORDER_STATE_STATE_H
#define CORDER_STATE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "../kv/kv.h"

extern struct kv_library state_library; /* of all of them */
extern struct kv_script state_script_admit, state_script_work, state_script_sweep, state_script_command,
	state_script_mark, state_script_confirm, state_script_evict, state_script_audit, state_script_read,
	state_script_load;

#define STATE_ENTRY_ID_BYTES 25 /* 24 characters and a NUL */
#define STATE_EPOCH_BYTES 40
#define STATE_FORMAT "8" /* of what the scripts store; another one in Redis means that it must be rebuilt */

struct state;

struct state_head {
	char epoch[STATE_EPOCH_BYTES];
	char wait[STATE_ENTRY_ID_BYTES]; /* the entry that must be in the log first; "" when it is */
	int64_t seq;                     /* of that entry */
	bool more;                       /* the sweep has something left to do */
	int64_t now_us;                  /* the deciding clock */
	struct slice woken;              /* task types, parted by spaces, that have become ready; borrowed */
};

/* reply is the script's array with the head at index 0 (see each script's "Returns"); head and reply are NULL unless OK.
 * STATUS_RETRY: the call may or may not have run (err->code "unavailable"), or Redis holds no state yet (err->code
 * "notready": somebody must rebuild it). STATUS_REJECT: a bug of ours; it changed nothing. */
typedef void state_handler(void *context, enum status status, const struct state_head *head,
                           const struct kv_reply *reply, const struct error *err);

/* Borrows kv. us_per_point: microseconds of waiting that are worth one point of the score. */
struct state *state_open(struct kv *kv, int64_t partition, int64_t us_per_point);
void state_close(struct state **state);
struct kv *state_kv(struct state *state);
int64_t state_partition(const struct state *state);
const char *state_prefix(const struct state *state); /* "{p0}:" */

/* Calls a script with a fresh entry id; the arguments are ARGV[3..] and are copied. Answers once, never from within. */
void state_call(struct state *state, struct kv_script *script, const struct slice *arguments, size_t count,
                state_handler *handler, void *context);

/* The same, but a Redis that does not have this entry of the log ("seq id") answers STATUS_RETRY, "notready". What it says is
 * not there has truly not been there when that entry was the log's last: so a refusal is made sure of. "": as above. */
#define STATE_PROOF_BYTES 64
void state_call_proved(struct state *state, const char *proof, struct kv_script *script, const struct slice *arguments,
                       size_t count, state_handler *handler, void *context);
const char *state_newer_proof(const char *a, const char *b); /* who has it, has the other */

/* What a mark said: the log has come to seq in this epoch. A reply to a call made after that, whose head says less, comes
 * from a Redis that lost its tail: it is answered STATUS_RETRY, "notready", since nothing it says can be trusted. */
void state_heard(struct state *state, struct slice epoch, int64_t seq);

/* The partition a project lives in. */
int64_t state_partition_of(struct slice project, int64_t partitions);

#endif
