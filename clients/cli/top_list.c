/* The three lists: queues by type, what runs and on which worker, what failed lately. Gathered as rows of cells, filtered,
 * sorted by a column. */
#include "top_list.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "fields.h"

static const struct column queue_columns[] = {
	{ "TYPE", 0, false },  { "PENDING", 9, true }, { "RUNNING", 8, true }, { "IN/s", 7, true },
	{ "DONE/s", 7, true }, { "FAIL/s", 7, true },  { "OLDEST", 8, true },  { "", 7, false },
};
static const struct column worker_columns[] = {
	{ "WORKER", 22, false },
	{ "TASK", 0, false },
	{ "TYPE", 14, false },
	{ "FOR", 8, true },
};
static const struct column trouble_columns[] = {
	{ "AT", 8, true },
	{ "TASK", 26, false },
	{ "TYPE", 12, false },
	{ "ERROR", 0, false },
};

static const struct {
	const char *title;
	const struct column *columns;
	size_t count;
} panes[TOP_PANES] = {
	{ "queues", queue_columns, COUNT(queue_columns) },
	{ "running", worker_columns, COUNT(worker_columns) },
	{ "failures", trouble_columns, COUNT(trouble_columns) },
};

/* Columns that one may sort by: those with a title. */
static size_t sortable(enum top_pane pane) {
	size_t count = panes[pane].count;
	while (count > 0 && panes[pane].columns[count - 1].title[0] == 0)
		count--;
	return count;
}

void top_sort_next(struct top_view *view, int step) {
	size_t count = sortable(view->pane);
	view->sort[view->pane] = (view->sort[view->pane] + (step > 0 ? 1 : count - 1)) % count;
}

/* rows ----------------------------------------------------------------------------------------------------------- */

static struct row *add_row(struct list *list) {
	if (list->count == list->capacity) {
		list->capacity = list->capacity > 0 ? list->capacity * 2 : 32;
		list->rows = memory_resize(list->rows, list->capacity, sizeof *list->rows);
	}
	list->rows[list->count] = (struct row){ 0 };
	return &list->rows[list->count++];
}

static void set_text(struct row *row, size_t column, const char *text, enum shade shade) {
	row->cells[column] = (struct cell){ .text = slice_of(text != NULL ? text : ""), .shade = shade };
}

/* The words of a row grow while it is made: the cell is pointed at them by set_words. */
static void end_word(struct row *row, size_t column, double number, enum shade shade) {
	row->ends[column] = row->words.length;
	row->cells[column] = (struct cell){ .number = number, .shade = shade };
}

static void set_words(struct row *row) {
	size_t start = 0;
	for (size_t i = 0; i < COLUMNS_MOST; i++) {
		if (row->ends[i] == 0)
			continue;
		row->cells[i].text = (struct slice){ row->words.bytes + start, row->ends[i] - start };
		start = row->ends[i];
	}
}

static void add_rate(struct row *row, size_t column, const struct top_data *data, enum top_rate rate,
                     enum shade shade) {
	double per_s = top_rates_per_s(&row->queue->rates, clock_mono_us() / 1000000, data->since_s, rate);
	text_printf(&row->words, per_s < 100 ? "%.1f" : "%.0f", per_s);
	end_word(row, column, per_s, per_s > 0 ? shade : SHADE_DIM);
}

static void add_queue(struct list *list, const struct top_queue *queue) {
	struct row *row = add_row(list);
	row->queue = queue;
	set_text(row, 0, queue->task_type, SHADE_PLAIN);
	text_add_thousands(&row->words, queue->pending);
	end_word(row, 1, (double)queue->pending, queue->pending > 0 ? SHADE_YELLOW : SHADE_DIM);
	text_add_thousands(&row->words, queue->running);
	end_word(row, 2, (double)queue->running, queue->running > 0 ? SHADE_CYAN : SHADE_DIM);
	add_rate(row, 3, list->data, TOP_IN, SHADE_YELLOW);
	add_rate(row, 4, list->data, TOP_DONE, SHADE_GREEN);
	add_rate(row, 5, list->data, TOP_FAILED, SHADE_RED);
	if (queue->oldest_s >= 0)
		text_add_duration(&row->words, queue->oldest_s);
	else
		text_add_char(&row->words, '-');
	end_word(row, 6, queue->oldest_s, queue->oldest_s < 0 ? SHADE_DIM : SHADE_PLAIN);
	set_text(row, 7, queue->paused ? "paused" : "", SHADE_MAGENTA);
	set_words(row);
}

static void add_task_name(struct row *row, size_t column, const char *project, const char *task_id) {
	text_printf(&row->words, "%s/%s", project != NULL ? project : "", task_id != NULL ? task_id : "");
	end_word(row, column, 0, SHADE_PLAIN);
}

