/* Submissions: one task, many, or a graph too large for a message, which goes in parts that a seal ends. All ids are made
 * before the first message, so that a repeat is the same submission. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/id.h"
#include "../../shared/base/memory.h"
#include "../../shared/bus/stream.h"
#include "../../subjects/subjects.h"
#include "inside.h"

enum { ENVELOPE_BYTES = 1024, SLOW_TRY_MS = 60000, SLOW_PATIENCE_MS = 300000, LARGE_TASKS = 5000, PUBLISH_MS = 5000 };

struct sending {
	struct corder *client;
	struct corder_submission *submission;
	struct text tasks;  /* JSON, with a comma behind each */
	size_t *ends, sent; /* where each task ends, without the comma; how many went */
	size_t part;        /* 0: all in one message */
	bool single, dry_run, archived, sealed;
	char *batch_id, *more, *traceparent, *subject; /* subject: of the stream */
	struct text body;
	int64_t patience_ms, until_us;
	int attempt;
	corder_submitted *handler;
	void *context;
	struct corder_error error;
};

void corder_submission_free(struct corder_submission *submission) {
	if (submission == NULL)
		return;
	for (size_t i = 0; i < submission->count; i++)
		free(submission->task_ids[i]);
	free(submission->task_ids);
	free(submission->project);
	free(submission->batch_id);
	free(submission->reply);
	free(submission);
}

/* Only for a client that stays; what is under way when it closes is lost with it. */
static void end(struct sending *sending, const struct corder_error *error) {
	corder_submitted *handler = sending->handler;
	void *context = sending->context;
	struct corder_error said = *error;
	struct corder_submission *submission = sending->submission;
	if (said.status != CORDER_OK) {
		corder_submission_free(submission);
		submission = NULL;
	}
	text_release(&sending->tasks);
	text_release(&sending->body);
	free(sending->ends);
	free(sending->batch_id);
	free(sending->more);
	free(sending->traceparent);
	free(sending->subject);
	free(sending);
	handler(context, submission, &said);
}

/* ---- the messages */

static size_t start_of(const struct sending *sending, size_t index) {
	return index == 0 ? 0 : sending->ends[index - 1] + 1;
}

/* How many tasks from `first` on fit into one message. */
static size_t fitting(const struct sending *sending, size_t first) {
	size_t most = corder_most_bytes(sending->client) - ENVELOPE_BYTES, start = start_of(sending, first), end = first;
	while (end < sending->submission->count && end - first < LIMIT_TASKS_PER_REQUEST &&
	       sending->ends[end] - start <= most)
		end++;
	return end - first;
}

static void begin_body(struct sending *sending) {
	text_clear(&sending->body);
	text_add(&sending->body, "{\"project\":");
	text_add_json(&sending->body, slice_of(sending->submission->project));
	if (sending->single)
		return;
	text_add(&sending->body, ",\"batch_id\":");
	text_add_json(&sending->body, slice_of(sending->batch_id));
}

static void add_orders(struct sending *sending) {
	if (sending->dry_run)
		text_add(&sending->body, ",\"dry_run\":true");
	if (sending->archived)
		text_add(&sending->body, ",\"ack\":\"archived\"");
	if (sending->more != NULL)
		text_printf(&sending->body, ",%s", sending->more);
	text_add_char(&sending->body, '}');
}

static void add_tasks(struct sending *sending, size_t count) {
	size_t start = start_of(sending, sending->sent), end = count > 0 ? sending->ends[sending->sent + count - 1] : start;
	text_add(&sending->body, ",\"tasks\":[");
	text_append(&sending->body, sending->tasks.bytes + start, end - start);
	text_add_char(&sending->body, ']');
	sending->sent += count;
}

/* The next message of the submission; false when all went. */
static bool make_body(struct sending *sending) {
	size_t count = sending->submission->count;
	if (sending->sealed)
		return false;
	begin_body(sending);
	size_t fits = fitting(sending, sending->sent);
	if (sending->single) {
		/* The task's members stand beside the project. */
		text_add_char(&sending->body, ',');
		text_append(&sending->body, sending->tasks.bytes + 1, sending->ends[0] - 2);
		sending->sealed = true;
	} else if (sending->part == 0 && fits == count) {
		add_tasks(sending, count);
		sending->sealed = true;
	} else if (sending->sent < count) {
		text_printf(&sending->body, ",\"part\":%zu", ++sending->part);
		add_tasks(sending, fits);
		text_add_char(&sending->body, '}');
		return true;
	} else {
		text_printf(&sending->body, ",\"seal\":%zu", sending->part);
		sending->sealed = true;
	}
	add_orders(sending);
	return true;
}

