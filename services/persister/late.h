/* An event that was set aside (poison_events) is written down after all, by the code that writes all others. Whoever does it
 * asks the database, in one transaction:
 *
 *   late_ask -> late_read -> late_ask_place -> late_read_place -> late_ask_later -> late_read_later -> late_write
 *
 * and rolls back when one of them says no. The position's row is locked meanwhile: no persister writes that partition, and
 * what was read stays true. `tasks` must stay the fold of `task_events`: an event that others of its task came after fills in
 * what they did not tell, and moves nothing back; one whose version another event has by now has no place any more. */
#ifndef CORDER_PERSISTER_LATE_H
#define CORDER_PERSISTER_LATE_H

#include "changes.h"
#include "shared/base/error.h"
#include "shared/db/db.h"

struct late {
	int64_t partition_id, seq;
	struct text raw, event_id, later; /* later: records, as the log has them, as far as task_events keeps them */
	struct record record;             /* borrows raw */
	int64_t row_seq;                  /* of the last event in the task's row; 0: there is none */
	struct changes changes;
};

void late_open(struct late *late, int64_t partition_id, int64_t seq);
void late_release(struct late *late);

/* Each ask appends SQL, each read takes its last result. STATUS_STALE: it is not set aside any more. STATUS_REJECT: it can
 * never be written. STATUS_RETRY: not as things are; err says what to do. */
void late_ask(const struct late *late, struct text *sql); /* begins the transaction */
enum status late_read(struct late *late, const struct db_result *result, struct error *err);
void late_ask_place(const struct late *late, struct text *sql);
enum status late_read_place(struct late *late, const struct db_result *result, struct error *err);
void late_ask_later(const struct late *late, struct text *sql);
enum status late_read_later(struct late *late, const struct db_result *result, struct error *err);
/* The rows, the end of the entry in poison_events, and COMMIT. */
void late_write(struct late *late, struct text *sql);

#endif
