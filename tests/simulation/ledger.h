/* What the log says, folded by code of the simulator's own: the judge of everything that anybody was told. */
#ifndef CORDER_SIMULATION_LEDGER_H
#define CORDER_SIMULATION_LEDGER_H

#include <cjson/cJSON.h>

#include "servers.h"

struct fold_task {
	char *name; /* project/task_id */
	char status;
	int64_t number, version, attempt, last_seq, partition;
	char lease[64], key[96], type[64];
	int64_t limit;
	char *dependencies; /* as in the specification */
	char policy;        /* s, b, r */
	bool waits_for_dependency, waits_for_approval;
	char error[192]; /* code US message of its last try that failed, until one completes */
};

void ledger_begin(void);
void ledger_end(void);
struct fold_task *ledger_task(const char *name); /* NULL: the log has none */
/* The next task of all; begin with *at = 0. */
struct fold_task *ledger_next(size_t *at);
int64_t ledger_last_seq(int64_t partition);
/* Does this Redis hold the very entry that the log ends with? */
bool ledger_is_entry(int64_t partition, struct redis *redis);
/* Everything that the log no longer has above this seq, if its messages above `sequence` are lost, must be somewhere else:
 * the last seq that would stay. */
int64_t ledger_seq_at(int64_t partition, uint64_t sequence);
/* The last seq up to which the log has been shortened and not refilled from a store of our own: only the database has what
 * lies below. 0: the log has everything. */
int64_t ledger_hole(int64_t partition);
uint64_t ledger_events(void);

/* What was told to clients and workers: checked at once against what the log has ever had, and at the end against what it
 * has then. */
void ledger_told_accepted(const char *name);
void ledger_told_lease(const char *name, const char *lease, int64_t attempt);
/* inputs: results by task_id; of each dependency that was completed before the lease, and of no other. */
void ledger_told_inputs(const char *name, const char *lease, const cJSON *inputs);
void ledger_told_error(const char *name, const char *lease, const cJSON *error); /* NULL: none */
void ledger_told_settled(const char *name, const char *lease, const char *status);

bool ledger_lease_is_in_force(const char *name, const char *lease);

/* At the end: nothing that was told has been forgotten. */
void ledger_check_told(void);
/* At the end: the database's rows are the fold of the log. */
void ledger_check_database(void);
/* At the end: what Redis holds is the fold of the log, nothing is left over, and the auditor finds nothing. */
void ledger_check_redis(void);
void ledger_show_redis(void); /* when verbose */
/* The auditor of the product, on the Redis there is: at any time. */
void ledger_audit(void);
/* At the end: for each task the stream of events has every version, in order. */
void ledger_check_events(void);
bool ledger_events_are_behind(void); /* the last event of some task is still to come */

#endif
