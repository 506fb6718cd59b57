/* explain: why a task is not running. Asks Redis, one thing after the other, for what bears on the task's status. */
#include <stdlib.h>

#include "chain.h"
#include "edges.h"
#include "history.h"
#include "live.h"
#include "peers.h"
#include "reasons.h"
#include "rows.h"
#include "shared/base/memory.h"
#include "snapshot.h"
#include "subjects/subjects.h"

struct explain {
	struct task_request request;
	size_t partition;
	struct live_reply *reply, *key;
	struct slice *holders;   /* borrow key */
	struct view_edge *edges; /* borrow edge_ids */
	struct text edge_ids;
	struct view view;
	struct text scratch;
	struct reasons_input input;
};

static void release(struct explain *explain) {
	live_free(&explain->reply);
	live_free(&explain->key);
	free(explain->holders);
	free(explain->edges);
	text_release(&explain->edge_ids);
	text_release(&explain->scratch);
}

static void refuse(struct question *question, enum status status, const struct error *err) {
	release(question->own);
	question_fail_status(question, status, err);
}

/* A worker of the type waits, or holds a task of it. */
static void count_workers(struct monitor *monitor, struct explain *explain) {
	const struct snapshot_view *snapshot = snapshot_view(monitor->snapshot);
	struct slice task_type = explain->view.task_type;
	struct reasons_input *input = &explain->input;
	input->workers_known = snapshot->has_live && peers_workers(monitor->peers, task_type, &input->workers);
	input->workers += tally_type_count(&snapshot->tally, task_type, TALLY_RUNNING);
}

static void add_reasons(struct question *question) {
	struct explain *explain = question->own;
	count_workers(question->monitor, explain);
	explain->input.hour_weight = (double)question->monitor->settings->age_weight;
	reasons_add_json(&question->out, &explain->input);
}

/* 6: what it waits for up the chain, and when it will start */
static void on_open_tasks(void *context, enum status status, unsigned error_number, const struct error *err,
                          const struct db_result *result) {
	struct question *question = context;
	struct explain *explain = question->own;
	(void)error_number, (void)err;
	add_reasons(question);
	chain_add(&question->out, question->monitor, explain->request.project, explain->view.number,
	          status == STATUS_OK ? result : NULL);
	text_add_char(&question->out, '}');
	release(explain);
	question_answer(question);
}

/* The counts say whether anybody works on the type. */
static void on_counts(void *context, struct monitor *monitor) {
	struct question *question = context;
	const struct explain *explain = question->own;
	struct text sql = { 0 };
	chain_ask(&sql, explain->partition, explain->request.project, explain->view.number);
	history_select(monitor->history, &sql, on_open_tasks, question);
	text_release(&sql);
}

static void answer(struct question *question) {
	struct explain *explain = question->own;
	if (!record_is_final(explain->view.status)) {
		snapshot_refresh(question->monitor->snapshot, on_counts, question);
		return;
	}
	add_reasons(question);
	text_add(&question->out, ",\"chain\":[],\"estimate\":null}");
	release(explain);
	question_answer(question);
}

static void read_next(struct question *question, const char *what, struct slice word, live_handler *handler) {
	const struct explain *explain = question->own;
	struct slice words[] = { slice_of(what), word };
	live_read(question->monitor->live, explain->partition, LIVE_LOGGED, words, word.length > 0 ? 2 : 1, handler,
	          question);
}

/* The answer comes later than the edges go. */
static void keep_edges(struct explain *explain, const struct edges *edges) {
	size_t at = 0;
	explain->edges = memory_array(edges->count + 1, sizeof(*explain->edges));
	for (size_t i = 0; i < edges->count; i++)
		text_add_slice(&explain->edge_ids, edges->list[i].task_id);
	for (size_t i = 0; i < edges->count; i++) {
		explain->edges[i] = edges->list[i];
		explain->edges[i].task_id.bytes = explain->edge_ids.bytes + at;
		at += edges->list[i].task_id.length;
	}
	explain->input.edges = explain->edges;
	explain->input.edge_count = edges->count;
}

/* 5: unmet dependencies */
static void on_edges(void *context, enum status status, const struct edges *edges, const struct error *err) {
	struct question *question = context;
	struct explain *explain = question->own;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	keep_edges(explain, edges);
	answer(question);
}

static void ask_edges(struct question *question) {
	const struct explain *explain = question->own;
	struct slice dependencies = { NULL, 0 };
	if (explain->view.status == RECORD_BLOCKED)
		dependencies = explain->view.specification.dependencies;
	edges_look_up(question->monitor, explain->request.project, explain->request.task_id, dependencies, on_edges,
	              question);
}

