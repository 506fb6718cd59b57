/* What a rebuild reads of a task, and how load.lua takes it. */
#pragma once

#include "shared/base/text.h"
#include "shared/db/db.h"

/* Columns of `tasks t`, in the order in which rebuild_add_task reads them; t.number is the first. The eighth is flags as
 * load.lua takes them: whether a cancel was asked for, and the workers that were lost. */
// clang-format off
#define REBUILD_COLUMNS \
	"t.number, t.project, t.task_id, t.task_type, t.batch_id, t.status, t.priority, " \
	"IFNULL(t.cancel_requested,0)+16*IF(t.attempt>0,(SELECT COUNT(*) FROM task_attempts a " \
	"WHERE a.partition_id=t.partition_id AND a.number=t.number AND a.outcome='worker_lost'),0), " \
	"t.waits_for, t.retry_count, t.version, t.attempt, " \
	REBUILD_US("t.created_at") ", " REBUILD_US("t.ready_at") ", " REBUILD_US("t.due_at") ", " \
	REBUILD_US("IFNULL(t.finished_at,t.started_at)") ", t.last_seq, " \
	"IFNULL(t.worker,''), IFNULL(t.lease,''), IFNULL(t.because,''), t.spec_hash, t.flags, t.max_retries, " \
	"IFNULL(CAST(t.timeout*1000000 AS SIGNED),0), " REBUILD_US("t.not_before") ", t.backoff, " \
	"IFNULL(t.concurrency_key,''), t.concurrency_limit, t.service_name, IFNULL(t.estimated_duration,''), " \
	"IFNULL(t.traceparent,''), IFNULL(t.dependencies,''), IFNULL(t.execution_context,'{}'), IFNULL(t.result,''), " \
	"IFNULL(t.error_code,''), IFNULL(t.error_message,'')"
// clang-format on

enum { REBUILD_COLUMN_COUNT = 36 };

/* A time as microseconds since 1970; 0 none. UNIX_TIMESTAMP() ends in 2038. */
#define REBUILD_US(column) "IFNULL(TIMESTAMPDIFF(MICROSECOND,'1970-01-01'," column "),0)"

/* Adds a task as load.lua takes it: 23 fields, then its specification, or "=hash US result" of a completed one.
 * lease_us: the deadline that a running one gets anew. */
void rebuild_add_task(struct text *out, const struct db_result *rows, size_t row, int64_t lease_us);