/* ---- sending them */

static void send_next(struct sending *sending);
static void publish(void *context);

static void read_reply(struct sending *sending, const struct corder_reply *reply) {
	struct corder_submission *submission = sending->submission;
	struct json *json = json_read((struct slice){ reply->body, reply->length }, NULL);
	if (json == NULL)
		return;
	struct json_value root = json_root(json);
	struct slice batch_id = json_text(json_member(root, "batch_id"));
	free(submission->batch_id);
	submission->batch_id = slice_copy(batch_id);
	struct json_value task = json_first(json_member(root, "tasks"));
	/* A sealed batch is answered without a list: then it is not known what had been there before. */
	submission->duplicates = json_present(task) ? 0 : submission->count;
	for (; json_present(task); task = json_next(task))
		submission->duplicates += slice_is(json_text(json_member(task, "result")), "duplicate");
	json_close(&json);
	submission->reply = memory_copy(reply->body, reply->length);
}

static void on_reply(void *context, const struct corder_reply *reply) {
	struct sending *sending = context;
	if (reply->status != CORDER_OK) {
		end(sending, &reply->error);
		return;
	}
	if (sending->sealed) {
		read_reply(sending, reply);
		end(sending, &reply->error);
		return;
	}
	send_next(sending);
}

static void on_appended(void *context, enum status status, uint64_t sequence) {
	struct sending *sending = context;
	int64_t now_us = clock_mono_us();
	(void)sequence;
	if (status == STATUS_OK) {
		send_next(sending);
	} else if (now_us >= sending->until_us) {
		corder_fail(&sending->error, CORDER_NO_ANSWER, "enqueue: the stream did not confirm; did ingest ever start?");
		end(sending, &sending->error);
	} else {
		loop_timer_start(sending->client->loop, now_us + corder_backoff_us(sending->attempt++), publish, sending);
	}
}

static void publish(void *context) {
	struct sending *sending = context;
	stream_append(sending->client->bus, sending->subject, STREAM_ANY_SEQUENCE,
	              (struct slice){ sending->body.bytes, sending->body.length }, PUBLISH_MS, on_appended, sending);
}

static void send_next(struct sending *sending) {
	if (!make_body(sending)) {
		end(sending, &sending->error);
		return;
	}
	if (sending->submission->enqueued) {
		sending->attempt = 0;
		sending->until_us = clock_mono_us() + sending->patience_ms * 1000;
		publish(sending);
		return;
	}
	bool slow = sending->archived || sending->submission->count > LARGE_TASKS || (sending->sealed && sending->part > 0);
	int64_t patience_ms = slow && sending->patience_ms < SLOW_PATIENCE_MS ? SLOW_PATIENCE_MS : sending->patience_ms;
	struct corder_request request = { .subject = SUBJECT_SUBMIT,
		                              .body = sending->body.bytes,
		                              .length = sending->body.length,
		                              .try_ms = slow ? SLOW_TRY_MS : 0,
		                              .patience_ms = patience_ms,
		                              .traceparent = sending->traceparent };
	corder_ask(sending->client, &request, on_reply, sending);
}

static void on_state(void *context, enum status status, const struct stream_state *state) {
	struct sending *sending = context;
	sending->submission->has_position = status == STATUS_OK;
	sending->submission->position = state->last_sequence;
	send_next(sending);
}

/* ---- reading what is to be submitted */

/* A task as it was given, with an id when it has none. */
static void add_task(struct sending *sending, size_t index, struct json_value task) {
	char id[ID_BYTES];
	struct slice given = json_text(json_member(task, "task_id"));
	struct text *out = &sending->tasks;
	if (!json_given(json_member(task, "task_id"))) {
		id_make(id);
		given = slice_of(id);
		text_add(out, "{\"task_id\":");
		text_add_json(out, given);
		for (struct json_value member = json_first(task); json_present(member); member = json_next(member)) {
			if (slice_is(json_name(member), "task_id"))
				continue;
			text_add_char(out, ',');
			text_add_json(out, json_name(member));
			text_add_char(out, ':');
			text_add_slice(out, json_raw(member));
		}
		text_add_char(out, '}');
	} else {
		text_add_slice(out, json_raw(task));
	}
	sending->submission->task_ids[index] = slice_copy(given);
	sending->ends[index] = out->length;
	text_add_char(out, ',');
}

