/* One simulated world: virtual time, a queue of events, processes that live and die, and a die that a seed has loaded.
 * Everything runs on one thread; what happens next is always the earliest event. */
#ifndef CORDER_SIMULATION_WORLD_H
#define CORDER_SIMULATION_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/loop.h"
#include "shared/base/text.h"

enum process_kind {
	PROCESS_INGEST,
	PROCESS_SCHEDULER,
	PROCESS_DISPATCHER,
	PROCESS_PERSISTER,
	PROCESS_CLIENT,
	PROCESS_WORKER
};

enum { PROCESSES_MOST = 24 };

struct arena;
struct process {
	int id;
	enum process_kind kind;
	uint64_t life; /* rises with each start; 0: never started */
	bool alive, dying;
	struct arena *arena; /* all that it has allocated */
	struct loop *loop;
	struct bus *bus;
	void *own;
};

/* What can go wrong; chances are per thousand calls or per second of virtual time, and differ from seed to seed. */
enum fault {
	FAULT_REQUEST_LOST,
	FAULT_REPLY_LOST,
	FAULT_LATE,
	FAULT_DOUBLED,
	FAULT_LAST_CALL, /* the process dies at this call */
	FAULT_KILL,      /* … or at any other time */
	FAULT_CUT,       /* a connection to the bus breaks */
	FAULT_REDIS_DOWN,
	FAULT_REDIS_EMPTY,
	FAULT_REDIS_OLD,
	FAULT_REDIS_TWICE,
	FAULT_LOG_TAIL,
	FAULT_DATABASE_TAIL,
	FAULT_DATABASE_DOWN,
	FAULT_COUNT
};
extern const char *const fault_names[FAULT_COUNT];

struct world {
	uint64_t seed, random;
	int64_t now_us; /* since the world began */
	uint64_t steps;
	uint64_t faults[FAULT_COUNT]; /* that happened */
	uint32_t chance[FAULT_COUNT]; /* 0: not in this seed */
	bool calm;                    /* no more faults */
	struct process processes[PROCESSES_MOST];
	int process_count;
	struct process *current; /* whose turn it is; NULL: the world's own */
	bool failed;
	bool verbose;
};
extern struct world world;

int64_t world_wall_us(void);
uint64_t world_random(void);
uint32_t world_draw(uint32_t below);
bool world_fault(enum fault fault); /* draws whether it happens now, and counts it */

/* Calls back at that time. process NULL: the world itself, else within a turn of this life of the process, or not at all:
 * then drop (which may be NULL) gets the context instead. */
struct event;
struct event *world_at(int64_t at_us, struct process *process, loop_call *call, loop_call *drop, void *context);
void world_cancel(struct event **event); /* drop is called */
void world_begin(uint64_t seed);
bool world_step(void); /* false: nothing is left to do */
void world_end(void);

/* The invariant that broke. Only the first one of a seed is told. */
void world_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
void world_say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* when verbose */

/* heap.c: memory by process. Everything is allocated for the arena in use; a dead process leaves nothing. */
struct arena *arena_open(void);
void arena_close(struct arena **arena);
struct arena *arena_use(struct arena *arena); /* NULL: the program's own; returns the one before */

/* processes.c */
struct process *process_add(enum process_kind kind);
void process_start(struct process *process);
void process_kill(struct process *process, int64_t again_after_us); /* at the end of its turn, if it has one now */
bool process_is(const struct process *process, uint64_t life);      /* alive, and in this life */

/* virtual_loop.c */
void loop_run_turn(struct loop *loop, loop_call *call, void *context);

/* actors */
void client_start(struct process *process);
void worker_start(struct process *process);

#endif
