/* All partitions of a persister: opened, woken by marks and by time, told of other instances, closed. */
#include "persister.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "subjects/subjects.h"

static struct partition *partition_of(struct persister *persister, const char *subject) {
	const char *token = strrchr(subject, '.');
	int64_t id = token ? slice_int(slice_of(token + 1), -1) : -1;
	return id >= 0 && id < persister->options.partitions ? &persister->partitions[id] : NULL;
}

/* "<epoch> <last seq> <stream sequence>" and more lines. A mark may be old: the head only rises here. */
static void on_logged(void *context, int64_t id, struct slice mark, const struct log_answer *answer) {
	struct persister *persister = context;
	(void)answer;
	if (id >= persister->options.partitions || mark.bytes == NULL)
		return;
	struct partition *partition = &persister->partitions[id];
	struct slice line = slice_cut(&mark, '\n');
	(void)slice_cut(&line, ' ');
	int64_t seq = line.bytes ? slice_int(slice_cut(&line, ' '), 0) : 0;
	int64_t stream_seq = line.bytes ? slice_int(line, 0) : 0;
	partition->log_seq = seq;
	if (stream_seq > 0 && (uint64_t)stream_seq > partition->head)
		partition->head = (uint64_t)stream_seq;
	follow_step(partition);
}

/* "<seq> <entry_id> <stream sequence>", ours included: another's word that is ahead of ours means that it writes. */
static void on_persisted(void *context, const struct bus_message *message) {
	struct partition *partition = partition_of(context, message->subject);
	struct slice rest = message->body;
	if (!partition || !rest.bytes)
		return;
	int64_t seq = slice_int(slice_cut(&rest, ' '), 0);
	if (partition->state == PARTITION_PASSIVE)
		partition->state_since_us = clock_mono_us();
	else if (partition->state == PARTITION_FOLLOW && !partition->commit.busy && seq > partition->position.seq)
		partition_passive(partition);
}

/* Somebody waits for the database. The mark of what he waits for may be one of those that come together, later. */
static void on_hurry(void *context, const struct bus_message *message) {
	struct partition *partition = partition_of(context, message->subject);
	if (!partition || partition->state != PARTITION_FOLLOW)
		return;
	partition->next_write_us = 0;
	follow_look(partition);
	follow_step(partition);
}

/* A server that comes back may have lost the log's tail, and have got as long again as it was. */
static void on_bus_change(void *context, bool connected) {
	struct persister *persister = context;
	for (int64_t i = 0; connected && i < persister->options.partitions; i++)
		persister->partitions[i].missing = true;
}

bool persister_take(struct partition *partition) {
	struct persister *persister = partition->persister;
	if (persister->holder)
		return false;
	persister->holder = partition;
	return true;
}

/* A database that comes back may have lost its tail: who has nothing to write would never notice. */
static void look_for_new_connection(struct persister *persister) {
	if (!db_connected(persister->db))
		return;
	for (int64_t i = 0; i < persister->options.partitions; i++) {
		struct partition *partition = &persister->partitions[i];
		bool is_old = partition->db_generation != db_generation(persister->db);
		if (is_old && partition->state == PARTITION_FOLLOW && !partition->commit.busy)
			partition_load(partition);
	}
}

static void tick(void *context) {
	struct persister *persister = context;
	int64_t now = clock_mono_us();
	persister->tick = loop_timer_start(persister->loop, now + TICK_US, tick, persister);
	if (persister->stopping)
		return;
	if (!persister->migrated) {
		migrate(persister);
		return;
	}
	look_for_new_connection(persister);
	for (int64_t i = 0; i < persister->options.partitions; i++)
		partition_tick(&persister->partitions[i], now);
}

static enum status subscribe(struct persister *persister, const char *what, bus_handler *handler, struct error *err) {
	char subject[160];
	snprintf(subject, sizeof(subject), "%s." SUBJECT_VERSION ".%s", persister->options.prefix, what);
	return bus_subscribe(persister->bus, subject, NULL, handler, persister, err);
}

static enum status listen(struct persister *persister, struct error *err) {
	persister->ear = (struct log_ear){ persister->options.prefix, on_logged, persister, true };
	enum status status = log_ear_open(&persister->ear, persister->bus, err);
	if (status == STATUS_OK)
		status = subscribe(persister, SUBJECT_INTERNAL_PERSISTED, on_persisted, err);
	return status == STATUS_OK ? subscribe(persister, SUBJECT_INTERNAL_HURRY, on_hurry, err) : status;
}

enum status persister_open(struct loop *loop, struct bus *bus, struct db *db, const struct persister_options *options,
                           struct persister **persister, struct error *err) {
	struct persister *opened = memory_new(sizeof(*opened));
	opened->loop = loop;
	opened->bus = bus;
	opened->db = db;
	opened->options = *options;
	opened->partitions = memory_array((size_t)options->partitions, sizeof(*opened->partitions));
	for (int64_t i = 0; i < options->partitions; i++) {
		struct partition *partition = &opened->partitions[i];
		partition->persister = opened;
		partition->id = i;
		partition->batch_events = BATCH_EVENTS;
		partition->block_bytes = BLOCK_BYTES;
		partition->purged_at_us = clock_mono_us();
		stream_name(partition->stream, options->prefix, STREAM_LOG, i);
	}
	db_create_missing(db);
	bus_on_change(bus, on_bus_change, opened);
	*persister = opened;
	opened->tick = loop_timer_start(loop, clock_mono_us(), tick, opened);
	return listen(opened, err);
}

void persister_stop(struct persister *persister) {
	persister->stopping = true;
}

bool persister_idle(const struct persister *persister) {
	for (int64_t i = 0; i < persister->options.partitions; i++)
		if (persister->partitions[i].commit.busy || persister->partitions[i].retaining)
			return false;
	return !persister->migrating;
}

/* The loop must not run afterwards: answers of the bus would find nothing. A query that is still under way (the stop took
 * too long) is answered when the database is closed, so that its partition must stay. */
void persister_close(struct persister **persister) {
	struct persister *closed = *persister;
	if (!closed)
		return;
	*persister = NULL;
	loop_timer_stop(closed->loop, &closed->tick);
	closed->stopping = true;
	if (db_waiting(closed->db) > 0)
		return;
	for (int64_t i = 0; i < closed->options.partitions; i++) {
		loop_timer_stop(closed->loop, &closed->partitions[i].paced);
		follow_release(&closed->partitions[i], UINT64_MAX);
		commit_release(&closed->partitions[i].commit);
	}
	free(closed->partitions);
	free(closed);
}

int64_t persister_lag(const struct persister *persister) {
	int64_t lag = 0;
	for (int64_t i = 0; i < persister->options.partitions; i++) {
		const struct partition *partition = &persister->partitions[i];
		if (partition->log_seq > partition->position.seq && partition->state != PARTITION_PASSIVE)
			lag += partition->log_seq - partition->position.seq;
	}
	return lag;
}

enum status persister_health(const struct persister *persister, struct error *reason) {
	if (!db_connected(persister->db))
		return fail(reason, STATUS_RETRY, "the database is away");
	if (!persister->migrated)
		return fail(reason, STATUS_RETRY, "%s", *persister->trouble ? persister->trouble : "the tables are being made");
	for (int64_t i = 0; i < persister->options.partitions; i++) {
		const struct partition *partition = &persister->partitions[i];
		const char *trouble = partition->trouble[0] ? partition->trouble : partition->stream_trouble;
		if (trouble)
			return fail(reason, STATUS_RETRY, "partition %lld: %s", (long long)i, trouble);
	}
	return STATUS_OK;
}