/* The project is the submission's: a task must not name it twice. */
static bool read_task(struct sending *sending, size_t index, const char *text) {
	struct error err = { 0 };
	struct json *json = json_read(slice_of(text), &err);
	if (json == NULL || json_kind(json_root(json)) != JSON_OBJECT || json_count(json_root(json)) == 0) {
		corder_fail(&sending->error, CORDER_USAGE, "tasks[%zu] is no JSON object%s%s", index,
		            err.message[0] != 0 ? ": " : "", err.message);
		json_close(&json);
		return false;
	}
	if (sending->single && json_present(json_member(json_root(json), "project"))) {
		corder_fail(&sending->error, CORDER_USAGE, "tasks[%zu] names a project; name it beside the tasks", index);
		json_close(&json);
		return false;
	}
	add_task(sending, index, json_root(json));
	json_close(&json);
	return true;
}

static void read_tasks(struct sending *sending, const struct corder_submit *what) {
	struct corder_submission *submission = sending->submission;
	submission->task_ids = memory_array(what->count + 1, sizeof(char *));
	sending->ends = memory_array(what->count + 1, sizeof(size_t));
	for (size_t i = 0; i < what->count && sending->error.status == CORDER_OK; i++)
		submission->count += read_task(sending, i, what->tasks[i]);
	for (size_t i = 0; i < submission->count && sending->error.status == CORDER_OK; i++) {
		size_t bytes = sending->ends[i] - start_of(sending, i);
		if (bytes <= corder_most_bytes(sending->client) - ENVELOPE_BYTES)
			continue;
		corder_fail(&sending->error, CORDER_REFUSED,
		            "task %zu has %zu bytes; a message holds less. Keep large data elsewhere", i, bytes);
		snprintf(sending->error.code, sizeof sending->error.code, CODE_TOO_LARGE);
		snprintf(sending->error.path, sizeof sending->error.path, "/tasks/%zu", i);
	}
}

static void fail_soon(void *context) {
	struct sending *sending = context;
	end(sending, &sending->error);
}

static char *copy(const char *text) {
	return text != NULL ? slice_copy(slice_of(text)) : NULL;
}

void corder_submit(struct corder *client, const struct corder_submit *what, corder_submitted *handler, void *context) {
	struct sending *sending = memory_new(sizeof *sending);
	struct corder_submission *submission = sending->submission = memory_new(sizeof *submission);
	char id[ID_BYTES];
	id_make(id);
	sending->client = client;
	sending->handler = handler;
	sending->context = context;
	sending->patience_ms = what->patience_ms > 0 ? what->patience_ms : client->patience_ms;
	sending->single = what->single && what->batch_id == NULL;
	sending->dry_run = what->dry_run;
	sending->archived = what->archived;
	sending->batch_id = copy(what->batch_id != NULL ? what->batch_id : id);
	sending->more = copy(what->more);
	sending->traceparent = copy(what->traceparent);
	submission->enqueued = what->enqueue;
	submission->batch_id = copy(sending->single ? "" : sending->batch_id);
	const char *project = corder_project(client, what->project, false, &sending->error);
	submission->project = copy(project);
	if (project != NULL && sending->single && what->count != 1)
		corder_fail(&sending->error, CORDER_USAGE, "count: a single submission is one task, not %zu", what->count);
	if (sending->error.status == CORDER_OK)
		read_tasks(sending, what);
	if (sending->error.status != CORDER_OK) {
		loop_timer_start(client->loop, 0, fail_soon, sending);
		return;
	}
	char *relative = NULL;
	if (asprintf(&relative, "enqueue.%s", project) > 0)
		sending->subject = corder_subject(client, relative);
	free(relative);
	if (what->dry_run) {
		send_next(sending);
		return;
	}
	char *stream = corder_stream(client, STREAM_EVENTS);
	stream_info(client->bus, stream, on_state, sending);
	free(stream);
}
