/* The cells of a bulk statement, gathered into arrays; see db_bulk.h. Knows no server: db_statement.c binds and runs. */
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"
#include "db_bulk_inside.h"

enum { PIECE_BYTES = 256 << 10, FIRST_ROWS = 256 };

static const int64_t DAY_US = INT64_C(86400000000);

struct db_bulk *db_bulk_open(const char *sql) {
	struct db_bulk *bulk = memory_new(sizeof(*bulk));
	bulk->sql = sql;
	bulk->known_day = -1;
	for (const char *at = sql; *at; at++)
		bulk->column_count += *at == '?';
	must(bulk->column_count > 0);
	bulk->columns = memory_array(bulk->column_count, sizeof(*bulk->columns));
	return bulk;
}

void db_bulk_clear(struct db_bulk *bulk) {
	must(bulk->column == 0);
	bulk->rows = bulk->bytes = 0;
	for (size_t i = 0; i < bulk->column_count; i++)
		bulk->columns[i].kind = DB_CELL_NULL, bulk->columns[i].filled = bulk->columns[i].wide = false;
	while (bulk->pieces) {
		struct db_piece *piece = bulk->pieces;
		bulk->pieces = piece->next;
		if (piece->size > PIECE_BYTES) {
			free(piece);
			continue;
		}
		piece->used = 0;
		piece->next = bulk->spare;
		bulk->spare = piece;
	}
}

void db_bulk_free(struct db_bulk *closed) {
	closed->column = 0;
	db_bulk_clear(closed);
	while (closed->spare) {
		struct db_piece *piece = closed->spare;
		closed->spare = piece->next;
		free(piece);
	}
	for (size_t i = 0; i < closed->column_count; i++) {
		free(closed->columns[i].values);
		free(closed->columns[i].lengths);
		free(closed->columns[i].indicators);
	}
	free(closed->columns);
	text_release(&closed->prepared);
	free(closed->binds);
	free(closed);
}

static void *take_bytes(struct db_bulk *bulk, size_t bytes) {
	size_t aligned = (bytes + 15) & ~(size_t)15;
	struct db_piece *piece = bulk->pieces;
	if (!piece || piece->size - piece->used < aligned) {
		piece = bulk->spare;
		if (piece && aligned <= piece->size) {
			bulk->spare = piece->next;
		} else {
			size_t size = aligned > PIECE_BYTES ? aligned : PIECE_BYTES;
			piece = memory_new(sizeof(*piece) + size);
			piece->size = size;
		}
		piece->next = bulk->pieces;
		bulk->pieces = piece;
	}
	void *taken = piece->bytes + piece->used;
	piece->used += aligned;
	return taken;
}

static void grow(struct db_bulk *bulk) {
	bulk->capacity = bulk->capacity ? bulk->capacity * 2 : FIRST_ROWS;
	for (size_t i = 0; i < bulk->column_count; i++) {
		struct db_column *column = &bulk->columns[i];
		column->values = memory_resize(column->values, bulk->capacity, sizeof(*column->values));
		column->lengths = memory_resize(column->lengths, bulk->capacity, sizeof(*column->lengths));
		column->indicators = memory_resize(column->indicators, bulk->capacity, sizeof(*column->indicators));
	}
}

static struct db_column *next_cell(struct db_bulk *bulk, enum db_cell kind, size_t *row) {
	if (bulk->rows == bulk->capacity)
		grow(bulk);
	struct db_column *column = &bulk->columns[bulk->column];
	*row = bulk->rows;
	if (kind != DB_CELL_NULL) {
		must(column->kind == kind || column->kind == DB_CELL_NULL);
		column->kind = kind;
	}
	column->indicators[*row] = kind == DB_CELL_NULL ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE;
	if (++bulk->column == bulk->column_count) {
		bulk->column = 0;
		bulk->rows++;
	}
	return column;
}

static MYSQL_TIME *no_time(void) {
	static MYSQL_TIME none;
	return &none;
}

/* A NULL needs a readable value all the same. */
void db_bulk_null(struct db_bulk *bulk) {
	size_t row;
	struct db_column *column = next_cell(bulk, DB_CELL_NULL, &row);
	column->values[row].pointer = no_time();
	column->lengths[row] = 0;
	bulk->bytes++;
}

void db_bulk_int(struct db_bulk *bulk, int64_t value) {
	size_t row;
	struct db_column *column = next_cell(bulk, DB_CELL_INT, &row);
	column->values[row].number = value;
	column->filled = true;
	bulk->bytes += 9;
}

