/* See scenario.h. Each seed leaves about half of the kinds of faults out, and draws how frequent the others are: constant
 * chaos hides what needs a long calm. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "dict.h"
#include "ledger.h"
#include "shared/base/memory.h"
#include "shared/task/record.h"
#include "subjects/subjects.h"

enum { TICK_US = 50000, REST_US = 100000, PATIENCE_US = 240000000, STEPS_MOST = 3000000 };

struct scenario scenario;
static struct dict expected;
/* A store has lost something: no other may, before this partition's log is again as long as it was. */
static int64_t refill_to[4];
static int64_t rewrite_to[4]; /* … and before the database has again what it had */
static int64_t remembered_position[4];
static bool rested;
static int64_t calm_at_us;

bool scenario_is_calm(void) {
	return world.calm && world.now_us - calm_at_us > 10000000;
}

int64_t scenario_partitions(void) {
	return scenario.partitions;
}

void scenario_expect(const char *name) {
	struct arena *arena = arena_use(NULL);
	bool is_new;
	(void)dict_put(&expected, slice_of(name), &is_new);
	arena_use(arena);
}

/* ---- drawing ---- */

static void set_int(const char *name, long long value) {
	char text[24];
	snprintf(text, sizeof(text), "%lld", value);
	setenv(name, text, 1);
}

static void set_settings(uint32_t patience_ms) {
	set_int("CORDER_PARTITIONS", scenario.partitions);
	set_int("CORDER_SWEEP_MS", 200 + world_draw(400));
	set_int("CORDER_KEEP_ENDED_S", 15); /* the least; see processes.c */
	set_int("CORDER_AUDIT_MS", 5000);
	/* Few: every batch is a large graph. Not drawn, so that the seeds of old mean what they meant. */
	set_int("CORDER_SLICE_TASKS", world.seed % 3 == 0 ? (long long)(world.seed % 5) + 2 : LIMIT_SLICE_TASKS);
	set_int("CORDER_LEASE_MS", 1000 + world_draw(patience_ms));
	set_int("CORDER_PATIENCE_MS", 300 + world_draw(patience_ms));
	set_int("CORDER_MARK_PATIENCE_MS", 300 + world_draw(patience_ms));
	set_int("CORDER_ADMIT_TIMEOUT_MS", 800 + world_draw(patience_ms));
	setenv("CORDER_LOG_LEVEL", world.verbose ? "debug" : "error", 1);
}

/* Most worlds are small and short, with as many faults in them as a long one; some are large, and some faults need a long calm. */
static const struct size {
	uint32_t batches, workers, pace_us, quiet_us, until_us;
	uint32_t patience_ms, hold_us, calls,
		ticks; /* calls, ticks: by how much faults are more frequent in a call, a tick */
} sizes[] = {
	{ 2, 2, 400000, 500000, 2500000, .patience_ms = 800, .hold_us = 800000, .calls = 3, .ticks = 6 },
	{ 4, 3, 1500000, 1500000, 5000000, .patience_ms = 2000, .hold_us = 2000000, .calls = 2, .ticks = 3 },
	{ 5, 3, 4000000, 4000000, 16000000, .patience_ms = 5000, .hold_us = 3000000, .calls = 1, .ticks = 1 },
};

static const struct size *draw_size(void) {
	uint32_t drawn = world_draw(16);
	return &sizes[drawn < 12 ? 0 : drawn < 15 ? 1 : 2];
}

