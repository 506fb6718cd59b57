/* shared/base/loop.h in virtual time: each event of the world is a turn. No descriptors: the backends are in the world. */
#include "shared/base/loop.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "world.h"

enum { CALLS_MOST = 16, TURN_US = 20 };

struct loop_timer {
	struct loop *loop;
	struct event *event;
	loop_call *call;
	void *context;
};

struct turn_call {
	loop_call *call;
	void *context;
	bool last;
};

struct loop {
	struct process *process;
	struct turn_call calls[CALLS_MOST];
	size_t count;
	bool again, ending_is_ahead;
	struct event *next;
};

struct loop *loop_open(void) {
	struct loop *loop = memory_new(sizeof(*loop));
	loop->process = world.current;
	return loop;
}

void loop_close(struct loop **loop) {
	free(*loop);
	*loop = NULL;
}

void loop_watch(struct loop *loop, int fd, int events, loop_ready *ready, void *context) {
	(void)loop;
	(void)events;
	(void)ready;
	(void)context;
	must(fd < 0); /* no descriptor is watched here */
}

static void fire(void *context) {
	struct loop_timer *timer = context;
	loop_call *call = timer->call;
	void *own = timer->context;
	free(timer);
	call(own);
}

struct loop_timer *loop_timer_start(struct loop *loop, int64_t at_mono_us, loop_call *call, void *context) {
	struct loop_timer *timer = memory_new(sizeof(*timer));
	*timer = (struct loop_timer){ .loop = loop, .call = call, .context = context };
	/* Not in this turn, and so that time goes on. */
	timer->event =
		world_at(at_mono_us > world.now_us ? at_mono_us : world.now_us + TURN_US, loop->process, fire, NULL, timer);
	return timer;
}

void loop_timer_stop(struct loop *loop, struct loop_timer **timer) {
	(void)loop;
	if (!*timer)
		return;
	world_cancel(&(*timer)->event);
	free(*timer);
	*timer = NULL;
}

static void add_call(struct loop *loop, loop_call *call, void *context, bool last) {
	must(loop->count < CALLS_MOST);
	loop->calls[loop->count++] = (struct turn_call){ call, context, last };
}

void loop_each_turn(struct loop *loop, loop_call *call, void *context) {
	add_call(loop, call, context, false);
}

void loop_each_turn_last(struct loop *loop, loop_call *call, void *context) {
	add_call(loop, call, context, true);
}

void loop_each_turn_stop(struct loop *loop, loop_call *call, void *context) {
	for (size_t i = 0; i < loop->count; i++)
		if (loop->calls[i].call == call && loop->calls[i].context == context)
			loop->calls[i].call = NULL;
}

void loop_again(struct loop *loop) {
	loop->again = true;
}

void loop_need_end(struct loop *loop) {
	if (!loop->ending_is_ahead)
		loop->again = true;
}

void loop_wake(struct loop *loop) {
	loop->again = true;
}

void loop_await(struct loop *loop, int64_t us) {
	(void)loop;
	(void)us;
}

int64_t loop_now(const struct loop *loop) {
	(void)loop;
	return world.now_us;
}

void loop_stop(struct loop *loop) {
	(void)loop;
}

static void nothing(void *context) {
	struct loop *loop = context;
	loop->next = NULL;
}

void loop_run_turn(struct loop *loop, loop_call *call, void *context) {
	loop->again = false;
	loop->ending_is_ahead = true;
	call(context);
	for (int last = 0; last < 2; last++) {
		for (size_t i = 0; i < loop->count; i++)
			if (loop->calls[i].call && loop->calls[i].last == (last == 1))
				loop->calls[i].call(loop->calls[i].context);
		loop->ending_is_ahead = false;
	}
	if (loop->again && !loop->next)
		loop->next = world_at(world.now_us + TURN_US, loop->process, nothing, NULL, loop);
}
