/* Retention: tasks that ended long ago go, with their events, dependencies and attempts, a small step at a time, in the
 * pauses of the writing; not while a task that has not ended depends on them, for it will need their results and a rebuild their
 * ends. Such a task may stand in the log only, so that nothing is deleted before all that is known of the log is written. A walk
 * goes through the tasks in order of their numbers, so that no index is needed for it. */
#include <stdio.h>

#include "persister.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "sql.h"

enum { NUMBERS_A_STEP = 50000 };

static const int64_t DAY_US = INT64_C(86400000000);

/* `missing`: nobody has looked how far the log goes since the position was read, or since NATS was away. */
static bool has_written_all(const struct partition *partition) {
	return partition->state == PARTITION_FOLLOW && !partition->missing && partition->stream_trouble == NULL &&
	       partition->next_take > partition->head && partition->position.seq >= partition->log_seq;
}

static void add_old_tasks(struct text *sql, const struct partition *partition, const char *numbers) {
	const struct persister_options *options = &partition->persister->options;
	text_printf(sql, " WHERE t.partition_id=%lld AND t.finished_at<", (long long)partition->id);
	sql_time(sql, clock_wall_us() - options->retention_days * DAY_US);
	text_add(sql, " AND t.number");
	text_add(sql, numbers);
}

static void end_step(struct partition *partition) {
	partition->retaining = false;
	partition->retain_at_us = clock_mono_us() + RETAIN_STEP_US;
	commit_end(partition);
	follow_step(partition);
}

static void walk_on(struct partition *partition, int64_t number) {
	end_step(partition);
	partition->retained_number = number;
	if (number < partition->position.seq)
		return;
	if (partition->retained_now)
		log_info("deleted tasks that ended before the retention", "tasks", log_int(partition->retained_now),
		         "partition", log_int(partition->id), NULL);
	partition->retained_number = partition->retained_now = 0;
	partition->retain_at_us = clock_mono_us() + RETAIN_PAUSE_US;
}

static void on_deleted(void *context, enum status status, unsigned error_number, const struct error *err,
                       const struct db_result *result) {
	struct partition *partition = context;
	(void)error_number;
	end_step(partition);
	if (status == STATUS_OK) {
		partition->retained_now += db_int(result, 0, 0);
		partition->persister->counters.retained += (uint64_t)db_int(result, 0, 0);
		return;
	}
	partition->retain_at_us = clock_mono_us() + RETAIN_PAUSE_US;
	if (status == STATUS_REJECT)
		log_warn("old tasks could not be deleted; it is tried again in a minute", "reason", err->message, NULL);
}

static void delete_tasks(struct partition *partition, const char *numbers) {
	static const char *const tables[] = {
		"DELETE e FROM tasks t JOIN task_events e ON e.project=t.project AND e.task_id=t.task_id",
		"DELETE d FROM tasks t JOIN task_dependencies d ON d.partition_id=t.partition_id AND d.number=t.number",
		"DELETE a FROM tasks t JOIN task_attempts a ON a.partition_id=t.partition_id AND a.number=t.number",
		"DELETE t FROM tasks t",
	};
	struct text sql = { 0 };
	text_add(&sql, "BEGIN");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		text_add(&sql, ";\n");
		text_add(&sql, tables[i]);
		add_old_tasks(&sql, partition, numbers);
	}
	text_add(&sql, ";SELECT ROW_COUNT();COMMIT");
	db_query(partition->persister->db, (struct slice){ sql.bytes, sql.length }, on_deleted, partition);
	text_release(&sql);
}

static void on_range_done(void *context, enum status status, unsigned error_number, const struct error *err,
                          const struct db_result *result) {
	struct partition *partition = context;
	(void)status; /* the next walk tries again */
	(void)error_number;
	(void)err;
	(void)result;
	walk_on(partition, partition->retained_number + NUMBERS_A_STEP);
}

/* Numbers are seqs: the old events of the same range that are about no task go with it. */
static void delete_refusals(struct partition *partition) {
	struct text sql = { 0 };
	text_printf(&sql,
	            "DELETE FROM task_events WHERE partition_id=%lld AND seq>%lld AND seq<=%lld AND number IS NULL AND at<",
	            (long long)partition->id, (long long)partition->retained_number,
	            (long long)partition->retained_number + NUMBERS_A_STEP);
	sql_time(&sql, clock_wall_us() - partition->persister->options.retention_days * DAY_US);
	db_query(partition->persister->db, (struct slice){ sql.bytes, sql.length }, on_range_done, partition);
	text_release(&sql);
}

static void on_found(void *context, enum status status, unsigned error_number, const struct error *err,
                     const struct db_result *result) {
	struct partition *partition = context;
	size_t rows = db_rows(result);
	(void)error_number;
	(void)err;
	if (status != STATUS_OK || !has_written_all(partition)) {
		end_step(partition);
		return;
	}
	if (rows == 0) {
		delete_refusals(partition);
		return;
	}
	struct text numbers = { 0 };
	text_add(&numbers, " IN(");
	for (size_t i = 0; i < rows; i++) {
		text_add(&numbers, i ? "," : "");
		text_add_slice(&numbers, db_value(result, i, 0));
	}
	text_add_char(&numbers, ')');
	partition->retained_number = db_int(result, rows - 1, 0);
	delete_tasks(partition, numbers.bytes);
	text_release(&numbers);
}

void retain_step(struct partition *partition) {
	const struct persister_options *options = &partition->persister->options;
	char numbers[96];
	if (options->retention_days == 0 || partition->persister->stopping || partition->retaining ||
	    clock_mono_us() < partition->retain_at_us || !has_written_all(partition) || !persister_take(partition))
		return;
	struct text sql = { 0 };
	partition->retaining = true;
	snprintf(numbers, sizeof(numbers), ">%lld AND t.number<=%lld", (long long)partition->retained_number,
	         (long long)partition->retained_number + NUMBERS_A_STEP);
	text_add(&sql, "SELECT t.number FROM tasks t");
	add_old_tasks(&sql, partition, numbers);
	text_add(&sql,
	         " AND NOT EXISTS (SELECT 1 FROM task_dependencies d JOIN tasks c ON c.partition_id=d.partition_id AND "
	         "c.number=d.number WHERE d.project=t.project AND d.dependency_id=t.task_id AND c.finished_at IS NULL)");
	text_printf(&sql, " ORDER BY t.number LIMIT %lld", (long long)options->retention_step_rows);
	db_query(partition->persister->db, (struct slice){ sql.bytes, sql.length }, on_found, partition);
	text_release(&sql);
}
