/* task.get: a task with its edges and tries. Redis knows it first, MySQL knows it all: what Redis shows says which
 * version MySQL has to have; for that it is given a moment, and what it then still lacks is taken from Redis. */
#include <stdlib.h>

#include "edges.h"
#include "history.h"
#include "live.h"
#include "rows.h"
#include "shared/base/clock.h"
#include "subjects/subjects.h"

enum { CATCH_UP_TRIES = 30, CATCH_UP_STEP_US = 10000, DEPENDENTS_MAX = 1000 };

struct get {
	struct task_request request;
	size_t partition;
	struct live_reply *reply;
	struct view live;
	bool live_failed, has_live, has_specification;
	int tries;
	/* of the view that is shown */
	int64_t number, attempt;
	struct text dependencies;
};

static void ask_row(void *context);

static void release(struct question *question) {
	struct get *get = question->own;
	live_free(&get->reply);
	text_release(&get->dependencies);
}

static void refuse(struct question *question, enum status status, const struct error *err) {
	release(question);
	question_fail_status(question, status, err);
}

static void refuse_not_found(struct question *question) {
	struct error error = { 0 };
	const struct get *get = question->own;
	reject(&error, CODE_NOT_FOUND, "", "there is no task %.*s in project %.*s", (int)get->request.task_id.length,
	       get->request.task_id.bytes, (int)get->request.project.length, get->request.project.bytes);
	refuse(question, STATUS_REJECT, &error);
}

/* 5: the dependencies */
static void on_edges(void *context, enum status status, const struct edges *edges, const struct error *err) {
	struct question *question = context;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	text_add(&question->out, ",\"dependencies\":[");
	for (size_t i = 0; i < edges->count; i++) {
		if (i > 0)
			text_add_char(&question->out, ',');
		view_add_dependency(&question->out, &edges->list[i], true);
	}
	text_add(&question->out, "]}}");
	release(question);
	question_answer(question);
}

/* 4: the dependents */
static void on_dependents(void *context, enum status status, unsigned error_number, const struct error *err,
                          const struct db_result *result) {
	struct question *question = context;
	struct get *get = question->own;
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	text_add(&question->out, ",\"dependents\":[");
	for (size_t row = 0; row < db_rows(result); row++) {
		struct view_edge edge = rows_read_dependent(result, row);
		if (row > 0)
			text_add_char(&question->out, ',');
		view_add_dependent(&question->out, &edge);
	}
	text_add_char(&question->out, ']');
	edges_look_up(question->monitor, get->request.project, get->request.task_id,
	              (struct slice){ get->dependencies.bytes, get->dependencies.length }, on_edges, question);
}

/* 3: the tries; the one that runs may be known to Redis only */
static void add_attempts(struct question *question, const struct db_result *result) {
	struct get *get = question->own;
	struct view_attempt attempt = { 0 };
	text_add(&question->out, ",\"attempts\":[");
	for (size_t row = 0; row < db_rows(result); row++) {
		rows_read_attempt(result, row, 0, &attempt);
		if (row > 0)
			text_add_char(&question->out, ',');
		view_add_attempt(&question->out, &attempt);
	}
	bool unwritten = get->has_live && get->live.status == RECORD_RUNNING && get->live.attempt > attempt.attempt;
	if (unwritten) {
		struct view_attempt running = { .attempt = get->live.attempt,
			                            .worker = get->live.worker,
			                            .started_at_us = get->live.started_at_us };
		if (db_rows(result) > 0)
			text_add_char(&question->out, ',');
		view_add_attempt(&question->out, &running);
	}
	text_add_char(&question->out, ']');
}

static void on_attempts(void *context, enum status status, unsigned error_number, const struct error *err,
                        const struct db_result *result) {
	struct question *question = context;
	struct get *get = question->own;
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	add_attempts(question, result);
	struct text sql = { 0 };
	rows_ask_dependents(&sql, &get->request, DEPENDENTS_MAX);
	history_select(question->monitor->history, &sql, on_dependents, question);
	text_release(&sql);
}

/* The view is complete but for its edges and tries. */
static void show(struct question *question, const struct view *view) {
	struct get *get = question->own;
	text_add(&question->out, "{\"ok\":true,\"task\":{");
	view_add_core(&question->out, view);
	view_add_payload(&question->out, view);
	text_add_slice(&get->dependencies, view->specification.dependencies);
	struct text sql = { 0 };
	rows_ask_attempts(&sql, get->partition, view->number);
	history_select(question->monitor->history, &sql, on_attempts, question);
	text_release(&sql);
}

static void show_live(struct question *question) {
	struct get *get = question->own;
	struct error error = { 0 };
	if (get->has_specification) {
		show(question, &get->live);
		return;
	}
	fail(&error, STATUS_RETRY, "the task has ended, and its history is not in MySQL yet: ask again");
	refuse(question, STATUS_RETRY, &error);
}

static void show_row(struct question *question, const struct db_result *result) {
	const struct get *get = question->own;
	struct text scratch = { 0 };
	struct view view;
	rows_read_view(result, 0, &scratch, &view);
	if (get->has_live && get->live.status == RECORD_RUNNING && view.status == RECORD_RUNNING) {
		view.lease_until_us = get->live.lease_until_us; /* renewals are no events */
		view.cancel_requested = get->live.cancel_requested;
	}
	show(question, &view);
	text_release(&scratch);
}

/* 2: the row */
static void on_row(void *context, enum status status, unsigned error_number, const struct error *err,
                   const struct db_result *result) {
	struct question *question = context;
	struct get *get = question->own;
	(void)error_number;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	bool has_row = db_rows(result) > 0;
	if (has_row && (!get->has_live || rows_version(result, 0) >= get->live.version)) {
		show_row(question, result);
	} else if (!get->has_live && !get->live_failed) {
		refuse_not_found(question);
	} else if (!get->has_live) {
		struct error error = { 0 };
		fail(&error, STATUS_RETRY, "Redis does not answer, and MySQL does not know the task");
		refuse(question, STATUS_RETRY, &error);
	} else if (++get->tries < CATCH_UP_TRIES) {
		loop_timer_start(service_loop(question->monitor->service), clock_mono_us() + CATCH_UP_STEP_US, ask_row,
		                 question);
	} else {
		show_live(question);
	}
}

static void ask_row(void *context) {
	struct question *question = context;
	const struct get *get = question->own;
	struct text sql = { 0 };
	rows_ask_task(&sql, &get->request);
	history_select(question->monitor->history, &sql, on_row, question);
	text_release(&sql);
}

/* 1: what Redis has */
static void on_live(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct question *question = context;
	struct get *get = question->own;
	(void)err;
	get->live_failed = status != STATUS_OK;
	get->reply = reply;
	get->has_live = reply != NULL && live_view(reply, 0, &get->live, &get->has_specification);
	ask_row(question);
}

void on_get(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct get), asker);
	if (question == NULL)
		return;
	struct get *get = question->own;
	struct error error = { 0 };
	if (task_request_parse(question->json, question->text, &task_limits_default, &get->request, &error) != STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	get->partition = monitor_partition_of(monitor, get->request.project);
	live_read_task(monitor->live, get->partition, &get->request, on_live, question);
}
