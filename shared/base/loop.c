/* The loop, on epoll(7). A turn is: sleep, ready descriptors, due timers, then what wants to run at its end. Timers lie in
 * a binary heap that knows each one's place, so that stopping one is as cheap as starting it. */
#include "loop.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "log.h"
#include "memory.h"

enum { EVENTS_A_TURN = 64, NOT_IN_HEAP = -1 };

struct watch {
	loop_ready *ready; /* NULL: not watched */
	void *context;
	int events;
	uint32_t generation; /* tells events of an earlier use of the same number */
};

struct loop_timer {
	int64_t at_us;
	uint64_t order; /* equal times fire in order of their start */
	loop_call *call;
	void *context;
	ptrdiff_t place; /* in the heap, or NOT_IN_HEAP while it waits in `firing` */
	struct loop_timer *next, **link;
};

struct turn_call {
	loop_call *call; /* NULL: stopped */
	void *context;
};

struct turn_calls {
	struct turn_call *items;
	size_t count;
};

struct loop {
	int epoll_fd, wake_fd;
	int64_t now_us;
	bool stopped, again;
	bool ending_is_ahead; /* within a turn, before its last calls */
	bool had_events;      /* in the last turn */
	int64_t busy_poll_us, await_us;
	struct watch *watches; /* by descriptor */
	size_t watch_count;
	struct loop_timer **heap;
	size_t timer_count, timer_capacity;
	uint64_t timer_order;
	struct loop_timer *firing; /* due in this turn */
	struct turn_calls each_turn, last;
};

static void wake_ready(void *context, int fd, int events) {
	(void)context;
	(void)events;
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof(count));
	(void)got;
}

struct loop *loop_open(void) {
	struct loop *loop = memory_new(sizeof(*loop));
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(loop->epoll_fd >= 0 && loop->wake_fd >= 0);
	loop->now_us = clock_mono_us();
	loop_watch(loop, loop->wake_fd, LOOP_READ, wake_ready, loop);
	return loop;
}

void loop_close(struct loop **loop) {
	if (!*loop)
		return;
	for (size_t i = 0; i < (*loop)->timer_count; i++)
		free((*loop)->heap[i]);
	close((*loop)->epoll_fd);
	close((*loop)->wake_fd);
	free((*loop)->heap);
	free((*loop)->watches);
	free((*loop)->each_turn.items);
	free((*loop)->last.items);
	free(*loop);
	*loop = NULL;
}

/* Descriptors */

static struct watch *watch_of(struct loop *loop, int fd) {
	must(fd >= 0);
	size_t wanted = (size_t)fd + 1;
	if (wanted > loop->watch_count) {
		size_t count = wanted + wanted / 2 + 16;
		loop->watches = memory_resize(loop->watches, count, sizeof(struct watch));
		memset(loop->watches + loop->watch_count, 0, (count - loop->watch_count) * sizeof(struct watch));
		loop->watch_count = count;
	}
	return &loop->watches[fd];
}

static void epoll_change(struct loop *loop, int fd, const struct watch *watch, int events) {
	struct epoll_event event = { .data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)fd };
	event.events = (events & LOOP_READ ? (uint32_t)EPOLLIN : 0) | (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
	if (events == 0) {
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* fails when fd is closed already: just as well */
		return;
	}
	/* A descriptor that was closed while it was watched has left epoll by itself, and its number may be new. */
	int result = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
	if (result < 0 && errno == ENOENT)
		result = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	must(result == 0);
}

void loop_watch(struct loop *loop, int fd, int events, loop_ready *ready, void *context) {
	struct watch *watch = watch_of(loop, fd);
	if (events == 0) {
		if (watch->ready)
			epoll_change(loop, fd, watch, 0);
		watch->ready = NULL;
		watch->generation++;
		return;
	}
	must(ready);
	watch->ready = ready;
	watch->context = context;
	watch->events = events;
	epoll_change(loop, fd, watch, events);
}