static void draw_scenario(const struct size *size) {
	scenario = (struct scenario){ .partitions = world_draw(4) ? 1 : 2,
		                          .types = 1 + world_draw(2),
		                          .batches = 1 + world_draw(size->batches),
		                          .pace_us = size->pace_us / 40 + world_draw(size->pace_us),
		                          .clients = 1 + (int)world_draw(2),
		                          .workers = 1 + (int)world_draw(size->workers),
		                          .commands = world_draw(3) == 0,
		                          .request_ms = 700 + world_draw(size->patience_ms),
		                          .hold_us = size->hold_us,
		                          .more_lease_ms = size->patience_ms / 2,
		                          .keep_ended_s = world_draw(2) ? 15 : 1 + world_draw(3) };
	for (int kind = 0; kind < 4; kind++)
		scenario.instances[kind] = 1 + (world_draw(3) == 0);
	if (world_draw(2))
		scenario.instances[PROCESS_SCHEDULER] = 2;
	scenario.faults_until_us = size->quiet_us + world_draw(size->until_us);
}

/* Per million calls, or per million ticks. */
static void draw_faults(const struct size *size) {
	static const uint32_t most[FAULT_COUNT] = {
		[FAULT_REQUEST_LOST] = 15000,  [FAULT_REPLY_LOST] = 15000,   [FAULT_LATE] = 30000,
		[FAULT_DOUBLED] = 40000,       [FAULT_LAST_CALL] = 4000,     [FAULT_KILL] = 30000,
		[FAULT_CUT] = 30000,           [FAULT_REDIS_DOWN] = 10000,   [FAULT_REDIS_EMPTY] = 15000,
		[FAULT_REDIS_OLD] = 15000,     [FAULT_REDIS_TWICE] = 15000,  [FAULT_LOG_TAIL] = 15000,
		[FAULT_DATABASE_TAIL] = 15000, [FAULT_DATABASE_DOWN] = 8000,
	};
	for (uint32_t fault = 0; fault < FAULT_COUNT; fault++) {
		uint32_t times = fault < FAULT_KILL ? size->calls : size->ticks;
		world.chance[fault] = world_draw(2) ? times * (1 + world_draw(most[fault])) : 0;
	}
}

static void start_processes(void) {
	for (int kind = 0; kind < 4; kind++)
		for (int i = 0; i < scenario.instances[kind]; i++)
			process_start(process_add((enum process_kind)kind));
	scenario.first_client = world.process_count;
	for (int i = 0; i < scenario.clients; i++)
		process_start(process_add(PROCESS_CLIENT));
	for (int i = 0; i < scenario.workers; i++)
		process_start(process_add(PROCESS_WORKER));
}

/* ---- the servers' troubles ---- */

static int64_t redis_number(int64_t partition, const char *field) {
	char key[40];
	snprintf(key, sizeof(key), "{p%lld}:m", (long long)partition);
	struct slice words[] = { SLICE("HGET"), slice_of(key), slice_of(field) };
	const struct kv_reply *reply = redis_command(servers.redis[0], words, 3);
	return reply->kind == REPLY_TEXT ? slice_int(reply->text, -1) : -1;
}

/* For how many tasks or leases it waits for a time. */
static int64_t redis_length(int64_t partition, const char *command, const char *name) {
	char key[40];
	snprintf(key, sizeof(key), "{p%lld}:%s", (long long)partition, name);
	struct slice words[] = { slice_of(command), slice_of(key) };
	return redis_command(servers.redis[0], words, 2)->number;
}

/* What the sweep still has to do, and large graphs that are to be finished or given back. */
static int64_t redis_waits(int64_t partition) {
	return redis_length(partition, "ZCARD", "due") + redis_length(partition, "LLEN", "rel") +
	       redis_length(partition, "HLEN", "rs") + redis_length(partition, "HLEN", "ab");
}

/* Has nothing been lost that is still to be put back? */
static bool is_whole(void) {
	for (int64_t p = 0; p < scenario.partitions; p++)
		if (ledger_last_seq(p) < refill_to[p] || database_position(p) < rewrite_to[p])
			return false;
	return true;
}

