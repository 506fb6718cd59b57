/* What is open, and lines for what has ended. */
#include "otlp.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "../../shared/base/version.h"
#include "fields.h"
#include "trace.h"

enum { CLOSED_MOST = 100000 }; /* tasks that have ended and are still known: they may be taken up again, or linked to */

struct batch {
	char trace[TRACE_ID_BYTES], span[SPAN_ID_BYTES], parent[SPAN_ID_BYTES];
	int64_t from_us, to_us;
	size_t open, tasks, failed;
};

struct open_task {
	char *project, *task_id, *task_type, *batch_id, *traceparent, *worker;
	char trace[TRACE_ID_BYTES], span[SPAN_ID_BYTES];
	struct batch *batch;
	int64_t from_us, try_us; /* try_us 0: none runs */
	int64_t try_version;
	bool is_closed;
	struct text events, links;
};

struct otlp {
	FILE *file;
	struct table *tasks, *batches; /* by project/task_id; by span */
	size_t closed;
	struct text line;
};

/* spans ---------------------------------------------------------------------------------------------------------- */

static void add_ns(struct text *out, const char *name, int64_t us) {
	text_printf(out, ",\"%s\":\"%" PRId64 "000\"", name, us);
}

static void begin_span(struct otlp *otlp, const char *trace, const char *span, const char *parent, const char *name) {
	struct text *out = &otlp->line;
	text_clear(out);
	text_add(
		out,
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
		"{\"stringValue\":\"corder\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"corder\",\"version\":\"" CORDER_VERSION
		"\"},\"spans\":[{");
	text_printf(out, "\"traceId\":\"%s\",\"spanId\":\"%s\"", trace, span);
	if (parent[0] != '\0')
		text_printf(out, ",\"parentSpanId\":\"%s\"", parent);
	text_add(out, ",\"kind\":1,\"name\":");
	text_add_json(out, slice_of(name));
}

static void add_attribute(struct text *out, const char *name, struct slice value) {
	const char *comma = out->bytes[out->length - 1] == '[' ? "" : ",";
	text_printf(out, "%s{\"key\":\"%s\",\"value\":{\"stringValue\":", comma, name);
	text_add_json(out, value);
	text_add(out, "}}");
}

static void add_number(struct text *out, const char *name, int64_t value) {
	const char *comma = out->bytes[out->length - 1] == '[' ? "" : ",";
	text_printf(out, "%s{\"key\":\"%s\",\"value\":{\"intValue\":\"%" PRId64 "\"}}", comma, name, value);
}

static void add_times(struct text *out, int64_t from_us, int64_t to_us) {
	add_ns(out, "startTimeUnixNano", from_us);
	add_ns(out, "endTimeUnixNano", to_us > from_us ? to_us : from_us);
	text_add(out, ",\"attributes\":[");
}

/* code: 0 unset, 1 ok, 2 error */
static void end_span(struct otlp *otlp, int code, struct slice message) {
	struct text *out = &otlp->line;
	text_printf(out, ",\"status\":{\"code\":%d", code);
	if (message.length > 0) {
		text_add(out, ",\"message\":");
		text_add_json(out, message);
	}
	text_add(out, "}}]}]}]}\n");
	fwrite(out->bytes, 1, out->length, otlp->file);
}

static struct trace_task names_of(const struct open_task *task) {
	return (struct trace_task){ slice_of(task->project), slice_of(task->task_id), slice_of(task->batch_id),
		                        slice_of(task->traceparent) };
}

static void write_batch(struct otlp *otlp, const struct batch *batch, const struct open_task *task) {
	begin_span(otlp, batch->trace, batch->span, batch->parent, "batch");
	add_times(&otlp->line, batch->from_us, batch->to_us);
	add_attribute(&otlp->line, "corder.project", slice_of(task->project));
	add_attribute(&otlp->line, "corder.batch_id", slice_of(task->batch_id));
	add_number(&otlp->line, "corder.task_count", (int64_t)batch->tasks);
	text_add_char(&otlp->line, ']');
	end_span(otlp, batch->failed > 0 ? 2 : 1, (struct slice){ 0 });
}

static void add_task_attributes(struct text *out, const struct open_task *task) {
	add_attribute(out, "corder.project", slice_of(task->project));
	add_attribute(out, "corder.task_id", slice_of(task->task_id));
	add_attribute(out, "corder.task_type", slice_of(task->task_type));
}

