/* Which waiting work request is asked for next: requests by task type, in the order they came, and per type and partition
 * whether its ready queue may hold something. Pure: knows neither Redis nor the bus nor the clock.
 *
 * A request stands in its type's line until it is taken into a script call, and goes back to its old place when the call
 * brought nothing. A partition is asked for a type when it is *warm*: a hint said so, or the last call was served in full,
 * or nobody of the type has asked yet. A short answer makes it cold, so that waiting costs no calls. How many of a line go
 * into one call doubles while all are served, so that one new task does not make hundreds ask. */
#ifndef CORDER_DISPATCHER_MATCH_H
#define CORDER_DISPATCHER_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/text.h"

struct match;
struct match_type;

enum match_place { MATCH_NOWHERE, MATCH_IN_LINE, MATCH_IN_CALL };

/* Embedded in a request; zeroed before match_add. */
struct match_waiter {
	struct match_waiter *next, *previous;
	struct match_type *type;
	enum match_place place;
	uint64_t ticket; /* rises with arrival */
	int64_t deadline_us;
	size_t heap_at;
	int64_t max;   /* tasks it still wants */
	int64_t ask;   /* … and how many the call asks for */
	bool informed; /* the line it joined had been told that there is nothing */
	bool once;     /* is answered as soon as no partition is warm for its type, not at its deadline */
};

struct match *match_open(int64_t partitions);
void match_close(struct match **match); /* the waiters are the caller's */

void match_add(struct match *match, struct match_waiter *waiter, struct slice type);
void match_remove(struct match *match, struct match_waiter *waiter); /* wherever it is */
size_t match_waiting(const struct match *match);                     /* in lines and in calls */
/* Has the oldest waiter of the type with the most of them expire now. False when that would be no fairer: no type has more
 * waiters than this one. */
bool match_make_room(struct match *match, struct slice type, int64_t now_us);
/* Appends {"type": how many wait for it, …}, at most so many types. */
void match_add_types(const struct match *match, struct text *out, size_t most);

/* A partition's ready queue of this type may hold something. False when nobody here wants it. */
bool match_wake(struct match *match, struct slice type, int64_t partition);
/* The same when a call of ours has woken it: those who wait here come first. False: tell the other dispatchers now; else
 * match_answered says when those who wait here have not taken everything. */
bool match_wake_first(struct match *match, struct slice type, int64_t partition);
/* The safety poll: warms every type of this slice (of `slices`) that has somebody in its line, for one request each. */
void match_poll(struct match *match, uint64_t slice, uint64_t slices);
/* A partition that cannot be asked counts as cold until it can. */
void match_set_down(struct match *match, int64_t partition, bool down);

/* One script call: begin, take until NULL (together they ask for at most *room tasks), end; later, for each taken, in
 * order, answered or failed. */
void match_begin(struct match *match, int64_t partition);
struct match_waiter *match_take(struct match *match, int64_t partition, int64_t *room);
void match_end(struct match *match, int64_t partition);
const char *match_type_name(const struct match_waiter *waiter);
/* full: the queue may hold more. The waiter is nowhere then: it is done, or goes back. True: tell the other dispatchers that
 * there is work which nobody here wants. */
bool match_answered(struct match *match, struct match_waiter *waiter, int64_t partition, bool full);
void match_failed(struct match *match, struct match_waiter *waiter, int64_t partition); /* goes back by itself */
void match_put_back(struct match *match, struct match_waiter *waiter);
/* Of `got` tasks for this waiter `fitted` went into its reply; roomy: and left more than half of it free. What is asked
 * for at once follows: requests of this type do not take what will not fit. */
void match_fitted(struct match_waiter *waiter, int64_t got, int64_t fitted, bool roomy);

/* Who can be answered now: the next of those marked `once` whose type has gone cold everywhere; the next whose deadline has
 * passed. NULL: nobody. They are nowhere then. */
struct match_waiter *match_next_cold(struct match *match);
struct match_waiter *match_next_expired(struct match *match, int64_t now_us);
struct match_waiter *match_next_any(struct match *match); /* for a stop: anybody in a line */
int64_t match_next_deadline(const struct match *match);   /* 0: nobody waits */

bool match_all_down(const struct match *match);
/* Whether its type was found empty: by a call since it came, or by those who waited in the cold already. */
bool match_was_asked(const struct match_waiter *waiter);
/* Whether a call to this partition would take somebody. */
bool match_is_warm(const struct match *match, int64_t partition);
/* Whether the type is warm in no partition but down ones, and in no call. */
bool match_is_cold(const struct match *match, const struct match_waiter *waiter);

#endif
