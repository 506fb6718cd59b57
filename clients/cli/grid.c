/* Tables that fit. */
#include "grid.h"

#include <stdarg.h>
#include <stdlib.h>

#include "../../shared/base/memory.h"

struct cell {
	char *text;
	enum shade shade;
};

struct grid {
	const struct grid_column *columns;
	size_t column_count;
	struct cell *cells;
	size_t count, capacity;
};

enum { COLUMN_GAP = 2, FLEXIBLE_LEAST = 8 };

struct grid *grid_open(const struct grid_column *columns, size_t count) {
	struct grid *grid = memory_new(sizeof *grid);
	grid->columns = columns;
	grid->column_count = count;
	return grid;
}

void grid_close(struct grid **grid) {
	if (*grid == NULL)
		return;
	for (size_t i = 0; i < (*grid)->count; i++)
		free((*grid)->cells[i].text);
	free((*grid)->cells);
	free(*grid);
	*grid = NULL;
}

void grid_cell(struct grid *grid, enum shade shade, struct slice text) {
	if (grid->count == grid->capacity) {
		grid->capacity = grid->capacity == 0 ? 64 : grid->capacity * 2;
		grid->cells = memory_resize(grid->cells, grid->capacity, sizeof *grid->cells);
	}
	grid->cells[grid->count++] = (struct cell){ slice_copy(text), shade };
}

void grid_printf(struct grid *grid, enum shade shade, const char *format, ...) {
	struct text said = { 0 };
	va_list arguments;
	va_start(arguments, format);
	text_vprintf(&said, format, arguments);
	va_end(arguments);
	grid_cell(grid, shade, (struct slice){ said.bytes, said.length });
	text_release(&said);
}

size_t grid_rows(const struct grid *grid) {
	return grid->count / grid->column_count;
}

static void measure(const struct grid *grid, size_t *widths) {
	for (size_t c = 0; c < grid->column_count; c++)
		widths[c] = term_columns(slice_of(grid->columns[c].title));
	for (size_t i = 0; i < grid->count; i++) {
		size_t columns = term_columns(slice_of(grid->cells[i].text));
		size_t c = i % grid->column_count;
		if (columns > widths[c])
			widths[c] = columns;
	}
}

/* Takes columns off the widest flexible one until the line fits. */
static void shrink(const struct grid *grid, size_t width, size_t *widths) {
	size_t total = (grid->column_count - 1) * COLUMN_GAP;
	for (size_t c = 0; c < grid->column_count; c++)
		total += widths[c];
	while (total > width) {
		size_t widest = grid->column_count;
		for (size_t c = 0; c < grid->column_count; c++)
			if (grid->columns[c].flexible && (widest == grid->column_count || widths[c] > widths[widest]))
				widest = c;
		if (widest == grid->column_count || widths[widest] <= FLEXIBLE_LEAST)
			return;
		widths[widest]--;
		total--;
	}
}

static void add_line_end(struct text *out) {
	while (out->length > 0 && out->bytes[out->length - 1] == ' ')
		out->bytes[--out->length] = 0;
	text_add_char(out, '\n');
}

void grid_add(const struct grid *grid, const struct term *term, struct text *out) {
	size_t *widths = memory_array(grid->column_count, sizeof *widths);
	measure(grid, widths);
	if (term->live)
		shrink(grid, term->width, widths);
	for (size_t c = 0; c < grid->column_count; c++) {
		if (c > 0)
			text_printf(out, "%*s", COLUMN_GAP, "");
		term_add_cell(term, out, SHADE_BOLD, slice_of(grid->columns[c].title), widths[c], grid->columns[c].right);
	}
	add_line_end(out);
	for (size_t i = 0; i < grid->count; i++) {
		size_t c = i % grid->column_count;
		if (c > 0)
			text_printf(out, "%*s", COLUMN_GAP, "");
		const struct cell *cell = &grid->cells[i];
		term_add_cell(term, out, cell->shade, slice_of(cell->text), widths[c], grid->columns[c].right);
		if (c + 1 == grid->column_count)
			add_line_end(out);
	}
	free(widths);
}