static void add_running(struct list *list, const struct top_running *running) {
	struct row *row = add_row(list);
	double for_s = (double)(clock_wall_us() - running->since_us) / 1e6;
	set_text(row, 0, running->worker, SHADE_CYAN);
	add_task_name(row, 1, running->project, running->task_id);
	set_text(row, 2, running->task_type, SHADE_DIM);
	text_add_duration(&row->words, for_s);
	end_word(row, 3, for_s, SHADE_PLAIN);
	set_words(row);
}

/* A worker that has nothing to do: behind those that run something. */
static void add_idle(struct list *list, const struct top_worker *worker) {
	struct row *row = add_row(list);
	double for_s = (double)(clock_mono_us() - worker->seen_us) / 1e6;
	set_text(row, 0, worker->name, SHADE_DIM);
	set_text(row, 1, "idle", SHADE_DIM);
	set_text(row, 2, "", SHADE_DIM);
	text_add_duration(&row->words, for_s);
	end_word(row, 3, -1 - for_s, SHADE_DIM);
	set_words(row);
}

static void add_failure(struct list *list, const struct top_failure *failure) {
	struct row *row = add_row(list);
	text_add_clock(&row->words, failure->at_us, false);
	end_word(row, 0, (double)failure->at_us, SHADE_DIM);
	add_task_name(row, 1, failure->project, failure->task_id);
	row->cells[1].shade = failure->is_final ? SHADE_RED : SHADE_MAGENTA;
	set_text(row, 2, failure->task_type, SHADE_DIM);
	text_printf(&row->words, "%s%s: %s", failure->is_final ? "" : "will retry, ", failure->code ? failure->code : "",
	            failure->message ? failure->message : "");
	end_word(row, 3, 0, SHADE_PLAIN);
	set_words(row);
}

static void gather_workers(struct list *list) {
	size_t at = 0;
	struct slice key;
	void *value;
	while (table_next(list->data->running, &at, &key, &value))
		if (((const struct top_running *)value)->gone_us == 0)
			add_running(list, value);
	for (at = 0; table_next(list->data->workers, &at, &key, &value);)
		if (((const struct top_worker *)value)->runs == 0)
			add_idle(list, value);
}

static void gather(struct list *list, enum top_pane pane) {
	const struct top_data *data = list->data;
	if (pane == TOP_QUEUES)
		for (size_t i = 0; i < data->queue_count; i++)
			add_queue(list, data->queues[i]);
	else if (pane == TOP_WORKERS)
		gather_workers(list);
	else
		for (size_t i = 0; top_data_failure(data, i) != NULL; i++)
			add_failure(list, top_data_failure(data, i));
}

/* filter and order ----------------------------------------------------------------------------------------------- */

static bool holds(const struct row *row, size_t columns, const char *filter) {
	size_t length = strlen(filter);
	if (length == 0)
		return true;
	for (size_t c = 0; c < columns; c++) {
		struct slice text = row->cells[c].text;
		for (size_t i = 0; i + length <= text.length; i++)
			if (strncasecmp(text.bytes + i, filter, length) == 0)
				return true;
	}
	return false;
}

static void keep_matching(struct list *list, const char *filter) {
	size_t kept = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (holds(&list->rows[i], list->column_count, filter))
			list->rows[kept++] = list->rows[i];
		else
			text_release(&list->rows[i].words);
	}
	list->count = kept;
}

static int compare_texts(struct slice a, struct slice b) {
	size_t shorter = a.length < b.length ? a.length : b.length;
	int order = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;
	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_rows(const void *left, const void *right, void *context) {
	const struct list *list = context;
	const struct row *a = left, *b = right;
	const struct cell *x = &a->cells[list->sort], *y = &b->cells[list->sort];
	int order = list->columns[list->sort].is_number ? (x->number < y->number) - (x->number > y->number)
	                                                : compare_texts(x->text, y->text);
	for (size_t c = 0; order == 0 && c < list->column_count; c++)
		if (!list->columns[c].is_number)
			order = compare_texts(a->cells[c].text, b->cells[c].text);
	return list->reversed ? -order : order;
}

void top_list_make(struct list *list, const struct top_data *data, const struct top_view *view, enum top_pane pane) {
	*list = (struct list){ .data = data, .columns = panes[pane].columns, .column_count = panes[pane].count };
	list->sort = view->sort[pane] % sortable(pane);
	list->reversed = view->reversed[pane];
	gather(list, pane);
	keep_matching(list, view->filter);
	if (list->count > 1)
		qsort_r(list->rows, list->count, sizeof *list->rows, compare_rows, list);
}

void top_list_release(struct list *list) {
	for (size_t i = 0; i < list->count; i++)
		text_release(&list->rows[i].words);
	free(list->rows);
}

const char *top_selected_type(const struct top_data *data, struct top_view *view) {
	struct list list;
	top_list_make(&list, data, view, TOP_QUEUES);
	size_t selected = view->selected[TOP_QUEUES];
	const char *type = selected < list.count ? list.rows[selected].queue->task_type : NULL;
	top_list_release(&list);
	return type;
}
