/* A walk up the edges of an outlook; see chain.h. */
#include "chain.h"

#include <stdlib.h>

#include "outlook_load.h"
#include "score.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "view.h"

/* Numbers to both sides: a graph is submitted at once, and others are counted by the queues. */
enum { NUMBERS_AROUND = 20000, TASKS_MAX = 10000, CHAIN_MAX = 100 };

void chain_ask(struct text *sql, size_t partition, struct slice project, int64_t number) {
	long long from = number > NUMBERS_AROUND ? number - NUMBERS_AROUND : 0, to = number + NUMBERS_AROUND;
	text_printf(sql,
	            "%s FROM tasks t WHERE t.partition_id=%zu AND t.number BETWEEN %lld AND %lld AND t.status IN"
	            " ('blocked','pending','running','retry') AND t.project=",
	            outlook_columns, partition, from, to);
	db_quote(sql, project);
	text_printf(sql, " ORDER BY t.number DESC LIMIT %d", TASKS_MAX);
}

static size_t find(const struct outlook_view *view, int64_t number) {
	for (size_t i = 0; i < view->row_count; i++)
		if (view->rows[i].number == number)
			return i;
	return OUTLOOK_NONE;
}

/* ------------------------------------------------------------------------------------------------ the chain */

struct walk {
	const struct outlook_view *view;
	size_t *queue, *depth; /* depth 0: not seen */
	size_t count;
};

static void visit(struct walk *walk, size_t i, size_t depth) {
	if (walk->depth[i] > 0 || walk->count > CHAIN_MAX)
		return;
	walk->depth[i] = depth;
	walk->queue[walk->count++] = i;
}

static void add_message(struct text *out, const struct outlook_view *view, size_t i) {
	const struct outlook_row *row = &view->rows[i];
	struct text message = { 0 };
	size_t waits = 0;
	text_add_slice(&message, row->task_id);
	if (row->status == RECORD_RUNNING) {
		text_add(&message, " is running on ");
		text_add_slice(&message, row->worker);
	} else if (row->status == RECORD_PENDING) {
		text_add(&message, " is ready and waits for a worker");
	} else if (row->status == RECORD_RETRY) {
		text_add(&message, " waits for its backoff after a failed try");
	} else {
		text_add(&message, " is blocked");
		for (size_t j = 0; j < view->edge_count && waits < 3; j++)
			if (view->edges[j].to == i) {
				text_add(&message, waits++ > 0 ? ", " : ": it waits for ");
				text_add_slice(&message, view->rows[view->edges[j].from].task_id);
			}
		if (waits == 0) {
			text_add(&message, ": it waits for ");
			text_add_slice(&message, row->waits);
		}
	}
	text_add(out, ",\"message\":");
	text_add_json(out, (struct slice){ message.bytes, message.length });
	text_release(&message);
}

static void add_link(struct text *out, const struct walk *walk, size_t i) {
	const struct outlook_row *row = &walk->view->rows[i];
	struct text waits = { 0 };
	view_waits_letters(&waits, row->waits);
	text_add(out, "{\"task_id\":");
	text_add_json(out, row->task_id);
	text_printf(out, ",\"status\":\"%s\",\"depth\":%zu,\"waits_for\":", record_status_word(row->status),
	            walk->depth[i] - 1);
	record_add_waits_json(out, row->status == RECORD_BLOCKED ? (struct slice){ waits.bytes, waits.length } : SLICE(""));
	add_message(out, walk->view, i);
	text_add_char(out, '}');
	text_release(&waits);
}

static void add_chain(struct text *out, const struct outlook_view *view, size_t task) {
	struct walk walk = { .view = view };
	walk.queue = memory_array(CHAIN_MAX + 2, sizeof(*walk.queue));
	walk.depth = memory_array(view->row_count + 1, sizeof(*walk.depth));
	visit(&walk, task, 1);
	for (size_t at = 0; at < walk.count; at++) {
		for (size_t i = 0; i < view->edge_count; i++)
			if (view->edges[i].to == walk.queue[at])
				visit(&walk, view->edges[i].from, walk.depth[walk.queue[at]] + 1);
		if (at > 0) {
			text_add(out, at > 1 ? "," : "");
			add_link(out, &walk, walk.queue[at]);
		}
	}
	free(walk.queue);
	free(walk.depth);
}

/* ------------------------------------------------------------------------------------------------ the estimate */

static void add_unknown(struct text *out, const char *basis) {
	text_add(out, "{\"known\":false,\"basis\":");
	text_add_json(out, slice_of(basis));
	text_add_char(out, '}');
}

static void add_estimate(struct text *out, const struct outlook_view *view, size_t i) {
	const struct outlook_task *task = &view->outlook.tasks[i];
	if (task->held) {
		add_unknown(out,
		            "it waits for what no time can tell: an approval, the end of a pause, or a dependency that is not "
		            "there or has ended otherwise");
		return;
	}
	if (task->pool == OUTLOOK_NONE) {
		add_unknown(out, "no worker that takes its type was seen lately");
		return;
	}
	if (task->finish_us == 0) {
		add_unknown(out, "something before it waits for what no time can tell");
		return;
	}
	int64_t left_us = task->start_us - view->outlook.now_us;
	text_add(out, "{\"known\":true");
	view_add_time(out, "starts_at", task->start_us);
	text_add(out, ",\"starts_in_s\":");
	score_add_number(out, left_us > 0 ? (double)left_us / 1e6 : 0);
	view_add_time(out, "finishes_at", task->finish_us);
	text_add(out, ",\"basis\":\"");
	outlook_add_basis(out, view);
	text_add(out, "\"}");
}

void chain_add(struct text *out, struct monitor *monitor, struct slice project, int64_t number,
               const struct db_result *result) {
	struct outlook_view view = { 0 };
	if (result != NULL)
		outlook_load(&view, monitor, project, result, TASKS_MAX);
	size_t task = find(&view, number);
	text_add(out, ",\"chain\":[");
	if (task != OUTLOOK_NONE)
		add_chain(out, &view, task);
	text_add(out, "],\"estimate\":");
	if (result == NULL)
		add_unknown(out, "MySQL does not answer");
	else if (task == OUTLOOK_NONE)
		add_unknown(out, "MySQL does not have the task yet, or it has ended");
	else
		add_estimate(out, &view, task);
	outlook_release(&view);
}