/* What the log has, Redis (as far as it is not trimmed) and the database have too. */
static bool is_covered(void) {
	if (servers.redis[1] || servers.redis_down)
		return false;
	for (int64_t p = 0; p < scenario.partitions; p++) {
		int64_t seq = redis_number(p, "seq"), trim = redis_number(p, "trim");
		if (seq < ledger_last_seq(p) || trim < 0 || trim > database_position(p) ||
		    !ledger_is_entry(p, servers.redis[0]))
			return false;
	}
	return true;
}

static void lose_log_tail(void) {
	for (int64_t p = 0; p < scenario.partitions; p++) {
		char name[32];
		snprintf(name, sizeof(name), "CORDER_LOG_%lld", (long long)p);
		struct stream *stream = stream_named(name);
		refill_to[p] = ledger_last_seq(p);
		if (stream)
			stream_lose_tail(stream, world_draw(8));
	}
	/* A server that lost something was started again. */
	for (int i = 0; i < world.process_count; i++)
		bus_cut(&world.processes[i]);
}

static void remember_database(void) {
	database_remember();
	for (int64_t p = 0; p < scenario.partitions; p++)
		remembered_position[p] = database_position(p);
}

static bool may_lose_database(void) {
	for (int64_t p = 0; p < scenario.partitions; p++)
		if (remembered_position[p] < ledger_hole(p))
			return false;
	return is_whole();
}

static void server_troubles(void) {
	if (world_fault(FAULT_REDIS_DOWN))
		redis_server_down();
	if (world_fault(FAULT_DATABASE_DOWN))
		database_server_down();
	if (world_draw(20) == 0 && world.chance[FAULT_REDIS_OLD])
		redis_server_remember();
	if (world_draw(20) == 0 && world.chance[FAULT_DATABASE_TAIL])
		remember_database();
	if (is_whole() && world_fault(FAULT_REDIS_EMPTY))
		redis_server_empty();
	if (is_whole() && servers.old_redis && world_fault(FAULT_REDIS_OLD))
		redis_server_old();
	if (is_whole() && world_fault(FAULT_REDIS_TWICE))
		redis_server_twice();
	if (world.chance[FAULT_LOG_TAIL] && is_whole() && is_covered() && world_fault(FAULT_LOG_TAIL))
		lose_log_tail();
	if (may_lose_database() && world_fault(FAULT_DATABASE_TAIL)) {
		for (int64_t p = 0; p < scenario.partitions; p++)
			rewrite_to[p] = database_position(p);
		database_old();
	}
}

/* Only what the database has may leave the outbox. */
static void check_trim(void) {
	for (int64_t p = 0; p < scenario.partitions && !servers.redis[1]; p++)
		if (redis_number(p, "trim") > database_position(p) && database_position(p) >= rewrite_to[p])
			world_violation("the outbox was trimmed to %lld, but the database has %lld",
			                (long long)redis_number(p, "trim"), (long long)database_position(p));
}

/* What has happened since the last tick, for who looks into a seed. */
static void say_troubles(const uint64_t before[FAULT_COUNT]) {
	for (int fault = FAULT_KILL; fault < FAULT_COUNT; fault++)
		if (world.faults[fault] != before[fault])
			world_say("FAULT %s: log %lld, database %lld, Redis %lld, trimmed to %lld", fault_names[fault],
			          (long long)ledger_last_seq(0), (long long)database_position(0), (long long)redis_number(0, "seq"),
			          (long long)redis_number(0, "trim"));
}

static void troubles(void *context) {
	uint64_t before[FAULT_COUNT];
	memcpy(before, world.faults, sizeof(before));
	int services = scenario.first_client;
	if (world.calm)
		return;
	if (world_fault(FAULT_KILL))
		process_kill(&world.processes[world_draw((uint32_t)services)], 0);
	if (world_fault(FAULT_CUT))
		bus_cut(&world.processes[world_draw((uint32_t)world.process_count)]);
	server_troubles();
	say_troubles(before);
	check_trim();
	if (world_draw(10) == 0)
		ledger_audit();
	if (world.now_us >= scenario.faults_until_us) {
		world.calm = true;
		calm_at_us = world.now_us;
		redis_server_once();
	}
	world_at(world.now_us + TICK_US, NULL, troubles, NULL, context);
}