static void write_try(struct otlp *otlp, struct open_task *task, struct json_value event, int64_t at_us) {
	struct json_value error = json_member(event, "error");
	struct slice status = json_text(json_member(event, "status"));
	int64_t attempt = json_int(json_member(event, "attempt"), 0);
	bool is_counted = slice_is(status, "completed") || json_given(error);
	struct trace_task names = names_of(task);
	char span[SPAN_ID_BYTES];
	trace_try_span(&names, attempt, is_counted ? 0 : task->try_version, span);
	begin_span(otlp, task->trace, span, task->span, "try");
	add_times(&otlp->line, task->try_us, at_us);
	add_task_attributes(&otlp->line, task);
	add_number(&otlp->line, "corder.attempt", attempt);
	add_attribute(&otlp->line, "corder.worker", slice_of(task->worker != NULL ? task->worker : ""));
	add_attribute(&otlp->line, "corder.outcome", json_given(error) ? json_text(json_member(error, "code")) : status);
	text_add_char(&otlp->line, ']');
	end_span(otlp,
	         json_given(error)               ? 2
	         : slice_is(status, "completed") ? 1
	                                         : 0,
	         json_text(json_member(error, "message")));
	task->try_us = 0;
}

static void write_task(struct otlp *otlp, const struct open_task *task, struct json_value event, int64_t at_us) {
	struct slice status = json_text(json_member(event, "status"));
	begin_span(otlp, task->trace, task->span, task->batch->span, task->task_type);
	add_times(&otlp->line, task->from_us, at_us);
	add_task_attributes(&otlp->line, task);
	add_attribute(&otlp->line, "corder.batch_id", slice_of(task->batch_id));
	add_attribute(&otlp->line, "corder.status", status);
	add_number(&otlp->line, "corder.attempts", json_int(json_member(event, "attempt"), 0));
	text_add(&otlp->line, "],\"events\":[");
	text_add_slice(&otlp->line, text_slice(&task->events));
	text_add(&otlp->line, "],\"links\":[");
	text_add_slice(&otlp->line, text_slice(&task->links));
	text_add_char(&otlp->line, ']');
	end_span(otlp,
	         slice_is(status, "failed")      ? 2
	         : slice_is(status, "completed") ? 1
	                                         : 0,
	         json_text(json_member(json_member(event, "error"), "message")));
}

/* what is open --------------------------------------------------------------------------------------------------- */

static void add_key(struct text *key, struct slice project, struct slice task_id) {
	text_add_slice(key, project);
	text_add_char(key, '/');
	text_add_slice(key, task_id);
}

static struct batch *batch_of(struct otlp *otlp, const struct open_task *task) {
	struct trace_task names = names_of(task);
	char span[SPAN_ID_BYTES];
	trace_batch_span(&names, span);
	struct batch *batch = table_get(otlp->batches, slice_of(span));
	if (batch != NULL)
		return batch;
	batch = memory_new(sizeof *batch);
	memcpy(batch->span, span, sizeof span);
	memcpy(batch->trace, task->trace, sizeof batch->trace);
	trace_submitter(&names, batch->parent);
	batch->from_us = task->from_us;
	table_put(otlp->batches, slice_of(span), batch);
	return batch;
}

/* Links to what it depends on; a task that is not known is taken to belong to the same trace. */
static void add_links(struct otlp *otlp, struct open_task *task, struct json_value dependencies) {
	for (struct json_value one = json_first(dependencies); json_present(one); one = json_next(one)) {
		struct slice task_id = json_text(json_member(one, "task_id"));
		struct trace_task names = { slice_of(task->project), task_id, { "", 0 }, { "", 0 } };
		struct text key = { 0 };
		char span[SPAN_ID_BYTES];
		add_key(&key, slice_of(task->project), task_id);
		const struct open_task *other = table_get(otlp->tasks, text_slice(&key));
		trace_task_span(&names, 1, span);
		text_printf(&task->links, "%s{\"traceId\":\"%s\",\"spanId\":\"%s\"}", task->links.length > 0 ? "," : "",
		            other != NULL ? other->trace : task->trace, span);
		text_release(&key);
	}
}

static struct open_task *begin(struct otlp *otlp, struct slice key, struct json_value event, int64_t at_us) {
	struct json_value whole = json_member(event, "task");
	struct slice traceparent = json_text(json_member(whole, "traceparent"));
	struct open_task *task = memory_new(sizeof *task);
	task->project = slice_copy(json_text(json_member(event, "project")));
	task->task_id = slice_copy(json_text(json_member(event, "task_id")));
	task->task_type = slice_copy(json_text(json_member(event, "task_type")));
	task->batch_id = slice_copy(json_text(json_member(event, "batch_id")));
	task->traceparent = slice_copy(traceparent.bytes != NULL ? traceparent : SLICE(""));
	task->from_us = at_us;
	struct trace_task names = names_of(task);
	trace_id(&names, task->trace);
	trace_task_span(&names, json_int(json_member(event, "version"), 1), task->span);
	task->batch = batch_of(otlp, task);
	task->batch->open++;
	task->batch->tasks++;
	add_links(otlp, task, json_member(whole, "dependencies"));
	table_put(otlp->tasks, key, task);
	return task;
}

