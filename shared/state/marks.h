/* Who waits for the log: a reply may go out only when the entry it depends on is in the log, and the relay says so by
 * naming the entry's id in a mark. By id, never by number: after Redis lost its tail, the same number is another entry.
 * One a partition and process; on its loop. */
#ifndef CORDER_STATE_MARKS_H
#define CORDER_STATE_MARKS_H

#include "../base/loop.h"
#include "state.h"

struct marks;

/* STATUS_OK: it is in the log. STATUS_RETRY: nobody knows (another epoch, or too long): the client must repeat. */
typedef void marks_handler(void *context, enum status status);

/* patience_ms: after how long a waiter is answered STATUS_RETRY. A mark may be lost on the bus: waiters older than 100 ms
 * ask Redis (confirm.lua). Borrows loop and state. */
struct marks *marks_open(struct loop *loop, struct state *state, int64_t patience_ms);
void marks_close(struct marks **marks); /* waiters get STATUS_RETRY */

/* A mark message: "<epoch> <last seq> <stream sequence>", then a line an entry id. */
void marks_note(struct marks *marks, struct slice body);

/* Calls handler once: at once (from within) when head->wait is "" or was marked already, else later. */
void marks_wait(struct marks *marks, const struct state_head *head, marks_handler *handler, void *context);
size_t marks_waiting(const struct marks *marks);
/* Whether the log has not taken for a second what is waited for, or what was waited for until patience ran out. Redis is asked
 * of that until it is in the log, whether somebody waits or not. */
bool marks_stand_still(const struct marks *marks);

#endif
