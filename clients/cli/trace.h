/* The ids of traces and spans. They follow from names alone, so that everybody who knows the task makes the same ones: a
 * worker hands its command the span of its try, and `corder events --otlp` writes that span later. A task belongs to the
 * trace of its traceparent; one without belongs to a trace of its batch. */
#ifndef CORDER_CLI_TRACE_H
#define CORDER_CLI_TRACE_H

#include <stdint.h>

#include "../../shared/base/text.h"

enum { TRACE_ID_BYTES = 33, SPAN_ID_BYTES = 17, TRACEPARENT_BYTES = 56 };

struct trace_task {
	struct slice project, task_id, batch_id, traceparent; /* traceparent: "" none */
};

void trace_id(const struct trace_task *task, char out[TRACE_ID_BYTES]);
/* The span of whoever submitted it; "" without a traceparent. */
void trace_submitter(const struct trace_task *task, char out[SPAN_ID_BYTES]);
void trace_batch_span(const struct trace_task *task, char out[SPAN_ID_BYTES]);
/* version: of the event that began it, 1 but for a task that was taken up again after its end. */
void trace_task_span(const struct trace_task *task, int64_t version, char out[SPAN_ID_BYTES]);
/* A try that was given back keeps its number: version tells those apart, and is 0 for the one that counts. */
void trace_try_span(const struct trace_task *task, int64_t attempt, int64_t version, char out[SPAN_ID_BYTES]);
/* What a try hands on: a traceparent with its span. */
void trace_try_parent(const struct trace_task *task, int64_t attempt, char out[TRACEPARENT_BYTES]);

#endif
