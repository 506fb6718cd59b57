/* One JSON for both sources; see event_json.h. */
#include "event_json.h"

#include "view.h"

struct shown {
	size_t partition;
	int64_t seq, at_us, version, attempt;
	struct slice project, task_id, batch_id, task_type, status, previous, worker, reason;
	struct slice error_code, error_message, because;
	bool message_is_plain; /* see view_add_error */
};

static void add_text(struct text *out, const char *name, struct slice value) {
	text_printf(out, ",\"%s\":", name);
	text_add_json(out, value);
}

static void add(struct text *out, const struct shown *event) {
	text_printf(out, "{\"seq\":%lld,\"partition\":%zu", (long long)event->seq, event->partition);
	view_add_time(out, "at", event->at_us);
	add_text(out, "project", event->project);
	add_text(out, "task_id", event->task_id);
	add_text(out, "batch_id", event->batch_id);
	add_text(out, "task_type", event->task_type);
	add_text(out, "status", event->status);
	view_add_optional(out, "previous", event->previous);
	text_printf(out, ",\"version\":%lld,\"attempt\":%lld", (long long)event->version, (long long)event->attempt);
	view_add_optional(out, "worker", event->worker);
	view_add_optional(out, "reason", event->reason);
	text_add(out, ",\"error\":");
	view_add_error(out, event->error_code, event->error_message, event->message_is_plain);
	view_add_optional(out, "because", event->because);
	text_add_char(out, '}');
}

static const char *status_word(char status) {
	switch (status) {
	case RECORD_QUEUE: return "queue";
	case RECORD_GRAPH: return "graph";
	case RECORD_GRAPH_DONE: return "graph_done";
	case RECORD_CONTINUE: return "continue";
	default: return record_status_word(status);
	}
}

void event_add_record(struct text *out, size_t partition, const struct record *record) {
	struct shown event = {
		.partition = partition,
		.seq = record->seq,
		.at_us = record->at_us,
		.version = record->version,
		.attempt = record->attempt,
		.project = record->project,
		.task_id = record->task_id,
		.batch_id = record->batch_id,
		.task_type = record->task_type,
		.status = slice_of(status_word(record->status)),
		.previous = slice_of(record->previous != 0 ? record_status_word(record->previous) : ""),
		.worker = record->worker,
		.reason = record->reason,
		.error_code = record->error_code,
		.error_message = record->error_message,
		.because = record->because,
	};
	add(out, &event);
}

const char event_columns[] =
	"e.partition_id,e.seq,TIMESTAMPDIFF(MICROSECOND,'1970-01-01',e.at),e.project,e.task_id,e.batch_id,"
	"e.task_type,e.status,e.previous,e.version,e.attempt,e.worker,e.reason,e.error_code,e.error_message,e.because";

enum column {
	PARTITION,
	SEQ,
	AT,
	PROJECT,
	TASK_ID,
	BATCH_ID,
	TASK_TYPE,
	STATUS,
	PREVIOUS,
	VERSION,
	ATTEMPT,
	WORKER,
	REASON,
	ERROR_CODE,
	ERROR_MESSAGE,
	BECAUSE,
};

void event_add_row(struct text *out, const struct db_result *result, size_t row) {
	struct shown event = {
		.partition = event_row_partition(result, row),
		.seq = event_row_seq(result, row),
		.at_us = event_row_at(result, row),
		.version = db_int(result, row, VERSION),
		.attempt = db_int(result, row, ATTEMPT),
		.project = db_value(result, row, PROJECT),
		.task_id = db_value(result, row, TASK_ID),
		.batch_id = db_value(result, row, BATCH_ID),
		.task_type = db_value(result, row, TASK_TYPE),
		.status = db_value(result, row, STATUS),
		.previous = db_value(result, row, PREVIOUS),
		.worker = db_value(result, row, WORKER),
		.reason = db_value(result, row, REASON),
		.error_code = db_value(result, row, ERROR_CODE),
		.error_message = db_value(result, row, ERROR_MESSAGE),
		.because = db_value(result, row, BECAUSE),
		.message_is_plain = true,
	};
	add(out, &event);
}

int64_t event_row_seq(const struct db_result *result, size_t row) {
	return db_int(result, row, SEQ);
}

size_t event_row_partition(const struct db_result *result, size_t row) {
	return (size_t)db_int(result, row, PARTITION);
}

int64_t event_row_at(const struct db_result *result, size_t row) {
	return db_int(result, row, AT);
}

int64_t event_row_version(const struct db_result *result, size_t row) {
	return db_int(result, row, VERSION);
}