/* 4: how busy its key is */
static void on_key(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct question *question = context;
	struct explain *explain = question->own;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	explain->input.key_running = live_int(reply, 0);
	explain->key = reply;
	explain->holders = memory_array(reply->count + 1, sizeof(*explain->holders));
	for (size_t i = 2; i < reply->count; i++)
		explain->holders[i - 2] = live_text(reply, i);
	explain->input.holders = explain->holders;
	explain->input.holder_count = reply->count > 2 ? reply->count - 2 : 0;
	ask_edges(question);
}

/* About "project/name". */
static void read_named(struct question *question, const char *what, struct slice its, live_handler *handler) {
	const struct explain *explain = question->own;
	struct text name = { 0 };
	text_add_slice(&name, explain->request.project);
	text_add_char(&name, '/');
	text_add_slice(&name, its);
	read_next(question, what, (struct slice){ name.bytes, name.length }, handler);
	text_release(&name);
}

/* A ready task finds its key taken only when a worker asks; until then it is pending. */
static void ask_key(struct question *question) {
	const struct view *view = &((const struct explain *)question->own)->view;
	bool may_wait = view->status == RECORD_PENDING || (view->status == RECORD_BLOCKED && slice_is(view->waits, "k"));
	if (may_wait && view->specification.concurrency_key.length > 0)
		read_named(question, "key", view->specification.concurrency_key, on_key);
	else
		ask_edges(question);
}

/* 3: the place in the queue */
static void on_place(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct question *question = context;
	struct explain *explain = question->own;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	explain->input.position = live_text(reply, 0).bytes != NULL ? live_int(reply, 0) + 1 : 0;
	live_free(&reply);
	ask_key(question);
}

static void ask_place(struct question *question) {
	const struct explain *explain = question->own;
	if (explain->view.status == RECORD_PENDING)
		read_named(question, "place", explain->request.task_id, on_place);
	else
		ask_key(question);
}

/* 2: pauses, each "task_type/project", one of them perhaps empty */
static void on_pauses(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct question *question = context;
	struct explain *explain = question->own;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	for (size_t i = 0; i < reply->count; i++) {
		struct slice project = live_text(reply, i);
		if (project.bytes == NULL)
			continue;
		struct slice task_type = slice_cut(&project, '/');
		bool type_fits = slice_equal(task_type, explain->view.task_type);
		bool project_fits = slice_equal(project, explain->view.project);
		explain->input.type_paused |= type_fits && (project.length == 0 || project_fits);
		explain->input.project_paused |= project_fits && task_type.length == 0;
	}
	live_free(&reply);
	ask_place(question);
}

/* Not in Redis: it has ended long ago, or there is none. */
static void on_row(void *context, enum status status, unsigned error_number, const struct error *err,
                   const struct db_result *result) {
	struct question *question = context;
	struct explain *explain = question->own;
	struct error error = { 0 };
	(void)error_number;
	if (status == STATUS_OK && db_rows(result) == 0)
		status = reject(&error, CODE_NOT_FOUND, "", "there is no task %.*s in project %.*s",
		                (int)explain->request.task_id.length, explain->request.task_id.bytes,
		                (int)explain->request.project.length, explain->request.project.bytes);
	if (status != STATUS_OK) {
		refuse(question, status, err != NULL && err->message[0] != '\0' ? err : &error);
		return;
	}
	rows_read_view(result, 0, &explain->scratch, &explain->view);
	answer(question);
}

/* 1: the task */
static void on_task(void *context, enum status status, struct live_reply *reply, const struct error *err) {
	struct question *question = context;
	struct explain *explain = question->own;
	bool has_specification;
	if (status != STATUS_OK) {
		refuse(question, status, err);
		return;
	}
	explain->reply = reply;
	explain->input.now_us = reply->now_us;
	explain->input.view = &explain->view;
	if (live_view(reply, 0, &explain->view, &has_specification)) {
		read_next(question, "pauses", (struct slice){ NULL, 0 }, on_pauses);
		return;
	}
	struct text sql = { 0 };
	rows_ask_task(&sql, &explain->request);
	history_select(question->monitor->history, &sql, on_row, question);
	text_release(&sql);
}

void on_explain(struct monitor *monitor, struct slice body, const struct asker *asker) {
	struct question *question = question_open(monitor, body, sizeof(struct explain), asker);
	if (question == NULL)
		return;
	struct explain *explain = question->own;
	struct error error = { 0 };
	if (task_request_parse(question->json, question->text, &task_limits_default, &explain->request, &error) !=
	    STATUS_OK) {
		question_fail(question, &error);
		return;
	}
	explain->partition = monitor_partition_of(monitor, explain->request.project);
	live_read_task(monitor->live, explain->partition, &explain->request, on_task, question);
}