static void handle_event(struct loop *loop, const struct epoll_event *event) {
	int fd = (int)(uint32_t)event->data.u64;
	const struct watch *watch = &loop->watches[fd];
	if (!watch->ready || watch->generation != (uint32_t)(event->data.u64 >> 32))
		return;
	int events = 0;
	if (event->events & (EPOLLIN | EPOLLRDHUP))
		events |= LOOP_READ;
	if (event->events & EPOLLOUT)
		events |= LOOP_WRITE;
	if (event->events & (EPOLLERR | EPOLLHUP))
		events = LOOP_READ | LOOP_WRITE;
	watch->ready(watch->context, fd, events);
}

/* Timers */

static bool is_sooner(const struct loop_timer *a, const struct loop_timer *b) {
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_put(struct loop *loop, size_t place, struct loop_timer *timer) {
	loop->heap[place] = timer;
	timer->place = (ptrdiff_t)place;
}

static void heap_up(struct loop *loop, size_t place, struct loop_timer *timer) {
	while (place > 0 && is_sooner(timer, loop->heap[(place - 1) / 2])) {
		heap_put(loop, place, loop->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	heap_put(loop, place, timer);
}

static void heap_down(struct loop *loop, size_t place, struct loop_timer *timer) {
	for (size_t child = 2 * place + 1; child < loop->timer_count; child = 2 * place + 1) {
		if (child + 1 < loop->timer_count && is_sooner(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (!is_sooner(loop->heap[child], timer))
			break;
		heap_put(loop, place, loop->heap[child]);
		place = child;
	}
	heap_put(loop, place, timer);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer) {
	size_t place = (size_t)timer->place;
	struct loop_timer *last = loop->heap[--loop->timer_count];
	timer->place = NOT_IN_HEAP;
	if (last == timer)
		return;
	if (place > 0 && is_sooner(last, loop->heap[(place - 1) / 2]))
		heap_up(loop, place, last);
	else
		heap_down(loop, place, last);
}

struct loop_timer *loop_timer_start(struct loop *loop, int64_t at_mono_us, loop_call *call, void *context) {
	struct loop_timer *timer = memory_new(sizeof(*timer));
	timer->at_us = at_mono_us;
	timer->order = loop->timer_order++;
	timer->call = call;
	timer->context = context;
	if (loop->timer_count == loop->timer_capacity) {
		loop->timer_capacity = loop->timer_capacity ? loop->timer_capacity * 2 : 32;
		loop->heap = memory_resize(loop->heap, loop->timer_capacity, sizeof(struct loop_timer *));
	}
	heap_up(loop, loop->timer_count++, timer);
	return timer;
}

void loop_timer_stop(struct loop *loop, struct loop_timer **timer) {
	struct loop_timer *stopped = *timer;
	if (!stopped)
		return;
	*timer = NULL;
	if (stopped->place != NOT_IN_HEAP) {
		heap_remove(loop, stopped);
	} else {
		*stopped->link = stopped->next;
		if (stopped->next)
			stopped->next->link = stopped->link;
	}
	free(stopped);
}

/* Timers that are started by these calls wait for the next turn, however early they are due. */
static void fire_timers(struct loop *loop) {
	struct loop_timer **end = &loop->firing;
	while (loop->timer_count > 0 && loop->heap[0]->at_us <= loop->now_us) {
		struct loop_timer *timer = loop->heap[0];
		heap_remove(loop, timer);
		timer->next = NULL;
		timer->link = end;
		*end = timer;
		end = &timer->next;
	}
	while (loop->firing) {
		struct loop_timer *timer = loop->firing;
		loop->firing = timer->next;
		if (timer->next)
			timer->next->link = &loop->firing;
		loop_call *call = timer->call;
		void *context = timer->context;
		free(timer);
		call(context);
	}
}

/* The end of a turn */

static void add_turn_call(struct turn_calls *calls, loop_call *call, void *context) {
	calls->items = memory_resize(calls->items, calls->count + 1, sizeof(struct turn_call));
	calls->items[calls->count++] = (struct turn_call){ call, context };
}

void loop_each_turn(struct loop *loop, loop_call *call, void *context) {
	add_turn_call(&loop->each_turn, call, context);
}

void loop_each_turn_last(struct loop *loop, loop_call *call, void *context) {
	add_turn_call(&loop->last, call, context);
}

static void stop_turn_call(struct turn_calls *calls, loop_call *call, const void *context) {
	for (size_t i = 0; i < calls->count; i++)
		if (calls->items[i].call == call && calls->items[i].context == context)
			calls->items[i].call = NULL;
}

void loop_each_turn_stop(struct loop *loop, loop_call *call, void *context) {
	stop_turn_call(&loop->each_turn, call, context);
	stop_turn_call(&loop->last, call, context);
}

static void run_turn_calls(struct turn_calls *calls) {
	for (size_t i = 0; i < calls->count; i++)
		if (calls->items[i].call)
			calls->items[i].call(calls->items[i].context);
	size_t kept = 0;
	for (size_t i = 0; i < calls->count; i++)
		if (calls->items[i].call)
			calls->items[kept++] = calls->items[i];
	calls->count = kept;
}

/* Running */

static int sleep_ms(const struct loop *loop, int64_t wait_us) {
	if (loop->again)
		return 0;
	if (loop->timer_count > 0) {
		int64_t left_us = loop->heap[0]->at_us - clock_mono_us();
		wait_us = wait_us < 0 || left_us < wait_us ? (left_us > 0 ? left_us : 0) : wait_us;
	}
	if (wait_us < 0)
		return -1;
	int64_t wait_ms = (wait_us + 999) / 1000; /* upwards: too early would be a turn for nothing */
	return wait_ms > 3600000 ? 3600000 : (int)wait_ms;
}

/* After a message the next one is often near: a core that does not halt meanwhile is awake when it comes. Yields to whoever
 * else wants the core. */
static int poll_for_events(const struct loop *loop, int64_t poll_us, struct epoll_event *events) {
	int64_t until_us = loop->now_us + poll_us;
	int count = 0;
	if (loop->timer_count > 0 && loop->heap[0]->at_us < until_us)
		until_us = loop->heap[0]->at_us;
	while (count == 0 && clock_mono_us() < until_us) {
		sched_yield();
		count = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, 0);
	}
	return count;
}

bool loop_turn(struct loop *loop, int64_t wait_us) {
	struct epoll_event events[EVENTS_A_TURN];
	int count = 0;
	if (loop->stopped)
		return false;
	int64_t poll_us = loop->had_events && loop->busy_poll_us > loop->await_us ? loop->busy_poll_us : loop->await_us;
	if (poll_us > 0 && wait_us < 0 && !loop->again)
		count = poll_for_events(loop, poll_us, events);
	loop->await_us = 0;
	int timeout_ms = sleep_ms(loop, wait_us);
	loop->again = false;
	if (count == 0)
		count = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, timeout_ms);
	if (count < 0 && errno != EINTR)
		log_error("epoll_wait failed", "reason", strerror(errno), NULL);
	loop->now_us = clock_mono_us();
	loop->had_events = count > 0;
	loop->ending_is_ahead = true;
	for (int i = 0; i < count; i++)
		handle_event(loop, &events[i]);
	fire_timers(loop);
	run_turn_calls(&loop->each_turn);
	loop->ending_is_ahead = false;
	run_turn_calls(&loop->last);
	return !loop->stopped;
}

void loop_run(struct loop *loop) {
	loop->stopped = false;
	while (loop_turn(loop, -1))
		;
}

void loop_again(struct loop *loop) {
	loop->again = true;
}

void loop_need_end(struct loop *loop) {
	if (!loop->ending_is_ahead)
		loop->again = true;
}

void loop_wake(struct loop *loop) {
	uint64_t one = 1;
	ssize_t written = write(loop->wake_fd, &one, sizeof(one));
	(void)written; /* a full counter wakes as well */
}

int64_t loop_now(const struct loop *loop) {
	return loop->now_us;
}

void loop_busy_poll(struct loop *loop, int64_t us) {
	loop->busy_poll_us = us;
}

void loop_stop(struct loop *loop) {
	loop->stopped = true;
}

void loop_await(struct loop *loop, int64_t us) {
	loop->await_us = us;
}
