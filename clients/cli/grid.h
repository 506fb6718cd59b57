/* A table for people: columns as wide as their content, the flexible ones cut so that a line fits the terminal. */
#ifndef CORDER_CLI_GRID_H
#define CORDER_CLI_GRID_H

#include "term.h"

struct grid_column {
	const char *title;
	bool right;    /* numbers */
	bool flexible; /* may be cut when the terminal is narrow */
};

struct grid;

struct grid *grid_open(const struct grid_column *columns, size_t count); /* borrows columns */
void grid_close(struct grid **grid);
/* Cells go row by row, left to right; the text is copied. */
void grid_cell(struct grid *grid, enum shade shade, struct slice text);
void grid_printf(struct grid *grid, enum shade shade, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t grid_rows(const struct grid *grid);
void grid_add(const struct grid *grid, const struct term *term, struct text *out);

#endif
