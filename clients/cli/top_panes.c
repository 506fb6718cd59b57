/* The three lists: queues by type, what runs and on which worker, what failed lately. A list is gathered as rows of
 * cells, filtered, sorted by a column, and drawn in the lines that it is given. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../shared/base/clock.h"
#include "../../shared/base/memory.h"
#include "../../shared/base/table.h"
#include "fields.h"
#include "top.h"

enum { COLUMNS_MOST = 8, NAME_LEAST = 12, LINES_OF_OTHERS = 3, SPARK_LEAST = 8, SPARK_MOST = 60 };

struct column {
	const char *title;
	size_t width;   /* 0: takes what is left */
	bool is_number; /* to the right, largest first */
};

struct cell {
	struct slice text;
	double number; /* to sort by, when the column is one of numbers */
	enum shade shade;
};

struct row {
	struct cell cells[COLUMNS_MOST];
	const struct top_queue *queue; /* of a row of queues: its sparkline */
	struct text words;             /* what the cells borrow, made for this row */
	size_t ends[COLUMNS_MOST];
};

struct list {
	const struct top_data *data;
	const struct column *columns;
	size_t column_count, sort;
	bool reversed;
	struct row *rows;
	size_t count, capacity;
};

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

static void gather(struct list *list, enum top_pane pane) {
	const struct top_data *data = list->data;
	size_t at = 0;
	struct slice key;
	void *value;
	if (pane == TOP_QUEUES) {
		for (size_t i = 0; i < data->queue_count; i++)
			add_queue(list, data->queues[i]);
	} else if (pane == TOP_WORKERS) {
		while (table_next(data->running, &at, &key, &value))
			if (((const struct top_running *)value)->gone_us == 0)
				add_running(list, value);
	} else {
		for (const struct top_failure *failure; (failure = top_data_failure(data, at)) != NULL; at++)
			add_failure(list, failure);
	}
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

static void make_list(struct list *list, const struct top_data *data, const struct top_view *view, enum top_pane pane) {
	*list = (struct list){ .data = data, .columns = panes[pane].columns, .column_count = panes[pane].count };
	list->sort = view->sort[pane] % sortable(pane);
	list->reversed = view->reversed[pane];
	gather(list, pane);
	keep_matching(list, view->filter);
	if (list->count > 1)
		qsort_r(list->rows, list->count, sizeof *list->rows, compare_rows, list);
}

static void release_list(struct list *list) {
	for (size_t i = 0; i < list->count; i++)
		text_release(&list->rows[i].words);
	free(list->rows);
}

const char *top_selected_type(const struct top_data *data, struct top_view *view) {
	struct list list;
	make_list(&list, data, view, TOP_QUEUES);
	size_t selected = view->selected[TOP_QUEUES];
	const char *type = selected < list.count ? list.rows[selected].queue->task_type : NULL;
	release_list(&list);
	return type;
}

/* drawing -------------------------------------------------------------------------------------------------------- */

/* What the column needs for all of its rows. */
static size_t widest(const struct list *list, size_t column) {
	size_t most = NAME_LEAST;
	for (size_t i = 0; i < list->count; i++) {
		size_t columns = term_columns(list->rows[i].cells[column].text);
		most = columns > most ? columns : most;
	}
	return most;
}

/* The widths of all columns; the flexible one takes what it needs of the rest, a sparkline of queues what is left then. */
static void measure(const struct list *list, const struct term *term, enum top_pane pane, size_t *widths,
                    size_t *spark) {
	size_t taken = 1, flexible = 0;
	for (size_t c = 0; c < list->column_count; c++) {
		widths[c] = list->columns[c].width;
		taken += widths[c] + 1;
		flexible = widths[c] == 0 ? c : flexible;
	}
	size_t left = term->width > taken + NAME_LEAST ? term->width - taken : NAME_LEAST;
	size_t needed = widest(list, flexible);
	widths[flexible] = needed < left ? needed : left;
	left -= widths[flexible];
	*spark = pane == TOP_QUEUES && left > SPARK_LEAST ? left - 1 : 0;
	*spark = *spark > SPARK_MOST ? SPARK_MOST : *spark;
}

static void draw_row(const struct list *list, const struct term *term, struct text *out, const struct row *row,
                     const size_t *widths, size_t spark) {
	text_add_char(out, ' ');
	for (size_t c = 0; c < list->column_count; c++) {
		term_add_cell(term, out, row->cells[c].shade, row->cells[c].text, widths[c], list->columns[c].is_number);
		text_add_char(out, ' ');
	}
	if (spark > 0)
		top_add_spark(term, out, SHADE_GREEN, &row->queue->rates, clock_mono_us() / 1000000, TOP_DONE, spark);
}

/* A whole line in one shade: what was written from start on, filled up to the width. */
static void end_line(const struct term *term, struct text *out, size_t start, enum shade shade) {
	size_t columns = term_visible_columns((struct slice){ out->bytes + start, out->length - start });
	if (columns < term->width)
		text_printf(out, "%*s", (int)(term->width - columns), "");
	term_end(term, out, shade);
}

static void draw_selected(const struct list *list, const struct term *term, struct text *out, const struct row *row,
                          const size_t *widths, size_t spark) {
	struct term plain = *term;
	plain.colour = false;
	term_begin(term, out, SHADE_SELECTED);
	size_t start = out->length;
	draw_row(list, &plain, out, row, widths, spark);
	end_line(term, out, start, SHADE_SELECTED);
}

static void draw_heads(const struct list *list, const struct term *term, struct text *out, const struct top_view *view,
                       enum top_pane pane, const size_t *widths) {
	bool is_focus = view->pane == pane && term->live;
	enum shade shade = is_focus ? SHADE_HEAD : SHADE_RULE;
	term_begin(term, out, shade);
	size_t start = out->length;
	text_add(out, is_focus && !term->colour ? ">" : " ");
	for (size_t c = 0; c < list->column_count; c++) {
		struct text title = { 0 };
		text_add(&title, list->columns[c].title);
		if (c == list->sort && is_focus)
			text_add(&title, term->unicode ? (list->reversed ? "▲" : "▼") : list->reversed ? "^" : "v");
		term_add_cell(term, out, SHADE_PLAIN, text_slice(&title), widths[c], list->columns[c].is_number);
		text_add_char(out, ' ');
		text_release(&title);
	}
	end_line(term, out, start, shade);
	text_add_char(out, '\n');
}

/* Keeps the selected row among those that are shown. */
static void scroll(struct top_view *view, enum top_pane pane, size_t count, size_t lines) {
	size_t *selected = &view->selected[pane], *first = &view->first[pane];
	view->rows[pane] = count;
	view->visible[pane] = lines;
	*selected = *selected >= count ? (count > 0 ? count - 1 : 0) : *selected;
	if (*selected < *first)
		*first = *selected;
	if (lines > 0 && *selected >= *first + lines)
		*first = *selected - lines + 1;
	if (*first + lines > count)
		*first = count > lines ? count - lines : 0;
}

static void draw_list(const struct list *list, const struct term *term, struct text *out, struct top_view *view,
                      enum top_pane pane, size_t lines) {
	size_t widths[COLUMNS_MOST], spark;
	measure(list, term, pane, widths, &spark);
	scroll(view, pane, list->count, lines);
	draw_heads(list, term, out, view, pane, widths);
	for (size_t i = view->first[pane]; i < list->count && i < view->first[pane] + lines; i++) {
		if (term->live && view->pane == pane && i == view->selected[pane])
			draw_selected(list, term, out, &list->rows[i], widths, spark);
		else
			draw_row(list, term, out, &list->rows[i], widths, spark);
		text_add_char(out, '\n');
	}
}

/* Lines for the rows of each list: a few for all, what is left for the one that is looked at, then for the others. */
static void share(const struct list *lists, enum top_pane focus, size_t height, size_t *lines) {
	size_t left = height > TOP_PANES ? height - TOP_PANES : 0;
	for (size_t p = 0; p < TOP_PANES; p++) {
		size_t wanted = lists[p].count < LINES_OF_OTHERS ? lists[p].count : LINES_OF_OTHERS;
		lines[p] = wanted < left ? wanted : left;
		left -= lines[p];
	}
	for (size_t turn = 0; turn < TOP_PANES; turn++) {
		size_t p = (focus + turn) % TOP_PANES;
		size_t more = lists[p].count - lines[p];
		more = more < left ? more : left;
		lines[p] += more;
		left -= more;
	}
}

void top_panes_add(const struct top_data *data, struct top_view *view, const struct term *term, struct text *out,
                   size_t height) {
	struct list lists[TOP_PANES];
	size_t lines[TOP_PANES];
	for (size_t p = 0; p < TOP_PANES; p++) {
		make_list(&lists[p], data, view, (enum top_pane)p);
		lines[p] = lists[p].count;
	}
	if (height > 0)
		share(lists, view->pane, height, lines);
	for (size_t p = 0; p < TOP_PANES; p++) {
		if (height > 0 || lists[p].count > 0)
			draw_list(&lists[p], term, out, view, (enum top_pane)p, lines[p]);
		release_list(&lists[p]);
	}
}
