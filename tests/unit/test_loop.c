/* The loop: timers, descriptors, the end of a turn, waking from elsewhere. */
#include "../support/test.h"

#include <pthread.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/loop.h"

enum { TIMERS = 2000, LONG_US = 20000000 };

static struct loop *loop;
static char trace[64];
static size_t trace_length;

static int set_up(void **state) {
	(void)state;
	loop = loop_open();
	trace_length = 0;
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	loop_close(&loop);
	return 0;
}

static void note(void *context) {
	trace[trace_length++] = *(const char *)context;
	trace[trace_length] = '\0';
}

static struct {
	int64_t at_us;
	struct loop_timer *timer;
	bool stopped, fired;
} timed[TIMERS];
static int64_t last_at_us;

static void on_timed(void *context) {
	size_t i = (size_t)(uintptr_t)context;
	assert_false(timed[i].stopped);
	assert_false(timed[i].fired);
	assert_true(timed[i].at_us >= last_at_us);
	assert_true(timed[i].at_us <= loop_now(loop));
	last_at_us = timed[i].at_us;
	timed[i].fired = true;
}

static void timers_fire_in_order_unless_they_are_stopped(void **state) {
	(void)state;
	int64_t start_us = clock_mono_us();
	size_t left = 0;
	for (size_t i = 0; i < TIMERS; i++) {
		timed[i].at_us = start_us + (int64_t)(id_random() % 20000);
		timed[i].timer = loop_timer_start(loop, timed[i].at_us, on_timed, (void *)(uintptr_t)i);
	}
	for (size_t i = 0; i < TIMERS; i += 3) {
		timed[i].stopped = true;
		loop_timer_stop(loop, &timed[i].timer);
		assert_null(timed[i].timer);
	}
	do {
		loop_turn(loop, 5000);
		left = 0;
		for (size_t i = 0; i < TIMERS; i++)
			left += !timed[i].stopped && !timed[i].fired;
	} while (left > 0 && clock_mono_us() < start_us + LONG_US);
	assert_int_equal(left, 0);
}

static void equal_times_fire_in_order_of_their_start(void **state) {
	(void)state;
	for (int i = 0; i < 5; i++)
		loop_timer_start(loop, 1, note, &"abcde"[i]);
	loop_turn(loop, LONG_US);
	assert_string_equal(trace, "abcde");
}

static struct loop_timer *victim;

static void stop_victim(void *context) {
	note(context);
	loop_timer_stop(loop, &victim);
}

static void a_timer_may_stop_another_that_is_due(void **state) {
	(void)state;
	loop_timer_start(loop, 1, stop_victim, "a");
	victim = loop_timer_start(loop, 2, note, "b");
	loop_timer_start(loop, 3, note, "c");
	loop_turn(loop, LONG_US);
	assert_string_equal(trace, "ac");
	loop_timer_stop(loop, &victim); /* NULL: nothing happens */
}

static void start_anew(void *context) {
	note(context);
	loop_timer_start(loop, 0, start_anew, context);
}

static void a_timer_that_starts_itself_waits_for_the_next_turn(void **state) {
	(void)state;
	loop_timer_start(loop, 0, start_anew, "x");
	loop_turn(loop, LONG_US);
	assert_string_equal(trace, "x");
	loop_turn(loop, LONG_US);
	assert_string_equal(trace, "xx");
}

static void read_one(void *context, int fd, int events) {
	char byte;
	assert_true(events & LOOP_READ);
	assert_int_equal(read(fd, &byte, 1), 1);
	note(context);
}

static void a_descriptor_is_watched_until_it_is_not(void **state) {
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	loop_watch(loop, ends[0], LOOP_READ, read_one, "r");
	assert_int_equal(write(ends[1], "123", 3), 3);
	loop_turn(loop, LONG_US);
	loop_turn(loop, LONG_US);
	assert_string_equal(trace, "rr");
	loop_watch(loop, ends[0], 0, NULL, NULL);
	loop_turn(loop, 1000);
	assert_string_equal(trace, "rr");
	loop_watch(loop, ends[0], LOOP_READ, read_one, "s");
	loop_turn(loop, LONG_US);
	assert_string_equal(trace, "rrs");
	close(ends[0]);
	close(ends[1]);
}

static int other_end;

static void close_the_other(void *context, int fd, int events) {
	(void)events;
	char byte;
	assert_int_equal(read(fd, &byte, 1), 1);
	note(context);
	loop_watch(loop, other_end, 0, NULL, NULL);
	close(other_end);
}

/* Both are ready in the same turn; the one whose watch ended must not be called, not even under its number's new life. */
static void events_of_a_watch_that_ended_are_dropped(void **state) {
	(void)state;
	int first[2], second[2];
	assert_int_equal(pipe(first), 0);
	assert_int_equal(pipe(second), 0);
	assert_int_equal(write(first[1], "1", 1), 1);
	assert_int_equal(write(second[1], "1", 1), 1);
	other_end = second[0];
	loop_watch(loop, first[0], LOOP_READ, close_the_other, "a");
	loop_watch(loop, second[0], LOOP_READ, read_one, "b");
	loop_turn(loop, LONG_US);
	assert_int_equal(trace[0], 'a'); /* epoll reports in the order of readiness */
	assert_int_equal(trace_length, 1);
	close(first[0]);
	close(first[1]);
	close(second[1]);
}

