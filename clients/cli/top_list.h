/* The lists of `corder top` as rows of cells, filtered and in order: what top_list.c makes and top_panes.c draws. */
#ifndef CORDER_CLI_TOP_LIST_H
#define CORDER_CLI_TOP_LIST_H

#include "top.h"

enum { COLUMNS_MOST = 8 };

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

void top_list_make(struct list *list, const struct top_data *data, const struct top_view *view, enum top_pane pane);
void top_list_release(struct list *list);

#endif
