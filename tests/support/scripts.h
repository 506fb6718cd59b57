/* The state scripts on a real redis-server, called one at a time: each call returns when its reply is there. Submissions
 * and leases in a few words, and a witness that folds the outbox and compares it with what Redis says of every task. */
#ifndef CORDER_TESTS_SCRIPTS_H
#define CORDER_TESTS_SCRIPTS_H

#include "shared/base/words.h"
#include "shared/state/state.h"
#include "shared/task/record.h"
#include "tests/support/servers.h"

struct scripts {
	struct server *redis;
	struct loop *loop;
	struct kv *kv;
	struct state *state;
	const char *log_end; /* what work.lua is told of the log's last entry; NULL: that it is not known */
};

/* A reply, copied: a text, or items. */
struct said {
	char *text; /* "" for nil and lists; may hold NULs */
	size_t length;
	bool nil;
	struct said *items;
	size_t count;
};

/* One script call. reply is a list; its item 0 is the head, parsed into head. */
struct answer {
	enum status status;
	struct error err;
	struct state_head head; /* woken borrows reply */
	struct said reply;
};

struct scripts *scripts_open(void); /* with an epoch: ready for all verbs */
void scripts_close(struct scripts **scripts);
/* A partition's state, with its epoch; the caller closes it. */
struct state *scripts_state(struct scripts *scripts, int64_t partition);

/* Fails the test unless the call answers; any status is fine. Free with answer_release. */
struct answer scripts_call(struct scripts *scripts, struct state *state, struct kv_script *script,
                           const char *const *arguments, size_t count);
void answer_release(struct answer *answer);
/* Calls work.lua. words: its arguments from ARGV[3] on, but each settle in four: project/task_id, lease, outcome (completed,
 * failed, final, released, unheard), result or message. */
struct answer scripts_work(struct scripts *scripts, const char *const *words, size_t count);
void scripts_add_settle(struct words *out, const char *name, const char *lease, const char *outcome, const char *said);
/* The outbox as the log will have it: its entries, parted by FS. The caller frees it. */
char *scripts_outbox(struct scripts *scripts);
/* A plain Redis command: words parted by single spaces. */
struct said scripts_redis(struct scripts *scripts, const char *format, ...) __attribute__((format(printf, 2, 3)));
void said_release(struct said *said);
/* The text of item i ("" outside), of item j of item i. */
const char *said_at(const struct said *said, size_t i);
const char *said_in(const struct said *said, size_t i, size_t j);

/* A task to submit; what is NULL or 0 has the contract's default. */
struct new_task {
	const char *id, *type; /* type: "coding" */
	int priority;          /* 5 */
	const char *needs;     /* "ca,Xb": condition letter and id */
	const char *flags;     /* "s" */
	int retries;           /* max_retries; -1 is 0; 0 is 3 */
	int64_t timeout_us, not_before_us;
	const char *backoff; /* "0,1,0": at once */
	const char *key;
	int limit;           /* 1 */
	const char *context; /* {} */
};
/* Admits them in this order; the verdict's text in static memory ("ok…" or a code). */
const char *scripts_admit(struct scripts *scripts, const char *project, const char *mode, const struct new_task *tasks,
                          size_t count);
/* head: project, batch_id, mode, token, looked (admit.lua); ghost: one, or NULL. */
struct answer scripts_admission(struct scripts *scripts, struct state *state, const char *const head[5],
                                const struct new_task *tasks, size_t count, const char *ghost);
/* Two submissions in one call. */
struct answer scripts_admission_of_two(struct scripts *scripts, const struct new_task *first, size_t first_count,
                                       const struct new_task *second, size_t second_count);
const char *scripts_admit_to(struct scripts *scripts, struct state *state, const char *project, const char *mode,
                             const struct new_task *tasks, size_t count);
char *new_task_record(const struct new_task *task); /* the caller frees it */

/* What work.lua says to its request at place `request` of the reply: how many tasks, and of each its lease and its id. */
size_t leased_count(const struct said *reply, size_t request);
const char *leased_lease(const struct said *reply, size_t request, size_t i);
void leased_id(const struct said *reply, size_t request, size_t i, char id[130]);

/* Leases up to max; returns how many, their ids into ids (parted by spaces) and the last one's lease into lease. */
int scripts_lease(struct scripts *scripts, const char *type, int max, char *ids, char *lease);
/* Settles one; the verdict's text in static memory. outcome: completed, failed, released, or final (failed for good). */
const char *scripts_settle(struct scripts *scripts, const char *name, const char *lease, const char *outcome,
                           const char *result);
const char *scripts_command(struct scripts *scripts, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says that all there is is in the log, and sweeps until it says that nothing is left. */
void scripts_sweep(struct scripts *scripts);
/* Status letter of "project/id", '-' when there is none; its waits into waits (may be NULL). */
char scripts_status(struct scripts *scripts, const char *name, char *waits);

/* The witness: the outbox's chain has no gap, every task's versions and moves are right, the counts, queues and states
 * agree with its fold, and the auditor finds nothing. */
void scripts_witness(struct scripts *scripts);

/* Rebuilds what partition 0 has in partition 1, as after a loss, from the names "shop/t-0" … "shop/t-<count - 1>" (all of
 * which are there); sweeps both and compares each task that time does not move. Returns partition 1's state. */
struct state *scripts_rebuild(struct scripts *scripts, int count);

#endif