static void begin_again(struct otlp *otlp, struct open_task *task, struct json_value event, int64_t at_us) {
	struct trace_task names = names_of(task);
	trace_task_span(&names, json_int(json_member(event, "version"), 1), task->span);
	task->from_us = at_us;
	task->is_closed = false;
	task->batch->open++;
	otlp->closed--;
}

static void task_free(struct open_task *task) {
	free(task->project);
	free(task->task_id);
	free(task->task_type);
	free(task->batch_id);
	free(task->traceparent);
	free(task->worker);
	text_release(&task->events);
	text_release(&task->links);
	free(task);
}

static void forget(struct otlp *otlp, bool all) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(otlp->tasks, &at, &key, &value)) {
		struct open_task *task = value;
		if (!all && !task->is_closed)
			continue;
		table_remove(otlp->tasks, key);
		task_free(task);
	}
	otlp->closed = 0;
}

static void end_task(struct otlp *otlp, struct open_task *task, struct json_value event, int64_t at_us) {
	struct batch *batch = task->batch;
	write_task(otlp, task, event, at_us);
	text_release(&task->events);
	task->is_closed = true;
	batch->to_us = at_us > batch->to_us ? at_us : batch->to_us;
	batch->failed += slice_is(json_text(json_member(event, "status")), "failed");
	if (--batch->open == 0)
		write_batch(otlp, batch, task);
	if (++otlp->closed > CLOSED_MOST)
		forget(otlp, false);
}

static void note_event(struct open_task *task, struct json_value event, int64_t at_us) {
	struct text *out = &task->events;
	struct slice reason = json_text(json_member(event, "reason"));
	text_add(out, out->length > 0 ? ",{\"name\":" : "{\"name\":");
	text_add_json(out, json_text(json_member(event, "status")));
	add_ns(out, "timeUnixNano", at_us);
	text_add(out, ",\"attributes\":[");
	add_attribute(out, "corder.event_id", json_text(json_member(event, "event_id")));
	if (reason.length > 0)
		add_attribute(out, "corder.reason", reason);
	text_add(out, "]}");
}

static bool is_final(struct slice status) {
	return slice_is(status, "completed") || slice_is(status, "failed") || slice_is(status, "cancelled") ||
	       slice_is(status, "skipped");
}

void otlp_take(struct otlp *otlp, struct json_value event) {
	struct slice status = json_text(json_member(event, "status")), previous = json_text(json_member(event, "previous"));
	struct slice project = json_text(json_member(event, "project")), task_id = json_text(json_member(event, "task_id"));
	int64_t at_us = field_time(json_member(event, "at"));
	struct text key = { 0 };
	add_key(&key, project, task_id);
	struct open_task *task = table_get(otlp->tasks, text_slice(&key));
	if (task == NULL && json_present(json_member(event, "task")))
		task = begin(otlp, text_slice(&key), event, at_us);
	text_release(&key);
	if (task == NULL)
		return;
	if (task->is_closed)
		begin_again(otlp, task, event, at_us);
	note_event(task, event, at_us);
	bool runs = slice_is(status, "running");
	if (runs && !slice_is(previous, "running")) {
		free(task->worker);
		task->worker = slice_copy(json_text(json_member(event, "worker")));
		task->try_us = at_us;
		task->try_version = json_int(json_member(event, "version"), 0);
	} else if (!runs && task->try_us > 0) {
		write_try(otlp, task, event, at_us);
	}
	if (is_final(status))
		end_task(otlp, task, event, at_us);
}

struct otlp *otlp_open(FILE *file) {
	struct otlp *otlp = memory_new(sizeof *otlp);
	otlp->file = file;
	otlp->tasks = table_open();
	otlp->batches = table_open();
	return otlp;
}

void otlp_close(struct otlp **otlp) {
	size_t at = 0;
	struct slice key;
	void *batch;
	if (*otlp == NULL)
		return;
	forget(*otlp, true);
	while (table_next((*otlp)->batches, &at, &key, &batch))
		free(batch);
	table_close(&(*otlp)->tasks);
	table_close(&(*otlp)->batches);
	text_release(&(*otlp)->line);
	free(*otlp);
	*otlp = NULL;
}
