/* One thread, one loop: descriptors, timers, and what wants to run at the end of each turn. Everything a service owns
 * is touched from here alone. `now` is read once a turn. */
#ifndef CORDER_BASE_LOOP_H
#define CORDER_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void loop_ready(void *context, int fd, int events); /* events: LOOP_READ | LOOP_WRITE; an error sets both */
typedef void loop_call(void *context);

struct loop *loop_open(void);
void loop_close(struct loop **loop);

/* Watches fd, or changes what is watched; events 0 stops watching. Safe to call from any callback of the loop. */
void loop_watch(struct loop *loop, int fd, int events, loop_ready *ready, void *context);

/* One-shot; fires in the turn after at_mono_us. The timer is gone once it has fired or is stopped. */
struct loop_timer *loop_timer_start(struct loop *loop, int64_t at_mono_us, loop_call *call, void *context);
void loop_timer_stop(struct loop *loop, struct loop_timer **timer); /* *timer may be NULL; it becomes NULL */

/* Called at the end of every turn, before the loop sleeps, in order of registration: flush what was gathered. */
void loop_each_turn(struct loop *loop, loop_call *call, void *context);
/* The same, after all of those: for what writes out the buffers that they fill. */
void loop_each_turn_last(struct loop *loop, loop_call *call, void *context);
/* Ends both kinds for this call and context, so that what they belong to may be freed. */
void loop_each_turn_stop(struct loop *loop, loop_call *call, void *context);

/* Makes the loop run one more turn at once instead of sleeping (from within a callback). */
void loop_again(struct loop *loop);
/* Makes sure that the end of a turn comes soon: does nothing within a turn, and wakes the next one up outside of it.
 * For what fills a buffer that is written out at the end of the turn. */
void loop_need_end(struct loop *loop);
/* Wakes the loop from another thread or a signal handler. */
void loop_wake(struct loop *loop);

int64_t loop_now(const struct loop *loop);          /* monotonic us, read at the start of the turn */
void loop_run(struct loop *loop);                   /* until loop_stop */
bool loop_turn(struct loop *loop, int64_t wait_us); /* one turn, sleeping at most wait_us; false once stopped */
void loop_stop(struct loop *loop);

/* After a turn with events loop_run() looks for the next ones for so long before it sleeps. 0 (as it begins): it sleeps at once. */
void loop_busy_poll(struct loop *loop, int64_t us);
/* The same before the next sleep alone: for who waits for something that takes hardly longer than falling asleep and being woken. */
void loop_await(struct loop *loop, int64_t us);

#endif