/* ---- the end ---- */

static const struct fold_task *still_open(void) {
	size_t at = 0;
	for (struct fold_task *task; (task = ledger_next(&at));)
		if (!record_is_final(task->status))
			return task;
	return NULL;
}

static const char *missing(void) {
	size_t at = 0;
	for (const struct dict_item *item; (item = dict_next(&expected, &at));)
		if (!ledger_task(item->key))
			return item->key;
	return NULL;
}

static bool is_partition_at_rest(int64_t p) {
	int64_t last = ledger_last_seq(p);
	return last >= refill_to[p] && database_position(p) == last && redis_number(p, "trim") == last &&
	       redis_number(p, "seq") == last && redis_waits(p) == 0;
}

static bool is_at_rest(void) {
	if (!world.calm || scenario.unanswered > 0 || missing() || still_open())
		return false;
	for (int64_t p = 0; p < scenario.partitions; p++)
		if (!is_partition_at_rest(p))
			return false;
	return !ledger_events_are_behind();
}

static void look_for_rest(void *context) {
	rested = is_at_rest();
	world_at(world.now_us + REST_US, NULL, look_for_rest, NULL, context);
}

static void tell_stuck(void) {
	const struct fold_task *task = still_open();
	if (scenario.unanswered > 0)
		world_violation("stuck: %d batches got no answer", scenario.unanswered);
	else if (missing())
		world_violation("stuck: %s was enqueued and has not come", missing());
	else if (task)
		world_violation("stuck: %s stays %c (version %lld)", task->name, task->status, (long long)task->version);
	for (int64_t p = 0; p < scenario.partitions; p++)
		if (!is_partition_at_rest(p))
			world_violation(
				"stuck: partition %lld: log %lld (of %lld), database %lld, Redis %lld, trimmed to %lld, due %lld",
				(long long)p, (long long)ledger_last_seq(p), (long long)refill_to[p], (long long)database_position(p),
				(long long)redis_number(p, "seq"), (long long)redis_number(p, "trim"), (long long)redis_waits(p));
	world_violation("stuck: events are missing in the stream of events");
}

static void check_end(void) {
	if (!rested) {
		ledger_show_redis();
		tell_stuck();
		return;
	}
	ledger_check_told();
	ledger_check_database();
	ledger_check_redis();
	ledger_check_events();
}

bool scenario_run(uint64_t seed) {
	world_begin(seed);
	const struct size *size = draw_size();
	draw_scenario(size);
	draw_faults(size);
	set_settings(size->patience_ms);
	servers_begin();
	memset(refill_to, 0, sizeof(refill_to));
	memset(rewrite_to, 0, sizeof(rewrite_to));
	memset(remembered_position, 0, sizeof(remembered_position));
	rested = false;
	start_processes();
	world_at(TICK_US, NULL, troubles, NULL, NULL);
	world_at(REST_US, NULL, look_for_rest, NULL, NULL);
	while (!world.failed && !rested && world_step() && world.steps < STEPS_MOST &&
	       (!world.calm || world.now_us - calm_at_us < PATIENCE_US))
		;
	if (!world.failed)
		check_end();
	bool good = !world.failed;
	world_end();
	servers_end();
	dict_clear(&expected);
	return good;
}

void servers_begin(void) {
	memset(&servers, 0, sizeof(servers));
	servers.redis[0] = redis_open(world_wall_us);
	ledger_begin();
	database_begin();
	bus_begin();
	jetstream_begin();
}

void servers_end(void) {
	kv_begin();
	redis_close(&servers.redis[0]);
	redis_close(&servers.redis[1]);
	redis_close(&servers.old_redis);
	streams_end();
	ledger_end();
	database_end();
	database_forget();
	bus_end();
}