static void set_date(struct db_bulk *bulk, int64_t day) {
	char text[CLOCK_TEXT_BYTES];
	clock_format(day * DAY_US, text);
	bulk->known_day = day;
	bulk->year = (unsigned)slice_int((struct slice){ text, 4 }, 1970);
	bulk->month = (unsigned)slice_int((struct slice){ text + 5, 2 }, 1);
	bulk->day = (unsigned)slice_int((struct slice){ text + 8, 2 }, 1);
}

void db_bulk_time(struct db_bulk *bulk, int64_t at_us) {
	size_t row;
	int64_t day = at_us / DAY_US;
	unsigned long rest = (unsigned long)(at_us - day * DAY_US);
	struct db_column *column = next_cell(bulk, DB_CELL_TIME, &row);
	MYSQL_TIME *time = take_bytes(bulk, sizeof(*time));
	if (day != bulk->known_day)
		set_date(bulk, day);
	*time = (MYSQL_TIME){ .year = bulk->year,
		                  .month = bulk->month,
		                  .day = bulk->day,
		                  .hour = (unsigned)(rest / 3600000000UL),
		                  .minute = (unsigned)(rest / 60000000UL % 60),
		                  .second = (unsigned)(rest / 1000000UL % 60),
		                  .second_part = rest % 1000000UL,
		                  .time_type = MYSQL_TIMESTAMP_DATETIME };
	column->values[row].pointer = time;
	column->filled = true;
	bulk->bytes += 13;
}

static bool is_wide(struct slice value) {
	uint64_t eight, all = 0;
	size_t i = 0;
	for (; i + sizeof(eight) <= value.length; i += sizeof(eight)) {
		memcpy(&eight, value.bytes + i, sizeof(eight));
		all |= eight;
	}
	for (; i < value.length; i++)
		all |= (unsigned char)value.bytes[i];
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

void db_bulk_text(struct db_bulk *bulk, struct slice value) {
	size_t row;
	struct db_column *column = next_cell(bulk, DB_CELL_TEXT, &row);
	column->values[row].pointer = value.length ? value.bytes : "";
	column->lengths[row] = value.length;
	column->filled |= value.length > 0;
	column->wide |= is_wide(value);
	bulk->bytes += value.length + 4;
}

void db_bulk_copy(struct db_bulk *bulk, struct slice value) {
	char *bytes = take_bytes(bulk, value.length + 1);
	if (value.length)
		memcpy(bytes, value.bytes, value.length);
	db_bulk_text(bulk, (struct slice){ bytes, value.length });
}

/* ---- the statement ---- */

bool db_bulk_fits(const struct db_bulk *bulk) {
	for (size_t i = 0; i < bulk->column_count; i++) {
		const struct db_column *column = &bulk->columns[i];
		if (column->filled && !column->prepared)
			return false;
		if (!column->filled && column->prepared && bulk->rows > DB_BULK_FEW_ROWS)
			return false;
	}
	return true;
}

/* Few rows keep the columns that were there already: they may come again. */
void db_bulk_choose(struct db_bulk *bulk) {
	struct slice names = slice_of(strchr(bulk->sql, '(') + 1);
	size_t count = 0;
	text_clear(&bulk->prepared);
	text_append(&bulk->prepared, bulk->sql, (size_t)(names.bytes - bulk->sql));
	names.length = (size_t)(strchr(names.bytes, ')') - names.bytes);
	for (size_t i = 0; i < bulk->column_count; i++) {
		struct db_column *column = &bulk->columns[i];
		struct slice name = slice_cut(&names, ',');
		column->prepared = column->filled || (column->prepared && bulk->rows <= DB_BULK_FEW_ROWS);
		if (!column->prepared)
			continue;
		text_add(&bulk->prepared, count++ ? "," : "");
		text_add_slice(&bulk->prepared, name);
	}
	text_add(&bulk->prepared, ")VALUES(");
	for (size_t i = 0; i < count; i++)
		text_add(&bulk->prepared, i ? ",?" : "?");
	text_add(&bulk->prepared, strrchr(bulk->sql, '?') + 1);
}

size_t db_bulk_rows(const struct db_bulk *bulk) {
	return bulk->rows;
}

size_t db_bulk_bytes(const struct db_bulk *bulk) {
	return bulk->bytes;
}
