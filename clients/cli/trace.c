/* Ids as hashes of names. */
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../shared/base/id.h"

enum { TRACE_AT = 3, TRACE_HEX = 32, SPAN_AT = 36, SPAN_HEX = 16 }; /* in 00-<trace>-<span>-<flags> */

static uint64_t hash(const char *kind, const struct trace_task *task, struct slice name, int64_t a, int64_t b) {
	struct text text = { 0 };
	text_printf(&text, "%s/%.*s/", kind, (int)task->project.length, task->project.bytes);
	text_add_slice(&text, name);
	text_printf(&text, "/%" PRId64 "/%" PRId64, a, b);
	uint64_t number = id_hash((struct slice){ text.bytes, text.length });
	text_release(&text);
	return number != 0 ? number : 1; /* zero is no id */
}

static bool has_parent(const struct trace_task *task) {
	return task->traceparent.length + 1 == TRACEPARENT_BYTES;
}

void trace_id(const struct trace_task *task, char out[TRACE_ID_BYTES]) {
	if (has_parent(task))
		snprintf(out, TRACE_ID_BYTES, "%.*s", TRACE_HEX, task->traceparent.bytes + TRACE_AT);
	else
		snprintf(out, TRACE_ID_BYTES, "%016" PRIx64 "%016" PRIx64, hash("trace", task, task->batch_id, 0, 0),
		         hash("trace", task, task->batch_id, 1, 0));
}

void trace_submitter(const struct trace_task *task, char out[SPAN_ID_BYTES]) {
	if (has_parent(task))
		snprintf(out, SPAN_ID_BYTES, "%.*s", SPAN_HEX, task->traceparent.bytes + SPAN_AT);
	else
		out[0] = '\0';
}

static void span(uint64_t number, char out[SPAN_ID_BYTES]) {
	snprintf(out, SPAN_ID_BYTES, "%016" PRIx64, number);
}

void trace_batch_span(const struct trace_task *task, char out[SPAN_ID_BYTES]) {
	char trace[TRACE_ID_BYTES], name[TRACE_ID_BYTES + 160];
	trace_id(task, trace);
	snprintf(name, sizeof name, "%s/%.*s", trace, (int)task->batch_id.length, task->batch_id.bytes);
	span(hash("batch", task, slice_of(name), 0, 0), out);
}

void trace_task_span(const struct trace_task *task, int64_t version, char out[SPAN_ID_BYTES]) {
	span(hash("task", task, task->task_id, version, 0), out);
}

void trace_try_span(const struct trace_task *task, int64_t attempt, int64_t version, char out[SPAN_ID_BYTES]) {
	span(hash("try", task, task->task_id, attempt, version), out);
}

void trace_try_parent(const struct trace_task *task, int64_t attempt, char out[TRACEPARENT_BYTES]) {
	char trace[TRACE_ID_BYTES], span_id[SPAN_ID_BYTES];
	trace_id(task, trace);
	trace_try_span(task, attempt, 0, span_id);
	snprintf(out, TRACEPARENT_BYTES, "00-%s-%s-01", trace, span_id);
}
