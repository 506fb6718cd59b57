/* Draws the three lists into the lines that there are: the one that is looked at gets the most, its selected row stands
 * out and stays in sight. */
#include "../../shared/base/clock.h"
#include "fields.h"
#include "top_list.h"

enum { NAME_LEAST = 12, LINES_OF_OTHERS = 3, SPARK_LEAST = 8, SPARK_MOST = 60 };

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
		top_list_make(&lists[p], data, view, (enum top_pane)p);
		lines[p] = lists[p].count;
	}
	if (height > 0)
		share(lists, view->pane, height, lines);
	for (size_t p = 0; p < TOP_PANES; p++) {
		if (height > 0 || lists[p].count > 0)
			draw_list(&lists[p], term, out, view, (enum top_pane)p, lines[p]);
		top_list_release(&lists[p]);
	}
}
