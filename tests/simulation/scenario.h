/* What a seed is about: how many of whom, how busy, which faults. And its end: when all has ended and come to rest. */
#ifndef CORDER_SIMULATION_SCENARIO_H
#define CORDER_SIMULATION_SCENARIO_H

#include "servers.h"

struct scenario {
	int64_t partitions;
	uint32_t types, batches, pace_us;
	uint32_t request_ms, hold_us,
		more_lease_ms; /* how long one waits for an answer, holds a task; leases above the least */
	int64_t keep_ended_s;
	int instances[4], clients, workers;
	bool commands;
	int first_client;
	int unanswered; /* batches that a client has not heard of yet */
	int64_t faults_until_us;
};
extern struct scenario scenario;

void scenario_expect(const char *name); /* a task that must come */
/* Runs the world of a seed to its end; false when an invariant broke. */
bool scenario_run(uint64_t seed);
int64_t scenario_partitions(void);
bool scenario_is_calm(void); /* no fault for some seconds */

#endif
