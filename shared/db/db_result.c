/* Reading results. */
#include <stdlib.h>

#include "../base/memory.h"
#include "db_inside.h"

void db_result_clear(struct db_result *result) {
	if (result->cursor)
		free(result->cursor->places);
	if (result->set)
		mysql_free_result(result->set);
	*result = (struct db_result){ 0 };
}

size_t db_rows(const struct db_result *result) {
	return result && result->set ? (size_t)mysql_num_rows(result->set) : 0;
}

/* Rows form a list: going on to the next is cheap, anything else would walk from the first. */
static void find_places(const struct db_result *result) {
	size_t count = db_rows(result);
	result->cursor->places = memory_array(count, sizeof(*result->cursor->places));
	mysql_data_seek(result->set, 0);
	for (size_t row = 0; row < count; row++) {
		result->cursor->places[row] = mysql_row_tell(result->set);
		mysql_fetch_row(result->set);
	}
}

static void move_to(const struct db_result *result, size_t row) {
	struct db_cursor *cursor = result->cursor;
	if (cursor->values && cursor->row == row)
		return;
	bool next = cursor->values ? cursor->row + 1 == row : row == 0;
	if (!next && !cursor->places)
		find_places(result);
	if (!next)
		mysql_row_seek(result->set, cursor->places[row]);
	cursor->values = mysql_fetch_row(result->set);
	cursor->lengths = mysql_fetch_lengths(result->set);
	cursor->row = row;
}

struct slice db_value(const struct db_result *result, size_t row, size_t column) {
	if (row >= db_rows(result) || column >= mysql_num_fields(result->set))
		return (struct slice){ NULL, 0 };
	move_to(result, row);
	const char *value = result->cursor->values[column];
	return (struct slice){ value, value ? (size_t)result->cursor->lengths[column] : 0 };
}

int64_t db_int(const struct db_result *result, size_t row, size_t column) {
	struct slice value = db_value(result, row, column);
	return value.bytes ? slice_int(value, 0) : 0;
}

uint64_t db_affected(const struct db_result *result) {
	return result ? result->affected : 0;
}