static void the_end_of_a_turn_has_two_rounds(void **state) {
	(void)state;
	loop_each_turn_last(loop, note, "z");
	loop_each_turn(loop, note, "a");
	loop_each_turn(loop, note, "b");
	loop_turn(loop, 0);
	assert_string_equal(trace, "abz");
	loop_each_turn_stop(loop, note, (void *)(uintptr_t) "never registered");
	loop_turn(loop, 0);
	assert_string_equal(trace, "abzabz");
}

static void need_end(void *context) {
	note(context);
	loop_need_end(loop);
}

static void a_buffer_filled_outside_of_a_turn_is_not_left_waiting(void **state) {
	(void)state;
	loop_need_end(loop);
	int64_t before_us = clock_mono_us();
	loop_turn(loop, LONG_US);
	assert_true(clock_mono_us() - before_us < LONG_US / 2);
	loop_timer_start(loop, 0, need_end, "t"); /* within a turn its own end is enough */
	loop_turn(loop, LONG_US);
	before_us = clock_mono_us();
	loop_turn(loop, 20000);
	assert_true(clock_mono_us() - before_us >= 19000);
}

static void *wake_from_thread(void *context) {
	loop_wake(context);
	return NULL;
}

static void another_thread_wakes_the_loop(void **state) {
	(void)state;
	pthread_t thread;
	int64_t before_us = clock_mono_us();
	assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, loop), 0);
	loop_turn(loop, LONG_US);
	assert_true(clock_mono_us() - before_us < LONG_US / 2);
	pthread_join(thread, NULL);
}

static void stop(void *context) {
	(void)context;
	loop_stop(loop);
}

static void running_ends_when_it_is_stopped(void **state) {
	(void)state;
	loop_timer_start(loop, clock_mono_us() + 1000, stop, NULL);
	loop_run(loop);
	assert_false(loop_turn(loop, 0));
}

static int polled_pipe[2];

static void write_later(void *context) {
	assert_int_equal(write(polled_pipe[1], context, 1), 1);
}

static void read_and_wait(void *context, int fd, int events) {
	char byte;
	(void)context, (void)events;
	assert_int_equal(read(fd, &byte, 1), 1);
	note(&byte);
	loop_timer_start(loop, clock_mono_us() + 1000, byte == 'a' ? write_later : stop, "b");
}

/* While it polls, timers fire and descriptors are served as soon as ever. */
static void polling_misses_nothing_with(void (*begin)(struct loop *loop, int64_t us)) {
	int64_t before_us = clock_mono_us();
	assert_int_equal(pipe(polled_pipe), 0);
	begin(loop, LONG_US);
	loop_watch(loop, polled_pipe[0], LOOP_READ, read_and_wait, NULL);
	write_later("a");
	loop_run(loop);
	assert_string_equal(trace, "ab");
	assert_true(clock_mono_us() - before_us < LONG_US / 2);
	loop_watch(loop, polled_pipe[0], 0, NULL, NULL);
	close(polled_pipe[0]);
	close(polled_pipe[1]);
}

static void polling_misses_nothing(void **state) {
	(void)state;
	polling_misses_nothing_with(loop_busy_poll);
}

static void awaiting_misses_nothing(void **state) {
	(void)state;
	polling_misses_nothing_with(loop_await);
}

static int64_t cpu_us(void) {
	struct timespec spent;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (int64_t)spent.tv_sec * 1000000 + spent.tv_nsec / 1000;
}

/* It polls for as long as it was told, before one sleep; then it sleeps as ever. */
static void awaiting_is_for_one_sleep(void **state) {
	(void)state;
	loop_await(loop, 20000);
	loop_timer_start(loop, clock_mono_us() + 40000, stop, NULL);
	int64_t before_us = cpu_us();
	loop_run(loop);
	int64_t awaited_us = cpu_us() - before_us;
	loop_timer_start(loop, clock_mono_us() + 40000, stop, NULL);
	before_us = cpu_us();
	loop_run(loop);
	assert_true(cpu_us() - before_us < awaited_us / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(timers_fire_in_order_unless_they_are_stopped),
		TEST(equal_times_fire_in_order_of_their_start),
		TEST(a_timer_may_stop_another_that_is_due),
		TEST(a_timer_that_starts_itself_waits_for_the_next_turn),
		TEST(a_descriptor_is_watched_until_it_is_not),
		TEST(events_of_a_watch_that_ended_are_dropped),
		TEST(the_end_of_a_turn_has_two_rounds),
		TEST(a_buffer_filled_outside_of_a_turn_is_not_left_waiting),
		TEST(another_thread_wakes_the_loop),
		TEST(running_ends_when_it_is_stopped),
		TEST(polling_misses_nothing),
		TEST(awaiting_misses_nothing),
		TEST(awaiting_is_for_one_sleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
