/* Cells of rows; see rows.h. */
#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "sql.h"

static const struct slice nothing = { NULL, 0 };

/* As text: what stands before a cell. */
static struct text *place(struct rows *rows) {
	struct text *sql = rows->sql;
	if (rows->open) {
		text_add_char(sql, ',');
		return sql;
	}
	rows->open = true;
	if (rows->count == 0)
		text_add(sql, rows->head);
	else
		text_add_char(sql, ',');
	text_add_char(sql, '(');
	return sql;
}

void rows_next(struct rows *rows) {
	rows->count++;
	rows->open = false;
	if (!rows->bulk)
		text_add_char(rows->sql, ')');
}

void rows_end(struct rows *rows, const char *tail) {
	if (rows->bulk || rows->count == 0)
		return;
	text_add(rows->sql, tail);
	text_append(rows->sql, ";\n", 2);
}

void cell_int(struct rows *rows, int64_t value) {
	if (rows->bulk)
		db_bulk_int(rows->bulk, value);
	else
		text_add_int(place(rows), value);
}

void cell_null(struct rows *rows) {
	if (rows->bulk)
		db_bulk_null(rows->bulk);
	else
		text_append(place(rows), "NULL", 4);
}

void cell_time(struct rows *rows, int64_t at_us) {
	if (rows->bulk)
		db_bulk_time(rows->bulk, at_us);
	else
		sql_time(place(rows), at_us);
}

void cell_time_or_null(struct rows *rows, int64_t at_us) {
	if (at_us)
		cell_time(rows, at_us);
	else
		cell_null(rows);
}

void cell_id(struct rows *rows, struct slice id) {
	if (rows->bulk)
		db_bulk_text(rows->bulk, id);
	else
		sql_id(place(rows), id);
}

void cell_id_or_null(struct rows *rows, struct slice id) {
	if (id.length)
		cell_id(rows, id);
	else
		cell_null(rows);
}

void cell_text(struct rows *rows, struct slice value) {
	if (rows->bulk)
		db_bulk_text(rows->bulk, value);
	else
		sql_text(place(rows), value);
}

void cell_text_or_null(struct rows *rows, struct slice value) {
	if (value.length)
		cell_text(rows, value);
	else
		cell_null(rows);
}

void cell_copy(struct rows *rows, struct slice value) {
	if (rows->bulk)
		db_bulk_copy(rows->bulk, value);
	else
		sql_id(place(rows), value);
}

void cell_json_or_null(struct rows *rows, struct slice body) {
	if (!body.length || !memchr(body.bytes, '\\', body.length)) {
		cell_text_or_null(rows, body);
		return;
	}
	struct text plain = { 0 };
	json_body_text(&plain, body);
	struct slice value = { plain.bytes, plain.length };
	if (rows->bulk)
		db_bulk_copy(rows->bulk, value);
	else
		sql_text(place(rows), value);
	text_release(&plain);
}

/* Short enough to go as text in both forms. */
void cell_seconds_or_null(struct rows *rows, int64_t us) {
	char literal[48];
	if (us == 0) {
		cell_id_or_null(rows, nothing);
		return;
	}
	int length =
		snprintf(literal, sizeof(literal), "%lld.%06lld", (long long)(us / 1000000), (long long)(us % 1000000));
	cell_copy(rows, (struct slice){ literal, (size_t)length });
}
