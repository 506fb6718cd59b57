/* The states of a partition, what brings it from one to the next, and what it says to others. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "persister.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

static void enter(struct partition *partition, enum partition_state state) {
	partition->state = state;
	partition->state_since_us = clock_mono_us();
}

void partition_fine(struct partition *partition) {
	partition->trouble[0] = 0;
}

void partition_stopped(struct partition *partition, const char *format, ...) {
	char why[sizeof(partition->trouble)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	if (strcmp(why, partition->trouble) != 0)
		log_error("a partition cannot be written down; it is tried again every few seconds", "partition",
		          log_int(partition->id), "reason", why, NULL);
	memcpy(partition->trouble, why, sizeof(why));
	enter(partition, PARTITION_STOPPED);
}

void partition_passive(struct partition *partition) {
	partition_fine(partition);
	enter(partition, PARTITION_PASSIVE);
	follow_reset(partition);
}

/* ---- the position ---- */

static void on_loaded(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result);

static void ask_position(struct partition *partition, bool create) {
	struct text sql = { 0 };
	if (create)
		text_printf(&sql,
		            "INSERT INTO log_position(partition_id,seq,entry_id,stream_seq,updated_at)VALUES(%lld,0,'',0,"
		            "UTC_TIMESTAMP(6))ON DUPLICATE KEY UPDATE seq=seq;",
		            (long long)partition->id);
	text_printf(&sql, "SELECT seq,entry_id,stream_seq FROM log_position WHERE partition_id=%lld",
	            (long long)partition->id);
	db_query(partition->persister->db, (struct slice){ sql.bytes, sql.length }, on_loaded, partition);
	text_release(&sql);
}

static void set_position(struct position *position, const struct db_result *result) {
	struct slice id = db_value(result, 0, 1);
	size_t length = id.length < sizeof(position->entry_id) - 1 ? id.length : sizeof(position->entry_id) - 1;
	position->seq = db_int(result, 0, 0);
	memcpy(position->entry_id, id.bytes, length);
	position->entry_id[length] = 0;
	position->stream_seq = (uint64_t)db_int(result, 0, 2);
}

static void on_loaded(void *context, enum status status, unsigned error_number, const struct error *err,
                      const struct db_result *result) {
	struct partition *partition = context;
	(void)error_number;
	partition->loading = false;
	if (status != STATUS_OK) {
		snprintf(partition->trouble, sizeof(partition->trouble), "%s", err->message);
		return; /* the tick tries again */
	}
	if (db_rows(result) == 0) {
		partition->loading = true;
		ask_position(partition, true);
		return;
	}
	set_position(&partition->position, result);
	partition->db_generation = db_generation(partition->persister->db);
	partition->searched = false;
	partition->missing = true; /* the message remembered may be another one by now: the place is looked for */
	enter(partition, PARTITION_FOLLOW);
	follow_reset(partition);
	partition_tell(partition);
	follow_look(partition);
}

/* Not at once: a database that refuses (read-only, full) is not asked in a circle. */
void partition_retry(struct partition *partition, const char *why) {
	snprintf(partition->trouble, sizeof(partition->trouble), "%s", why);
	enter(partition, PARTITION_LOAD);
}

void partition_load(struct partition *partition) {
	enter(partition, PARTITION_LOAD);
	if (partition->loading || partition->persister->stopping || !db_connected(partition->persister->db))
		return;
	partition->loading = true;
	ask_position(partition, false);
}

/* ---- what others are told ---- */

void partition_tell(struct partition *partition) {
	char subject[160];
	struct text body = { 0 };
	snprintf(subject, sizeof(subject), "%s.v1.internal.persisted.%lld", partition->persister->options.prefix,
	         (long long)partition->id);
	text_printf(&body, "%lld %s %llu", (long long)partition->position.seq, partition->position.entry_id,
	            (unsigned long long)partition->position.stream_seq);
	(void)bus_publish(partition->persister->bus, subject, (struct slice){ body.bytes, body.length });
	partition->told_at_us = clock_mono_us();
	text_release(&body);
}

static void on_purged(void *context, enum status status, const struct error *err) {
	(void)context;
	if (status == STATUS_REJECT)
		log_warn("the log could not be purged; it grows until it is", "reason", err ? err->message : "", NULL);
}

static void purge(struct partition *partition) {
	uint64_t keep = (uint64_t)partition->persister->options.log_keep_blocks;
	int64_t now = clock_mono_us();
	if (now - partition->purged_at_us < PURGE_US || partition->position.stream_seq <= keep)
		return;
	partition->purged_at_us = now;
	stream_purge(partition->persister->bus, partition->stream, NULL, partition->position.stream_seq - keep + 1,
	             on_purged, partition);
}

void partition_committed(struct partition *partition) {
	if (partition->state != PARTITION_STOPPED) /* by what comes behind this */
		partition_fine(partition);
	partition_tell(partition);
	purge(partition);
}

/* ---- time ---- */

static void tick_follow(struct partition *partition, int64_t now_us) {
	follow_look(partition);
	if (now_us - partition->told_at_us >= HEARTBEAT_US && !partition->commit.busy)
		partition_tell(partition);
	retain_step(partition);
}

void partition_tick(struct partition *partition, int64_t now_us) {
	int64_t since_us = now_us - partition->state_since_us;
	switch (partition->state) {
	case PARTITION_LOAD: partition_load(partition); return;
	case PARTITION_FOLLOW: tick_follow(partition, now_us); return;
	case PARTITION_SEARCH:
		if (since_us > STOPPED_US)
			partition_load(partition);
		return;
	case PARTITION_PASSIVE:
		if (since_us > PASSIVE_US)
			partition_load(partition);
		return;
	case PARTITION_STOPPED:
		if (since_us > STOPPED_US && !partition->commit.busy)
			partition_load(partition);
		return;
	}
}
