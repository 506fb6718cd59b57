/* Virtual time and the queue of events; see world.h. Clocks and randomness of the services come from here: this program
 * answers clock_gettime(2) and getrandom(2) itself. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/task/hash.h"

struct event {
	int64_t at_us;
	uint64_t order;
	struct process *process;
	uint64_t life;
	loop_call *call, *drop;
	void *context;
	size_t place; /* in the heap */
};

struct world world;

const char *const fault_names[FAULT_COUNT] = {
	[FAULT_REQUEST_LOST] = "request lost",
	[FAULT_REPLY_LOST] = "reply lost",
	[FAULT_LATE] = "late",
	[FAULT_DOUBLED] = "doubled",
	[FAULT_LAST_CALL] = "died at a call",
	[FAULT_KILL] = "killed",
	[FAULT_CUT] = "connection cut",
	[FAULT_REDIS_DOWN] = "Redis down",
	[FAULT_REDIS_EMPTY] = "Redis emptied",
	[FAULT_REDIS_OLD] = "Redis older",
	[FAULT_REDIS_TWICE] = "Redis twice",
	[FAULT_LOG_TAIL] = "log lost its tail",
	[FAULT_DATABASE_TAIL] = "database lost its tail",
	[FAULT_DATABASE_DOWN] = "database down",
};

static struct event **heap;
static size_t count, capacity;
static uint64_t order;
static uint64_t refills; /* of the pool in id.c */
static bool begun;

/* ---- the die ---- */

uint64_t world_random(void) {
	world.random += UINT64_C(0x9E3779B97F4A7C15);
	uint64_t z = world.random;
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

uint32_t world_draw(uint32_t below) {
	return (uint32_t)((world_random() >> 32) * below >> 32);
}

bool world_fault(enum fault fault) {
	if (world.calm || world.chance[fault] == 0 || world_draw(1000000) >= world.chance[fault])
		return false;
	world.faults[fault]++;
	return true;
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
	(void)flags;
	refills++;
	for (size_t i = 0; i < length; i++)
		((unsigned char *)buffer)[i] = (unsigned char)(world_random() >> 24);
	return (ssize_t)length;
}

/* ---- the clock ---- */

#define WORLD_BEGAN_US INT64_C(1800000000000000)

int64_t world_wall_us(void) {
	return WORLD_BEGAN_US + world.now_us;
}

int clock_gettime(clockid_t id, struct timespec *now) {
	int64_t us = id == CLOCK_REALTIME ? world_wall_us() : world.now_us;
	now->tv_sec = us / 1000000;
	now->tv_nsec = us % 1000000 * 1000;
	return 0;
}

/* ---- the queue ---- */

static bool is_sooner(const struct event *a, const struct event *b) {
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(size_t place, struct event *event) {
	heap[place] = event;
	event->place = place;
}

static void rise(size_t place, struct event *event) {
	while (place > 0 && is_sooner(event, heap[(place - 1) / 2])) {
		put(place, heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(place, event);
}

static void sink(size_t place, struct event *event) {
	for (size_t child = 2 * place + 1; child < count; child = 2 * place + 1) {
		if (child + 1 < count && is_sooner(heap[child + 1], heap[child]))
			child++;
		if (!is_sooner(heap[child], event))
			break;
		put(place, heap[child]);
		place = child;
	}
	put(place, event);
}

static void take_out(struct event *event) {
	size_t place = event->place;
	struct event *last = heap[--count];
	if (last == event)
		return;
	if (place > 0 && is_sooner(last, heap[(place - 1) / 2]))
		rise(place, last);
	else
		sink(place, last);
}

struct event *world_at(int64_t at_us, struct process *process, loop_call *call, loop_call *drop, void *context) {
	struct arena *arena = arena_use(NULL);
	struct event *event = memory_new(sizeof(*event));
	*event = (struct event){ .at_us = at_us > world.now_us ? at_us : world.now_us,
		                     .order = order++,
		                     .process = process,
		                     .life = process ? process->life : 0,
		                     .call = call,
		                     .drop = drop,
		                     .context = context };
	if (count == capacity) {
		capacity = capacity ? capacity * 2 : 1024;
		heap = memory_resize(heap, capacity, sizeof(*heap));
	}
	rise(count++, event);
	arena_use(arena);
	return event;
}

void world_cancel(struct event **event) {
	struct event *gone = *event;
	if (!gone)
		return;
	*event = NULL;
	take_out(gone);
	if (gone->drop)
		gone->drop(gone->context);
	free(gone);
}

bool world_step(void) {
	if (count == 0)
		return false;
	struct event *event = heap[0];
	struct process *process = event->process;
	take_out(event);
	world.now_us = event->at_us;
	world.steps++;
	if (!process) {
		event->call(event->context);
	} else if (process_is(process, event->life)) {
		struct arena *arena = arena_use(process->arena);
		world.current = process;
		loop_run_turn(process->loop, event->call, event->context);
		world.current = NULL;
		arena_use(arena);
		if (process->dying)
			process_kill(process, 0);
	} else if (event->drop) {
		event->drop(event->context);
	}
	free(event);
	return true;
}

void world_end(void) {
	for (int i = 0; i < world.process_count; i++)
		if (world.processes[i].alive)
			process_kill(&world.processes[i], -1);
	while (count > 0) {
		struct event *event = heap[--count];
		if (event->drop)
			event->drop(event->context);
		free(event);
	}
}

void world_begin(uint64_t seed) {
	bool verbose = world.verbose;
	/* The order of hash tables follows from a number that is drawn once a program: the same in every program. */
	if (!begun)
		(void)hash_of(SLICE(""));
	begun = true;
	world = (struct world){ .seed = seed, .random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1, .verbose = verbose };
	order = 0;
	/* What is left in the pool belongs to the seed before. */
	for (uint64_t before = refills; refills == before;)
		(void)id_random();
}

/* ---- telling ---- */

void world_violation(const char *format, ...) {
	char line[4096];
	va_list list;
	if (world.failed)
		return;
	world.failed = true;
	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '|';
	printf("seed %llu: VIOLATION at %.6f s: %s\n", (unsigned long long)world.seed, (double)world.now_us / 1e6, line);
}

void world_say(const char *format, ...) {
	va_list list;
	if (!world.verbose)
		return;
	printf("%12.6f %-3d ", (double)world.now_us / 1e6, world.current ? world.current->id : -1);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
}
